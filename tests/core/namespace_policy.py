"""Runs inside a fresh network namespace: loads firewalls there, and sends traffic to and from three others.

Standard library only. JSON comes in on stdin and goes out on stdout. An administrator, a user and a
stranger have a namespace each, with a cable to this one; a container has one behind it. Everybody listens
on every port, answers, and asks everybody else: what comes back says which way is open.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
# By name: our interface, our addresses, theirs.
PEERS = {
    "administrator": ("a0", ("10.1.0.1", "fd00:1::1"), ("10.1.0.2", "fd00:1::2")),
    "user": ("b0", ("10.2.0.1", "fd00:2::1"), ("10.2.0.2", "fd00:2::2")),
    "stranger": ("c0", ("10.3.0.1", "fd00:3::1"), ("10.3.0.2", "fd00:3::2")),
    "container": ("d0", ("10.4.0.1", "fd00:4::1"), ("10.4.0.2", "fd00:4::2")),
}
PATIENCE, AGAIN, QUIET = 20.0, 0.5, 0.3  # seconds: for what must come, until it is sent anew, after the last
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def run(*argv: str, text: str | None = None) -> str:
    done = subprocess.run(argv, check=False, input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr}")
    return done.stdout


def put(path: str, value: str) -> None:
    Path(f"/proc/sys/net/{path}").write_text(value)


class Net:
    """The namespaces and their cables."""

    def __init__(self) -> None:
        self.ours = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.theirs: dict[str, int] = {}
        self.children = []
        run("ip", "link", "set", "lo", "up")
        for name, (link, here, there) in PEERS.items():
            child = subprocess.Popen(("unshare", "-n", "cat"), stdin=subprocess.PIPE)
            self.children.append(child)
            own = Path("/proc/self/ns/net").readlink()
            while Path(f"/proc/{child.pid}/ns/net").readlink() == own:
                time.sleep(0.005)
            pid = str(child.pid)
            run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid)
            self._up((), link, here)
            inside = ("nsenter", "-t", pid, "-n")
            self._up(inside, "eth0", there)
            for address in here:
                run(*inside, "ip", "route", "add", "default", "via", address)
            self.theirs[name] = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            put(key, "1")

    @staticmethod
    def _up(inside: tuple[str, ...], link: str, addresses: tuple[str, ...]) -> None:
        for address in addresses:
            more = ("nodad",) if ":" in address else ()
            length = "64" if ":" in address else "24"
            run(*inside, "ip", "address", "add", f"{address}/{length}", "dev", link, *more)
        run(*inside, "ip", "link", "set", link, "up")

    def socket(self, place: str, family: int, kind: int) -> socket.socket:
        """A socket of a peer, or of ours ("")."""
        assert LIBC.setns(self.theirs[place] if place else self.ours, 0) == 0
        try:
            return socket.socket(family, kind | socket.SOCK_NONBLOCK)
        finally:
            assert LIBC.setns(self.ours, 0) == 0

    def close(self) -> None:
        for child in self.children:
            child.stdin.close()
            child.wait()


class Servers:
    """Everybody answers on every port: one byte."""

    def __init__(self, net: Net, ports: list[int]) -> None:
        self.doors = selectors.DefaultSelector()
        for place in ("", *PEERS):
            for protocol, kind in KINDS.items():
                for port in ports:
                    door = net.socket(place, socket.AF_INET6, kind)
                    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if protocol == "udp":  # the answer must come from the address that was asked
                        door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                        door.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
                    door.bind(("::", port))
                    if protocol == "tcp":
                        door.listen(128)
                    self.doors.register(door, selectors.EVENT_READ, protocol)

    def answer(self) -> None:
        for key, _events in self.doors.select(0):
            door = key.fileobj
            try:
                if key.data == "tcp":
                    connection, _peer = door.accept()
                    connection.send(b"y")
                    connection.close()
                else:
                    _data, about, _flags, peer = door.recvmsg(64, 512)
                    own = [one for one in about if one[:2] == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)]
                    door.sendmsg([b"y"], own, 0, peer)
            except OSError:
                continue


def probes(ports: list[int], peers: list[str]) -> list[dict]:
    """Every peer to us and we to every peer, over both protocols and both versions of IP."""
    found = []
    for name in peers:
        link, here, there = PEERS[name]
        for ours, theirs in zip(here, there, strict=True):
            for protocol in KINDS:
                for port in ports:
                    shared = {
                        "protocol": protocol,
                        "port": port,
                        "peer": theirs,
                        "interface": link,
                        "own": ours,
                    }
                    found.append({"direction": "in", "place": name, "from": theirs, "to": ours, **shared})
                    found.append({"direction": "out", "place": "", "from": ours, "to": theirs, **shared})
    return found


def send(net: Net, asked: list[dict]) -> dict[int, socket.socket]:
    """Every probe on its way, by its number; without those that are dropped before they leave."""
    waiting = {}
    for number, probe in enumerate(asked):
        family = socket.AF_INET6 if ":" in probe["from"] else socket.AF_INET
        one = net.socket(probe["place"], family, KINDS[probe["protocol"]])
        one.bind((probe["from"], 0))
        try:
            one.connect_ex((probe["to"], probe["port"]))
            if probe["protocol"] == "udp":
                one.send(b"x")
        except OSError:
            one.close()
            continue
        waiting[number] = one
    return waiting


def answered(waiting: dict[int, socket.socket]) -> dict[int, bool]:
    """Those that came to an end by now, and whether with an answer; they wait no longer."""
    found = {}
    for number, one in waiting.items():
        try:
            found[number] = one.recv(1) == b"y"
        except (BlockingIOError, InterruptedError):
            continue
        except OSError:
            found[number] = False
    for number in found:
        waiting.pop(number).close()
    return found


def ask(net: Net, servers: Servers, asked: list[dict]) -> list[bool]:
    """For each probe whether an answer came.

    All are under way at once. It ends when those that are expected came and nothing more does: what is
    dropped need not be waited for, and a machine that was held up has its time.
    """
    results = [False] * len(asked)
    waiting = send(net, asked)
    awaited = {number for number, probe in enumerate(asked) if probe["expected"]}
    begun = last = again = time.monotonic()
    while waiting and time.monotonic() < (begun + PATIENCE if awaited else last + QUIET):
        servers.answer()
        if found := answered(waiting):
            last = time.monotonic()
            awaited -= found.keys()
            for number, came in found.items():
                results[number] = came
        if time.monotonic() > again + AGAIN:  # of TCP the kernel takes care
            again = time.monotonic()
            for number in awaited & waiting.keys():
                if asked[number]["protocol"] == "udp":
                    with contextlib.suppress(OSError):
                        waiting[number].send(b"x")
        time.sleep(0.002)
    for one in waiting.values():
        one.close()
    return results


def main() -> None:
    job = json.load(sys.stdin)
    net = Net()
    answers = []
    try:
        servers = Servers(net, job["listen"])
        for firewall in job["firewalls"]:
            run("nft", "flush", "ruleset")
            run("ip", "-6", "neigh", "flush", "all")  # neighbours must be found again, through the rules
            for text in firewall["load"]:
                run("nft", "-f", "-", text=text)
            seen = ask(net, servers, firewall["probes"])
            shown = run("nft", "--json", "list", "ruleset")
            answers.append({"seen": seen, "shown": shown})
    finally:
        net.close()
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
