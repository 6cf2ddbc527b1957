"""Who is connected with whom, and who called: read from the running host, told by the listeners."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.host.live import LiveHost
from hardentui.host.recording import RecordedHost, record
from hardentui.model import Gap, GapKind
from hardentui.resources.connections import Contact, contacts
from hardentui.snapshot import Connection, Connections, Reason, Snapshot, Socket, Sockets, Unread

from . import hosts

SSH = Socket("tcp6", "::", 22, "sshd", 7, "root", "ssh.service")
IN = Connection("tcp", "192.0.2.7", 22, "10.0.0.17", 50111, "sshd", 8, "ssh.service")
OUT = Connection("tcp", "192.0.2.7", 40001, "10.0.0.9", 389, "sssd", 9, "sssd.service")


def seen(*found: Connection, sockets: tuple[Socket, ...] = (SSH,)) -> tuple[Contact, ...]:
    host = hosts.server(sockets=sockets, connections=found)
    known = contacts(hosts.snapshot(host))
    assert not isinstance(known, Gap)
    return known


def test_who_was_called_is_told_by_what_listens() -> None:
    assert [str(one) for one in seen(IN, OUT)] == ["in tcp 22 10.0.0.17", "out tcp 389 10.0.0.9"]


def test_a_port_that_listens_for_another_protocol_is_not_the_one_that_was_called() -> None:
    asks = Connection("udp", "192.0.2.7", 22, "192.0.2.53", 53, "resolver")
    assert str(seen(asks)[0]) == "out udp 53 192.0.2.53"


def test_connections_of_one_kind_are_counted() -> None:
    again = Connection("tcp", "192.0.2.7", 22, "10.0.0.17", 50112, "sshd", 8, "ssh.service")
    assert [(str(one), one.count) for one in seen(IN, again)] == [("in tcp 22 10.0.0.17", 2)]


@pytest.mark.parametrize("question", [Connections, Sockets])
def test_what_cannot_be_read_is_said(question: type) -> None:
    host = hosts.server(connections=(IN,))
    host.answers[question] = Unread(Reason.DENIED, "netlink")
    found = contacts(hosts.snapshot(host))
    assert isinstance(found, Gap)
    assert found.kind is GapKind.DENIED


def test_an_image_has_no_connections() -> None:
    assert isinstance(contacts(hosts.snapshot(hosts.server(name="image"))), Gap)


def test_a_recording_gives_them_back(tmp_path: Path) -> None:
    snapshot = hosts.snapshot(hosts.server(sockets=(SSH,), connections=(IN, OUT)))
    before = contacts(snapshot)
    (tmp_path / "host.json").write_text(record(snapshot))
    assert contacts(Snapshot(RecordedHost(tmp_path / "host.json"))) == before


def test_a_recording_of_before_has_none_and_says_so() -> None:
    host = hosts.server()
    host.answers[Connections] = Unread(Reason.NOT_RECORDED)
    found = contacts(hosts.snapshot(host))
    assert isinstance(found, Gap)
    assert found.kind is GapKind.NOT_RECORDED


def test_this_host_shows_a_connected_socket() -> None:
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asking.connect(("192.0.2.9", 4242))  # no packet is sent
        own, own_port = asking.getsockname()
        found = Snapshot(LiveHost()).ask(Connections())
    except OSError:
        pytest.skip("no route to other machines here")
    finally:
        asking.close()
    assert not isinstance(found, Unread)
    mine = next(one for one in found if one.port == own_port)
    assert (mine.protocol, mine.address, mine.peer, mine.peer_port) == ("udp", own, "192.0.2.9", 4242)
    assert mine.process


def test_what_stays_on_this_host_is_left_out() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        found = Snapshot(LiveHost()).ask(Connections())
        assert not isinstance(found, Unread)
        assert server.getsockname()[1] not in {one.peer_port for one in found}


@given(
    st.sampled_from(["in", "out"]),
    st.sampled_from(["tcp", "udp"]),
    st.integers(1, 65535),
    st.ip_addresses(),
)
def test_a_contact_is_read_back_from_its_text(
    direction, protocol, port, peer: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    one = Contact(direction, protocol, port, str(peer), "", "", 1)
    assert Contact.parse(str(one)) == one


@given(st.text(max_size=60))
def test_no_other_text_is_a_contact(text: str) -> None:
    try:
        one = Contact.parse(text)
    except ValueError:
        return
    assert str(one) == text
