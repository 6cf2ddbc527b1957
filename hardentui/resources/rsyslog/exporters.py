"""Who takes the logs of this host elsewhere: rsyslog, journald's own sender, and agents that we only name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import wrong_subject
from hardentui.resources.rsyslog.checks import address, everything, place_of, remotes
from hardentui.resources.rsyslog.feed import UNFED, is_fed, is_whole
from hardentui.resources.rsyslog.state import UNIT, view
from hardentui.snapshot import Snapshot, Sockets, UnitFiles, Units, Unread

_UPLOAD = "systemd-journal-upload.service"
_SENDERS = {  # what is shown, and the unit
    "rsyslog": UNIT,
    "syslog-ng": "syslog-ng.service",
    "journal-upload": _UPLOAD,
    "journal-remote": "systemd-journal-remote.socket",
}
# What they send where stands in files of their own, which are not read.
_AGENTS = {
    name: f"{name}.service"
    for name in (
        *("syslog-ng", "vector", "fluent-bit", "td-agent-bit", "fluentd", "td-agent", "filebeat", "promtail"),
        *("alloy", "logstash", "nxlog", "SplunkForwarder", "datadog-agent", "otelcol-contrib", "wazuh-agent"),
    )
}
_ACTIVE = frozenset({"active", "activating", "reloading"})
_STORES = {9200: "Elasticsearch", 9300: "Elasticsearch", 5044: "Logstash", 5601: "Kibana"}


class LogExport:
    """The resource "log-export": who sends logs away ("export"), which daemons there are ("daemon").

    The subject "stores" has the listening sockets of an Elasticsearch stack.
    """

    name = "log-export"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, ("export", "daemon", "stores"))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == "stores":
            return Observation(_stores(snapshot) if snapshot.live else None, seen_at=snapshot.taken_at)
        side = _daemons if entry.subject == "daemon" else _export
        now = side(snapshot, _running(snapshot), boot=False) if snapshot.live else None
        return Observation(now, (side(snapshot, _enabled(snapshot), boot=True),), {}, snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("only a person knows where the logs are to go"))


def _running(snapshot: Snapshot) -> set[str] | Gap:
    units = snapshot.ask(Units())
    if isinstance(units, Unread):
        return units.gap("systemctl show")
    return {one.name for one in units if one.active in _ACTIVE}


def _enabled(snapshot: Snapshot) -> set[str] | Gap:
    files = snapshot.ask(UnitFiles())
    if isinstance(files, Unread):
        return files.gap("systemctl list-unit-files")
    return {one.name for one in files if one.state == "enabled"}


def _daemons(snapshot: Snapshot, units: set[str] | Gap, *, boot: bool) -> Reading:  # noqa: ARG001 - a side
    if isinstance(units, Gap):
        return Reading(gap=units)
    found = [name for name, unit in (_SENDERS | _AGENTS).items() if unit in units]
    return Reading({"": ", ".join(found) or "none"}, provenance=_places(found))


def _places(names: Iterable[str]) -> tuple[Provenance, ...]:
    known = _SENDERS | _AGENTS
    return tuple(Provenance(known[name]) for name in names)


def _export(snapshot: Snapshot, units: set[str] | Gap, *, boot: bool) -> Reading:
    if isinstance(units, Gap):
        return Reading(gap=units)
    words, places, gap = _by_rsyslog(snapshot, boot=boot)
    if _UPLOAD in units:
        words = [*words, "journal-upload"]
    whole = [word for word in words if not word.endswith(")")]
    agents = [name for name, unit in _AGENTS.items() if unit in units]
    if not whole and agents:
        why = _("{names}: what it sends stands in files that are not read")
        gap = Gap(GapKind.UNMODELLED, why.format(names=", ".join(agents)))
        return Reading({}, gap, (*places, *_places(agents)))
    if gap is not None and not whole:
        return Reading({}, gap, places)
    return Reading({"": ", ".join(whole or words) or "none"}, provenance=places)


def _by_rsyslog(snapshot: Snapshot, *, boot: bool) -> tuple[list[str], tuple[Provenance, ...], Gap | None]:
    """The hosts that rsyslog sends to, those that do not get everything with a remark; and what hinders."""
    known = view(snapshot)
    absent = known.boot if boot else known.running
    for gap in (absent, known.gap):
        if gap is not None:
            return [], (), None if gap.kind is GapKind.ABSENT else gap
    found = remotes(known.config)
    fed = is_fed(snapshot, known.config, boot=boot) if found else True
    if isinstance(fed, Gap):
        return [], (), fed
    full = everything(known.config) if is_whole(snapshot, known.config) else ()
    remarks = {name: "" if name in full else " (in part)" for name in dict.fromkeys(map(address, found))}
    words = [f"{name}{remark}" if fed else f"{name} ({UNFED})" for name, remark in remarks.items()]
    return words, tuple(place_of(one.action, address(one)) for one in found), None


def _stores(snapshot: Snapshot) -> Reading:
    sockets = snapshot.ask(Sockets())
    if isinstance(sockets, Unread):
        return Reading(gap=sockets.gap(_("listening sockets")))
    found = [one for one in sockets if one.port in _STORES and one.protocol.startswith("tcp")]
    if not found:
        return Reading(gap=Gap(GapKind.ABSENT, _("nothing listens on 9200, 9300, 5044 or 5601")))
    values = {
        f"{one.port} ({_STORES[one.port]})": "loopback"
        if one.address in {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
        else one.address
        for one in found
    }
    return Reading(
        values, provenance=tuple(Provenance(f"{one.address}:{one.port}", text=one.process) for one in found)
    )
