"""The command that prints how fast the logs grow, and when their file systems are full."""

from __future__ import annotations

import argparse
import codecs
import os
import sys

from hardentui.cli import inputs, output
from hardentui.export import volume as export
from hardentui.export import volume_json
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.resources.volume.forecast import volumes


def volume(options: argparse.Namespace) -> int:
    """Each file system of logs: how full, how fast it fills, and what happens then."""
    snapshot = inputs.snapshot(options)
    found = volumes(snapshot)
    if isinstance(found, Gap):
        output.complain(explain(found))
        return output.NOT_EVALUATED
    if options.json:
        output.put(volume_json.document(found) + "\n")
    else:
        output.show(export.text(snapshot, found, output.width(), braille=_has_braille()))
    tree = found.tree
    # How much room an image has is not asked: that is no reason to say that something was not seen.
    unseen = tree.left_out or tree.unread_count or tree.cut or (snapshot.live and found.gaps)
    return output.NOT_EVALUATED if unseen else 0


def _has_braille() -> bool:
    """Whether braille dots can be written: in UTF-8, and not on Linux's own console, whose font has none."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return codecs.lookup(encoding).name == "utf-8" and os.environ.get("TERM") != "linux"
