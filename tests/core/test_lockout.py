"""A policy that lets nobody in to sshd is no policy, unless somebody says that this is meant."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hardentui.flows.draft import DECISION
from hardentui.model import Action
from hardentui.session import Session
from hardentui.snapshot import Privileges, PrivilegesAre, Reason, Snapshot, Socket, Sockets, Unit, Unread

from . import hosts
from .applications import CHECKLISTS, draft, host

SSH = Socket("tcp", "0.0.0.0", 22, "sshd", 7, "root", "ssh.service")
ODD = Socket("tcp", "192.0.2.7", 2222, "sshd", 7, "root", "ssh.service")
SIX = Socket("tcp6", "::", 22, "sshd", 7, "root", "ssh.service")
HELD = Socket("tcp6", "::", 2200, "systemd", 1, "root", "init.scope")
WAITING = (Unit("ssh.socket", "loaded", "active", listens=("[::]:2200 (Stream)",)),)
BOTH = {"/proc/sys/net/ipv6/bindv6only": "0"}
APART = {"/proc/sys/net/ipv6/bindv6only": "1"}


def seen(*sockets: Socket, **changes: Any) -> Snapshot:
    return hosts.snapshot(host(sockets=sockets, **{"files": {"/usr/sbin/nft": "a program"}, **changes}))


def refusal(snapshot: Snapshot, *lines: str) -> str:
    """Why the steps to a policy of these lines are not made; "" where they are."""
    session = Session.begin(CHECKLISTS, snapshot)
    found = session.finding(DECISION)
    assert found is not None
    target = "\n".join(("in drop", "out accept", *lines))
    made = session.decided(session.decision(found, Action.APPLY, target=target)).compiled()
    return made.refused.get(DECISION, "")


@pytest.mark.parametrize(
    ("sockets", "changes", "named", "opening"),
    [
        ((SSH,), {}, "tcp 22 (IPv4)", "in tcp 22 from any a.ssh"),
        ((ODD,), {}, "tcp 2222 (IPv4)", "in tcp 2000-3000 from 192.0.2.1 a.ssh"),
        ((SIX,), {"kernel": BOTH}, "tcp 22 (IPv4, IPv6)", "in tcp 22 from 192.0.2.1 a.ssh"),
        ((SIX,), {"kernel": APART}, "tcp 22 (IPv6)", "in tcp 22 from 2001:db8::/64 a.ssh"),
        (
            (HELD,),
            {"kernel": BOTH, "units": WAITING},
            "tcp 2200 (IPv4, IPv6)",
            "in tcp 2200 from any a",
        ),
        # One of several is enough.
        ((SSH, ODD), {}, "tcp 22 (IPv4)", "in tcp 2222 from 192.0.2.1 a.ssh"),
    ],
)
def test_the_port_of_sshd_and_what_to_write_are_named(
    sockets: tuple[Socket, ...], changes: dict[str, Any], named: str, opening: str
) -> None:
    snapshot = seen(*sockets, **changes)
    said = refusal(snapshot, "in tcp 443 from any a.web", "in udp 22 from any a.other")
    assert f"sshd listens on {named}, and no line of the policy lets anybody in" in said
    number = named.split()[1]
    assert f"in tcp {number} from PEERS NAME" in said
    assert f"cut in tcp {number} any: REASON" in said
    assert refusal(snapshot, opening) == ""


def test_a_machine_of_the_other_version_of_ip_does_not_come_in() -> None:
    assert "tcp 22 (IPv4)" in refusal(seen(SSH), "in tcp 22 from 2001:db8::/64 a.ssh")
    assert "tcp 22 (IPv6)" in refusal(seen(SIX, kernel=APART), "in tcp 22 from 192.0.2.0/24 a.ssh")


def test_whoever_means_it_says_why_for_each_port() -> None:
    snapshot = seen(SSH, ODD)
    first, second = "cut in tcp 22 any: a console is at hand", "cut in tcp 2222 any: a console is at hand"
    assert "tcp 2222" in refusal(snapshot, first)
    assert "tcp 22 (" in refusal(snapshot, second)
    assert refusal(snapshot, first, second) == ""
    assert "tcp 22 (" in refusal(snapshot, "cut in udp 22 any: no", second)
    assert "tcp 22 (" in refusal(snapshot, "cut out tcp 22 any: no", second)
    assert "tcp 22 (" in refusal(snapshot, "cut in tcp 22 192.0.2.9: this one only", second)


@pytest.mark.parametrize(
    "socket",
    [
        Socket("tcp", "127.0.0.1", 22, "sshd", 7, "root", "ssh.service"),
        Socket("tcp", "0.0.0.0", 22, "haproxy", 7, "root", "haproxy.service"),
        Socket("udp", "0.0.0.0", 22, "sshd", 7, "root", ""),
        Socket("tcp", "0.0.0.0", 4444, "sshd", 7, "mallory", ""),
    ],
)
def test_what_lets_no_administrator_in_does_not_count(socket: Socket) -> None:
    assert refusal(seen(socket)) == ""
    assert "tcp 22 (IPv4)" in refusal(seen(SSH, socket), "in tcp 4444 from any a.b")


def test_where_nobody_can_see_it_the_default_of_sshd_stands_for_it_and_this_is_said() -> None:
    blind = host(files={"/usr/sbin/nft": "a program"})
    blind.answers[Sockets] = Unread(Reason.TIMED_OUT)
    nameless = host(sockets=(Socket("tcp", "0.0.0.0", 22, ""),))
    nameless.answers[PrivilegesAre] = Privileges(1000, "someone", "")
    for made in (blind, nameless, host(name="image")):
        snapshot = hosts.snapshot(made)
        said = refusal(snapshot)
        assert "where sshd listens could not be read" in said
        assert "cut in tcp 22 any: REASON" in said
        assert not refusal(snapshot, "in tcp 22 from 192.0.2.1 a.ssh").startswith("where sshd")
        assert any(one.startswith("where sshd listens is not known") for one in draft(snapshot).troubles)
    assert not any("sshd listens" in one for one in draft(seen(SSH)).troubles)


def test_the_matrix_names_it_until_somebody_is_let_in_or_says_why() -> None:
    made = draft(seen(SSH), administrators="")
    (ending,) = made.unsaid
    assert str(ending) == "in tcp 22 any"
    said = made.acknowledging(ending, "a console is at hand")
    assert said.unsaid == ()
    assert said.text.endswith("\ncut in tcp 22 any: a console is at hand")
    assert draft(seen(SSH), said.text, administrators="").unsaid == ()
    assert draft(seen(SSH)).unsaid == ()


def test_a_plan_that_somebody_edited_names_no_other_port() -> None:
    session = Session.begin(CHECKLISTS, seen(SSH))
    found = session.finding(DECISION)
    assert found is not None
    decision = session.decision(found, Action.APPLY, target="in drop\nout accept\nin tcp 22 from any a.ssh")
    facts = {**decision.facts, "sshd": ("tcp 22 ($(reboot))",)}
    made = session.decided(dataclasses.replace(decision, facts=facts)).compiled()
    assert "is no port of sshd" in made.refused[DECISION]
