"""What is judged of rsyslog's configuration: one function for each side of it that a checklist names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import ByHand, Change, Refusal, SetMode
from hardentui.resources import grants, unit_files
from hardentui.resources.base import table_fact, text_fact
from hardentui.resources.rsyslog import inputs
from hardentui.resources.rsyslog.config import Config
from hardentui.resources.rsyslog.destinations import Destination, destination, file_mode
from hardentui.resources.rsyslog.grammar import Action, Part, Template
from hardentui.resources.rsyslog.rules import Message, Step, steps
from hardentui.resources.rsyslog.selectors import FACILITIES, SEVERITIES
from hardentui.resources.rsyslog.state import UNIT, View, view
from hardentui.snapshot import Folder, Kind, Snapshot, Stat, Unread

OK = "ok"
_BY_SYSLOG = ("ntp", "audit", "alert", "clock")  # facilities that no program of a host uses


@dataclass(frozen=True, slots=True)
class Seen:
    """What the files say of one side: values by part, and where they stand. Nothing: there is none of it."""

    values: Mapping[str, str]
    places: tuple[Provenance, ...] = ()
    gap: Gap | None = None


def remotes(config: Config) -> tuple[Destination, ...]:
    """Every action that sends to another host, in any ruleset."""
    found = (destination(config, Step(action, certain=True)) for action in config.actions)
    return tuple(one for one in found if one is not None and one.kind == "remote")


def address(one: Destination) -> str:
    """How another host is named on the screen: "relp logs.example:2514"."""
    return f"{one.protocol} {one.host or '?'}:{one.port}"


def everything(config: Config) -> tuple[str, ...]:
    """The hosts that every message of this host is sent to, whatever it holds; debugging aside."""
    return _common(config, FACILITIES, SEVERITIES[:-1])


def _common(
    config: Config, facilities: Iterable[str], severities: Iterable[str] = SEVERITIES
) -> tuple[str, ...]:
    common: list[str] | None = None
    for facility in facilities:
        if facility in _BY_SYSLOG:
            continue
        for severity in severities:
            sent = [
                address(one)
                for step in steps(config, Message.of(facility, severity))
                if (one := destination(config, step)) is not None and one.kind == "remote" and one.certain
            ]
            common = sent if common is None else [each for each in common if each in sent]
    return tuple(dict.fromkeys(common or ()))


def place_of(action: Action, text: str = "") -> Provenance:
    """Where an action stands, as provenance."""
    return Provenance(action.place.file, line=action.place.line, text=text)


# --- one function for each subject ----------------------------------------------------------------------


def _transport(config: Config) -> Seen:
    found = remotes(config)
    return Seen(
        {address(one): one.transport for one in found},
        tuple(place_of(one.action, f"{address(one)}: {one.transport}") for one in found),
    )


def _queues(config: Config) -> Seen:
    found = remotes(config)
    return Seen(
        {address(one): _queue(config, one.action) for one in found},
        tuple(place_of(one.action, address(one)) for one in found),
    )


def _queue(config: Config, action: Action) -> str:
    """What would be lost while the other host is away; "ok" for nothing."""
    given = config.parameter
    lacks = []
    if given(action, "queue.type").lower() not in {"linkedlist", "fixedarray", "disk"}:
        lacks.append("no queue of its own")
    if not given(action, "queue.filename"):
        lacks.append("no queue on disk")
    if given(action, "queue.saveonshutdown").lower() not in {"on", "yes", "1", "true"}:
        lacks.append("not saved at shutdown")
    if given(action, "action.resumeretrycount") != "-1":
        lacks.append("gives up")
    return ", ".join(lacks) or OK


def _relayed(config: Config, facilities: tuple[str, ...]) -> Seen:
    """For each facility the hosts that all of its messages go to."""
    return Seen({name: ", ".join(_common(config, (name,))) or "not relayed" for name in facilities})


_SAFE = frozenset(
    {
        *("fromhost-ip", "inputname", "myhostname", "pri", "pri-text", "timereported", "timegenerated"),
        *("timestamp", "now", "year", "month", "day", "hour", "hhour", "qhour", "minute", "bom", "uuid"),
        *(f"syslog{what}{text}" for what in ("facility", "severity", "priority") for text in ("", "-text")),
    }
)
_SECURED = frozenset({"secpath-replace", "secpath-drop"})


def _dynafiles(config: Config) -> Seen:
    """For each template that names files, the parts of it that a sender may fill with slashes."""
    names = [(a, a.parameters.one("dynafile")) for a in config.actions if a.parameters.one("dynafile")]
    values, places = {}, []
    for action, name in names:
        template = config.templates.get(name)
        values[name] = _open_parts(template) if template else "not known"
        places.append(place_of(action, template.text if template else ""))
    return Seen(values, tuple(places))


def _open_parts(template: Template) -> str:
    if template.kind not in {"string", "list"}:
        return "not known"
    found = [part.name for part in template.parts if part.name and _is_open(part)]
    return ", ".join(found) or OK


def _is_open(part: Part) -> bool:
    name = part.name.removeprefix("$")
    return not (name in _SAFE or name.endswith("-utc") or _SECURED & set(part.options))


# What a record must tell, and the properties that do.
_TELLING = {
    "host": frozenset({"hostname", "source", "fromhost", "fromhost-ip"}),
    "program": frozenset({"programname", "app-name", "syslogtag"}),
    "time": frozenset({"timereported", "timestamp", "timegenerated"}),
}
_WITH_ZONE = frozenset({"date-rfc3339", "date-unixtimestamp"})
_BUILT_IN = {  # templates that rsyslog brings, and what they lack (Debian 12's own list)
    "RSYSLOG_FileFormat": OK,
    "RSYSLOG_ForwardFormat": OK,
    "RSYSLOG_SyslogProtocol23Format": OK,
    "RSYSLOG_SyslogRFC5424Format": OK,
    "RSYSLOG_DebugFormat": OK,
    "RSYSLOG_TraditionalFileFormat": "year and zone",
    "RSYSLOG_TraditionalForwardFormat": "year and zone",
    "RSYSLOG_SysklogdFileFormat": "year and zone",
    "RSYSLOG_WallFmt": "year and zone",
    "RSYSLOG_StdUsrMsgFmt": "host, time",
    "RSYSLOG_StdJSONFmt": OK,
}
_DEFAULTS = {  # by module: what it writes where no template is given
    "omfile": "RSYSLOG_FileFormat",
    "omfwd": "RSYSLOG_TraditionalForwardFormat",
    "omrelp": "RSYSLOG_ForwardFormat",
}
_STRUCTURED = frozenset(
    {"RSYSLOG_SyslogProtocol23Format", "RSYSLOG_SyslogRFC5424Format", "RSYSLOG_StdJSONFmt"}
)


def _records(config: Config) -> Seen:
    """For each template in use what its records do not tell."""
    values, places = {}, []
    for action in config.actions:
        if action.kind in _DEFAULTS:
            name = template_of(config, action)
            template = config.templates.get(name)
            values[name] = _BUILT_IN.get(name) or (_untold(template) if template else "not known")
            places.append(place_of(action, name))
    return Seen(values, tuple(places))


def template_of(config: Config, action: Action) -> str:
    """The name of the template of an action's records."""
    return config.parameter(action, "template") or _DEFAULTS.get(action.kind, "")


