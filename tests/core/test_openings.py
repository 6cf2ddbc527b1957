"""From where the ports of applications are reached: recommendations about them, and forgotten openings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hardentui.assess import assess
from hardentui.model import Finding, Result
from hardentui.snapshot import Interface, Interfaces, Output, Reason, Socket, Unread

from . import hosts
from .applications import AMQP, MONGO, SSH, host
from .sittings import CHECKLISTS
from .test_firewall import chain, nft, port, rule

ACCEPT = {"accept": None}
SHUT = nft(chain())
UI = replace(AMQP, port=15672)


def source(address: str) -> dict[str, object]:
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    return {"match": {"op": "==", "left": left, "right": address}}


def finding(id_: str, made: hosts.DictHost, **answers: str) -> Finding:
    entry = CHECKLISTS.get(f"{id_}")
    assert entry is not None
    given = {name.replace("_", "-"): answer for name, answer in answers.items()}
    return assess([entry], hosts.snapshot(made), given, CHECKLISTS.questions)[0]


def result(id_: str, made: hosts.DictHost, **answers: str) -> Result:
    return finding(f"applications.{id_}", made, **answers).result


# --- closed on a single host --------------------


def test_a_lone_mongodb_on_loopback_passes_and_on_the_network_fails() -> None:
    single = {"databases": "single"}
    open_ = replace(MONGO, address="0.0.0.0")
    assert result("mongodb-single", host(sockets=(MONGO,)), **single) is Result.PASS
    assert result("mongodb-single", host(sockets=(open_,)), **single) is Result.FAIL
    assert result("mongodb-single", host(SHUT, sockets=(open_,)), **single) is Result.PASS


def test_in_a_cluster_nothing_is_asked_and_unanswered_it_waits() -> None:
    open_ = host(sockets=(replace(MONGO, address="0.0.0.0"),))
    assert result("mongodb-single", open_, databases="cluster") is Result.NOTAPPLICABLE
    waiting = finding("applications.mongodb-single", open_)
    assert waiting.result is Result.NOTCHECKED
    assert "answer the question first" in waiting.message


def test_what_is_not_there_is_no_merit() -> None:
    assert result("mongodb-single", host(sockets=(SSH,)), databases="single") is Result.NOTAPPLICABLE


def test_rules_that_cannot_be_read_or_followed_are_no_pass() -> None:
    open_ = (replace(MONGO, address="0.0.0.0"),)
    hidden = host(Unread(Reason.DENIED, "needs root"), sockets=open_)
    assert result("mongodb-single", hidden, databases="single") is Result.UNKNOWN
    rated = nft(chain(), rule({"limit": {"rate": 1, "per": "second"}}, port(27017), ACCEPT))
    assert result("mongodb-single", host(rated, sockets=open_), databases="single") is Result.UNKNOWN


def test_a_published_port_is_open_where_nobody_listens() -> None:
    nat = {
        "chain": {
            "family": "ip",
            "table": "nat",
            "name": "DOCKER",
            "type": "nat",
            "hook": "prerouting",
            "prio": -100,
            "policy": "accept",
        }
    }
    dnat = {"family": "ip", "table": "nat", "chain": "DOCKER"}
    to = {"dnat": {"addr": "172.17.0.2", "port": 6379}}
    rules = nft(nat, {"rule": {**dnat, "expr": [port(6379), to]}}, chain())
    seen = finding("applications.redis-single", host(rules, sockets=(SSH,)), databases="single")
    assert seen.result is Result.FAIL
    assert "6379 published" in seen.running


# --- for those who are named --------------------


def test_the_console_is_for_administrators_only() -> None:
    only = nft(chain(), rule(source("10.0.0.17"), port(15672), ACCEPT))
    assert result("rabbitmq-console", host(only, sockets=(UI,)), administrators="10.0.0.0/24") is Result.PASS
    assert result("rabbitmq-console", host(only, sockets=(UI,)), administrators="10.9.0.1") is Result.FAIL
    assert result("rabbitmq-console", host(sockets=(UI,)), administrators="10.0.0.0/24") is Result.FAIL
    assert result("rabbitmq-console", host(sockets=(UI,)), administrators="any") is Result.PASS
    assert result("rabbitmq-console", host(only, sockets=(UI,))) is Result.NOTCHECKED


def test_a_name_is_not_judged() -> None:
    seen = finding("applications.rabbitmq-console", host(sockets=(UI,)), administrators="bastion.example.org")
    assert seen.result is Result.UNKNOWN
    assert "bastion.example.org" in seen.message


# --- public addresses, old ports --------------------


@pytest.mark.parametrize(
    ("rules", "address", "expected"),
    [
        (None, "93.184.216.34", Result.FAIL),
        (None, "10.0.0.7", Result.PASS),
        (SHUT, "93.184.216.34", Result.PASS),
        (nft(chain(), rule(source("10.0.0.9"), port(5672), ACCEPT)), "93.184.216.34", Result.PASS),
        (nft(chain(), rule(source("8.8.8.8"), port(5672), ACCEPT)), "93.184.216.34", Result.FAIL),
    ],
)
def test_messages_in_clear_on_a_public_address(rules: Output | None, address: str, expected: Result) -> None:
    made = host(rules, sockets=(AMQP,))
    made.answers[Interfaces] = (Interface("eth0", (address,)),)
    assert result("amqp-not-public", made) is expected


def test_a_broker_of_before_2013_and_misprinted_ports_of_redis() -> None:
    old = host(sockets=(replace(AMQP, port=55672), Socket("tcp", "127.0.0.1", 6739, "redis-server")))
    assert result("rabbitmq-before-3", old) is Result.FAIL
    assert result("redis-misprint", old) is Result.FAIL
    assert result("rabbitmq-before-3", host()) is Result.PASS
    assert result("redis-misprint", host()) is Result.PASS


def test_only_hosts_of_the_application_are_asked() -> None:
    made = host(sockets=(replace(AMQP, port=8082),))
    assert result("api-behind-proxy", made, applications="canopsis, course") is Result.FAIL
    assert result("api-behind-proxy", made, applications="roboconf") is Result.NOTAPPLICABLE


# --- forgotten openings --------------------


def orphans(*rules: object, sockets: tuple[Socket, ...] = (SSH,)) -> str:
    return finding("firewall.no-orphans", host(nft(chain(), *rules), sockets=sockets)).running


def test_an_opening_behind_which_nothing_listens_is_named() -> None:
    doors = {"set": [22, 8080, {"range": [9000, 9005]}]}
    assert orphans(rule(port(doors), ACCEPT)) == "tcp 8080; tcp 9000-9005"
    assert orphans(rule(port(22), ACCEPT)) == "none"


def test_in_chains_that_are_jumped_to_and_not_on_the_way_out() -> None:
    side = {"chain": {"family": "inet", "table": "filter", "name": "side"}}
    jump = rule({"jump": {"target": "side"}})
    assert orphans(side, jump, rule(port(8080), ACCEPT, name="side")) == "tcp 8080"
    assert orphans(chain(hook="output"), rule(port(8080), ACCEPT, name="output")) == "none"


def test_a_rule_that_closes_is_no_opening() -> None:
    assert orphans(rule(port(8080), {"drop": None})) == "none"


# --- RabbitMQ's own files --------------------


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"/etc/rabbitmq/rabbitmq.conf": "listeners.tcp.default = 5672\n"}, Result.PASS),
        ({"/etc/rabbitmq/rabbitmq.conf": "loopback_users = none\n"}, Result.FAIL),
        ({"/etc/rabbitmq/rabbitmq.conf": "# loopback_users = none\n"}, Result.PASS),
        ({"/etc/rabbitmq/conf.d/10-x.conf": "loopback_users.guest = false # all\n"}, Result.FAIL),
        (
            {
                "/etc/rabbitmq/rabbitmq.conf": "loopback_users = none\n",
                "/etc/rabbitmq/conf.d/90-x.conf": "loopback_users.guest = true\n",
            },
            Result.PASS,
        ),
        ({"/etc/rabbitmq/advanced.config": "[{rabbit,[{loopback_users,[]}]}]."}, Result.UNKNOWN),
        ({}, Result.NOTAPPLICABLE),
    ],
)
def test_from_where_guest_may_come(files: dict[str, str], expected: Result) -> None:
    assert result("rabbitmq-guest", host(files=files)) is expected
