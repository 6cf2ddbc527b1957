"""Runs inside a fresh network namespace: loads rulesets, knocks from a second one, says who got in.

Standard library only. JSON comes in on stdin and goes out on stdout.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
HERE = {"a0": ("10.0.0.1/24", "fd00:a::1/64"), "b0": ("10.0.1.1/24",)}
THERE = {
    "a1": ("10.0.0.2/24", "10.0.0.3/24", "192.0.2.9/32", "fd00:a::2/64", "fd00:a::3/64", "2001:db8::9/128"),
    "b1": ("10.0.1.2/24",),
}
CLEAR = (
    ("nft", "flush", "ruleset"),
    ("iptables-legacy", "-F"),
    ("iptables-legacy", "-P", "INPUT", "ACCEPT"),
)


def run(*argv: str, text: str | None = None, may_fail: bool = False) -> str:
    done = subprocess.run(argv, check=False, input=text, capture_output=True, text=True)
    if done.returncode and not may_fail:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr}")
    return done.stdout


def put(path: str, value: str) -> None:
    Path(f"/proc/sys/net/{path}").write_text(value)


class Cable:
    """A process in a second network namespace, joined to ours by two cables."""

    def __init__(self) -> None:
        self.child = subprocess.Popen(("unshare", "-n", "cat"), stdin=subprocess.PIPE)
        ours = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self.child.pid}/ns/net").readlink() == ours:
            time.sleep(0.005)
        pid = str(self.child.pid)
        put("ipv4/icmp_ratemask", "0")
        for here, there in (("a0", "a1"), ("b0", "b1")):
            run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", pid)
            for address in HERE[here]:
                self._address((), address, here)
            run("ip", "link", "set", here, "up")
            inside = ("nsenter", "-t", pid, "-n")
            run(*inside, "ip", "link", "set", there, "up")
            for address in THERE[there]:
                self._address(inside, address, there)
        run("ip", "link", "set", "lo", "up")
        run("ip", "route", "add", "192.0.2.0/24", "dev", "a0")
        run("ip", "-6", "route", "add", "2001:db8::/32", "dev", "a0")
        self._ours = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)

    @staticmethod
    def _address(inside: tuple[str, ...], address: str, link: str) -> None:
        more = ("nodad",) if ":" in address else ()
        run(*inside, "ip", "address", "add", address, "dev", link, *more)

    def socket(self, family: int, kind: int) -> socket.socket:
        """A socket of the other side."""
        assert LIBC.setns(self._theirs, 0) == 0
        try:
            return socket.socket(family, kind | socket.SOCK_NONBLOCK)
        finally:
            assert LIBC.setns(self._ours, 0) == 0

    def close(self) -> None:
        self.child.stdin.close()
        self.child.wait()


class Doors:
    """Listening sockets of this side, for both protocols."""

    def __init__(self, ports: list[int]) -> None:
        self.tcp: dict[int, socket.socket] = {}
        self.udp: dict[int, socket.socket] = {}
        for port in ports:
            for table, kind in ((self.tcp, socket.SOCK_STREAM), (self.udp, socket.SOCK_DGRAM)):
                door = socket.socket(socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                door.bind(("::", port))
                if kind == socket.SOCK_STREAM:
                    door.listen(64)
                table[port] = door

    def arrived(self) -> dict[tuple[str, str, int], int]:
        """By protocol, source address and source port: the port where it arrived."""
        found = {}
        for port, door in self.tcp.items():
            while select.select([door], [], [], 0)[0]:
                accepted, peer = door.accept()
                found["tcp", peer[0].removeprefix("::ffff:"), peer[1]] = port
                accepted.close()
        for port, door in self.udp.items():
            while select.select([door], [], [], 0)[0]:
                try:
                    _data, peer = door.recvfrom(64)
                except OSError:
                    continue
                found["udp", peer[0].removeprefix("::ffff:"), peer[1]] = port
        return found


def knock(cable: Cable, doors: Doors, probes: list[dict], seconds: float) -> list[str]:
    """For each probe "accept", "reject", "drop", or "diverted" to another port."""
    knocking = {}
    for number, probe in enumerate(probes):
        family = socket.AF_INET6 if ":" in probe["source"] else socket.AF_INET
        kind = socket.SOCK_STREAM if probe["protocol"] == "tcp" else socket.SOCK_DGRAM
        one = cable.socket(family, kind)
        one.bind((probe["source"], 0))
        failed = one.connect_ex((probe["destination"], probe["port"]))
        if probe["protocol"] == "udp" and not failed:
            one.send(b"knock")
        knocking[number] = one
    results: dict[int, str] = {}
    arrived: dict[tuple[str, str, int], int] = {}
    names = {n: (probes[n]["protocol"], *one.getsockname()[:2]) for n, one in knocking.items()}
    deadline = time.monotonic() + seconds
    while len(results) < len(probes) and time.monotonic() < deadline:
        arrived |= doors.arrived()
        for number, one in knocking.items():
            if number in results:
                continue
            if names[number] in arrived:
                same = arrived[names[number]] == probes[number]["port"]
                results[number] = "accept" if same else "diverted"
                continue
            error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error not in {0, errno.EINPROGRESS}:
                results[number] = "reject"
        select.select(list(doors.tcp.values()) + list(doors.udp.values()), [], [], 0.01)
    for one in knocking.values():
        one.close()
    return [results.get(number, "drop") for number in range(len(probes))]


def load(ruleset: dict) -> None:
    for argv in CLEAR:
        run(*argv, may_fail=True)
    for loader, text in ruleset["load"]:
        run(*loader, text=text)


def main() -> None:
    job = json.load(sys.stdin)
    cable, doors = Cable(), Doors(job["ports"])
    answers = []
    try:
        for ruleset in job["rulesets"]:
            load(ruleset)
            seen = knock(cable, doors, job["probes"], job["seconds"])
            shown = {" ".join(argv): run(*argv, may_fail=True) for argv in job["show"]}
            names = {
                path: Path(path).read_text() if Path(path).exists() else None
                for path in ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")
            }
            answers.append({"seen": seen, "shown": shown, "names": names})
    finally:
        cable.close()
    json.dump(answers, sys.stdout)


main()
