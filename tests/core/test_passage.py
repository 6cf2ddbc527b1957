"""How much of some networks is let in: against counting every address of a small world."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from hardentui.resources.firewall.passage import EVERYWHERE, Share, passage
from hardentui.resources.firewall.reach import Door, From, Reach

DOOR = Door("eth0", ipaddress.ip_address("192.0.2.7"))
SIX = Door("eth0", ipaddress.ip_address("2001:db8::7"))
LINK = Door("eth0", ipaddress.ip_address("fe80::7"))
NETWORKS = st.builds(
    lambda low, bits: ipaddress.ip_network((0x0A000000 | low, bits), strict=False),
    st.integers(0, 63),
    st.integers(26, 32),
)


def texts(networks) -> tuple[str, ...]:
    return tuple(map(str, networks))


SEVERAL = st.lists(NETWORKS, max_size=3)


@given(SEVERAL, SEVERAL, SEVERAL, st.booleans())
def test_it_is_what_counting_every_address_gives(asked, without, named, inverted) -> None:
    reach = Reach(From.ANY, without=texts(named)) if inverted else Reach(From.SOME, networks=texts(named))
    world = [a for n in asked for a in n if not any(a in other for other in without)]
    passing = [a for a in set(world) if any(a in n for n in named) != inverted]
    found = passage({DOOR: reach}, asked, without)
    if not world:
        assert found is None
    elif len(passing) == len(set(world)):
        assert found.share is Share.ALL
    else:
        assert found.share is (Share.SOME if passing else Share.NONE)


def test_ways_that_differ_let_in_a_part() -> None:
    other = Door("eth1", ipaddress.ip_address("198.51.100.7"))
    both = {DOOR: Reach(From.ANY), other: Reach(From.NOBODY)}
    assert passage(both, EVERYWHERE).share is Share.SOME


def test_of_a_version_that_no_way_speaks_nothing_is_asked() -> None:
    six = [ipaddress.ip_network("2001:db8:1::/48")]
    assert passage({DOOR: Reach(From.NOBODY)}, six) is None
    assert passage({DOOR: Reach(From.NOBODY), SIX: Reach(From.ANY)}, six).share is Share.ALL


def test_a_link_local_way_is_for_the_link_only() -> None:
    assert passage({LINK: Reach(From.ANY)}, [ipaddress.ip_network("2001:db8::/32")]) is None
    assert passage({LINK: Reach(From.ANY)}, [ipaddress.ip_network("fe80::/64")]).share is Share.ALL


def test_what_is_not_known_is_not_guessed_and_what_is_diverted_is_open() -> None:
    unknown = Reach(From.UNKNOWN, why="inet filter input (limit)")
    found = passage({DOOR: unknown, SIX: Reach(From.ANY)}, EVERYWHERE)
    assert (found.share, "limit" in found.why) == (Share.UNKNOWN, True)
    diverted = passage({DOOR: Reach(From.DIVERTED, why="172.17.0.2")}, EVERYWHERE)
    assert (diverted.share, diverted.published) == (Share.ALL, True)
