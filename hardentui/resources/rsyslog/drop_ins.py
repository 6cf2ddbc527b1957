"""Our own files for rsyslog: the relay to a log server, the log server itself, files by program.

Each is one file in rsyslog's folder, named so that it is read before the others: whatever these stop, the
relay has had. A module that another file loads already is not loaded a second time, which rsyslog refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, CheckSyntax, Lines, Operation, Refusal, RestartUnit, WriteFile
from hardentui.resources.base import digest, list_fact, text_fact
from hardentui.resources.rsyslog import inputs
from hardentui.resources.rsyslog.certificates import resolved
from hardentui.resources.rsyslog.checks import Seen, address, everything, place_of, remotes, sides
from hardentui.resources.rsyslog.config import Config
from hardentui.resources.rsyslog.destinations import PEER_CHECKED, destination
from hardentui.resources.rsyslog.feed import UNFED, is_fed, is_whole
from hardentui.resources.rsyslog.lexer import Place
from hardentui.resources.rsyslog.rules import Message, steps
from hardentui.resources.rsyslog.selectors import FACILITIES
from hardentui.resources.rsyslog.state import UNIT, View, view
from hardentui.snapshot import DistributionIs, Packages, Reason, Snapshot, Unread

FOLDER = "/etc/rsyslog.d"
RELAY = f"{FOLDER}/00-hardentui-relay.conf"
SERVER = f"{FOLDER}/00-hardentui-central.conf"
PROGRAMS = f"{FOLDER}/10-hardentui-programs.conf"
REMOTE_LOGS = "/var/log/remote"
_RELP_PACKAGE = "rsyslog-relp"  # its name in all families
_INSTALL = {"debian": "apt-get install", "rhel": "dnf install"}
_SPOOL = {"debian": "/var/spool/rsyslog", "rhel": "/var/lib/rsyslog"}  # where queues are kept on disk
_DATE = "%timereported:1:10:date-rfc3339%"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_PATH = r"/[A-Za-z0-9._@:+=,/-]{1,1000}"
_WORD = r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}"
_IDENTITY = (
    rf"ca=(?P<ca>{_PATH}) certificate=(?P<certificate>{_PATH}) key=(?P<key>{_PATH})"
    r" tls=(?P<tls>openssl|gnutls)"
)
_RELAY_TARGET = re.compile(rf"relp (?P<host>{_HOST}):(?P<port>[1-9][0-9]{{0,4}}) {_IDENTITY}")
_PEER = rf"(?:\*\.)?{_HOST}"
_SERVER_TARGET = re.compile(
    rf"relp (?P<port>[1-9][0-9]{{0,4}}) {_IDENTITY} peers=(?P<peers>{_PEER}(?:, ?{_PEER})*)"
)
_PROGRAMS_TARGET = re.compile(rf"(?P<words>{_WORD}(?:, ?{_WORD})*) in (?P<folder>{_PATH})")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the three files have in common to say of the host."""

    path: str
    module: str  # that the file needs, "" for none


def _facts(snapshot: Snapshot, known: View, kind: _Kind, target: re.Match[str] | None) -> dict[str, Fact]:
    """What must be known to write a file: what is missing, and what other files say already."""
    system = snapshot.ask(DistributionIs())
    family = "" if isinstance(system, Unread) else system.family
    loaded = known.config.loaded.get(kind.module)
    foreign = loaded if loaded is not None and loaded.place.file != kind.path else None
    lacks = (
        known.gap
        or known.boot
        or (known.running if known.running and known.running.kind is GapKind.ABSENT else None)
    )
    return {
        "before": digest(snapshot, kind.path),
        "family": family,
        "lacks": lacks.detail if lacks else _hunger(snapshot, known.config),
        "included": FOLDER in known.config.folders,
        "loaded": foreign.place.file if foreign else "",
        "late": foreign is not None and not _stands_before(known.config, foreign.place, kind.path),
        "library": foreign.parameters.one("tls.tlslib").lower() if foreign else "",
        "package": _package(snapshot) if kind.module else "",
        "missing": tuple(_not_there(snapshot, target)),
        "spool": known.config.settings.one("workdirectory"),
        "writer": known.config.settings.one("privdrop.user.name"),
    }


