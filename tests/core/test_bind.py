"""Where stores of data listen: read from their files as they read them, and bound to loopback."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.model import Action, Drift, Finding, Result
from hardentui.operations import Refusal, ReplaceLine, RestartUnit
from hardentui.resources.bind import SERVERS
from hardentui.session import Session
from hardentui.snapshot import Kind, Socket, UnitFile

from . import hosts
from .sittings import CHECKLISTS

ANSWERS = {"database-clients": "no"}


def host(name: str, text: str | None, *addresses: str) -> hosts.DictHost:
    server = SERVERS[name]
    return hosts.server(
        files={} if text is None else {server.path: text},
        sockets=tuple(Socket("tcp6" if ":" in a else "tcp", a, server.port, name) for a in addresses),
        unit_files=(UnitFile(server.units[0], "enabled"),),
    )


def found(name: str, text: str | None, *addresses: str) -> Finding:
    entry = CHECKLISTS.get(f"bind.{name}")
    assert entry is not None
    return assess([entry], hosts.snapshot(host(name, text, *addresses)), ANSWERS, CHECKLISTS.questions)[0]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("redis", "bind 127.0.0.1 -::1\n", "loopback"),
        ("redis", "BIND 127.0.0.1 192.0.2.7\n", "127.0.0.1, 192.0.2.7"),
        ("redis", "bind * -::*\n", "any"),
        ("redis", "bind 0.0.0.0\nbind 127.0.0.1\n", "loopback"),
        ("redis", "# bind 127.0.0.1\nport 6379\n", "any"),
        ("rabbitmq", "listeners.tcp.default = 5672\n", "any"),
        ("rabbitmq", "listeners.tcp.local = 127.0.0.1:5672\nlisteners.tcp.six = ::1:5672\n", "loopback"),
        (
            "rabbitmq",
            "listeners.tcp.a = 127.0.0.1:5672\nlisteners.tcp.b = 192.0.2.7:5672",
            "127.0.0.1, 192.0.2.7",
        ),
        ("rabbitmq", "listeners.ssl.default = 5671\n", "any"),
        ("mongodb", "net:\n  port: 27017\n  bindIp: 127.0.0.1,::1  # inside\n", "loopback"),
        ("mongodb", "net:\n  bindIp: localhost,/run/mongo.sock\n", "loopback"),
        ("mongodb", "net:\n  bindIpAll: true\n", "any"),
        ("mongodb", "security:\n  bindIp: 0.0.0.0\nnet:\n  port: 27017\n", "loopback"),
    ],
)
def test_a_file_says_where_a_start_would_listen(name: str, text: str, value: str) -> None:
    assert found(name, text).boot == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("redis", "include /etc/redis/more.conf\n"),
        ("rabbitmq", "listeners.tcp = none\n"),
        ("mongodb", "net: {bindIp: ::}"),
    ],
)
def test_what_is_not_read_here_is_no_pass(name: str, text: str) -> None:
    finding = found(name, text, "127.0.0.1")
    assert finding.result is Result.UNKNOWN
    assert SERVERS[name].path in finding.message


def test_a_file_that_was_changed_and_not_yet_obeyed_is_drift() -> None:
    assert found("redis", "bind 127.0.0.1\n", "0.0.0.0").drift is Drift.NOT_YET
    assert found("redis", "bind 0.0.0.0\n", "127.0.0.1").drift is Drift.LOST_AT_REBOOT


def test_where_there_is_no_such_server_nothing_is_asked() -> None:
    assert found("redis", None).result is Result.NOTAPPLICABLE


@pytest.mark.parametrize("name", SERVERS)
def test_the_change_is_one_line_and_a_restart(name: str) -> None:
    session = Session.begin(CHECKLISTS, hosts.snapshot(hosts.two_interfaces())).answered(
        "database-clients", "no"
    )
    finding = session.finding(f"bind.{name}")
    assert finding is not None
    assert finding.result is Result.FAIL
    steps = change_of(finding.recommendation, session.decision(finding, Action.APPLY))
    assert isinstance(steps, tuple)
    assert [type(step) for step in steps] == [ReplaceLine, RestartUnit]


@functools.cache
def without_server(name: str) -> Session:
    return Session.begin(CHECKLISTS, hosts.snapshot(host(name, None)))


@given(st.sampled_from(sorted(SERVERS)), st.text())
def test_hostile_lines_of_a_file_or_a_plan_make_no_line_of_theirs(name: str, text: str) -> None:
    server = SERVERS[name]
    for line, _names in server.written(f"net:\n{text}"):
        assert server.bound(line).isprintable()
        assert "127.0.0.1" in server.bound(line)
    entry = CHECKLISTS.get(f"bind.{name}")
    assert entry is not None
    session = without_server(name)
    finding = session.finding(entry.id)
    assert finding is not None
    decision = session.decision(finding, Action.APPLY)
    object.__setattr__(decision, "facts", {"lines": (text,), "unit": server.units[0]})
    steps = change_of(entry, decision)
    if not isinstance(steps, Refusal):
        assert all("127.0.0.1" in step.after for step in steps if isinstance(step, ReplaceLine))


def test_a_folder_of_the_service_itself_is_left_to_a_person() -> None:
    """Debian gives /etc/redis to redis: a script that wrote there as root could be led elsewhere."""
    made = host("redis", "bind 0.0.0.0\n", "0.0.0.0")
    made.stats["/etc/redis"] = hosts.status(0o2770, "redis", "redis", Kind.FOLDER)
    session = Session.begin(CHECKLISTS, hosts.snapshot(made)).answered("database-clients", "no")
    finding = session.finding("bind.redis")
    assert finding is not None
    refusal = session.refusal(finding)
    assert "/etc/redis" in refusal
    assert "/etc/redis/redis.conf by hand" in refusal
