"""The text of a firewall policy: read, refused, and written the same again."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.resources.firewall.policy import Cut, Network, Permit, Policy, parse, write

TEXT = """\
in drop
out drop
in tcp 22 from 10.0.0.0/24,2001:db8::/64 course.ssh
in tcp 8080,8443 from any canopsis.users-web
in udp 162 from 192.0.2.0/24 canopsis.traps
out udp 53 to 10.0.0.53 course.dns
cut in tcp 2222 any: a console is at hand
cut out tcp 389 2001:db8::5: the directory moves: LDAPS"""


def test_the_text_says_what_may_connect() -> None:
    """A permit is about its ports and its peers, of both families, and nothing else may connect."""
    policy = parse(TEXT)

    def lets(direction: str, protocol: str, port: int, peer: str) -> bool:
        return policy.lets(direction, protocol, port, ipaddress.ip_address(peer))  # type: ignore[arg-type]

    assert lets("in", "tcp", 22, "10.0.0.7")
    assert lets("in", "tcp", 22, "2001:db8::7")
    assert not lets("in", "tcp", 22, "10.0.1.7")
    assert not lets("in", "udp", 22, "10.0.0.7")
    assert lets("in", "tcp", 8443, "203.0.113.9")
    assert not lets("in", "tcp", 8081, "203.0.113.9")
    assert lets("out", "udp", 53, "10.0.0.53")
    assert not lets("out", "udp", 53, "10.0.0.54")
    assert not lets("out", "tcp", 389, "2001:db8::5"), "what is cut is not permitted"
    assert parse(TEXT.replace("out drop", "out accept")).lets("out", "tcp", 1, ipaddress.ip_address("::2"))


def test_a_normal_text_is_written_as_it_was_read() -> None:
    """The text that is decided is the text that stands in the plan."""
    assert write(parse(TEXT)) == TEXT


def test_order_and_spelling_have_no_meaning() -> None:
    """Two texts that permit the same are one."""
    other = """
out   drop
cut in tcp 2222 any: a console is at hand
cut out tcp 389 2001:0db8::5: the directory moves: LDAPS

