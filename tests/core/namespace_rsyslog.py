"""Runs inside fresh namespaces: has the real rsyslogd read configurations, and sees what goes where.

Standard library only. JSON comes in on stdin and goes out on stdout. Each case has a daemon of its own, all
at once, with a folder for its files and two ports of the loopback where what it sends away is collected.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SENTINEL = "the-end-of-it"
PATIENCE = 60
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"timed out: {what}")
        time.sleep(0.01)


class Collector:
    """What comes in on one UDP and one TCP port of the loopback: it waits until asked for."""

    def __init__(self, port: int) -> None:
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
        self.datagrams.bind(("127.0.0.1", port))
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.datagrams.setblocking(False)
        self.listener.setblocking(False)

    def got(self) -> dict[str, bytes]:
        """All of it, once its senders have ended."""
        found: dict[str, list[bytes]] = {"udp": [], "tcp": []}
        with contextlib.suppress(BlockingIOError):
            while True:
                found["udp"].append(self.datagrams.recv(65536))
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _address = self.listener.accept()
                connection.setblocking(True)
                while part := connection.recv(65536):
                    found["tcp"].append(part)
        return {kind: b"".join(parts) for kind, parts in found.items() if parts}


class Case:
    """One configuration, and the daemon that reads it."""

    def __init__(self, case: dict, folder: Path) -> None:
        self.folder = Path(case["out"])
        self.main = folder / "rsyslog.conf"
        self.socket = folder / "log"
        self.files: dict[str, str] = case["files"]
        self.folder.mkdir(parents=True)
        folder.mkdir()
        for name, text in self.files.items():
            path = self.main if name == "/etc/rsyslog.conf" else Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            body = text.encode("utf-8", "surrogateescape")
            path.write_bytes((self._input() if path == self.main else b"") + body)
        self.collector = Collector(case["port"])
        self.status, self.said = self._judged()
        self.daemon: subprocess.Popen[bytes] | None = None

    def _input(self) -> bytes:
        """One line, so that all others keep their numbers but for one."""
        return (
            f'if $msg contains "{SENTINEL}" then {{ action(type="omfile" file="{self.folder}/.end") stop }} '
            f'module(load="imuxsock" SysSock.Name="{self.socket}" SysSock.RateLimit.Interval="0")\n'
        ).encode()

    def _judged(self) -> tuple[int, str]:
        done = subprocess.run(
            ("/usr/sbin/rsyslogd", "-N1", "-f", self.main),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        return done.returncode, done.stderr

    def start(self) -> None:
        if self.status == 0:
            argv = ("/usr/sbin/rsyslogd", "-n", "-iNONE", "-f", self.main)
            self.daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def send(self, programs: list[str]) -> None:
        if self.daemon is None:
            return
        wait_for(f"the socket of {self.main}", self.socket.exists)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(str(self.socket))
            for program in programs:
                for priority in range(24 * 8):
                    out.send(f"<{priority}>Nov 21 12:00:00 {program}: m{priority}m".encode())
            out.send(f"<13>Nov 21 12:00:00 x: {SENTINEL}".encode())

    def finish(self) -> dict[str, object]:
        seen: dict[str, list[str]] = {}
        if self.daemon is not None:
            end = self.folder / ".end"
            wait_for(f"all messages of {self.main}", lambda: end.exists() and end.stat().st_size > 0)
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait()
            end.unlink()
            for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
                mode = f"{path.stat().st_mode & 0o7777:04o}"
                seen[str(path)] = [mode, *_messages(path.read_bytes())]
            for kind, text in self.collector.got().items():
                seen[kind] = ["", *_messages(text)]
        return {"status": self.status, "said": self.said, "seen": seen}


def _messages(text: bytes) -> list[str]:
    """Program and priority of each message."""
    return [b" ".join(found).decode() for found in re.findall(rb"([A-Za-z0-9]+):? m([0-9]+)m", text)]


def main() -> None:
    job = json.load(sys.stdin)
    for folder in ("/run", "/etc/rsyslog.d"):
        subprocess.run(("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder), check=True)
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    cases = [Case(case, Path(f"/run/case{at}")) for at, case in enumerate(job["cases"])]
    for step in (Case.start, lambda case: case.send(job["programs"])):
        for case in cases:
            step(case)
    json.dump([case.finish() for case in cases], sys.stdout)


main()
