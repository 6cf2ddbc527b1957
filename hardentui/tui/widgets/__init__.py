"""Widgets that take prepared text only (see hardentui.tui.text): mypy and a test keep strings out."""
