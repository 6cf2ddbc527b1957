"""Runs inside a fresh mount namespace: mounts, remounts, says what mountinfo shows. Standard library only."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path


def shown(path: str) -> list[str]:
    found = [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if line.split(" ")[4] == path
    ]
    return found[-1:]


def main() -> None:
    answers = []
    for case in json.load(sys.stdin):
        where = tempfile.mkdtemp(dir="/run")
        subprocess.run(("mount", "-t", case["fstype"], "none", where, "-o", case["first"]), check=True)
        seen = shown(where)
        for words in case["remounts"]:
            subprocess.run(("mount", "-o", f"remount,{words}", where), check=True)
            seen += shown(where)
        subprocess.run(("umount", where), check=True)
        Path(where).rmdir()
        answers.append(seen)
    json.dump(answers, sys.stdout)


main()
