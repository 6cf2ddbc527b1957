"""Running something as root in namespaces of its own; a clear reason where that cannot be done."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@functools.cache
def why_not() -> str:
    """Why this machine cannot give us namespaces of our own; "" when it can."""
    if os.geteuid() != 0:
        return "needs root, for namespaces of its own"
    for tool in ("unshare", "ip", "mount"):
        if shutil.which(tool) is None:
            return f"needs {tool}"
    argv = (
        "unshare",
        "-m",
        "-n",
        "-p",
        "-f",
        "--mount-proc",
        "sh",
        "-c",
        "mount -t tmpfs x /run && ip link add br0 type bridge",
    )
    tried = subprocess.run(argv, check=False, capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"


def needs_namespaces(*programs: str) -> None:
    """Skip the test, with the reason, where it cannot run for real."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    if why_not():
        pytest.skip(why_not())


def in_namespaces(script: str, job: Any) -> Any:
    """What a script of this folder answers to ``job``, run in its own network, mount and pid namespaces."""
    argv = ("unshare", "-m", "-n", "-p", "-f", "--mount-proc", sys.executable, "-I", str(HERE / script))
    done = subprocess.run(
        argv, input=json.dumps(job), check=False, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
