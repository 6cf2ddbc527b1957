"""Who holds the firewall of a host instead of nftables, and what the house asks of such a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hardentui.i18n import _
from hardentui.model import Fact, Gap, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.firewall.policy import Policy
from hardentui.snapshot import Question, Snapshot


@dataclass(frozen=True, slots=True)
class Holder:
    """A program that keeps the rules of a host in files of its own, and loads them.

    ``file`` is the first that a policy is written to. ``running`` and ``at_boot`` give the policy that the
    loaded rules and the files come to, None where they come to none, a gap where somebody changed ours or
    lets more through beside it; ``facts`` what ``steps`` to another policy depend on; ``shut_out`` the rules,
    in words, by which people shut something out until a policy comes in; ``after_load`` what the questions
    of ``moved`` answer once the files were loaded, for a rehearsal.
    """

    name: str
    file: str
    running: Callable[[Snapshot], Policy | Gap | None]
    at_boot: Callable[[Snapshot], Policy | Gap | None]
    facts: Callable[[Snapshot], Mapping[str, Fact]]
    shut_out: Callable[[Snapshot], tuple[str, ...]]
    steps: Callable[[Recommendation, Mapping[str, Fact], Policy], Change]
    after_load: Callable[[Snapshot], Mapping[Question[Any], Any]]
    moved: tuple[Question[Any], ...]


def refusal(obstacle: str, reasons: Mapping[str, str]) -> Refusal:
    """Why the script does not write here: the reason of that word, of "unread" for a word without one."""
    return Refusal(_(reasons.get(obstacle, reasons["unread"])))