def _untold(template: Template) -> str:
    if template.kind not in {"string", "list"} or any(part.name == "jsonmesg" for part in template.parts):
        return OK if template.kind in {"string", "list"} else "not known"
    names = {part.name.removeprefix("$") for part in template.parts}
    lacks = [what for what, tells in _TELLING.items() if not tells & names]
    dated = [part for part in template.parts if part.name in _TELLING["time"]]
    if "time" not in lacks and not any(_WITH_ZONE & set(part.options) for part in dated):
        lacks.append("year and zone")
    return ", ".join(lacks) or OK


def _structured(config: Config) -> Seen:
    """Whether something is written in a form that programs can take apart."""
    for action in config.actions:
        name = template_of(config, action)
        template = config.templates.get(name)
        as_json = template is not None and (
            {"json", "jsonf", "jsonftree"} & set(template.options)
            or any("jsonf" in part.options or part.name in {"jsonmesg", "$!"} for part in template.parts)
        )
        if name in _STRUCTURED or as_json or action.kind in {"omelasticsearch", "ommongodb", "omjournal"}:
            return Seen({"": "structured"}, (place_of(action, name or action.kind),))
    return Seen({"": "none"})


def _listeners(config: Config) -> Seen:
    found = inputs.listening(config)
    return Seen(
        {one.name: one.transport for one in found},
        tuple(Provenance(one.place.file, line=one.place.line, text=one.name) for one in found),
    )


