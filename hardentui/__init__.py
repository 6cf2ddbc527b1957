"""hardentui: a terminal assistant that walks an administrator through hardening one Linux server."""

__version__ = "0.1.0"
