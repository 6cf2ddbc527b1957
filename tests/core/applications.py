"""A host of Canopsis in memory, with rules, listeners and connections, for tests about its flows."""

from __future__ import annotations

from collections.abc import Mapping

from hardentui import hazards
from hardentui.checklist import load_files, shipped_folder
from hardentui.flows import reader
from hardentui.flows.bindings import asking
from hardentui.flows.draft import Draft
from hardentui.resources import check
from hardentui.resources.firewall import loaded
from hardentui.snapshot import Connection, Interfaces, Output, Snapshot, Socket, Unread

from . import hosts
from .test_firewall import FACES, NOTHING

PROFILES = reader.load([shipped_folder()])
QUESTIONS = {question.id: question for profile in PROFILES for question in profile.questions}
CHECKLISTS = asking(load_files(sorted(shipped_folder().glob("ports*.toml")), check, hazards.PROBES), PROFILES)
ADMINS, USERS, EVENTS = "10.0.0.0/24, 2001:db8:a::/64", "10.1.0.0/16", "10.2.0.5"
ANSWERS = {
    "applications": "canopsis",
    "canopsis-version": "packages",
    "canopsis-roles": "canopsis, mongodb",
    "canopsis-users": USERS,
    "canopsis-events": EVENTS,
    "administrators": ADMINS,
}
SSH = Socket("tcp", "0.0.0.0", 22, "sshd", 7, "root", "ssh.service")
WEB = Socket("tcp", "0.0.0.0", 8443, "nginx", 8, "root", "nginx.service")
AMQP = Socket("tcp", "0.0.0.0", 5672, "beam.smp", 9, "rabbitmq", "rabbitmq-server.service")
MONGO = Socket("tcp", "127.0.0.1", 27017, "mongod", 10, "mongodb", "mongod.service")
ADMIN = Connection("tcp", "192.0.2.7", 22, "10.0.0.17", 50111, "sshd", 7, "ssh.service")
LDAP = Connection("tcp", "192.0.2.7", 40001, "10.0.0.9", 389, "sssd", 11, "sssd.service")


def host(
    rules: Output | Unread | None = None,
    sockets: tuple[Socket, ...] = (SSH, WEB, AMQP, MONGO),
    connections: tuple[Connection, ...] = (),
    **changes: object,
) -> hosts.DictHost:
    made = hosts.server(
        sockets=sockets,
        connections=connections,
        commands={loaded.NFT.argv: rules or Output(NOTHING)},
        **changes,
    )
    made.answers[Interfaces] = FACES
    return made


def snapshot(*arguments: object, **changes: object) -> Snapshot:
    return hosts.snapshot(host(*arguments, **changes))


def draft(seen: Snapshot, decided: str = "", **answers: str) -> Draft:
    """The draft for ANSWERS, with changes: dashes of ids are written as underscores, "" takes one away."""
    given: Mapping[str, str] = {**ANSWERS, **{k.replace("_", "-"): v for k, v in answers.items()}}
    return Draft.open(PROFILES, {k: v for k, v in given.items() if v}, seen, decided)