def _remote_files(config: Config) -> Seen:
    """For each input from the network: whether what it takes in is kept by host and date, apart from ours."""
    values, places = {}, []
    for one in inputs.listening(config):
        values[one.name] = _kept_apart(config, one.ruleset)
        places.append(Provenance(one.place.file, line=one.place.line, text=one.name))
    return Seen(values, tuple(places))


def _kept_apart(config: Config, ruleset: str) -> str:
    if not ruleset or ruleset.lower() == config.main.lower():
        return "among this host's own"
    stored = [action for action in _actions(config, ruleset) if action.parameters.one("dynafile")]
    for action in stored:
        template = config.templates.get(action.parameters.one("dynafile"))
        names = {part.name for part in template.parts} if template else set()
        if names & _TELLING["host"] and names & _TELLING["time"]:
            return OK
    return "not by host and date"


def _actions(config: Config, ruleset: str) -> list[Action]:
    """What a ruleset may do with a message, whichever it is."""
    return [
        step.action
        for facility in range(len(FACILITIES))
        for step in steps(config, Message(facility, SEVERITIES.index("info")), ruleset)
    ]


_PLAIN = {
    "transport": _transport,
    "queues": _queues,
    "dynafiles": _dynafiles,
    "records": _records,
    "structured": _structured,
    "remote-files": _remote_files,
    "listeners": _listeners,
}


# --- what needs more than the files ---------------------------------------------------------------------


def _modes(snapshot: Snapshot, config: Config) -> Seen:
    """The modes with which rsyslog makes its files."""
    umask = config.settings.one("umask") or _unit_umask(snapshot)
    if isinstance(umask, Gap):
        return Seen({}, gap=umask)
    found = [action for action in config.actions if action.kind == "omfile"]
    return Seen(
        {path_of(config, action): file_mode(config, action, umask) for action in found},
        tuple(place_of(action, path_of(config, action)) for action in found),
    )


def path_of(config: Config, action: Action) -> str:
    """The file of an action, or the template that names it."""
    name = action.parameters.one("dynafile")
    template = config.templates.get(name)
    return template.text if template else name or action.parameters.one("file")


def _unit_umask(snapshot: Snapshot) -> str | Gap:
    """The umask that systemd starts rsyslogd with: that of RHEL's unit is 0066."""
    unit = unit_files.read(snapshot, UNIT)
    if isinstance(unit, Gap):
        return "" if unit.kind is GapKind.ABSENT else unit
    return dict(unit.lines).get("UMask", "")


def _backlog(snapshot: Snapshot, config: Config) -> Seen:
    """For each action with a queue on disk, how many of its files wait there: a host that does not listen."""
    values: dict[str, str] = {}
    gap: Gap | None = None
    for one in remotes(config):
        name = config.parameter(one.action, "queue.filename")
        folder = config.parameter(one.action, "queue.spooldirectory") or config.settings.one("workdirectory")
        if not name or not folder.startswith("/"):
            continue
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread):
            gap = entries.gap(folder)
        else:
            waiting = [each for each in entries if re.fullmatch(rf"{re.escape(name)}\.\d+", each.name)]
            values[address(one)] = f"{len(waiting)} files in {folder}" if waiting else OK
    return Seen(values, tuple(Provenance(name, text=value) for name, value in values.items()), gap)


_READERS = frozenset({"root", "adm", "syslog"})  # groups that may read logs on the families that we know


