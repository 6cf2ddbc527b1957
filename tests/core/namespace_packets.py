"""Runs inside a fresh network namespace: sends packets from a second one and says what the kernel did.

Standard library only. JSON comes in on stdin and goes out on stdout. Only net.* keys are written.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout


def put(key: str, value: str) -> None:
    Path(f"/proc/sys/net/ipv4/{key}").write_text(value)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def redirect(to: str) -> bytes:
    """An ICMP redirect to another gateway, about an echo reply that we are said to have sent."""
    inside = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 1, 0, packed("10.0.0.1"), packed("198.51.100.1")
    )
    inside = inside[:10] + struct.pack("!H", checksum(inside)) + inside[12:] + bytes(8)
    body = struct.pack("!BBH4s", 5, 1, 0, packed(to)) + inside
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def packed(address: str) -> bytes:
    return ipaddress.IPv4Address(address).packed


class Peer:
    """A process in a second network namespace, joined to ours by a cable."""

    def __init__(self) -> None:
        self.child = subprocess.Popen(("unshare", "-n", "cat"), stdin=subprocess.PIPE)
        ours = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self.child.pid}/ns/net").readlink() == ours:
            time.sleep(0.005)
        pid = str(self.child.pid)
        run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", pid)
        for name in ("lo", "v0"):
            run("ip", "link", "set", name, "up")
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "link", "set", "br0", "up")
        run("ip", "addr", "add", "10.0.0.1/24", "dev", "v0")
        run("ip", "addr", "add", "10.9.0.1/24", "dev", "br0")
        run("ip", "route", "add", "192.0.2.0/24", "dev", "br0")
        run("ip", "route", "add", "default", "via", "10.0.0.2")
        mac = json.loads(run("ip", "-j", "link", "show", "dev", "v0"))[0]["address"]
        self.handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        with self.there():
            for name in ("lo", "v1"):
                run("ip", "link", "set", name, "up")
            for address in ("10.0.0.2/24", "192.0.2.9/32"):
                run("ip", "addr", "add", address, "dev", "v1")
            run("ip", "neigh", "replace", "10.0.0.1", "lladdr", mac, "dev", "v1")
            self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self.raw.bind(("10.0.0.2", 0))
            self.spoofed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.spoofed.bind(("192.0.2.9", 0))

    @contextlib.contextmanager
    def there(self):
        setns(self.handle)
        try:
            yield
        finally:
            setns(self.home)


def setns(handle: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(handle, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


def arrives(peer: Peer, everywhere: str, own: str) -> bool:
    """Whether a packet whose sender lies behind another interface gets in."""
    put("conf/all/rp_filter", everywhere)
    put("conf/v0/rp_filter", own)
    run("ip", "route", "flush", "cache")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("10.0.0.1", 9))
        ear.settimeout(0.15)
        peer.spoofed.sendto(b"x", ("10.0.0.1", 9))
        try:
            return ear.recv(1) == b"x"
        except TimeoutError:
            return False


def obeys(peer: Peer, everywhere: str, own: str, router: str, attempt: int) -> bool:
    """Whether a redirect to another gateway is followed."""
    put("ip_forward", router)
    put("conf/all/accept_redirects", everywhere)
    put("conf/v0/accept_redirects", own)
    put("conf/v0/forwarding", router)
    run("ip", "route", "flush", "cache")
    run(
        "ip",
        "neigh",
        "replace",
        f"10.0.0.{20 + attempt}",
        "lladdr",
        f"02:00:00:00:00:{20 + attempt}",
        "dev",
        "v0",
    )
    peer.raw.sendto(redirect(f"10.0.0.{20 + attempt}"), ("10.0.0.1", 0))
    time.sleep(0.02)
    return f"via 10.0.0.{20 + attempt}" in run("ip", "route", "get", "198.51.100.1")


def main() -> None:
    job = json.load(sys.stdin)
    peer = Peer()
    time.sleep(0.1)
    answer = {
        "rp_filter": [arrives(peer, *case) for case in job["rp_filter"]],
        "accept_redirects": [obeys(peer, *case, n) for n, case in enumerate(job["accept_redirects"])],
    }
    peer.child.terminate()
    json.dump(answer, sys.stdout)


main()
