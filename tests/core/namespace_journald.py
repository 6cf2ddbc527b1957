"""Runs inside fresh namespaces: lays out configurations of journald and asks the real daemon about them.

Standard library only. JSON comes in on stdin and goes out on stdout. The daemon may not change the kernel's
auditing, which is this machine's: it is started without the right to, and still says what it tries.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

FOLDERS = ("/etc/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd/journald.conf.d")
DAEMON = ("setpriv", "--bounding-set=-audit_control", "/lib/systemd/systemd-journald")
SAYS = re.compile(
    r"max_use=(?P<max_use>\S+)|effective settings seal=(?P<seal>\w+).* compress=(?P<compress>\w+)"
)
MARK = "probe"


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def private_folders() -> None:
    run("mount", "--make-rprivate", "/")
    run("mount", "--bind", "/dev/null", "/dev/kmsg")
    for folder in ("/run", "/var/log", "/etc/systemd", "/usr/local/lib"):
        run("mount", "-t", "tmpfs", "tmpfs", folder)
    # Beside the programs that lie there: a folder of drop-ins, which the distribution need not have.
    layers = Path("/run/layers")
    for part in ("upper/journald.conf.d", "work"):
        (layers / part).mkdir(parents=True)
    options = f"lowerdir=/usr/lib/systemd,upperdir={layers}/upper,workdir={layers}/work"
    run("mount", "-t", "overlay", "-o", options, "overlay", "/usr/lib/systemd")


def lay_out(files: dict[str, str], links: dict[str, str], folders: list[str]) -> None:
    for folder in (*FOLDERS, "/run/systemd", "/run/log", "/var/log"):
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        for old in path.iterdir():
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for path in (Path("/run/systemd/journal"), *map(Path, folders)):
        path.mkdir(parents=True, exist_ok=True)
    Path("/run/systemd/journal/flushed").touch()  # a boot that has come this far writes to the disk
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(text.encode("utf-8", "surrogateescape"))
    for name, target in links.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).symlink_to(target)


def stored() -> str:
    for folder, word in (("/var/log/journal", "persistent"), ("/run/log/journal", "volatile")):
        if any(Path(folder).glob("*/system.journal")):
            return word
    return "none"


def levels() -> list[int]:
    """The priorities of our messages that the journal holds."""
    found = set()
    for folder in ("/var/log/journal", "/run/log/journal"):
        if Path(folder).is_dir():
            argv = ("journalctl", "-q", "-D", folder, "-o", "json", f"SYSLOG_IDENTIFIER={MARK}")
            shown = subprocess.run(argv, check=False, capture_output=True, text=True).stdout
            found |= {int(json.loads(line)["PRIORITY"]) for line in shown.splitlines()}
    return sorted(found)


def send_all(where: str) -> list[int]:
    """Send a message of each priority, the most urgent last, and wait until that one was dealt with."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect("/run/systemd/journal/dev-log")
        for priority in range(7, -1, -1):
            client.send(f"<{8 + priority}>{MARK}: message".encode())
    deadline = time.monotonic() + 20
    while where != "none" and 0 not in levels():
        assert time.monotonic() < deadline, "no message was stored"
    return levels()


def one(case: dict) -> dict:
    lay_out(case["files"], case["links"], case["folders"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind("/run/systemd/journal/syslog")
        syslog.setblocking(False)
        environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "debug", "SYSTEMD_LOG_TARGET": "console"}
        with subprocess.Popen(DAEMON, stderr=subprocess.PIPE, env=environment, text=True) as daemon:
            assert daemon.stderr is not None
            said = []
            for line in daemon.stderr:
                said.append(line)
                if "systemd-journald running as" in line:
                    break
            where = stored()
            seen = send_all(where)
            forwarded = _is_forwarded(syslog)
            daemon.send_signal(signal.SIGTERM)
            daemon.stderr.read()
    text = "".join(said)
    found = {key: value for match in SAYS.finditer(text) for key, value in match.groupdict().items() if value}
    tried = re.search(r"Auditing in kernel turned (on|off)", text)
    audit = {"on": "yes", "off": "no"}[tried[1]] if tried else "keep"
    return {**found, "storage": where, "levels": seen, "forward": forwarded, "audit": audit}


def _is_forwarded(syslog: socket.socket) -> bool:
    try:
        return bool(syslog.recv(4096))
    except BlockingIOError:
        return False


def main() -> None:
    private_folders()
    json.dump([one(case) for case in json.load(sys.stdin)], sys.stdout)


main()
