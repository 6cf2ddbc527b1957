"""How long a hundred thousand questions about a firewall of a thousand rules take: `make bench`."""

from __future__ import annotations

import ipaddress
import time

from hardentui.resources.firewall.evaluate import evaluate
from hardentui.resources.firewall.reach import Door, Reachability
from hardentui.resources.firewall.ruleset import Json, Ruleset, build
from hardentui.resources.firewall.values import Packet

RULES, SOURCES, PORTS = 1000, 200, 500


def big_ruleset() -> Ruleset:
    """A closed chain with a thousand rules, each for one network and one port."""
    named: dict[str, Json] = {"family": "inet", "table": "filter"}
    chain = {**named, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}
    rules = []
    for number in range(RULES):
        network = {"prefix": {"addr": f"10.{number % 200}.0.0", "len": 16}}
        source = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": network}}
        port = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 1 + number % PORTS}}
        rules.append({"rule": {**named, "chain": "input", "handle": number, "expr": [source, port, {"accept": None}]}})
    return build([{"chain": chain}, *rules])


def main() -> None:
    rules = big_ruleset()
    door = Door("eth0", ipaddress.ip_address("192.0.2.1"))
    begun = time.perf_counter()
    for n in range(100):
        evaluate(rules, Packet("eth0", ipaddress.ip_address(f"10.{n}.0.1"), door.address, "tcp", 1 + n))
    one = (time.perf_counter() - begun) / 100
    print(f"one question evaluated {one * 1000:.2f} ms")
    begun = time.perf_counter()
    reachability = Reachability(rules)
    answers = [reachability.of("tcp", port, [door])[door] for port in range(1, PORTS + 1)]
    print(time.perf_counter() - begun, {a.kind for a in answers}, [a for a in answers[:2]])


main()
