"""Application profiles and the flows between machines: what an application needs, against what is seen."""
