"""How long a hundred thousand questions (source, port) to a firewall of a thousand rules take.

`make bench` calls ``report``; by itself it is run with ``python tests/bench_firewall.py``.
"""

from __future__ import annotations

import ipaddress
import time

from hardentui.resources.firewall.evaluate import evaluate
from hardentui.resources.firewall.reach import Door, From, Reachability
from hardentui.resources.firewall.ruleset import Json, Ruleset, build
from hardentui.resources.firewall.values import Packet

RULES, SOURCES, PORTS = 1000, 200, 500
DOOR = Door("eth0", ipaddress.ip_address("192.0.2.1"))


def ruleset() -> Ruleset:
    """A closed chain with a thousand rules, each for one of 200 networks and one of 500 ports."""
    named: dict[str, Json] = {"family": "inet", "table": "filter"}
    chain = {**named, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}
    rules = [
        {"rule": {**named, "chain": "input", "handle": n, "expr": [_source(n), _port(n), {"accept": None}]}}
        for n in range(RULES)
    ]
    return build([{"chain": chain}, *rules])


def _source(number: int) -> Json:
    network = {"prefix": {"addr": f"10.{number % SOURCES}.0.0", "len": 16}}
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    return {"match": {"op": "==", "left": left, "right": network}}


def _port(number: int) -> Json:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": 1 + number % PORTS}}


def report() -> None:
    """Print the seconds of this process, for single packets and for all sources of each port at once."""
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
