"""The certificates by which rsyslog and its peers know each other: there, valid, and the keys closed.

Only openssl looks into a certificate; a private key is never read, only its mode and owner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources import grants
from hardentui.resources.base import wrong_subject
from hardentui.resources.rsyslog.checks import OK, Seen, sides
from hardentui.resources.rsyslog.config import Config
from hardentui.resources.rsyslog.state import view
from hardentui.snapshot import Command, KernelIs, Kind, Link, Output, Reason, Snapshot, Stat, Status, Unread

DAYS_LEFT = 30
_PATH = re.compile(r"/[A-Za-z0-9._@+=-]+(?:/[A-Za-z0-9._@+=-]+)*")
_NAMES = (  # of the CA, the certificate and the key: RELP's, the stream drivers', and their global defaults
    ("tls.cacert", "tls.mycert", "tls.myprivkey"),
    ("streamdriver.cafile", "streamdriver.certfile", "streamdriver.keyfile"),
    ("defaultnetstreamdrivercafile", "defaultnetstreamdrivercertfile", "defaultnetstreamdriverkeyfile"),
)
_READERS = frozenset({"root", "ssl-cert", "syslog"})  # groups that may hold a key


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of one side of a connection; "" for one that is not named."""

    ca: str
    certificate: str
    key: str


def question(path: str) -> Command | None:
    """What openssl is asked about a certificate; None for a path that we give to no program."""
    if not _is_plain(path):
        return None
    return Command(
        (
            "openssl",
            "x509",
            "-noout",
            "-enddate",
            "-subject",
            "-issuer",
            "-ext",
            "subjectAltName",
            "-in",
            path,
        )
    )


def chain(ca: str, path: str) -> Command | None:
    """What openssl is asked about the issuer of a certificate: this CA alone, none that the system trusts."""
    if not (_is_plain(path) and _is_plain(ca)):
        return None
    return Command(("openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile", ca, path))


def _is_plain(path: str) -> bool:
    return _PATH.fullmatch(path) is not None and ".." not in path.split("/") and len(path) < 1024  # noqa: PLR2004


def identities(config: Config) -> tuple[Identity, ...]:
    """The identities that the files name, each once."""
    return tuple(dict.fromkeys(_identities(config)))


def _identities(config: Config) -> Iterator[Identity]:
    given = [
        *(action.parameters for action in config.actions),
        *(one.parameters for one in config.inputs),
        *(one.parameters for one in config.modules),
        config.settings,
    ]
    for one in given:
        for names in _NAMES:
            found = Identity(*(one.one(name) for name in names))
            if found != Identity("", "", ""):
                yield found


class LogCertificates:
    """The resource "log-certificates": for each file "ok", or what is wrong with it."""

    name = "log-certificates"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, ("certificates", "keys"))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        known = view(snapshot)
        if known.gap is not None:
            return sides(snapshot, known, Seen({}, gap=known.gap))
        found = identities(known.config)
        seen = (
            _keys(snapshot, known.config, found)
            if entry.subject == "keys"
            else _certificates(snapshot, found)
        )
        if not seen.values and seen.gap is None:
            seen = Seen({}, gap=Gap(GapKind.ABSENT, _("rsyslog's files name no certificate")))
        return sides(snapshot, known, seen)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("certificates and keys are made by a person"))


def _certificates(snapshot: Snapshot, found: tuple[Identity, ...]) -> Seen:
    values: dict[str, str] = {}
    gap: Gap | None = None
    for one in found:
        for path, issuer in ((one.ca, ""), (one.certificate, one.ca)):
            if path:
                value = _certificate(snapshot, path, issuer)
                gap = value if isinstance(value, Gap) else gap
                values |= {} if isinstance(value, Gap) else {path: value}
    return Seen(values, tuple(Provenance(path, text=value) for path, value in values.items()), gap)


def _certificate(snapshot: Snapshot, path: str, issuer: str) -> str | Gap:
    asked = question(path)
    if asked is None:
        return Gap(GapKind.UNSUPPORTED, path)
    status = resolved(snapshot, path)
    if isinstance(status, Unread):
        return "not there" if status.reason is Reason.MISSING else status.gap(path)
    if status.kind is not Kind.FILE:
        return "no certificate"  # openssl would wait at a FIFO
    said = snapshot.ask(asked)
    if isinstance(said, Unread):
        return "no certificate" if said.reason is Reason.FAILED else said.gap(path)
    wrong = [_validity(said.stdout, snapshot.taken_at)]
    if issuer:
        chained = _chained(snapshot, issuer, path)
        if isinstance(chained, Gap):
            return chained
        wrong += [chained, _named(snapshot, said.stdout)]
    return ", ".join(filter(None, wrong)) or OK


