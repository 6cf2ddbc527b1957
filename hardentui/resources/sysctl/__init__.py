"""Kernel parameters: what /proc/sys holds, what both readers of sysctl.d will write, and how to win.

A subject is a dotted key, or a per-interface key with ``*`` for the interface. The latter is judged on
each interface by the value that the kernel really uses there, and on ``default`` for those to come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from hardentui.comparison import Comparison, Operator
from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, Lines, Operation, Refusal, ReplaceLine, SetSysctl, WriteFile
from hardentui.resources.base import digest, list_fact, missing, table_fact, text_fact
from hardentui.resources.sysctl import boot, kernel
from hardentui.snapshot import Folder, KernelFile, Reason, Snapshot, Unread

DROPIN = "99-zz-hardentui.conf"
OURS = "hardentui.conf"
_KEY = re.compile(r"[a-z][a-z0-9_]*(?:\.(?:[A-Za-z0-9_-]+|\*))+")
_SAFE_INTERFACE = re.compile(r"[A-Za-z0-9_.@:+-]{1,15}")
_OWN_FILE = re.compile(r"/etc/sysctl\.d/[A-Za-z0-9_.@+-]*hardentui\.conf")
_HEADER = (
    "# Written by hardentui. The plan of this host says who decided each line and why;",
    "# the rollback of its script restores what was here before.",
)


class Sysctl:
    """The resource "sysctl"."""

    name = "sysctl"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect:
            return f"sysctl has no aspects, found {aspect!r}"
        if not _KEY.fullmatch(subject):
            return f"expected a kernel parameter such as kernel.kptr_restrict, found {subject!r}"
        if "*" in subject and _leaf(subject) is None:
            known = ", ".join(
                sorted(f"{f.replace('/', '.')}.*.{n}" for f, ns in kernel.LEAVES.items() for n in ns)
            )
            return f"how {subject} combines is not known here; known: {known}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        leaf = _leaf(entry.subject)
        if leaf is None:
            return observe_key(snapshot, entry)
        return _PerInterface(snapshot, entry, *leaf).observe()

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        return change_keys(entry, facts, target)


def _leaf(subject: str) -> tuple[str, str, kernel.Leaf] | None:
    folder, star, name = boot.normalize(subject).partition("/*/")
    known = kernel.LEAVES.get(folder, {}).get(name) if star else None
    return (folder, name, known) if known else None


# --- single keys ----------------------------------------------------------------------------------


def observe_key(snapshot: Snapshot, entry: Recommendation) -> Observation:
    """One key: its value now, and what each reader will have set after a boot."""
    path = boot.normalize(entry.subject)
    running: Reading | None = None
    at = snapshot.taken_at
    if snapshot.live:
        value, at = snapshot.ask_timed(KernelFile(f"/proc/sys/{path}"))
        place = f"/proc/sys/{path}"
        if isinstance(value, Unread):
            running = Reading(gap=value.gap(place))
            if value.reason is Reason.MISSING:
                return Observation(running, seen_at=at)
        else:
            running = Reading({"": " ".join(value.split())}, provenance=(Provenance(place),))
    files = snapshot.derive(boot.read_files)
    readings = tuple(_boot_of_key(snapshot, reader, path, entry) for reader in files.readers())
    now = {path: running.values[""]} if running and running.values else {}
    names = (path, boot.ALIASES[path]) if path in boot.ALIASES else (path,)
    facts = competition(snapshot, names, now, readings)
    if path == "net/ipv4/ip_forward":
        # Changing it rewrites this one (net/ipv4/devinet.c, inet_forward_change): kept to be put back.
        resets = "net/ipv4/conf/all/accept_redirects"
        seen = snapshot.ask(KernelFile(f"/proc/sys/{resets}"))
        facts = {**facts, "resets": {} if isinstance(seen, Unread) else {resets: seen}}
    return Observation(running, readings, facts, at)


def _boot_of_key(snapshot: Snapshot, reader: boot.Reader, path: str, entry: Recommendation) -> Reading:
    outcome = reader.outcome(path)
    gap = reader.gap or boot.other_writer(snapshot, path)
    places = provenance(outcome)
    if outcome.winner is not None and outcome.winner.value is not None:
        value = " ".join(outcome.winner.value.split())
        if not kernel.takes(path, value):
            # What stays then is what was there before: an earlier line, or the default. We do not guess.
            refused = _("the kernel refuses {value}, from {file}").format(
                value=value, file=outcome.winner.file
            )
            return Reading({}, Gap(GapKind.FAILED, refused), places, reader.name)
        return Reading({"": value}, gap, places, reader.name)
    if reader.gap is not None:
        return Reading({}, gap, places, reader.name)  # what could not be read may set it: no default then
    unset, place = _unset(snapshot, path, entry)
    if unset is None:
        return Reading({}, gap or Gap(GapKind.UNSET, entry.subject), places, reader.name)
    return Reading({"": unset}, gap, (*places, place), reader.name)


def _unset(snapshot: Snapshot, path: str, entry: Recommendation) -> tuple[str | None, Provenance]:
    """What a key has when no file sets it: the kernel's command line, or its built-in value."""
    arguments = snapshot.derive(boot.kernel_arguments)
    if path in arguments:
        return arguments[path], Provenance(
            "/proc/cmdline", Role.WINS, text=f"sysctl.{path}={arguments[path]}"
        )
    if entry.default:
        return entry.default, Provenance(_("kernel default"), Role.DEFAULT, text=entry.default)
    if entry.default_config:
        value = kernel.built_in(snapshot, entry.default_config)
        return value, Provenance(_("kernel build option"), Role.DEFAULT, text=entry.default_config)
    return None, Provenance("")