out udp 53 to 10.0.0.53/32 course.dns
in udp 162 from 192.0.2.128/25,192.0.2.0/25 canopsis.traps
in tcp 8443,8080 from ::/0,0.0.0.0/0 canopsis.users-web
in tcp 22 from 2001:DB8::/64,10.0.0.0/24 course.ssh
  in  drop"""
    assert write(parse(other)) == TEXT


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("in tcp 0 from any a", "no port"),
        ("in tcp 65536 from any a", "65535"),
        ("in tcp 9-5 from any a", "9-5"),
        ("in tcp 5,5 from any a", "twice"),
        ("in tcp 1-9,5 from any a", "twice"),
        ("in tcp ٣ from any a", "no port"),
        ("in tcp  from any a", "expected"),
        ("in sctp 5 from any a", "tcp, udp"),
        ("in tcp ssh from any a", "no port"),
        ("in tcp 5 to any a", "expected"),
        ("out tcp 5 from any a", "expected"),
        ("in tcp 5 from 10.0.0.1/24 a", "did you mean 10.0.0.0/24"),
        ("in tcp 5 from 10.0.0.0/33 a", "no network"),
        ("in tcp 5 from 10.0.0.0/255.255.255.0 a", "no network"),
        ("in tcp 5 from 010.0.0.1 a", "no address"),
        ("in tcp 5 from example.org a", "no address"),
        ("in tcp 5 from fe80::1%eth0 a", "no interface"),
        ("in tcp 5 from ::ffff:10.0.0.1 a", "IPv4"),
        ("in tcp 5 from 10.0.0.1,10.0.0.1 a", "twice"),
        ("in tcp 5 from 224.0.0.0/4 a", "nothing comes from there"),
        ("in tcp 5 from 127.0.0.1 a", "nothing comes from there"),
        ("in tcp 5 from 10.0.0.1, a", "no address"),
        ("in tcp 5 from any A", "no id"),
        ("in tcp 5 from any a;flush", "no id"),
        ('in tcp 5 from any a"', "no id"),
        ("in tcp 5 from any a b", "expected"),
        ("in accept", "expected"),
        ("in drop", "twice"),
        ("in tcp 22 from 10.0.0.0/24,2001:db8::/64 course.ssh", "twice"),
        ("cut out tcp 389 10.0.0.5:", "expected"),
        ("cut in tcp 22 any:", "expected"),
        ("cut in tcp 22-23 any: why", "no port"),
        ("cut in tcp 2222 any: a console is at hand", "twice"),
        ("cut out tcp 389 10.0.0.0/8: why", "no address"),
        ("cut out tcp 389 10.0.0.5: a\\", "backslash"),
        ("cut out tcp 389 10.0.0.5: a\x1b[31m", "no text"),
        ("# a comment", "expected"),
    ],
)
def test_a_wrong_line_is_named_with_what_was_expected(line: str, said: str) -> None:
    """Whoever edits a plan by hand is told which line, and what it should be."""
    with pytest.raises(ValueError, match=r"^line 9, ") as refused:
        parse(f"{TEXT}\n{line}")
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "in drop", "out drop", "in tcp 1 from any a\nout drop"])
def test_a_text_without_its_defaults_is_refused(text: str) -> None:
    """Nobody has to guess what becomes of the rest."""
    with pytest.raises(ValueError, match="default"):
        parse(text)


_PORTS = st.integers(1, 65535)
_RANGES = st.tuples(_PORTS, _PORTS).map(lambda two: (min(two), max(two)))
_NETWORKS: st.SearchStrategy[Network] = st.one_of(
    st.builds(
        lambda number, bits: ipaddress.ip_network((number, bits), strict=False),
        st.integers(0x01000000, 0x7EFFFFFF),
        st.integers(8, 32),
    ),
    st.builds(
        lambda number, bits: ipaddress.ip_network(((0x2 << 124) | number, bits), strict=False),
        st.integers(0, 2**120),
        st.integers(8, 128),
    ),
)
_NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True)
_PERMITS = st.builds(
    Permit,
    st.sampled_from(["in", "out"]),
    st.sampled_from(["tcp", "udp"]),
    st.lists(_RANGES, min_size=1, max_size=4).map(tuple),
    st.lists(_NETWORKS, max_size=4).map(tuple),
    _NAMES,
)
_REASONS = st.text(
    st.characters(
        exclude_categories=("C", "Zl", "Zp", "Zs"), include_characters=" ", exclude_characters="\\"
    ),
    min_size=1,
    max_size=50,
).filter(str.strip)
_CUTS = st.builds(
    Cut,
    st.sampled_from(["in", "out"]),
    st.sampled_from(["tcp", "udp"]),
    _PORTS,
    st.one_of(st.none(), st.ip_addresses(v=4), st.ip_addresses(v=6)),
    _REASONS,
)
POLICIES = st.builds(
    Policy,
    st.sampled_from(["accept", "drop"]),
    st.lists(_PERMITS, max_size=8).map(tuple),
    st.lists(_CUTS, max_size=3).map(tuple),
)


@given(POLICIES)
def test_every_policy_is_read_as_it_was_written(policy: Policy) -> None:
    """The text holds all of it."""
    assert parse(write(policy)) == policy


@given(st.text())
def test_a_hostile_text_is_refused_with_a_sentence(text: str) -> None:
    """No text of a plan makes anything but a policy or a refusal."""
    for hostile in (text, f"in drop\nout drop\n{text}", f"in drop\nout drop\nin tcp 5 from {text} a"):
        policy = None
        with contextlib.suppress(ValueError):
            policy = parse(hostile)
        if policy is not None:
            assert parse(write(policy)) == policy
