"""A firewall of a thousand rules: how long a hundred thousand questions (source, port) take, and the flows.

`make bench` calls ``report``; by itself it is run with ``python tests/bench_firewall.py``.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable

from core import hosts
from core.applications import ANSWERS, PROFILES, host

from hardentui.flows.draft import Draft
from hardentui.resources.firewall.evaluate import evaluate
from hardentui.resources.firewall.reach import Door, From, Reachability
from hardentui.resources.firewall.ruleset import Json, Ruleset, build
from hardentui.resources.firewall.values import Packet
from hardentui.snapshot import Output, Socket

RULES, SOURCES, PORTS = 1000, 200, 500
LISTENERS = 200
DOOR = Door("eth0", ipaddress.ip_address("192.0.2.1"))


def ruleset() -> Ruleset:
    """A closed chain with a thousand rules, each for one of 200 networks and one of 500 ports."""
    return build(shown("drop", ([_source(n), _port(n), {"accept": None}] for n in range(RULES))))


def shown(policy: str, rules: Iterable[list[Json]]) -> list[Json]:
    """What nft shows of one chain for what comes in."""
    named: dict[str, Json] = {"family": "inet", "table": "filter"}
    chain = {**named, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": policy}
    return [
        {"chain": chain},
        *(
            {"rule": {**named, "chain": "input", "handle": n, "expr": parts}}
            for n, parts in enumerate(rules, 1)
        ),
    ]


def _source(number: int) -> Json:
    network = {"prefix": {"addr": f"10.{number % SOURCES}.0.0", "len": 16}}
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    return {"match": {"op": "==", "left": left, "right": network}}


def _port(number: int) -> Json:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": 1 + number % PORTS}}


def _banned(number: int) -> Json:
    network = {"prefix": {"addr": f"10.{number // 256}.{number % 256}.0", "len": 24}}
    return {
        "match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": network}
    }


def first_matrix(objects: list[Json]) -> float:
    """Seconds of this process until a host that nobody looked at before has its matrix of flows."""
    listening = tuple(
        Socket("tcp", "0.0.0.0", 1 + n, f"s{n}", 100 + n, "root", f"s{n}.service") for n in range(LISTENERS)
    )
    made = host(Output(json.dumps({"nftables": objects})), sockets=listening)
    begun = time.process_time()
    draft = Draft.open(PROFILES, ANSWERS, hosts.snapshot(made))
    took = time.process_time() - begun
    assert len(draft.matrix.lines) > LISTENERS
    return took


def report() -> None:
    """Print the seconds of this process that each of these takes."""
    _questions()
    floor = first_matrix(shown("drop", []))
    permits = first_matrix(shown("drop", ([_source(n), _port(n), {"accept": None}] for n in range(RULES))))
    bans = first_matrix(shown("accept", ([_banned(n), {"drop": None}] for n in range(RULES))))
    for what, took in (("permits", permits), ("banned networks", bans)):
        name = f"first flows of {LISTENERS} listeners, {RULES} {what} : no rule"
        print(f"{name:58} {took * 1000:8.1f} ms  {floor * 1000:8.1f} ms  ratio {took / floor:5.2f}")


def _questions() -> None:
    """Single packets, and all sources of each port at once."""
    rules = ruleset()
    begun = time.process_time()
    for n in range(SOURCES):
        packet = Packet("eth0", ipaddress.ip_address(f"10.{n}.0.1"), DOOR.address, "tcp", 1 + n)
        assert evaluate(rules, packet).sure is not None
    one = (time.process_time() - begun) / SOURCES
    begun = time.process_time()
    reachability = Reachability(rules)
    answers = [reachability.of("tcp", port, [DOOR])[DOOR] for port in range(1, PORTS + 1)]
    took = time.process_time() - begun
    assert {answer.kind for answer in answers} == {From.SOME}
    print(
        f"{SOURCES * PORTS} questions to {RULES} rules: {took:.1f} s of this processor; "
        f"{one * SOURCES * PORTS:.0f} s if each rule were followed for each packet"
    )


if __name__ == "__main__":
    report()
