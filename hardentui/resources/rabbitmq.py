"""RabbitMQ's own configuration: from where its account guest may log in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import of_files, wrong_subject
from hardentui.snapshot import File, Folder, Reason, Snapshot, Unread

FOLDER = "/etc/rabbitmq"
_MAIN, _MORE, _ERLANG = f"{FOLDER}/rabbitmq.conf", f"{FOLDER}/conf.d", f"{FOLDER}/advanced.config"
# rabbitmq.conf(5): "loopback_users = none", or "loopback_users.guest = false".
_LINE = re.compile(r"^\s*loopback_users(?:\.(?P<user>\S+))?\s*=\s*(?P<value>\S+)\s*(?:#.*)?$", re.MULTILINE)


class RabbitMq:
    """The resource "rabbitmq": the value of "guest" is "loopback" or "everywhere"."""

    name = "rabbitmq"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, ("guest",))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG002
        """See Resource."""
        return of_files(snapshot, _guest(snapshot))

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("the accounts of RabbitMQ are its own: rabbitmqctl delete_user guest"))


def _guest(snapshot: Snapshot) -> Reading:
    there = snapshot.ask(Folder(FOLDER))
    if isinstance(there, Unread):
        return Reading(gap=there.gap(FOLDER))
    values, places = "loopback", []
    for path in (_MAIN, *_more(snapshot)):
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                return Reading(gap=text.gap(path))
            continue
        places.append(Provenance(path))
        for found in _LINE.finditer(text):
            values = _after(values, found["user"], found["value"])
    erlang = snapshot.ask(File(_ERLANG))
    if isinstance(erlang, str) and "loopback_users" in erlang:
        return Reading(gap=Gap(GapKind.UNMODELLED, _ERLANG), provenance=tuple(places))
    return Reading({"": values}, provenance=tuple(places) or (Provenance(FOLDER),))


def _more(snapshot: Snapshot) -> list[str]:
    entries = snapshot.ask(Folder(_MORE))
    names = () if isinstance(entries, Unread) else (one.name for one in entries)
    return sorted(f"{_MORE}/{name}" for name in names if name.endswith(".conf"))


def _after(before: str, user: str | None, value: str) -> str:
    """From where guest may log in after one more line; the last one counts."""
    if user == "guest":
        return "loopback" if value == "true" else "everywhere"
    return "everywhere" if user is None and value == "none" else before