def provenance(outcome: boot.Outcome) -> tuple[Provenance, ...]:
    """The lines of sysctl files that count for an outcome, the winner first."""
    won = outcome.winner
    first = (Provenance(won.file, Role.WINS, won.line, won.text.strip()),) if won else ()
    return first + tuple(Provenance(a.file, Role.BEATEN, a.line, a.text.strip()) for a in outcome.beaten)


# --- per-interface keys ---------------------------------------------------------------------------


class _PerInterface:
    """Observes one leaf of net.ipv4.conf or net.ipv6.conf on every interface."""

    def __init__(
        self, snapshot: Snapshot, entry: Recommendation, folder: str, name: str, leaf: kernel.Leaf
    ) -> None:
        self._snapshot = snapshot
        self._entry = entry
        self._folder = folder
        self._name = name
        self._leaf = leaf
        self._interfaces: tuple[str, ...] = ()
        self._also: tuple[str, ...] = ()

    def _path(self, interface: str, name: str = "") -> str:
        return f"{self._folder}/{interface}/{name or self._name}"

    def observe(self) -> Observation:
        at = self._snapshot.taken_at
        running: Reading | None = None
        seen: dict[str, str] = {}
        if self._snapshot.live:
            entries, at = self._snapshot.ask_timed(Folder(f"/proc/sys/{self._folder}"))
            if isinstance(entries, Unread):
                return missing(entries.gap(f"/proc/sys/{self._folder}"))
            found = tuple(e.name for e in entries if e.name not in {"all", "default"})
            judged = self._folder == "net/ipv4/conf"
            self._interfaces = tuple(name for name in found if judged or name != "lo")
            # Not judged for IPv6, but our pattern reaches it too, and a rollback must know what it had.
            self._also = tuple(name for name in found if name not in self._interfaces)
            running, seen = self._running()
            if running.gap is not None and running.gap.kind is GapKind.ABSENT:
                return Observation(running, seen_at=at)
        files = self._snapshot.derive(boot.read_files)
        readings = tuple(self._boot(reader) for reader in files.readers())
        facts = competition(
            self._snapshot,
            tuple(self._path(part) for part in ("all", "default", *self._interfaces)),
            {self._path(part): value for part, value in seen.items()},
            readings,
        )
        return Observation(running, readings, {**facts, "glob": self._path("*")}, at)

    def _running(self) -> tuple[Reading, dict[str, str]]:
        seen: dict[str, str] = {}
        gap: Gap | None = None
        for part in ("all", "default", *self._interfaces, *self._also):
            value = self._snapshot.ask(KernelFile(f"/proc/sys/{self._path(part)}"))
            if not isinstance(value, Unread):
                seen[part] = " ".join(value.split())
            elif part not in self._also and (
                value.reason is not Reason.MISSING or part in {"all", "default"}
            ):
                # An interface may go away between two reads: then it no longer counts.
                gap = gap or value.gap(f"/proc/sys/{self._path(part)}")
        forwards = {part: self._forwards(part) for part in seen}
        values = self._effective(seen, forwards)
        return Reading(values, gap, (Provenance(f"/proc/sys/{self._path('*')}"),)), seen

    def _forwards(self, part: str) -> bool:
        return self._snapshot.ask(KernelFile(f"/proc/sys/{self._path(part, 'forwarding')}")) == "1"

    def _effective(self, seen: Mapping[str, str], forwards: Mapping[str, bool]) -> dict[str, str]:
        everywhere = seen.get("all", self._leaf.all_default)
        return {
            part: self._leaf.combine.of(everywhere, seen[part], forwards=forwards.get(part, False))
            for part in (*self._interfaces, "default")
            if part in seen
        }

    def _boot(self, reader: boot.Reader) -> Reading:
        """What this reader leaves on each interface: an own line, else what is inherited, else built in."""
        seen, places, gap = self._written(reader)
        if reader.gap is not None:
            return Reading({}, gap, tuple(dict.fromkeys(places)), reader.name)  # as in _boot_of_key
        unset = [part for part in (*self._interfaces, "default") if part not in seen]
        router = reader.outcome("net/ipv4/ip_forward").winner
        forwards = self._folder == "net/ipv4/conf" and router is not None and router.value == "1"
        # Turning routing on clears this one, unless a file sets it.
        all_default = "0" if forwards and self._name == "accept_redirects" else self._leaf.all_default
        everywhere = seen.setdefault("all", self._argument("all") or all_default)
        own_default = seen.setdefault("default", self._argument("default") or self._leaf.default)
        for interface in self._interfaces:
            if interface in seen:
                continue
            if self._leaf.reaches and everywhere != self._leaf.all_default:
                seen[interface] = everywhere
            elif interface == "lo":
                # It has its address before the files are read: from then on default no longer reaches it.
                seen[interface] = self._leaf.default
            elif self._folder == "net/ipv4/conf" or own_default == self._leaf.default:
                seen[interface] = own_default
            else:
                # ipv6: one made before the files are read keeps the kernel's value, a later one inherits.
                gap = gap or Gap(
                    GapKind.UNMODELLED,
                    _("whether {name} exists before the files are read").format(name=interface),
                )
        values = self._effective(seen, dict.fromkeys(seen, forwards))
        if unset:
            shown = ", ".join(f"{part} {seen[part]}" for part in unset if part in seen)
            places.append(Provenance(_("inherited, or the kernel default"), Role.DEFAULT, text=shown))
        return Reading(values, gap, tuple(dict.fromkeys(places)), reader.name)

    def _written(self, reader: boot.Reader) -> tuple[dict[str, str], list[Provenance], Gap | None]:
        """What the files write to all, default and the interfaces, where it stands, and what may differ."""
        places: list[Provenance] = []
        gap = reader.gap
        seen: dict[str, str] = {}
        turns: dict[str, int] = {}
        for part in ("all", "default", *self._interfaces):
            outcome = reader.outcome(self._path(part))
            places += provenance(outcome)
            gap = gap or boot.other_writer(self._snapshot, self._path(part))
            if outcome.winner is not None and outcome.winner.value is not None:
                seen[part] = " ".join(outcome.winner.value.split())
                turns[part] = reader.assignments.index(outcome.winner)
        if self._leaf.reaches and "all" in seen:
            # Writing all writes every other one, and undoes what was written before it.
            undone = ("default", *(n for n in self._interfaces if n in turns))
            seen |= {part: seen["all"] for part in undone if turns.get(part, -1) < turns["all"]}
        return seen, places, gap

    def _argument(self, part: str) -> str:
        return self._snapshot.derive(boot.kernel_arguments).get(self._path(part), "")


