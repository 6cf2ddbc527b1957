"""Where stores of data listen: the address in their own configuration, now and after a restart."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Text
from hardentui.operations import ByHand, Change, Operation, Refusal, ReplaceLine, RestartUnit
from hardentui.resources import postgresql
from hardentui.resources.base import list_fact, nothing, text_fact, wrong_subject
from hardentui.snapshot import File, Question, Snapshot, Socket, Sockets, Stat, UnitFiles, Unread

LOOPBACK = "loopback"
_POSTGRESQL = "postgresql"  # it has a file for each cluster, and not only one line counts
_OTHERS_WRITE = 0o022
_PLAIN = re.compile(r"[A-Za-z0-9_.:,*/'= -]*")  # what a shell leaves as it is between double quotes
_ANY = frozenset({"*", "::", "::*", "0.0.0.0", ""})  # noqa: S104 - what is seen, not what we listen on


@dataclass(frozen=True, slots=True)
class Server:
    """A program, its file and its port.

    ``written`` finds the lines that name addresses, each with these; ``bound`` turns such a line, or ""
    where there is none, into one that names loopback. ``unclear`` is what makes the file not the whole
    story. ``default`` is where the program listens when no line says it.
    """

    path: str
    units: tuple[str, ...]
    port: int
    written: Callable[[str], tuple[tuple[str, tuple[str, ...]], ...]]
    bound: Callable[[str], str]
    default: str
    unclear: re.Pattern[str]


# --- the formats of their files ----------------------------------------------------------------------------

_REDIS = re.compile(r"[ \t]*bind[ \t]+(?P<addresses>[^#\n]+)", re.IGNORECASE)
_RABBIT = re.compile(
    r"[ \t]*(?P<key>listeners\.tcp\.[A-Za-z0-9_]+)[ \t]*=[ \t]*"
    r"(?:(?P<address>\S*):)?(?P<port>[0-9]{1,5})[ \t]*"
)
_MONGO = re.compile(r"(?P<indent>[ ]+)(?:bindIp:[ ]*(?P<addresses>[^#\n]*)|bindIpAll:[ ]*true[ ]*)")


def _of_redis(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The last line with ``bind``: it takes the place of those before it.

    A dash before an address lets the address be missing.
    """
    lines = [(line, found) for line in text.split("\n") if (found := _REDIS.fullmatch(line))]
    return tuple(
        (line, tuple(word.lstrip("-") for word in found["addresses"].split())) for line, found in lines[-1:]
    )