def _stands_before(config: Config, place: Place, path: str) -> bool:
    """Whether a line is read before a file of rsyslog's folder."""
    if place.file.startswith(f"{FOLDER}/"):
        return place.file < path
    asked = next((at for folder, at in config.includes if folder == FOLDER), None)
    return asked is not None and place.file == asked.file and place.line < asked.line


def _hunger(snapshot: Snapshot, config: Config) -> str:
    """Why nothing of this host comes to rsyslog; "" where it does, or where that is not known."""
    if is_fed(snapshot, config, boot=False) is False:
        return _("nothing of this host comes to it (imuxsock, imjournal, ForwardToSyslog=)")
    return ""


def _package(snapshot: Snapshot) -> str:
    """The word "missing" where RELP is not installed; "" where it is, or where that is not known."""
    packages = snapshot.ask(Packages())
    if isinstance(packages, Unread) or any(one.name == _RELP_PACKAGE for one in packages):
        return ""
    return "missing"


def _not_there(snapshot: Snapshot, target: re.Match[str] | None) -> list[str]:
    named = target.groupdict() if target else {}
    paths = [named[name] for name in ("ca", "certificate", "key") if name in named]
    return [
        path
        for path in paths
        if isinstance(one := resolved(snapshot, path), Unread) and one.reason is Reason.MISSING
    ]


def _refusal(kind: _Kind, facts: Mapping[str, Fact], library: str) -> Refusal | None:
    """Why the file cannot be written; None where it can."""
    install = _INSTALL.get(text_fact(facts, "family"), "")
    if text_fact(facts, "lacks"):
        return Refusal(_("rsyslog is not ready for it: {why}").format(why=text_fact(facts, "lacks")))
    if not facts.get("included"):
        return Refusal(_("rsyslog does not read {folder}").format(folder=FOLDER))
    if text_fact(facts, "package"):
        words = _("the package {package} is missing: {install} {package}")
        return Refusal(words.format(package=_RELP_PACKAGE, install=install or "install"))
    if missing := list_fact(facts, "missing"):
        return Refusal(
            _("not there yet, see the procedure: {paths}").format(paths=", ".join(map(str, missing)))
        )
    other = text_fact(facts, "loaded")
    if other and (facts.get("late") or text_fact(facts, "library") != library):
        words = _("{file} loads {module} in another way: take that line away first")
        return Refusal(words.format(file=other, module=kind.module))
    return None


def _steps(
    entry: Recommendation, path: str, lines: list[str], facts: Mapping[str, Fact]
) -> tuple[Operation, ...]:
    owners = (entry.id,)
    part = Lines(owner=entry.id, lines=(f"# {entry.id}", *lines))
    return (
        WriteFile(owners=owners, path=path, parts=(part,), mode="0644", before=text_fact(facts, "before")),
        CheckSyntax(owners=owners, checker="rsyslogd"),
        RestartUnit(owners=owners, unit=UNIT),
    )


def _identity(target: re.Match[str]) -> list[str]:
    return [
        '  tls="on"',
        f'  tls.caCert="{target["ca"]}"',
        f'  tls.myCert="{target["certificate"]}"',
        f'  tls.myPrivKey="{target["key"]}"',
        '  tls.authMode="name"',
    ]


def _load(module: str, target: re.Match[str], facts: Mapping[str, Fact]) -> list[str]:
    return [] if text_fact(facts, "loaded") else [f'module(load="{module}" tls.tlslib="{target["tls"]}")']


def _quoted(text: str) -> str:
    return "[" + ", ".join(f'"{word.strip()}"' for word in text.split(",")) + "]"