def _files(snapshot: Snapshot, config: Config) -> tuple[Seen, dict[str, Fact]]:
    """The modes and owners of the files that are there; those of dynamic names are not looked up."""
    writer = config.settings.one("privdrop.user.name") or "root"
    values: dict[str, str] = {}
    facts: dict[str, Fact] = {}
    gap: Gap | None = None
    for action in config.actions:
        path = action.parameters.one("file") if action.kind == "omfile" else ""
        if not path.startswith("/") or path.startswith("/dev/"):
            continue
        status = snapshot.ask(Stat(path))
        if isinstance(status, Unread):
            missing = status.gap(path)
            gap = gap if missing.kind is GapKind.ABSENT else gap or missing
        elif status.kind is Kind.FILE:
            given = grants.grants(snapshot, path, status)
            if isinstance(given, Gap):
                gap = given
                continue
            listed = ", ".join(str(one) for one in grants.beyond(given, _READERS, {"root", writer}))
            right = not status.mode & ~0o640 and status.user in {"root", writer} and status.group in _READERS
            seen = f"{status.mode:04o} {status.user}:{status.group}"
            values[path] = ", ".join(filter(None, ("" if right else seen, listed))) or OK
            if not right or listed:
                owner = writer if status.user not in {"root", writer} else status.user
                group = status.group if status.group in _READERS else "root"
                facts[path] = {"seen": "" if right else seen, "owner": f"{owner}:{group}", "list": listed}
    return Seen(values, tuple(Provenance(path, text=value) for path, value in values.items()), gap), facts


_OF_HOST = {"modes": _modes, "backlog": _backlog}


class Rsyslog:
    """The resource "rsyslog": one value for each action, template, file or input that is concerned."""

    name = "rsyslog"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        kind, _space, facilities = subject.partition(" ")
        if kind == "relayed" and not aspect and set(facilities.split(",")) <= set(FACILITIES):
            return None
        known = (*_PLAIN, *_OF_HOST, "files")
        if aspect or subject not in known:
            return (
                f"expected one of {', '.join(known)}, or 'relayed FACILITIES', found {subject!r} {aspect!r}"
            )
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        known = view(snapshot)
        if known.gap is not None:
            return sides(snapshot, known, Seen({}, gap=known.gap))
        facts: dict[str, Fact] = {}
        kind, _space, facilities = entry.subject.partition(" ")
        if kind == "files":
            seen, found = _files(snapshot, known.config)
            facts = {"files": found}
        elif kind in _OF_HOST:
            seen = _OF_HOST[kind](snapshot, known.config)
        elif kind == "relayed":
            seen = _relayed(known.config, tuple(facilities.split(",")))
        else:
            seen = _PLAIN[kind](known.config)
        if not seen.values and seen.gap is None:
            seen = Seen({}, seen.places, Gap(GapKind.ABSENT, _("rsyslog's files have none")))
        return sides(snapshot, known, seen, facts)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject != "files":
            return Refusal(_("only a person knows how this line was meant"))
        steps_: list[SetMode | ByHand] = []
        files = table_fact(facts, "files")
        for path in files:
            seen = table_fact(files, path)
            if listed := text_fact(seen, "list"):
                by_hand = grants.by_hand(entry.id, path, listed)
                if isinstance(by_hand, Refusal):
                    return by_hand
                steps_.append(by_hand)
            mode, _space, before = text_fact(seen, "seen").partition(" ")
            if not mode:
                continue
            bits = int(mode, 8) & int(target, 8)
            steps_.append(
                SetMode(
                    owners=(entry.id,),
                    path=path,
                    before_mode=mode,
                    before_owner=before,
                    mode=f"{bits:04o}",
                    owner=text_fact(seen, "owner"),
                )
            )
        return tuple(steps_) or Refusal(_("nothing is to be changed"))


def sides(
    snapshot: Snapshot, known: View, seen: Seen, facts: Mapping[str, Fact] | None = None
) -> Observation:
    """What the files say, as what the running daemon does and as what the next start brings."""
    reading = Reading(seen.values, seen.gap, seen.places)
    # What could not be read comes before what does not run, and what runs before what the files lack.
    unread = seen.gap is not None and seen.gap.kind is not GapKind.ABSENT

    def side(gap: Gap | None) -> Reading:
        return reading if gap is None or unread else Reading({}, gap, seen.places)

    then = side(known.boot)
    running = side(known.running) if snapshot.live else None
    return Observation(running, (Reading(then.values, then.gap),), facts or {}, snapshot.taken_at)