def _of_rabbitmq(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    lines = [(line, found) for line in text.split("\n") if (found := _RABBIT.fullmatch(line))]
    return tuple((line, ((found["address"] or "").strip("[]"),)) for line, found in lines)


def _of_mongod(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The lines of the block ``net:``; the rest of the YAML is not read."""
    found = []
    inside = False
    for line in text.split("\n"):
        if line and not line.startswith((" ", "#")):
            inside = line.split("#")[0].strip() == "net:"
        match = _MONGO.fullmatch(line) if inside else None
        if match:
            named = match["addresses"]
            words = ("*",) if named is None else tuple(word.strip("\"' ") for word in named.split(","))
            found.append((line, words))
    return tuple(found)


def _rabbit_bound(line: str) -> str:
    found = _RABBIT.fullmatch(line)
    key, port = (found["key"], found["port"]) if found else ("listeners.tcp.default", "5672")
    return f"{key} = 127.0.0.1:{port}"


def _mongo_bound(line: str) -> str:
    found = _MONGO.fullmatch(line)
    return f"{found['indent']}bindIp: 127.0.0.1" if found else ""


SERVERS: Mapping[str, Server] = {
    "redis": Server(
        "/etc/redis/redis.conf",
        ("redis-server.service", "redis.service", "valkey.service"),
        6379,
        _of_redis,
        lambda _line: "bind 127.0.0.1 -::1",
        "any",
        re.compile(r"^[ \t]*include[ \t]", re.MULTILINE | re.IGNORECASE),
    ),
    "rabbitmq": Server(
        "/etc/rabbitmq/rabbitmq.conf",
        ("rabbitmq-server.service",),
        5672,
        _of_rabbitmq,
        _rabbit_bound,
        "any",
        re.compile(r"^[ \t]*listeners\.tcp[ \t]*=", re.MULTILINE),
    ),
    "mongodb": Server(
        "/etc/mongod.conf",
        ("mongod.service", "mongodb.service"),
        27017,
        _of_mongod,
        _mongo_bound,
        LOOPBACK,
        re.compile(r"^(?:net:[ \t]*\{|\s*__|\s*net\.)", re.MULTILINE),
    ),
}


# --- the resource ------------------------------------------------------------------------------------------


class Bind:
    """The resource "bind": the value is "loopback", or the addresses that a server listens on."""

    name = "bind"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, (*SERVERS, _POSTGRESQL))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == _POSTGRESQL:
            return _clusters(snapshot)
        server = SERVERS[entry.subject]
        text = snapshot.ask(File(server.path))
        boot = _boot(server, text)
        lines = server.written(text) if isinstance(text, str) else ()
        facts: dict[str, Fact] = {
            "shared": _shared(snapshot, server.path),
            "lines": tuple(line for line, _names in lines),
            "unit": _unit(snapshot, server),
        }
        running = _running(snapshot, server) if snapshot.live else None
        return Observation(running, (boot,), facts, snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        if entry.subject == _POSTGRESQL:
            return _change_clusters(entry, facts)
        server = SERVERS[entry.subject]
        unit = text_fact(facts, "unit")
        if unit not in server.units:
            return Refusal(_("no unit of it is known here: set the address by hand, and restart it"))
        lines = [str(line) for line in list_fact(facts, "lines")] or [""]
        if folder := text_fact(facts, "shared"):
            return Refusal(
                _(
                    "others than root can change {folder}, where no script writes: set it in {path} by hand"
                ).format(folder=folder, path=server.path)
            )
        if any(line and not server.written(f"net:\n{line}") for line in lines):
            return Refusal(_("{path} holds no line that we know how to change").format(path=server.path))
        bound = {line: server.bound(line) for line in lines}
        if not all(bound.values()):
            return Refusal(_("it listens on loopback by itself"))
        own = (entry.id,)
        edits = tuple(
            ReplaceLine(owners=own, path=server.path, before=line, after=after)
            for line, after in bound.items()
            if line != after
        )
        return (
            (*edits, RestartUnit(owners=own, unit=unit)) if edits else Refusal(_("its file says so already"))
        )


def after_restart(snapshot: Snapshot, unit: str) -> dict[Question[Any], Any]:
    """Where a server would listen once it was started with its file as it stands: for a rehearsal."""
    sockets = snapshot.ask(Sockets())
    port = _port_of(snapshot, unit)
    if port is None or isinstance(sockets, Unread):
        return {}
    mine = [one for one in sockets if _is_at(one, port)]
    others = tuple(one for one in sockets if one not in mine)
    moved = tuple(dataclasses.replace(one, protocol="tcp", address="127.0.0.1") for one in mine[:1])
    return {Sockets(): (*others, *moved)}


def _port_of(snapshot: Snapshot, unit: str) -> int | None:
    """The port of the server of a unit, where its files bind it to loopback; None where they do not."""
    server = next((one for one in SERVERS.values() if unit in one.units), None)
    if server is not None:
        bound = _boot(server, snapshot.ask(File(server.path))).values == {"": LOOPBACK}
        return server.port if bound else None
    known = postgresql.clusters(snapshot) if unit.startswith("postgresql") else ()
    mine = () if isinstance(known, Gap) else (one for one in known if one.unit == unit and not one.gap)
    return next((one.port for one in mine if all(map(_is_loopback, one.addresses))), None)


def _shared(snapshot: Snapshot, path: str) -> str:
    """The folder of a file, where others than root can put another one in its place; "" where they cannot."""
    folder = path.rpartition("/")[0]
    seen = snapshot.ask(Stat(folder))
    if isinstance(seen, Unread) or (seen.uid == 0 and not seen.mode & _OTHERS_WRITE):
        return ""
    return folder


def _unit(snapshot: Snapshot, server: Server) -> str:
    files = snapshot.ask(UnitFiles())
    names = set() if isinstance(files, Unread) else {one.name for one in files}
    return next((unit for unit in server.units if unit in names), "")


def _is_at(socket: Socket, port: int) -> bool:
    return socket.protocol in {"tcp", "tcp6"} and socket.port == port


def _running(snapshot: Snapshot, server: Server) -> Reading:
    sockets = snapshot.ask(Sockets())
    if isinstance(sockets, Unread):
        return nothing(sockets, _("listening sockets"))
    addresses = tuple(dict.fromkeys(one.address for one in sockets if _is_at(one, server.port)))
    place = Provenance(_("listening sockets"), text=f"tcp {server.port}")
    if not addresses:
        return Reading(gap=Gap(GapKind.ABSENT, _("nothing listens on port {port}").format(port=server.port)))
    return Reading({"": _shown(addresses)}, provenance=(place,))


def _boot(server: Server, text: str | Unread) -> Reading:
    if isinstance(text, Unread):
        return nothing(text, server.path)
    if server.unclear.search(text):
        why = _("{path}: what it includes, or how it is written, is not read here").format(path=server.path)
        return Reading(gap=Gap(GapKind.UNTOLD, why))
    lines = server.written(text)
    place = Provenance(server.path, text=lines[-1][0].strip() if lines else "")
    value = _shown([name for _line, names in lines for name in names]) if lines else server.default
    return Reading({"": value}, provenance=(place,))


def _shown(addresses: Any) -> str:
    """Where it listens, in words that no language changes."""
    if all(_is_loopback(address) for address in addresses):
        return LOOPBACK
    return ", ".join(dict.fromkeys("any" if address in _ANY else address for address in addresses))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost" or address.startswith("/")  # a socket file


# --- the clusters of PostgreSQL ----------------------------------------------------------------------------


def _clusters(snapshot: Snapshot) -> Observation:
    """All clusters as one: it is bound to loopback when each of them is."""
    found = postgresql.clusters(snapshot)
    if isinstance(found, Gap):
        nowhere = Reading(gap=found)
        return Observation(nowhere if snapshot.live else None, (nowhere,), {}, snapshot.taken_at)
    gap = next((one.gap for one in found if one.gap), None)
    values = {} if gap else {"": _outside(address for one in found for address in one.addresses)}
    facts: dict[str, Fact] = {
        "clusters": tuple(_fact(snapshot, one) for one in found if _outside(one.addresses) != LOOPBACK)
    }
    boot = Reading(values, gap, tuple(_where(one) for one in found))
    running = _clusters_now(snapshot, found) if snapshot.live else None
    return Observation(running, (boot,), facts, snapshot.taken_at)


def _clusters_now(snapshot: Snapshot, known: tuple[postgresql.Cluster, ...]) -> Reading:
    sockets = snapshot.ask(Sockets())
    if isinstance(sockets, Unread):
        return nothing(sockets, _("listening sockets"))
    ports = dict.fromkeys(one.port for one in known)
    addresses = [one.address for one in sockets for port in ports if _is_at(one, port)]
    listed = ", ".join(map(str, ports))
    if not addresses:
        return Reading(gap=Gap(GapKind.ABSENT, _("nothing listens on port {port}").format(port=listed)))
    place = Provenance(_("listening sockets"), text=f"tcp {listed}")
    return Reading({"": _outside(addresses)}, provenance=(place,))


def _outside(addresses: Iterable[str]) -> str:
    """Where it listens for other machines: of localhost nobody knows beforehand which addresses it has."""
    return _shown(sorted(address for address in addresses if not _is_loopback(address)))


def _where(cluster: postgresql.Cluster) -> Provenance:
    said = cluster.listening
    return Provenance(said.path, text=said.line.strip()) if said else Provenance(cluster.path)


def _fact(snapshot: Snapshot, cluster: postgresql.Cluster) -> tuple[Fact, ...]:
    said = cluster.listening
    path, line = (said.path, said.line) if said else (cluster.path, "")
    return (path, line, cluster.unit, cluster.port, _shared(snapshot, path))


def _change_clusters(entry: Recommendation, facts: Mapping[str, Fact]) -> Change:
    steps: list[Operation] = []
    for fact in list_fact(facts, "clusters"):
        match fact:
            case (str(path), str(line), str(unit), int(port), str(shared)) if (
                before := postgresql.listening(line)
            ) is not None:
                written = before if postgresql.is_of_alter_system(path) else None
                by_hand = _by_hand(unit, port, written) if shared else None
                steps += _bind_cluster(entry.id, path, line, unit, by_hand)
            case _:
                return Refusal(_("the plan names no line in which PostgreSQL is told where to listen"))
    return tuple(steps) or Refusal(_("it listens on loopback by itself"))


def _bind_cluster(
    id_: str, path: str, line: str, unit: str, instructions: Text | None
) -> tuple[Operation, ...]:
    """The steps for one cluster; its unit is judged as that of a step, also where a person makes it."""
    restart = RestartUnit(owners=(id_,), unit=unit)
    if instructions is not None:
        return (ByHand(owners=(id_,), subject=unit, instructions=instructions),)
    after = f"listen_addresses = '{postgresql.DEFAULT}'"
    return (ReplaceLine(owners=(id_,), path=path, before=line, after=after), restart)


def _by_hand(unit: str, port: int, written: str | None) -> Text:
    """For a cluster whose files belong to its own account, as packages leave them: no script writes there.

    ``written`` is what ALTER SYSTEM had set before; None where it had set nothing.
    """
    restart = f"systemctl restart {shlex.quote(unit)}"
    commands = f"{_alter_system(port, postgresql.DEFAULT)}\n{restart}"
    back = f"{_alter_system(port, written)}\n{restart}"
    return Text(
        "The files of the cluster belong to its own account, where no script of root writes. As root:\n"
        f"{commands}\nTo go back:\n{back}",
        "Les fichiers de la grappe sont à son propre compte, où aucun script de root n'écrit. En root :\n"
        f"{commands}\nPour revenir en arrière :\n{back}",
    )


def _alter_system(port: int, addresses: str | None) -> str:
    """The command that sets where a cluster listens; with None, that takes back what ALTER SYSTEM had set."""
    if addresses is None:
        statement = "ALTER SYSTEM RESET listen_addresses"
    else:
        quoted = addresses.replace("'", "''")
        statement = f"ALTER SYSTEM SET listen_addresses = '{quoted}'"
    word = f'"{statement}"' if _PLAIN.fullmatch(statement) else shlex.quote(statement)
    return f"sudo -u postgres psql -p {port} -c {word}"
