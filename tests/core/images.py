"""A mounted system image: a folder with the files of a Debian server, for the host that reads images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hardentui.host.image import ImageHost

from . import hosts

OS_RELEASE = 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n'


def image(
    root: Path, files: Mapping[str, str] | None = None, links: Mapping[str, str] | None = None
) -> ImageHost:
    """An image below ``root``; ``files`` and ``links`` stand beside those of the synthetic server."""
    server = hosts.server(files={"/usr/lib/os-release": OS_RELEASE, **(files or {})}, links=dict(links or {}))
    for path, text in server.files.items():
        at = root / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(str(text), encoding="utf-8")
    for path, target in server.links.items():
        at = root / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.symlink_to(target)
    return ImageHost(str(root))