# --- changing -------------------------------------------------------------------------------------


def competition(
    snapshot: Snapshot, paths: Sequence[str], running: Mapping[str, str], readings: Iterable[Reading]
) -> dict[str, Fact]:
    """What a change needs to know to win at the next boot.

    ``values`` are the running values by path; ``seen`` what a boot would give; ``contested`` the
    interfaces' paths that another file names; ``edits`` the lines of /etc/sysctl.conf that procps
    reads after any drop-in; ``dropin`` a name that sorts behind every rival, ``before`` its digest.
    """
    files = snapshot.derive(boot.read_files)
    rivals = {
        name: [a for a in assignments if any(boot.matches(a, path) for path in paths)]
        for name, assignments in files.names.items()
        if not name.endswith(OURS)
    }
    later = [name for name, assignments in rivals.items() if assignments and name > DROPIN]
    contested = {
        path
        for path in paths
        for assignments in rivals.values()
        for a in assignments
        if boot.matches(a, path) and path.split("/")[-2] not in {"all", "default"}
    }
    edits = tuple(
        {"line": a.text, "key": a.key}
        for a in files.conf
        if not a.is_glob and a.value is not None and a.key in paths
    )
    path = f"/etc/sysctl.d/{_winning_name(later)}"
    return {
        "values": dict(running),
        "seen": tuple(value for reading in readings for value in reading.values.values()),
        "contested": tuple(sorted(contested)) if len(paths) > 1 else (),
        "edits": edits,
        "dropin": path,
        "before": digest(snapshot, path),
    }


