"""What rsyslog takes in from the network, and how safely."""

from __future__ import annotations

from dataclasses import dataclass

from hardentui.resources.rsyslog.config import Config
from hardentui.resources.rsyslog.destinations import (
    ANY_PEER,
    CLEAR,
    LOCAL,
    PEER_CHECKED,
    is_loopback,
    names_peers,
)
from hardentui.resources.rsyslog.grammar import Object
from hardentui.resources.rsyslog.lexer import Place

_MODULES = frozenset({"imudp", "imtcp", "imptcp", "imrelp", "imdtls", "imgssapi", "imhttp"})


@dataclass(frozen=True, slots=True)
class Listening:
    """One input that listens: what it is called on the screen, how safe it is, and which ruleset gets it."""

    name: str
    transport: str
    ruleset: str
    place: Place


def listening(config: Config) -> tuple[Listening, ...]:
    """The inputs from the network, in the order of the files."""
    return tuple(of(config, one) for one in config.inputs if _module(one) in _MODULES)


def of(config: Config, one: Object) -> Listening:
    """What an input is."""
    return Listening(
        f"{_module(one)} {one.parameters.one('address') or '*'}:{one.parameters.one('port') or '?'}",
        _transport(config, one),
        one.parameters.one("ruleset") or config.defaults(_module(one)).one("ruleset"),
        one.place,
    )


def _module(one: Object) -> str:
    return one.parameters.one("type").lower()


def _transport(config: Config, one: Object) -> str:
    module = _module(one)
    given, defaults = one.parameters, config.defaults(module)

    def parameter(*names: str) -> str:
        return (given.one(*names) or defaults.one(*names)).lower()

    if is_loopback(given.one("address")):
        return LOCAL
    peers = given.all("tls.permittedpeer", "permittedpeer") or defaults.all("permittedpeer")
    if module == "imrelp":
        on = parameter("tls") in {"on", "yes", "1", "true"}
        checked = parameter("tls.authmode") in {"name", "fingerprint"}
    elif module == "imtcp":
        driver = parameter("streamdriver.name") or config.settings.one("defaultnetstreamdriver")
        on = driver in {"gtls", "ossl"} and parameter("streamdriver.mode") == "1"
        checked = parameter("streamdriver.authmode") in {"x509/name", "x509/fingerprint"}
    else:
        on, checked = module == "imdtls", False
    if not on:
        return CLEAR
    return PEER_CHECKED if checked and names_peers(peers) else ANY_PEER