def _validity(text: str, now: float) -> str:
    found = re.search(r"^notAfter=(\w{3} +\d+ [\d:]{8} \d{4}) GMT$", text, re.MULTILINE)
    try:
        end = datetime.strptime(found[1] if found else "", "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return "no date of expiry"
    days = int((end.timestamp() - now) // 86400)
    if days < 0:
        return "expired"
    return f"expires in {days} days" if days < DAYS_LEFT else ""


def _chained(snapshot: Snapshot, issuer: str, path: str) -> str | Gap:
    asked = chain(issuer, path)
    if asked is None:
        return Gap(GapKind.UNSUPPORTED, issuer)
    authority = resolved(snapshot, issuer)
    if isinstance(authority, Unread) and authority.reason is not Reason.MISSING:
        return authority.gap(issuer)
    if isinstance(authority, Unread) or authority.kind is not Kind.FILE:
        return f"not of the CA {issuer}"
    said = snapshot.ask(asked)
    if isinstance(said, Output):
        return ""
    return f"not of the CA {issuer}" if said.reason is Reason.FAILED else said.gap(path)


def names_in(text: str) -> tuple[str, ...]:
    """The names that a certificate is for: those of its extension, and its common name.

    The drivers gtls and ossl, and librelp, hold a permitted peer against the first, and where none of them
    fits against the second; an address (IP:) they hold against nothing.
    """
    listed = re.findall(r"DNS:([^,\s]+)", text)
    common = re.search(r"^subject=(?:.*?[,/+])? *CN ?= ?([^,/+\n]+)", text, re.MULTILINE)
    return (*listed, *((common[1].strip(),) if common else ()))


def _named(snapshot: Snapshot, text: str) -> str:
    kernel = snapshot.ask(KernelIs())
    host = "" if isinstance(kernel, Unread) else kernel.hostname.lower()
    named = host and any(_is_of(name.lower(), host) for name in names_in(text))
    return "" if named else "does not name this host"


def _is_of(name: str, host: str) -> bool:
    """Whether a name of a certificate is that of a host, of which the domain may not be known.

    A star stands for the first label alone.
    """
    (first, _dot, domain), (own, _same, place) = name.partition("."), host.partition(".")
    if first == "*":
        return bool(domain) and place in {"", domain}
    return first == own and (domain == place or not domain or not place)


def _keys(snapshot: Snapshot, config: Config, found: tuple[Identity, ...]) -> Seen:
    writer = config.settings.one("privdrop.user.name") or "root"
    values: dict[str, str] = {}
    gap: Gap | None = None
    for path in dict.fromkeys(one.key for one in found if one.key):
        status = resolved(snapshot, path)
        if isinstance(status, Unread):
            if status.reason is Reason.MISSING:
                values[path] = "not there"
            else:
                gap = status.gap(path)
            continue
        given = grants.grants(snapshot, path, status)
        if isinstance(given, Gap):
            gap = given
            continue
        listed = ", ".join(str(one) for one in grants.beyond(given, _READERS, {"root", writer}))
        closed = not status.mode & (0o137 if status.group in _READERS else 0o177)
        right = closed and status.user in {"root", writer} and status.kind is Kind.FILE
        seen = "" if right else f"{status.mode:04o} {status.user}:{status.group}"
        values[path] = ", ".join(filter(None, (seen, listed))) or OK
    return Seen(values, tuple(Provenance(f"stat {path}", text=value) for path, value in values.items()), gap)


def resolved(snapshot: Snapshot, path: str) -> Status | Unread:
    """The status of what a path leads to."""
    for _hop in range(8):
        status = snapshot.ask(Stat(path))
        if isinstance(status, Unread) or status.kind is not Kind.LINK:
            return status
        target = snapshot.ask(Link(path))
        if isinstance(target, Unread):
            return target
        path = target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"
    return Unread(Reason.FAILED, path)
