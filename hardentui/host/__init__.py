"""Where facts come from: the live system, a mounted image, or a recording of either."""