def _group(facts: Mapping[str, Fact]) -> list[str]:
    """The group that reads logs; a daemon that has given root up can give its files to nobody."""
    return [] if text_fact(facts, "writer") else ['  fileGroup="adm" dirGroup="adm"']


class LogRelay:
    """The resource "log-relay": the hosts that get every message by RELP, sure of whom they talk to."""

    name = "log-relay"
    kind = _Kind(RELAY, "omrelp")

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return None if subject == "relay" and not aspect else f"expected relay, found {subject!r} {aspect!r}"

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        known = view(snapshot)
        target = _RELAY_TARGET.fullmatch(entry.target)
        facts = _facts(snapshot, known, self.kind, target)
        if known.gap is not None:
            return sides(snapshot, known, Seen({}, gap=known.gap), facts)
        full = everything(known.config) if is_whole(snapshot, known.config) else ()
        words, places = [], []
        for one in remotes(known.config):
            remarks = [] if address(one) in full else ["in part"]
            remarks += [] if one.transport == PEER_CHECKED else [one.transport]
            words.append(" ".join((address(one), *(f"({remark})" for remark in remarks))))
            places.append(place_of(one.action, words[-1]))
        seen = sides(snapshot, known, Seen({"": ", ".join(words) or "none"}, tuple(places)), facts)
        now = _fed(snapshot, known.config, seen.running, boot=False) if seen.running else None
        then = tuple(_fed(snapshot, known.config, side, boot=True) for side in seen.boot)
        return replace(seen, running=now, boot=then)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        wanted = _RELAY_TARGET.fullmatch(target)
        if wanted is None or re.fullmatch(r"[0-9.]+", wanted["host"]):
            return Refusal(_("the server must have a name, for its certificate is compared with it"))
        refusal = _refusal(self.kind, facts, wanted["tls"])
        if refusal is not None:
            return refusal
        spool = text_fact(facts, "spool") or _SPOOL.get(text_fact(facts, "family"), "")
        if re.fullmatch(_PATH, spool) is None:
            return Refusal(_("where rsyslog keeps its queues is not known: set workDirectory"))
        lines = [
            *_load("omrelp", wanted, facts),
            'action(name="hardentui-relay" type="omrelp"',
            f'  target="{wanted["host"]}" port="{wanted["port"]}"',
            *_identity(wanted),
            f'  tls.permittedPeer=["{wanted["host"]}"]',
            '  template="RSYSLOG_SyslogProtocol23Format"',
            '  queue.type="LinkedList" queue.filename="hardentui-relay"',
            f'  queue.spoolDirectory="{spool}" queue.maxDiskSpace="1g" queue.saveOnShutdown="on"',
            '  action.resumeRetryCount="-1" action.resumeInterval="10")',
        ]
        return _steps(entry, RELAY, lines, facts)


def _fed(snapshot: Snapshot, config: Config, side: Reading, *, boot: bool) -> Reading:
    """A side of the relay, where rsyslog gets what it is to send; what is lacking there otherwise."""
    fed = is_fed(snapshot, config, boot=boot)
    if isinstance(fed, Gap):
        return replace(side, values={}, gap=side.gap or fed)
    return side if fed else replace(side, values=dict.fromkeys(side.values, UNFED))


