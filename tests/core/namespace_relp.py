"""Runs inside fresh namespaces: a log server and its senders, each with a network, /etc and /var of its own.

Standard library only. JSON comes in on stdin and goes out on stdout. The first process (this one) is the
administrator; each host is a pair of namespaces (network, mounts) that lives in a child of it. A bridge joins
the hosts; what they write is looked at through /proc/PID/root.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60
RSYSLOGD = "/usr/sbin/rsyslogd"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def wait_for(what: str, condition: Callable[[], bool], more: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"timed out: {what}\n{more()}")
        time.sleep(0.02)


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Host:
    """One host: its first process sleeps in namespaces of its own, and everything else is put beside it."""

    def __init__(self, name: str, address: str, files: dict[str, str], names: dict[str, str]) -> None:
        self.name = name
        self.first = subprocess.Popen(
            ("unshare", "-m", "-n", "-u", "sleep", "infinity"), stdin=subprocess.DEVNULL, env=ENVIRONMENT
        )
        wait_for(f"the namespaces of {name}", self._is_apart)
        self.root = Path(f"/proc/{self.first.pid}/root")
        self.daemon: subprocess.Popen[bytes] | None = None
        self.inside("hostname", name)
        for folder in ("/etc/rsyslog.d", "/run", "/var/log", "/var/spool/rsyslog", "/opt"):
            self.inside("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder)
        lines = "".join(f"{other} {known}\n" for known, other in names.items())
        self.write("/run/hosts", f"127.0.0.1 localhost\n{lines}")
        self.inside("mount", "--bind", "/run/hosts", "/etc/hosts")
        for path, text in files.items():
            self.write(path, text)
        self._wire(address)

    def _is_apart(self) -> bool:
        def of(pid: int | str, kind: str) -> str:
            return str(Path(f"/proc/{pid}/ns/{kind}").readlink())

        try:
            return all(of(self.first.pid, kind) != of("self", kind) for kind in ("mnt", "net", "uts"))
        except FileNotFoundError:
            return False

    def _wire(self, address: str) -> None:
        end = f"to-{address.rpartition('.')[2]}"
        run("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", str(self.first.pid))
        run("ip", "link", "set", end, "master", "br0", "up")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")

    def inside(self, *argv: str) -> None:
        run("nsenter", "-t", str(self.first.pid), "-m", "-n", "-u", *argv)

    def write(self, path: str, text: str) -> None:
        target = self.root / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode("utf-8", "surrogateescape"))

    def start(self) -> None:
        self.inside(RSYSLOGD, "-N1", "-f", "/run/main.conf")
        argv = ("nsenter", "-t", str(self.first.pid), "-m", "-n", "-u", RSYSLOGD, "-n", "-iNONE", "-f")
        self.daemon = subprocess.Popen(
            (*argv, "/run/main.conf"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        wait_for(f"rsyslogd on {self.name}", (self.root / "run/log").exists)

    def stop(self) -> None:
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait()
            self.daemon = None
            (self.root / "run/log").unlink(missing_ok=True)

    def say(self, text: str) -> None:
        """One message into the socket of the host's syslog, as it stands."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            # Too long a path, and absolute links: by a relative one from its folder.
            os.chdir(self.root / "run")
            out.connect("log")
            out.send(text.encode())
            os.chdir("/")

    def seen(self, below: str = "/") -> dict[str, list[str]]:
        """Mode, owner and text of each file in the folders of the host."""
        found = {}
        for folder in ("var/log", "opt", "run", "etc/rsyslog.d"):
            for path in (self.root / folder).rglob("*"):
                name = "/" + str(path.relative_to(self.root))
                if path.is_file() and name.startswith(below):
                    status = path.stat()
                    mode = f"{status.st_mode & 0o7777:04o}"
                    found[name] = [mode, path.read_text(errors="replace")]
        return found

    def holds(self, token: str, below: str) -> bool:
        return any(token in text for _mode, text in self.seen(below).values())

    def wait(self, token: str, below: str = "/var/log") -> None:
        def more() -> str:
            return json.dumps(self.seen())

        wait_for(f"{token} on {self.name}", lambda: self.holds(token, below), more)

    def end(self) -> None:
        self.stop()
        self.first.kill()
        self.first.wait()


def main() -> None:
    job = json.load(sys.stdin)
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "link", "set", "br0", "up")
    names = {name: host["address"] for name, host in job["hosts"].items()}
    hosts = {name: Host(name, host["address"], host["files"], names) for name, host in job["hosts"].items()}
    answers: list[object] = []
    for step in job["steps"]:
        verb, name, *words = step
        host = hosts[name]
        match verb:
            case "start":
                host.start()
            case "stop":
                host.stop()
            case "say":
                host.say(*words)
            case "await":
                host.wait(*words)
            case "look":
                answers.append(host.seen(*words))
    for host in hosts.values():
        host.end()
    json.dump(answers, sys.stdout)


if shutil.which("nsenter") is None:
    raise SystemExit("nsenter is missing")
main()
