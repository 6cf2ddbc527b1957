"""Runs inside a fresh network namespace: calls a second one through rules for what goes out.

Standard library only. JSON comes in on stdin and goes out on stdout.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

PEERS = ["10.0.0.2", "10.0.0.3", "fd00:a::2", "fd00:a::3"]


def run(*argv: str, given: str = "") -> str:
    return subprocess.run(argv, check=True, input=given, capture_output=True, text=True).stdout


def setns(handle: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(handle, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


class Peer:
    """Sockets that wait in a second network namespace, joined to ours by a cable."""

    def __init__(self, ports: list[int]) -> None:
        self.child = subprocess.Popen(("unshare", "-n", "cat"), stdin=subprocess.PIPE)
        ours = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self.child.pid}/ns/net").readlink() == ours:
            time.sleep(0.005)
        run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", str(self.child.pid))
        for name in ("lo", "v0"):
            run("ip", "link", "set", name, "up")
        run("ip", "addr", "add", "10.0.0.1/24", "dev", "v0")
        run("ip", "-6", "addr", "add", "fd00:a::1/64", "dev", "v0", "nodad")
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        setns(os.open(f"/proc/{self.child.pid}/ns/net", os.O_RDONLY))
        for name in ("lo", "v1"):
            run("ip", "link", "set", name, "up")
        for address in PEERS:
            bits = "64" if ":" in address else "24"
            nodad = ("nodad",) if ":" in address else ()
            run("ip", "addr", "add", f"{address}/{bits}", "dev", "v1", *nodad)
        self.waiting = {
            (kind, host, port): waiting(kind, host, port)
            for host in PEERS
            for port in ports
            for kind in ("tcp", "udp")
        }
        setns(home)


def waiting(kind: str, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    one.bind((host, port))
    if kind == "tcp":
        one.listen(64)
    one.settimeout(0.2)
    return one


def arrives(peer: Peer, kind: str, host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as call:
        call.settimeout(0.2)
        with contextlib.suppress(OSError):
            call.connect((host, port))
            if kind == "tcp":
                return True
            call.send(b"x")
            return peer.waiting[kind, host, port].recv(1) == b"x"
    return False


def main() -> None:
    job = json.load(sys.stdin)
    peer = Peer(job["ports"])
    calls = [(kind, host, port) for host in PEERS for port in job["ports"] for kind in ("tcp", "udp")]
    for call in calls:  # neighbours are found before anything is shut
        arrives(peer, *call)
    answers = []
    for rules in job["rulesets"]:
        run("nft", "-f", "-", given=f"flush ruleset\n{rules}")
        shown = run("nft", "--json", "list", "ruleset")
        answers.append({"calls": [[*call, arrives(peer, *call)] for call in calls], "shown": shown})
    peer.child.terminate()
    json.dump(answers, sys.stdout)


main()
