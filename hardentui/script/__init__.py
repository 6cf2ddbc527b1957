"""Plan to bash: the renderer, and the fixed runtime that every script carries."""

from hardentui.script.renderer import render

__all__ = ["render"]
