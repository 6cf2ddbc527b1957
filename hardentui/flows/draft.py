"""The firewall policy that the applications of a host ask for, with what a person added and acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from hardentui.answers import FORMATS, items_of
from hardentui.flows.bindings import Bindings, bind
from hardentui.flows.matrix import Matrix, build
from hardentui.flows.needs import Need
from hardentui.flows.profile import Profile
from hardentui.i18n import _
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.resources.connections import Contact
from hardentui.resources.firewall.policy import Cut, Network, Permit, Policy, lockout, parse, write
from hardentui.resources.firewall.policy.cut import unsaid
from hardentui.resources.firewall.policy.lockout import Entrance
from hardentui.snapshot import Snapshot

ADDED = "flows-added"  # the question for the flows that no profile knows
DECISION = "firewall.policy"  # the recommendation of which the policy is the target


@dataclass(frozen=True)
class Draft:
    """A policy in the making. Every change gives a new one."""

    matrix: Matrix
    policy: Policy
    troubles: tuple[str, ...]
    entrances: tuple[Entrance, ...]  # by which administrators come in

    @classmethod
    def open(
        cls, profiles: Iterable[Profile], answers: Mapping[str, str], snapshot: Snapshot, decided: str = ""
    ) -> Draft:
        """What the answers ask for; of the policy that is ``decided``, what was acknowledged stays."""
        bindings = bind(profiles, answers, snapshot)
        permits, mistakes = added(answers.get(ADDED, ""))
        matrix = build(bindings, snapshot, permits)
        proposed, troubles = propose(matrix.needs, bindings)
        policy = replace(proposed, cuts=_acknowledged(decided))
        found = lockout.entrances(snapshot)
        if isinstance(found, Gap):
            troubles = (*troubles, _("where sshd listens is not known: {why}").format(why=explain(found)))
        return cls(matrix, policy, (*bindings.troubles, *mistakes, *troubles), lockout.known(found))

    @cached_property
    def unsaid(self) -> tuple[Entrance | Contact, ...]:
        """What it would end, and nobody acknowledged: the way in to sshd, and the connections of now."""
        return (*lockout.shut(self.policy, self.entrances), *unsaid(self.policy, self.matrix.contacts))

    @cached_property
    def ending(self) -> tuple[Entrance | Contact, ...]:
        """The same, acknowledged or not."""
        return replace(self, policy=replace(self.policy, cuts=())).unsaid

    @property
    def text(self) -> str:
        """The policy as it is decided about and reviewed."""
        return write(self.policy)

    def with_cuts(self, cuts: Iterable[Cut]) -> Draft:
        """With these connections acknowledged as well; of two reasons for one, these count."""
        new = {_of(cut): cut for cut in (*self.policy.cuts, *cuts)}
        return replace(self, policy=replace(self.policy, cuts=tuple(new.values())))

    def acknowledging(self, one: Entrance | Contact, reason: str) -> Draft:
        """With the reason why a way in may be shut, or a connection may end.

        Raises:
            ValueError: this is no reason; a sentence.
        """
        cut = Cut(one.direction, one.protocol, one.port, one.address, reason)
        return self.with_cuts([cut])


def propose(needs: Iterable[Need], bindings: Bindings) -> tuple[Policy, tuple[str, ...]]:
    """The policy for some needs, and what of them it leaves out or opens wider, in sentences."""
    permits: list[Permit] = []
    unknown: dict[str, list[str]] = {}
    named: dict[str, list[str]] = {}
    for need in needs:
        networks: list[Network] = []
        open_to_all = False
        for party in need.parties:  # none where it is this host itself: loopback always passes
            networks += party.bound.networks
            open_to_all = open_to_all or party.bound.anybody
            if not party.bound.known:
                unknown.setdefault(party.title, []).append(need.name)
            elif party.bound.names:
                names = ", ".join(party.bound.names)
                named.setdefault(f"{party.title} ({names})", []).append(need.name)
                open_to_all = open_to_all or need.direction == "out"
        if networks or open_to_all:
            peers = () if open_to_all else tuple(dict.fromkeys(networks))
            permits.append(Permit(need.direction, need.ports.protocol, need.ports.spans, peers, need.name))
    troubles = (
        *(_left_out(party, flows) for party, flows in unknown.items()),
        *(_by_name(party, flows) for party, flows in named.items()),
    )
    return Policy("accept" if bindings.outgoing_open else "drop", tuple(permits)), troubles


def _left_out(party: str, flows: Iterable[str]) -> str:
    return _("{party}: nobody has said who that is; left out: {flows}").format(
        party=party, flows=", ".join(flows)
    )


def _by_name(party: str, flows: Iterable[str]) -> str:
    return _(
        "{party}: no firewall knows names; what goes out is open to any address, what comes in needs "
        "addresses: {flows}"
    ).format(party=party, flows=", ".join(flows))


def added(answer: str) -> tuple[tuple[Permit, ...], tuple[str, ...]]:
    """The permits that a person added, and what is wrong with those that are none."""
    permits, mistakes = [], []
    for line in items_of(answer, FORMATS["permits"].separator):
        try:
            permits.append(permit(line))
        except ValueError as error:
            mistakes.append(str(error))
    return tuple(permits), tuple(mistakes)


def permit(line: str) -> Permit:
    """The permit of one line of a policy.

    Raises:
        ValueError: it is none; a sentence.
    """
    form = FORMATS["permits"]
    if not form.fits(line):
        expected = _(form.expected)
        raise ValueError(
            _("{value} does not fit: expected {expected}").format(value=ascii(line[:80]), expected=expected)
        )
    return parse(f"in drop\nout drop\n{line}").permits[0]


def _of(cut: Cut) -> tuple[object, ...]:
    """The connection that a cut is about."""
    return cut.direction, cut.protocol, cut.port, cut.peer


def _acknowledged(decided: str) -> tuple[Cut, ...]:
    """What a decided policy acknowledges; nothing where it is none."""
    try:
        return parse(decided).cuts if decided else ()
    except ValueError:
        return ()
