"""What this host records: classes of events, what would write each down, and where that ends."""