def _winning_name(later: Sequence[str]) -> str:
    if not later:
        return DROPIN
    name = f"zz-{OURS}"
    return name if name > max(later) else f"{max(later).removesuffix('.conf')}z-{OURS}"


def change_keys(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    """The drop-in that wins, the edits of /etc/sysctl.conf where none can, and the values now."""
    foreign = _foreign(entry, facts)
    if foreign:
        return Refusal(_("the facts of this decision speak of something else: {what}").format(what=foreign))
    values = {path: str(value) for path, value in table_fact(facts, "values").items()}
    seen = [str(value) for value in list_fact(facts, "seen")]
    kept = [
        value for value in (*values.values(), *seen) if kernel.takes(boot.normalize(entry.subject), value)
    ]
    target = _not_lowered(entry.accept, target, kept)
    glob = text_fact(facts, "glob")
    folder, _star, name = glob.partition("/*/")
    contested = [str(path) for path in list_fact(facts, "contested")]
    unsafe = [
        p
        for p in (*contested, *values)
        if glob and not _SAFE_INTERFACE.fullmatch(p[len(folder) + 1 : -len(name) - 1])
    ]
    if unsafe:
        return Refusal(_("an interface has a name that sysctl.d cannot hold: {path}").format(path=unsafe[0]))
    path = boot.normalize(entry.subject)
    lines = [f"{folder}/all/{name}", f"{folder}/default/{name}", glob, *contested] if glob else [path]
    locks_out = path.startswith("net/")
    one_way = target in kernel.ONE_WAY.get(path, frozenset())
    rank = kernel.RANKS.get(path, kernel.RANK)
    operations: list[Operation] = [
        WriteFile(
            owners=(entry.id,),
            can_lock_out=locks_out,
            path=text_fact(facts, "dropin") or f"/etc/sysctl.d/{DROPIN}",
            before=text_fact(facts, "before"),
            unique=True,
            parts=(
                Lines(owner="", rank=0, lines=_HEADER),
                Lines(
                    owner=entry.id,
                    rank=rank,
                    lines=(f"# {entry.id}", *(f"{boot.spell(line)} = {target}" for line in lines)),
                ),
            ),
        )
    ]
    edits = _edits(entry, facts, target, locks_out=locks_out)
    if isinstance(edits, Refusal):
        return edits
    operations += edits
    accept = entry.accept or Comparison(Operator.EQUAL, (target,))
    operations += [
        SetSysctl(
            owners=(entry.id,),
            can_lock_out=locks_out,
            one_way=one_way,
            key=key,
            before=value,
            after=target,
            accept=accept,
            rank=rank - (1 if key.endswith(f"/all/{name}") and glob else 0),
        )
        for key, value in values.items()
        if value != target
    ]
    operations += [
        SetSysctl(
            owners=(entry.id,),
            can_lock_out=True,
            key=key,
            before=str(value),
            after=str(value),
            accept=Comparison(Operator.EQUAL, (str(value),)),
            rank=rank + 2,
        )
        for key, value in table_fact(facts, "resets").items()
    ]
    return tuple(operations)


def _foreign(entry: Recommendation, facts: Mapping[str, Fact]) -> str:
    """What in the facts is not about the entry's subject: a plan can be edited by hand. "" for nothing."""
    own = boot.normalize(entry.subject)
    names = {own, boot.ALIASES.get(own, own)}
    folder, star, name = own.partition("/*/")
    pattern = re.compile(f"{re.escape(folder)}/[^/]+/{re.escape(name)}")
    edits = [text_fact(edit, "key") for edit in list_fact(facts, "edits") if isinstance(edit, Mapping)]
    keys = [*table_fact(facts, "values"), *map(str, list_fact(facts, "contested")), *edits]
    for key in keys:
        if key not in names and not (star and pattern.fullmatch(key)):
            return key
    for key in table_fact(facts, "resets"):
        if own != "net/ipv4/ip_forward" or key != "net/ipv4/conf/all/accept_redirects":
            return key
    glob, dropin = text_fact(facts, "glob"), text_fact(facts, "dropin")
    if glob != (own if star else "") and (glob or star):
        return glob or own
    return "" if not dropin or _OWN_FILE.fullmatch(dropin) else dropin


def _edits(
    entry: Recommendation, facts: Mapping[str, Fact], target: str, *, locks_out: bool
) -> list[Operation] | Refusal:
    operations: list[Operation] = []
    edits = [edit for edit in list_fact(facts, "edits") if isinstance(edit, Mapping)]
    keys = [text_fact(edit, "key") for edit in edits]
    for edit in edits:
        line, key = text_fact(edit, "line"), text_fact(edit, "key")
        if entry.accept is not None and entry.accept.accepts(line.partition("=")[2]):
            continue
        if keys.count(key) > 1:  # made alike, they could not be told apart on the way back
            return Refusal(
                _("{file} holds the line «{line}» twice: remove one by hand").format(
                    file=boot.CONF, line=line
                )
            )
        operations.append(
            ReplaceLine(
                owners=(entry.id,),
                can_lock_out=locks_out,
                path=boot.CONF,
                before=line,
                after=f"{boot.spell(key)} = {target}",
            )
        )
    return operations


def _not_lowered(accept: Comparison | None, target: str, seen: Sequence[str]) -> str:
    """The target, or a higher value that was seen where more is better: we never weaken a host."""
    if accept is None or accept.operator is not Operator.AT_LEAST:
        return target
    return str(max([int(target), *(int(value) for value in seen if re.fullmatch(r"-?[0-9]+", value))]))
