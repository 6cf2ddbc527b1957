"""The servers that the clock's program asks: what its files name, and how to have it ask others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Lines, Operation, Refusal, ReplaceLine, RestartUnit, WriteFile
from hardentui.resources import systemd_conf
from hardentui.resources.base import digest, list_fact, missing, text_fact
from hardentui.resources.daemons import main_process, older_than_files
from hardentui.resources.families import TIME_CLIENTS, family_of
from hardentui.resources.timesync import chrony
from hardentui.resources.timesync.clients import CHRONY, NOBODY, TIMESYNCD, at_boot
from hardentui.snapshot import File, Snapshot, Unread

DROPIN = f"{systemd_conf.FOLDERS[0]}/timesyncd.conf.d/{systemd_conf.OURS}"
_SOURCES_FILE = f"hardentui{chrony.SOURCES}"
_LINKS = "/run/systemd/netif/state"  # what the network's own answers name, for systemd-networkd
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,252})")
_CHRONY_PATH = re.compile(r"/etc/chrony(?:/[A-Za-z0-9._/-]+|\.conf|\.d/[A-Za-z0-9._-]+)")
_NTP_FILES = {
    "ntpd": "/etc/ntp.conf",
    "ntpsec": "/etc/ntpsec/ntp.conf",
    "openntpd": "/etc/openntpd/ntpd.conf",
}


def hosts_of(text: str) -> tuple[str, ...]:
    """The hosts of a list with commas between them."""
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The servers of one client: those of its files, those that the network names, and how to change them."""

    hosts: tuple[tuple[str, Provenance], ...]
    unit: str
    files: tuple[str, ...]
    folders: tuple[str, ...] = ()
    network: tuple[tuple[str, Provenance], ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)


def observe(snapshot: Snapshot, wanted: Sequence[str]) -> Observation:
    """The servers that are asked now and after a boot, those of ``wanted`` first."""
    clients = at_boot(snapshot)
    name = clients.values.get("", "")
    if clients.gap is not None:
        return missing(clients.gap)
    if name not in TIME_CLIENTS:
        why = _("no client of NTP starts") if name == NOBODY else _("several clients start: {names}")
        return Observation(
            None, (Reading(gap=Gap(GapKind.UNTOLD, why.format(names=name))),), seen_at=snapshot.taken_at
        )
    asked = _READERS.get(name, _of_ntpd)(snapshot, name)
    if isinstance(asked, Gap):
        return missing(asked)
    then = _listed(asked.hosts, wanted)
    facts = {"client": name, **asked.facts}
    if not snapshot.live:
        return Observation(None, (then,), facts, snapshot.taken_at)
    return Observation(_asked_now(snapshot, asked, wanted), (then,), facts, snapshot.taken_at)


def _asked_now(snapshot: Snapshot, asked: _Asked, wanted: Sequence[str]) -> Reading:
    daemon = main_process(snapshot, *TIME_CLIENTS[_client_of(asked.unit)])
    if isinstance(daemon, Gap):
        return Reading(gap=daemon)
    if daemon is None:
        return Reading(gap=Gap(GapKind.UNTOLD, _("{unit} does not run").format(unit=asked.unit)))
    stale = older_than_files(snapshot, daemon, asked.files, asked.folders)
    if stale is not None:
        return Reading(gap=stale)
    return _listed((*asked.hosts, *asked.network), wanted)


def _client_of(unit: str) -> str:
    return next(name for name, units in TIME_CLIENTS.items() if unit in units)


def _listed(hosts: Iterable[tuple[str, Provenance]], wanted: Sequence[str]) -> Reading:
    """The hosts, those that are wanted first and in that order, so that the same ones read the same."""
    places = dict(hosts)
    low = {host.lower(): host for host in places}
    first = [one for one in wanted if one.lower() in low]
    rest = [host for key, host in low.items() if key not in {one.lower() for one in wanted}]
    return Reading({"": ", ".join((*first, *rest)) or NOBODY}, provenance=tuple(places.values()))


def _of_timesyncd(snapshot: Snapshot, name: str) -> _Asked | Gap:
    files = systemd_conf.read(snapshot, "timesyncd.conf", "Time")
    if isinstance(files, Gap):
        return files
    found: list[tuple[str, Provenance]] = []
    fallback: list[tuple[str, Provenance]] = []
    for one in files.settings:
        into = {"NTP": found, "FallbackNTP": fallback}.get(one.name)
        if into is not None:
            # An empty one takes back what was said before; the others add to it.
            into[:] = [*into, *((host, _at(one)) for host in one.value.split())] if one.value else []
    if not found and not any(one.name == "FallbackNTP" for one in files.settings):
        built = systemd_conf.compiled_default(snapshot, "timesyncd.conf", "FallbackNTP")
        fallback = [] if isinstance(built, Gap) else [(host, built[1]) for host in built[0].split()]
    network = _of_the_network(snapshot)
    later = [one for one in files.settings if one.name == "NTP" and systemd_conf.sorts_after_ours(one.file)]
    rival = next((f"{one.file}:{one.line}" for one in later), files.broken)
    facts: dict[str, Fact] = {"before": digest(snapshot, DROPIN), "rival": rival}
    hosts = tuple(found) or (() if network else tuple(fallback))
    return _Asked(hosts, TIME_CLIENTS[name][0], files.files, files.folders, network, facts)


def _at(setting: systemd_conf.Setting) -> Provenance:
    return Provenance(setting.file, line=setting.line, text=f"{setting.name}={setting.value}")


