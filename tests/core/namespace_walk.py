"""Run inside namespaces of its own: file systems of several kinds below a folder, and a walk over it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path


def main() -> None:
    job = json.load(sys.stdin)
    sys.path[:0] = job["path"]
    from hardentui.host.image import ImageHost

    root = Path(job["root"])
    for name in (
        "disk",
        "again",
        "part",
        "kernel",
        "layer",
        "var/lib/docker/inside",
        "lower",
        "upper",
        "work",
    ):
        (root / name).mkdir(parents=True)
    run = lambda *words: subprocess.run(("mount", *map(str, words)), check=True)  # noqa: E731
    run("-t", "tmpfs", "disk", root / "disk")
    (root / "disk/inner").mkdir()
    for path in ("disk/one", "disk/inner/two", "var/lib/docker/inside/three"):
        (root / path).touch()
        (root / path).chmod(0o4755)
    run("--bind", root / "disk", root / "again")
    run("--bind", root / "disk/inner", root / "part")
    run("-t", "proc", "proc", root / "kernel")
    layers = f"lowerdir={root / 'lower'},upperdir={root / 'upper'},workdir={root / 'work'}"
    made = subprocess.run(("mount", "-t", "overlay", "layer", "-o", layers, root / "layer"), check=False)
    survey = ImageHost(str(root)).walk().result(60)
    print(json.dumps({"survey": dataclasses.asdict(survey), "overlay": made.returncode == 0}))


if __name__ == "__main__":
    main()
