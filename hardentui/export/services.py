"""The matrix of services as text: what holds each service that runs, and where that was read."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hardentui.export.text import cut, wrapped
from hardentui.i18n import N_, _
from hardentui.resources import capabilities
from hardentui.resources.base import explain
from hardentui.resources.confinement.exposure import SECURITY
from hardentui.resources.confinement.matrix import Door, Facet, Matrix, Service
from hardentui.resources.firewall.reach import Reach
from hardentui.resources.listeners import Listener
from hardentui.snapshot import ConfinedProcess
from hardentui.visible import visible

UNKNOWN = "?"
_GAP = "  "
DOORS: Mapping[Door, str] = {
    Door.ROOT: N_("it runs as root"),
    Door.PRIVILEGES: N_("the programs that it starts can gain privileges"),
    Door.SYSCALLS: N_("it may make every system call"),
    Door.CAPABILITIES: N_("it can come by every capability"),
    Door.FILES: N_("it sees the same files as the whole system"),
}
_FACETS: Mapping[Facet, str] = {
    Facet.USER: N_("user"),
    Facet.NO_NEW_PRIVS: N_("no new privileges"),
    Facet.SECCOMP: N_("system calls"),
    Facet.PERMITTED: N_("capabilities that they have"),
    Facet.BOUNDING: N_("capabilities that they can come by"),
    Facet.NAMESPACES: N_("namespaces"),
    Facet.ROOT: N_("root directory"),
    Facet.LABEL: N_("label"),
}
_UNITS, _KIB, _MANY = "KMGT", 1024, 10  # below ten of a unit, the smaller one says more
_INDENT = 19  # of the details
_MOST_MEMBERS = 8  # processes that are told one by one


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the matrix: its heading, how wide a screen makes it, and the text of its cells."""

    heading: str
    width: int
    cell: Callable[[Service], str]


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that is known of a service, and where it was read ("" where that is said already)."""

    label: str
    text: str
    place: str = ""


# --- the table ------------------------------------------------------------------------------------------


def name(one: Service) -> str:
    """A service without the end that all their names have."""
    return one.unit.removesuffix(".service")


def exposure(one: Service) -> str:
    """The figure of systemd: "9.6"."""
    return UNKNOWN if one.exposure is None else f"{one.exposure:.1f}"


def doors(one: Service) -> str:
    """How many doors are open, of how many: "4/5"; "4+" where more may be."""
    more = any(is_open is None for is_open in one.doors.values())
    return f"{one.open_doors}+" if more else f"{one.open_doors}/{len(one.doors)}"


def user(one: Service) -> str:
    """As whom it runs, root first."""
    return ",".join(one.users) or UNKNOWN


def no_new_privs(one: Service) -> str:
    """Whether its programs gain no privileges."""
    return _yes_no(one.no_new_privs)


def seccomp(one: Service) -> str:
    """How its system calls are filtered."""
    if one.seccomp is None:
        return UNKNOWN
    if one.seccomp and one.filtered is None:
        return UNKNOWN
    if one.seccomp and not one.filtered:
        return _("as pid 1")
    modes = (_("no"), _("strict"), _("filter"))
    return modes[one.seccomp] if one.seccomp < len(modes) else str(one.seccomp)


def caps(one: Service) -> str:
    """How many capabilities it has, and how many it can come by: "0/41"."""
    return "/".join(
        UNKNOWN if mask is None else str(mask.bit_count()) for mask in (one.permitted, one.bounding)
    )


def own_namespaces(one: Service) -> str:
    """The namespaces that it shares with nobody outside: "mnt ipc"; "-" for none."""
    if all(own is None for own in one.own.values()):
        return UNKNOWN
    return " ".join(kind for kind, own in one.own.items() if own) or "-"


def ears(one: Service) -> str:
    """Where it listens: "80 443 (25)", in brackets what this host alone can reach."""
    ports: dict[str, bool] = {}
    for heard in one.listeners:
        port = str(heard.socket.port) if heard.protocol == "tcp" else f"{heard.protocol}{heard.socket.port}"
        ports[port] = ports.get(port, False) or heard.exposed
    none = "-" if one.ears_known else UNKNOWN
    return " ".join(port if exposed else f"({port})" for port, exposed in ports.items()) or none


def count(one: Service) -> str:
    """How many processes, with a mark where they are not held alike."""
    return f"{len(one.processes)} <>" if one.differing else str(len(one.processes))


def root(one: Service) -> str:
    """Its root directory."""
    return " ".join(one.roots) or UNKNOWN


def label(one: Service) -> str:
    """What a security module calls it."""
    if one.labels:
        return " ".join(one.labels)
    return "-" if all(process.label_read for process in one.processes) else UNKNOWN


def memory(one: Service) -> str:
    """The most memory that it may take."""
    return _size(one.group.memory_max) if one.group else UNKNOWN


def tasks(one: Service) -> str:
    """The most processes and threads that it may have."""
    return _limit(one.group.tasks_max) if one.group else UNKNOWN


def cpu(one: Service) -> str:
    """The share of one processor that it may take."""
    return _share(one.group.cpu_max) if one.group else UNKNOWN


# In the order in which they give way on a narrow terminal, the last first.
COLUMNS = (
    Column(N_("Service"), 22, name),
    Column(N_("Exp."), 5, exposure),
    Column(N_("Doors"), 7, doors),
    Column(N_("User"), 12, user),
    Column(N_("Ports"), 12, ears),
    Column(N_("NNP"), 4, no_new_privs),
    Column(N_("Seccomp"), 9, seccomp),
    Column(N_("Caps"), 6, caps),
    Column(N_("Own namespaces"), 16, own_namespaces),
    Column(N_("Proc."), 6, count),
    Column(N_("Label"), 14, label),
    Column(N_("Memory"), 8, memory),
    Column(N_("Tasks"), 7, tasks),
    Column(N_("CPU"), 6, cpu),
    Column(N_("Root"), 9, root),
)


def summary(found: Matrix) -> str:
    """What is in the matrix, in one sentence; what could not be read is never left out."""
    of_root = sum(one.doors[Door.ROOT] is True for one in found.services)
    bare = sum(all(one.doors.values()) for one in found.services)
    reached = sum(bool(one.exposed) for one in found.services)
    dark = sum(not one.known for one in found.services)
    sentence = _(
        "{count} services: {root} as root, {bare} of those held by nothing; "
        "reached from other machines: {exposed}."
    ).format(count=len(found.services), root=of_root, bare=bare, exposed=reached)
    return sentence + (" " + _("Not all could be read of {count}.").format(count=dark) if dark else "")


def table(found: Matrix, width: int) -> Iterator[str]:
    """A line for each service, with the columns that fit; under them what could not be read."""
    rows = [[_(column.heading) for column in COLUMNS]]
    rows += [[visible(column.cell(one)) for column in COLUMNS] for one in found.services]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    shown = _fitting(widths, width)
    yield from wrapped(summary(found), width)
    yield ""
    for row in rows:
        cells = (row[place].ljust(widths[place]) for place in shown)
        yield cut(_GAP.join(cells).rstrip(), width)
    yield ""
    if lacking := ", ".join(_(column.heading) for at, column in enumerate(COLUMNS) if at not in shown):
        yield from wrapped(_("No room for: {columns}.").format(columns=lacking), width)
    if idle := waiting(found):
        yield from wrapped(idle, width)
    yield from wrapped(_("All about one of them: hardentui services NAME."), width)
    yield from unread(found, width)


def _fitting(widths: Sequence[int], width: int) -> tuple[int, ...]:
    """The places of the columns for which there is room, in their order; the first always has some."""
    shown, room = [0], width - widths[0]
    for place in range(1, len(widths)):
        if widths[place] + len(_GAP) <= room:
            shown.append(place)
            room -= widths[place] + len(_GAP)
    return tuple(shown)


def waiting(found: Matrix) -> str:
    """Which services do not run yet because nobody called; "" for none."""
    units = (f"{unit} ({', '.join(map(str, ports))})" for unit, ports in found.waiting.items())
    names = visible(", ".join(units))
    return (
        _("Not running; systemd listens, and starts them at the first call: {names}.").format(names=names)
        if names
        else ""
    )


def unread(found: Matrix, width: int) -> Iterator[str]:
    """What could not be read, a sentence each."""
    for gap in found.gaps:
        yield from wrapped(f"{UNKNOWN} {explain(gap)}", width)


# --- one service ----------------------------------------------------------------------------------------


def details(one: Service) -> Iterator[Detail]:
    """All that is known of a service, and where it was read."""
    proc = f"/proc/{one.main.pid}"
    yield Detail(_("Unit"), one.unit)
    yield Detail(_("Exposure"), _rate(one), " ".join(SECURITY.argv))
    yield Detail(_("Open doors"), _doors(one))
    yield Detail(_("Processes"), _processes(one), f"{proc}/cgroup")
    if one.differing:
        differ = ", ".join(_(_FACETS[facet]) for facet in Facet if facet in one.differing)
        text = _("its processes differ in: {what}; what stands here is said of the least held").format(
            what=differ
        )
        yield Detail("", text)
    yield Detail(_("User"), user(one), f"{proc}/status, Uid")
    yield Detail("NoNewPrivs", no_new_privs(one), f"{proc}/status, NoNewPrivs")
    yield Detail(_("System calls"), _system_calls(one), f"{proc}/status, Seccomp")
    yield Detail(_("Capabilities"), _capabilities(one, one.permitted), f"{proc}/status, CapPrm")
    yield Detail(_("Can come by"), _capabilities(one, one.bounding), f"{proc}/status, CapBnd")
    yield Detail(_("Namespaces"), _namespaces(one), f"{proc}/ns")
    yield Detail(_("Root"), root(one), f"{proc}/root")
    yield Detail(_("Label"), label(one), f"{proc}/attr/current")
    yield from _limits(one)
    yield from _listening(one)
    if one.differing:
        yield from _members(one)


def text(one: Service, width: int) -> Iterator[str]:
    """The details of a service, a paragraph each."""
    for detail in details(one):
        place = f"  [{detail.place}]" if detail.place else ""
        yield from textwrap.wrap(
            visible(detail.text + place),
            max(40, width),
            initial_indent=f"{visible(detail.label):{_INDENT - 1}} ",
            subsequent_indent=" " * _INDENT,
        )


def _rate(one: Service) -> str:
    if one.exposure is None:
        return UNKNOWN
    moment = datetime.fromtimestamp(one.rated_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return _("{rate} of 10 (at {moment})").format(rate=exposure(one), moment=moment)


def _doors(one: Service) -> str:
    wide = _("; ").join(_(DOORS[door]) for door, is_open in one.doors.items() if is_open)
    dark = _("; ").join(_(DOORS[door]) for door, is_open in one.doors.items() if is_open is None)
    parts = [
        _("{count} of {all}: {what}").format(
            count=one.open_doors, all=len(one.doors), what=wide or _("none")
        ),
        *([_("not known: {what}").format(what=dark)] if dark else []),
    ]
    return _("; ").join(parts)


def _processes(one: Service) -> str:
    main = f"{one.main.name or UNKNOWN} ({one.main.pid})"
    others = len(one.processes) - 1
    return _("{main}, and {count} more").format(main=main, count=others) if others else main


def _system_calls(one: Service) -> str:
    filters = min((process.seccomp_filters or 0 for process in one.processes), default=0)
    counted = f" ({filters})" if one.seccomp and filters else ""
    return seccomp(one) + counted


def _capabilities(one: Service, mask: int | None) -> str:
    if mask is None:
        return UNKNOWN
    held = capabilities.names(mask)
    whole = one.first.cap_bounding if one.first else None
    if not held:
        return _("none")
    if whole is None or len(held) <= whole.bit_count() // 2:
        return ", ".join(held)
    lacking = capabilities.names(whole & ~mask)
    if not lacking:
        return _("all {count} that the first process has").format(count=whole.bit_count())
    return _("all that the first process has, but {names}").format(names=", ".join(lacking))


def _namespaces(one: Service) -> str:
    parts = (
        (_("own: {kinds}"), [kind for kind, own in one.own.items() if own]),
        (
            _("shared with the first process: {kinds}"),
            [kind for kind, own in one.own.items() if own is False],
        ),
        (_("not known: {kinds}"), [kind for kind, own in one.own.items() if own is None]),
    )
    return _("; ").join(sentence.format(kinds=", ".join(kinds)) for sentence, kinds in parts if kinds)


def _limits(one: Service) -> Iterator[Detail]:
    yield Detail(_("Control group"), one.main.cgroup or UNKNOWN, f"/proc/{one.main.pid}/cgroup")
    group = one.group
    if group is None:
        yield Detail(_("Limits"), UNKNOWN)
        return
    yield Detail(
        _("Memory"),
        _used(_size(group.memory_max), _size(group.memory_current) if group.memory_current else ""),
        "memory.max",
    )
    yield Detail(_("Tasks"), _used(_limit(group.tasks_max), group.tasks_current), "pids.max")
    yield Detail(_("Processor"), _limit(_share(group.cpu_max)), "cpu.max")


def _listening(one: Service) -> Iterator[Detail]:
    heading = _("Listens")
    for heard in one.listeners:
        where = heard.reachable(Reach.show)
        yield Detail(heading, _("{place}, reachable from {where}").format(place=_place(heard), where=where))
        heading = ""
    if not one.listeners:
        text = _("at no port") if one.ears_known else _("not known: whose some ports are is hidden")
        yield Detail(heading, text)


def _place(heard: Listener) -> str:
    address = f"[{heard.socket.address}]" if ":" in heard.socket.address else heard.socket.address
    return f"{heard.protocol} {address}:{heard.socket.port}"


def _members(one: Service) -> Iterator[Detail]:
    for process in one.processes[:_MOST_MEMBERS]:
        yield Detail(f"  {process.name or UNKNOWN} ({process.pid})", _member(process))
    if len(one.processes) > _MOST_MEMBERS:
        yield Detail("", _("and {count} more").format(count=len(one.processes) - _MOST_MEMBERS))


def _member(process: ConfinedProcess) -> str:
    words = (
        process.user or UNKNOWN,
        f"NoNewPrivs {_number(process.no_new_privs)}",
        f"Seccomp {_number(process.seccomp)}",
        f"CapPrm {_hex(process.cap_permitted)}",
        f"CapBnd {_hex(process.cap_bounding)}",
        f"{_('Root')} {process.root or UNKNOWN}",
        *([process.label] if process.label else []),
    )
    return ", ".join(words)


# --- values ---------------------------------------------------------------------------------------------


def _yes_no(value: bool | None) -> str:  # noqa: FBT001 - it is the value
    if value is None:
        return UNKNOWN
    return _("yes") if value else _("no")


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else str(int(value))


def _hex(mask: int | None) -> str:
    return UNKNOWN if mask is None else f"{mask:x}"


def _limit(text: str) -> str:
    return _("none") if text == "max" else text or UNKNOWN


def _size(text: str) -> str:
    """Bytes in the largest unit of 1024 that leaves a whole number."""
    if not text.isdecimal():
        return _limit(text)
    number, unit = int(text), ""
    for larger in _UNITS:
        if number < _KIB or (number % _KIB and number < _MANY * _KIB):
            break
        number, unit = number // _KIB, larger
    return f"{number}{unit}"


def _share(text: str) -> str:
    """A quota of processor time per period in percent; as it stands where only the quota is known."""
    quota, _space, period = text.partition(" ")
    if quota.isdecimal() and period.isdecimal() and int(period):
        return f"{round(100 * int(quota) / int(period))}%"
    return _limit(text)


def _used(limit: str, now: str) -> str:
    if limit == UNKNOWN and not now:
        return _("not known: its control group has no such file, or it cannot be read")
    return _("limit {limit}, now {now}").format(limit=limit, now=now or UNKNOWN)
