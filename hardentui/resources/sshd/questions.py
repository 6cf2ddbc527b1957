"""What sshd itself is asked: for nobody in particular, for root, and for one connection of each block."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator

from hardentui.resources.sshd.config import Config
from hardentui.resources.sshd.match import Connection, Criterion, holds
from hardentui.snapshot import Accounts, Command, Groups, Snapshot, Unread

FOR_ALL = Command(("sshd", "-T"), needs_root=True)
FOR_ROOT = Command(
    ("sshd", "-T", "-C", "user=root,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"), needs_root=True
)
# Blocks that are tried for real; more than these are read only.
_BLOCKS = 12
_USERS = 200  # accounts that are tried, to find one that a block fits
_SPECIFICATION = re.compile(
    r"user=[a-z_][a-z0-9_.-]{0,31},host=[a-z0-9][a-z0-9.-]{0,63}"
    r",addr=[0-9a-f.:]{2,45},laddr=[0-9a-f.:]{2,45},lport=[0-9]{1,5}"
)


def asked(snapshot: Snapshot, seen: Config) -> tuple[tuple[Command, Connection], ...]:
    """Each question, and the connection that it is about."""
    root = Connection("root", "localhost", "127.0.0.1", "127.0.0.1", 22, lambda u: groups_of(snapshot, u))
    found = {FOR_ALL: Connection(), FOR_ROOT: root}
    blocks = dict.fromkeys(line.blocks for line in seen.lines if line.blocks)
    for several in itertools.islice(blocks, _BLOCKS):
        criteria = frozenset(criterion for block in several for criterion in block.criteria)
        witness = _witness(snapshot, criteria) if criteria else None
        if witness is None:
            continue
        specification = (
            f"user={witness.user},host={witness.host},addr={witness.address}"
            f",laddr={witness.local_address},lport={witness.local_port}"
        )
        if is_plain(specification):
            found[Command(("sshd", "-T", "-C", specification), needs_root=True)] = witness
    return tuple(found.items())


def is_plain(specification: str) -> bool:
    """Whether a connection is written with names and numbers alone: files of the host gave some of them."""
    return _SPECIFICATION.fullmatch(specification) is not None


def groups_of(snapshot: Snapshot, user: str) -> frozenset[str] | None:
    """The groups of a local account by name; None where they cannot be known."""
    accounts, groups = snapshot.ask(Accounts()), snapshot.ask(Groups())
    if isinstance(accounts, Unread) or isinstance(groups, Unread):
        return None
    own = next((account for account in accounts if account.name == user), None)
    if own is None:
        return None
    return frozenset(g.name for g in groups if g.gid == own.gid or user in g.members)


def _witness(snapshot: Snapshot, criteria: frozenset[Criterion]) -> Connection | None:
    """A connection for which all of these hold; None where none is found at once."""
    patterns = {criterion.attribute: criterion.pattern for criterion in criteria}
    accounts = snapshot.ask(Accounts())
    names = [] if isinstance(accounts, Unread) else [account.name for account in accounts[:_USERS]]
    host = next(_literals(patterns.get("host", "")), "localhost").lower()
    address = next(_addresses(patterns.get("address", "")), "192.0.2.1")
    here = next(_addresses(patterns.get("localaddress", "")), "127.0.0.1")
    port = int(patterns.get("localport", "22"))
    for user in dict.fromkeys((*_literals(patterns.get("user", "")), *names)):
        tried = Connection(user, host, address, here, port, lambda u: groups_of(snapshot, u))
        if holds(criteria, tried):
            return tried
    return None


def _literals(patterns: str) -> Iterator[str]:
    return (word for word in patterns.split(",") if word and not re.search(r"[*?!]", word))


def _addresses(patterns: str) -> Iterator[str]:
    for word in _literals(patterns):
        try:
            yield str(ipaddress.ip_network(word).network_address)
        except ValueError:
            continue
