"""What rsyslog's actions are: files, other hosts and how safely they are reached, programs, people."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from hardentui.resources.rsyslog.config import Config
from hardentui.resources.rsyslog.grammar import Action, Template
from hardentui.resources.rsyslog.lexer import Place
from hardentui.resources.rsyslog.rules import Step

# The state of a connection, in words that a checklist names.
PEER_CHECKED = "tls"
ANY_PEER = "tls, peer not checked by name"
CLEAR = "in clear"
LOCAL = "loopback"

_REMOTE = frozenset({"omfwd", "omrelp", "omhttp", "omelasticsearch", "omkafka", "omdtls", "omamqp1"})
_REMOTE |= {"omrabbitmq", "omsnmp", "omczmq", "omazureeventhubs", "omclickhouse", "omhiredis"}
_KINDS = {
    "omfile": "file",
    "omusrmsg": "users",
    "ompipe": "pipe",
    "omuxsock": "socket",
    "omjournal": "journal",
    "omshell": "program",
    "omprog": "program",
    "ommysql": "database",
    "ompgsql": "database",
    "omlibdbi": "database",
    "ommongodb": "database",
    "ommail": "mail",
    "omstdout": "terminal",
    "omtesting": "nothing",
}


@dataclass(frozen=True, slots=True)
class Destination:
    """One place that messages go to.

    ``kind`` is "file", "remote", "users", "pipe", "socket", "journal", "program", "database", "mail" or
    another word of the kind. ``path`` is that of a file, with the text of its template where messages
    choose it. ``protocol`` is "relp", "tcp", "udp" or the name of the module; ``transport`` one of the words
    above. ``certain`` is false where the content of a message decides, at the line ``doubt``.
    """

    kind: str
    action: Action
    place: Place
    path: str = ""
    dynamic: Template | None = None
    protocol: str = ""
    host: str = ""
    port: str = ""
    transport: str = ""
    certain: bool = True
    doubt: Place | None = None

    @property
    def tls(self) -> bool:
        """Whether what goes to another host is encrypted, and that host known for certain."""
        return self.transport == PEER_CHECKED


def destination(config: Config, step: Step) -> Destination | None:
    """Where an action sends messages; None for one that only looks at them or changes them."""
    action = step.action
    if action.kind in _REMOTE:
        return Destination(
            "remote",
            action,
            action.place,
            protocol=_protocol(config, action),
            host=config.parameter(action, "target", "server", "host", "broker"),
            port=config.parameter(action, "port", "serverport") or "514",
            transport=_transport(config, action),
            certain=step.certain,
            doubt=step.doubt,
        )
    if action.kind == "omfile":
        name = action.parameters.one("dynafile")
        template = config.templates.get(name)
        path = template.text if template else action.parameters.one("file")
        return Destination(
            "file", action, action.place, path, template, certain=step.certain, doubt=step.doubt
        )
    if action.kind.startswith(("mm", "omdiscard")):
        return None
    kind = _KINDS.get(action.kind, action.kind)
    return Destination(kind, action, action.place, certain=step.certain, doubt=step.doubt)


def _protocol(config: Config, action: Action) -> str:
    if action.kind == "omrelp":
        return "relp"
    if action.kind == "omfwd":
        return config.parameter(action, "protocol").lower() or "udp"
    return action.kind.removeprefix("om")


def _transport(config: Config, action: Action) -> str:
    if is_loopback(config.parameter(action, "target", "server", "host")):
        return LOCAL
    if action.kind == "omrelp":
        return _relp(config, action)
    if action.kind == "omfwd":
        return _forward(config, action)
    return "unknown"


def is_loopback(host: str) -> bool:
    """Whether a host is this one, by its address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _relp(config: Config, action: Action) -> str:
    """omrelp: without tls="on" all goes in clear, without an authMode to whoever answers."""
    if config.parameter(action, "tls").lower() not in {"on", "yes", "1", "true"}:
        return CLEAR
    mode = config.parameter(action, "tls.authmode").lower()
    named = names_peers(action.parameters.all("tls.permittedpeer"))
    return PEER_CHECKED if mode in {"name", "fingerprint"} and named else ANY_PEER


def names_peers(permitted: Iterable[str]) -> bool:
    """Whether the peers that are let through are named at all: "*" alone is everybody with a certificate."""
    peers = [one.strip() for one in permitted]
    return bool(peers) and "*" not in peers


def _forward(config: Config, action: Action) -> str:
    """omfwd: TLS is a stream driver in mode 1; x509/name alone compares with the name of the target."""
    driver = config.parameter(action, "streamdriver", "streamdriver.name")
    driver = driver or config.settings.one("defaultnetstreamdriver")
    mode = config.parameter(action, "streamdrivermode", "streamdriver.mode")
    if _protocol(config, action) != "tcp" or driver not in {"gtls", "ossl"} or mode != "1":
        return CLEAR
    auth = config.parameter(action, "streamdriverauthmode", "streamdriver.authmode").lower()
    peers = action.parameters.all("streamdriverpermittedpeers", "streamdriver.permittedpeers")
    # Without a list x509/name compares with the name of the target.
    named = names_peers(peers) or (not peers and auth == "x509/name")
    return PEER_CHECKED if auth in {"x509/name", "x509/fingerprint"} and named else ANY_PEER


_MODE = "0644"  # of the files that omfile makes, where it is not said


def file_mode(config: Config, action: Action, umask: str = "") -> str:
    """The mode that omfile gives to a file that it makes ("0640"); "" where what is written is no mode.

    $FileCreateMode counts for old actions alone, the parameter of the module for new ones, the umask for all.
    ``umask`` is what the daemon is started with, where that is known.
    """
    given = action.parameters.one if action.legacy else lambda name: config.parameter(action, name)
    mode, umask = given("filecreatemode") or _MODE, config.settings.one("umask") or umask or "0022"
    try:
        return f"{int(mode, 8) & ~int(umask, 8) & 0o7777:04o}"
    except ValueError:
        return ""
