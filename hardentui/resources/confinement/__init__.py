"""What holds the services that run: the matrix of them, and recommendations about it."""
