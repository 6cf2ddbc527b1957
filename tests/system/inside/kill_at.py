"""Runs in a machine: starts a verb of the script and kills it dead when its journal has so many lines.

kill_at.py SCRIPT LINES VERB [WORD...] prints, as JSON, whether the verb was killed and how far it had come.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

RUNS = Path("/var/lib/hardentui/runs")


def lines(ignored: set[Path]) -> int:
    """How long the newest journal is that counts."""
    found = sorted(set(RUNS.glob("*/journal")) - ignored)
    return found[-1].read_bytes().count(b"\n") if found else 0


def main() -> None:
    script, limit, *verb = sys.argv[1:]
    ignored = set(RUNS.glob("*/journal")) if verb[0] == "apply" else set()  # it begins one of its own
    begin = lines(ignored)
    process = subprocess.Popen(
        ["bash", script, *verb],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and lines(ignored) < begin + int(limit):
        time.sleep(0.0005)
    killed = process.poll() is None
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    print(json.dumps({"killed": killed, "lines": lines(ignored) - begin, "status": process.returncode}))


main()