class LogServer:
    """The resource "log-server": where RELP is taken in, and from whom."""

    name = "log-server"
    kind = _Kind(SERVER, "imrelp")

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return (
            None if subject == "server" and not aspect else f"expected server, found {subject!r} {aspect!r}"
        )

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        known = view(snapshot)
        facts = _facts(snapshot, known, self.kind, _SERVER_TARGET.fullmatch(entry.target))
        if known.gap is not None:
            return sides(snapshot, known, Seen({}, gap=known.gap), facts)
        words, places = [], []
        for made in known.config.inputs:
            if made.parameters.one("type").lower() == "imrelp":
                one = inputs.of(known.config, made)
                remark = "" if one.transport == PEER_CHECKED else f" ({one.transport})"
                words += [
                    f"relp {made.parameters.one('port')}{remark}",
                    *made.parameters.all("tls.permittedpeer"),
                ]
                places.append(Provenance(made.place.file, line=made.place.line, text=one.name))
        return sides(snapshot, known, Seen({"": ", ".join(words) or "none"}, tuple(places)), facts)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        wanted = _SERVER_TARGET.fullmatch(target)
        if wanted is None:
            return Refusal(_("the senders must have names, for their certificates are compared with them"))
        refusal = _refusal(self.kind, facts, wanted["tls"])
        if refusal is not None:
            return refusal
        host = "%hostname:::secpath-replace%"
        record = (
            "%timereported:::date-rfc3339% %hostname% %fromhost-ip% %pri-text% %structured-data% "
            "%syslogtag%%msg:::sp-if-no-1st-sp%%msg:::drop-last-lf%\\n"
        )
        lines = [
            *_load("imrelp", wanted, facts),
            'template(name="hardentui-remote" type="string"',
            f'  string="{REMOTE_LOGS}/{host}/{host}-{_DATE}.log")',
            f'template(name="hardentui-record" type="string" string="{record}")',
            'ruleset(name="hardentui-remote" queue.type="LinkedList") {',
            '  action(type="omfile" dynaFile="hardentui-remote" template="hardentui-record"',
            *_group(facts),
            '  fileCreateMode="0640" dirCreateMode="0750")',
            "}",
            f'input(type="imrelp" port="{wanted["port"]}" ruleset="hardentui-remote"',
            *_identity(wanted),
            f"  tls.permittedPeer={_quoted(wanted['peers'])})",
        ]
        return _steps(entry, SERVER, lines, facts)


class LogPrograms:
    """The resource "log-programs": the programs whose messages are kept in files by their name and date.

    The subject is "NAME, NAME in FOLDER".
    """

    name = "log-programs"
    kind = _Kind(PROGRAMS, "")

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return (
            None
            if " in " in subject and not aspect
            else f"expected NAMES in FOLDER, found {subject!r} {aspect!r}"
        )

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        known = view(snapshot)
        facts = _facts(snapshot, known, self.kind, None)
        wanted = _PROGRAMS_TARGET.fullmatch(entry.subject)
        if known.gap is not None or wanted is None:
            gap = known.gap or Gap(GapKind.UNTOLD, _("no program is named"))
            return sides(snapshot, known, Seen({}, gap=gap), facts)
        names = [word.strip() for word in wanted["words"].split(",")]
        kept = [name for name in names if _is_kept(known.config, name, wanted["folder"])]
        return sides(snapshot, known, Seen({"": ", ".join(kept) or "none"}), facts)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        wanted = _PROGRAMS_TARGET.fullmatch(target)
        if wanted is None or ".." in wanted["folder"].split("/"):
            return Refusal(_("no program is named"))
        refusal = _refusal(self.kind, facts, "")
        if refusal is not None:
            return refusal
        lines = [
            'template(name="hardentui-programs" type="string"',
            f'  string="{wanted["folder"]}/%programname:::secpath-replace%-{_DATE}.log")',
            f"if $programname == {_quoted(wanted['words'])} then",
            '  action(type="omfile" dynaFile="hardentui-programs" template="RSYSLOG_FileFormat"',
            *_group(facts),
            '  fileCreateMode="0640" dirCreateMode="0750")',
        ]
        return _steps(entry, PROGRAMS, lines, facts)


def _is_kept(config: Config, program: str, folder: str) -> bool:
    """Whether all that a program says goes to files below a folder, named by program and date."""
    for facility in ("user", "daemon", "local0"):
        for severity in (3, 6):
            found = (
                destination(config, step)
                for step in steps(config, Message(FACILITIES.index(facility), severity, program))
            )
            if not any(
                one is not None
                and one.certain
                and one.dynamic is not None
                and one.path.startswith(f"{folder}/")
                and {"programname", "timereported"} <= {part.name for part in one.dynamic.parts}
                for one in found
            ):
                return False
    return True