def _of_the_network(snapshot: Snapshot) -> tuple[tuple[str, Provenance], ...]:
    text = snapshot.ask(File(_LINKS))
    found = None if isinstance(text, Unread) else re.search(r"^NTP=(.*)$", text, re.MULTILINE)
    return tuple((host, Provenance(_LINKS, text=found[0])) for host in found[1].split()) if found else ()


def _of_chrony(snapshot: Snapshot, name: str) -> _Asked | Gap:  # noqa: ARG001 - one of several
    names = family_of(snapshot)
    if isinstance(names, Gap):
        return names
    files = chrony.read(snapshot, names.chrony_file)
    if isinstance(files, Gap):
        return files
    own = [one for one in files.source_folders if one.startswith("/etc/")]
    ours = f"{own[0]}/{_SOURCES_FILE}" if own else ""
    given = [one for one in files.sources if one.file.startswith(f"{chrony.DHCP}/")]
    said = [one for one in files.sources if one not in given]
    facts: dict[str, Fact] = {
        "ours": ours,
        "before": digest(snapshot, ours) if ours else "",
        "main": names.chrony_file,
        "unit": names.chrony_unit,
        "lines": tuple(_fact(one) for one in said if one.file != ours),
        "rival": given[0].file if given else "",
    }
    folders = tuple(one for one in files.folders if one.startswith("/etc/"))
    read = tuple(one for one in files.files if one.startswith("/etc/"))
    places = tuple((one.host, one.place) for one in said)
    network = tuple((one.host, one.place) for one in given)
    return _Asked(places, names.chrony_unit, read, folders, network, facts)


def _fact(source: chrony.Source) -> Fact:
    return {"path": source.file, "line": source.text, "host": source.host}


def _of_ntpd(snapshot: Snapshot, name: str) -> _Asked | Gap:
    files = chrony.read(snapshot, _NTP_FILES[name])
    if isinstance(files, Gap):
        return files
    places = tuple((one.host, one.place) for one in files.sources)
    return _Asked(places, TIME_CLIENTS[name][0], tuple(files.files))


_READERS: Mapping[str, Callable[[Snapshot, str], _Asked | Gap]] = {
    TIMESYNCD: _of_timesyncd,
    CHRONY: _of_chrony,
}


# --- changing them ----------------------------------------------------------------------------------


def change(entry: Recommendation, facts: Mapping[str, Fact], hosts: Sequence[str]) -> Change:
    """The operations that have the clock's program ask these servers, and no others."""
    wrong = next((host for host in hosts if not _HOST.fullmatch(host)), None if hosts else "")
    if wrong is not None:
        return Refusal(_("{target} is no name or address of a server").format(target=wrong or "-"))
    if rival := text_fact(facts, "rival"):
        return Refusal(_("{place} would still win over our file").format(place=rival))
    match text_fact(facts, "client"):
        case "timesyncd":
            lines = (f"# {entry.id}", "[Time]", "NTP=", f"NTP={' '.join(hosts)}")
            unit = TIME_CLIENTS[TIMESYNCD][0]
            write = _written(entry, facts, DROPIN, lines)
            return (write, RestartUnit(owners=(entry.id,), unit=unit))
        case "chrony":
            return _use_with_chrony(entry, facts, hosts)
        case "":
            return Refusal(_("no client of NTP starts: see the recommendation about it first"))
        case other:
            return Refusal(_("{name} is configured by a person: see the procedure").format(name=other))


def _written(
    entry: Recommendation, facts: Mapping[str, Fact], path: str, lines: tuple[str, ...]
) -> WriteFile:
    parts = (Lines(owner=entry.id, lines=lines),)
    return WriteFile(owners=(entry.id,), path=path, before=text_fact(facts, "before"), parts=parts)


def _use_with_chrony(entry: Recommendation, facts: Mapping[str, Fact], hosts: Sequence[str]) -> Change:
    """Our sources in a file of their own, where chrony reads such; the other lines become comments."""
    own = (entry.id,)
    ours, main, unit = (text_fact(facts, name) for name in ("ours", "main", "unit"))
    if unit not in TIME_CLIENTS[CHRONY] or not re.fullmatch(r"/etc/(?:chrony/)?chrony\.conf", main):
        return Refusal(_("what chrony reads is not known here"))
    steps: list[Operation] = []
    kept: set[str] = set()
    for fact in list_fact(facts, "lines"):
        said = fact if isinstance(fact, Mapping) else {}
        path, line, host = (str(said.get(key, "")) for key in ("path", "line", "host"))
        if not _CHRONY_PATH.fullmatch(path) or not chrony.is_source(line):
            words = _("{path} holds a line that we do not know how to change")
            return Refusal(words.format(path=path or "-"))
        if host.lower() in {one.lower() for one in hosts}:
            kept.add(host.lower())
        else:
            steps.append(ReplaceLine(owners=own, path=path, before=line, after=f"# {line}"))
    added = tuple(f"server {host} iburst" for host in hosts if host.lower() not in kept)
    if ours and added:
        if not re.fullmatch(rf"/etc/[A-Za-z0-9._/-]+/{_SOURCES_FILE}", ours):
            return Refusal(_("what chrony reads is not known here"))
        steps.insert(0, _written(entry, facts, ours, (f"# {entry.id}", *added)))
    elif added:
        steps += [ReplaceLine(owners=own, path=main, before="", after=line) for line in added]
    return (*steps, RestartUnit(owners=own, unit=unit))
