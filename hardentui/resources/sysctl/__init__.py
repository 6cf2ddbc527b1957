"""Kernel parameters: what /proc/sys holds, what both readers of sysctl.d will write, and how to win.

A subject is a dotted key, or a per-interface key with ``*`` for the interface. The latter is judged on
each interface by the value that the kernel really uses there, and for those to come on ``default``, on
those that a file names, and on one for each pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from hardentui.comparison import Comparison, Operator
from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, Lines, Operation, Refusal, ReplaceLine, SetSysctl, WriteFile
from hardentui.resources.base import (
    digest,
    kept_comment,
    kept_lines,
    list_fact,
    missing,
    table_fact,
    text_fact,
)
from hardentui.resources.sysctl import boot, kernel
from hardentui.snapshot import Folder, KernelFile, Reason, Snapshot, Unread

DROPIN = "99-zz-hardentui.conf"
OURS = "hardentui.conf"
_KEY = re.compile(r"[a-z][a-z0-9_]*(?:\.(?:[A-Za-z0-9_-]+|\*))+")
_SAFE_INTERFACE = re.compile(r"[A-Za-z0-9_.@:+-]{1,15}")
_FORWARD = "net/ipv4/ip_forward"
_REDIRECTS = "net/ipv4/conf/all/accept_redirects"
# Changing one of these rewrites ``forwarding`` of every interface (net/ipv4/devinet.c, net/ipv6/addrconf.c).
_REWRITE = {_FORWARD: "net/ipv4/conf", "net/ipv6/conf/all/forwarding": "net/ipv6/conf"}
_GONE = frozenset({Reason.MISSING, Reason.VANISHED})
_ANY = "*"  # on an image, whose interfaces nobody knows, one of any name
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

    def collects(self, path: str) -> bool:
        """See Collector."""
        return _OWN_FILE.fullmatch(path) is not None

    def kept(self, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
        """See Collector. What a new line names, itself or by a pattern, is set by that line."""
        new = boot.parse("", "\n".join(line for part in parts for line in part.lines))

        def replaced(line: str) -> bool:
            old = [_one_name(a.key) for a in boot.parse("", line)]
            return any(boot.matches(a, key) or _one_name(a.key) == key for a in new for key in old)

        found = []
        for owner, line in kept_lines(lines, replaced):
            keys = [_one_name(assignment.key) for assignment in boot.parse("", line)]
            rank = kernel.RANKS.get(keys[0], kernel.RANK) if keys else kernel.RANK
            found.append(Lines(owner=owner, rank=rank, lines=(kept_comment(owner), line)))
        return tuple(found)


def _one_name(path: str) -> str:
    """The path of a key, by the first of its names where it has two."""
    return next((name for name, other in boot.ALIASES.items() if other == path), path)


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
    foreign = boot.of_the_host(snapshot, path)
    if foreign is not None:
        return _not_ours(snapshot, path, foreign)
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
    readings = tuple(_boot_of_key(snapshot, reader, path, entry) for reader in files.readers(path))
    now = {path: running.values[""]} if running and running.values else {}
    names = (path, boot.ALIASES[path]) if path in boot.ALIASES else (path,)
    facts = competition(snapshot, names, now, readings)
    if path in _REWRITE:
        facts = {**facts, "resets": _resets(snapshot, path)}
    return Observation(running, readings, facts, at)


def _not_ours(snapshot: Snapshot, path: str, gap: Gap) -> Observation:
    """What a container shows of a key of its host: the value, and that nobody here can set or keep it."""
    place = f"/proc/sys/{path}"
    value, at = snapshot.ask_timed(KernelFile(place))
    if isinstance(value, Unread) and value.reason is Reason.MISSING:
        return missing(value.gap(place))
    text = "" if isinstance(value, Unread) else " ".join(value.split())
    return Observation(
        Reading({}, gap, (Provenance(place, text=text),)), facts={"container": True}, seen_at=at
    )


def _resets(snapshot: Snapshot, path: str) -> dict[str, Fact]:
    """What changing a key of forwarding rewrites: kept to be put back. IPv4 rewrites one key more."""
    folder = _REWRITE[path]
    entries = snapshot.ask(Folder(f"/proc/sys/{folder}"))
    names = () if isinstance(entries, Unread) else tuple(e.name for e in entries if e.name != "all")
    keys = [f"{folder}/{name}/forwarding" for name in names]
    if path == _FORWARD:
        keys.append(_REDIRECTS)
    seen = {key: snapshot.ask(KernelFile(f"/proc/sys/{key}")) for key in keys}
    return {key: value for key, value in seen.items() if not isinstance(value, Unread)}


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
    unset, place, unseen = _unset(snapshot, path, entry)
    gap = gap or unseen
    if unset is None:
        return Reading({}, gap or Gap(GapKind.UNSET, entry.subject), places, reader.name)
    return Reading({"": unset}, gap, (*places, place), reader.name)


def _unset(snapshot: Snapshot, path: str, entry: Recommendation) -> tuple[str | None, Provenance, Gap | None]:
    """What a key has when no file sets it: the kernel's command line, or its built-in value."""
    arguments = snapshot.derive(boot.kernel_arguments)
    unseen: Gap | None = None
    if isinstance(arguments, Unread):
        unseen = boot.unseen_arguments(arguments, live=snapshot.live)
    elif path in arguments:
        text = f"sysctl.{path}={arguments[path]}"
        return arguments[path], Provenance("/proc/cmdline", Role.WINS, text=text), None
    if entry.default:
        return entry.default, Provenance(_("kernel default"), Role.DEFAULT, text=entry.default), unseen
    if entry.default_config:
        value = kernel.built_in(snapshot, entry.default_config)
        place = Provenance(_("kernel build option"), Role.DEFAULT, text=entry.default_config)
        return value, place, unseen
    return None, Provenance(""), unseen


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
        # Not there now: what is shown of each, and a name for it (they differ for a pattern).
        self._coming: Mapping[str, str] = {}

    def _path(self, interface: str, name: str = "") -> str:
        return f"{self._folder}/{self._coming.get(interface, interface)}/{name or self._name}"

    @property
    def _glob(self) -> str:
        return f"{self._folder}/*/{self._name}"

    @property
    def _parts(self) -> tuple[str, ...]:
        return (*self._interfaces, *self._coming)

    def observe(self) -> Observation:
        at = self._snapshot.taken_at
        running: Reading | None = None
        seen: dict[str, str] = {}
        foreign = boot.of_the_host(self._snapshot, self._path("all"))
        if foreign is not None:
            return _not_ours(self._snapshot, self._path("all"), foreign)
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
        elif self._folder == "net/ipv4/conf":
            self._interfaces = ("lo",)  # the one that every system has
        files = self._snapshot.derive(boot.read_files)
        self._coming = self._to_come(files)
        named = tuple(part for part, name in self._coming.items() if part == name)
        paths = tuple(self._path(part) for part in ("all", "default", *self._interfaces, *named))
        stand_ins = tuple(self._path(part) for part in self._coming if part not in named)
        readings = tuple(self._boot(reader) for reader in files.readers(*paths, *stand_ins))
        running_values = {self._path(part): value for part, value in seen.items()}
        facts = competition(self._snapshot, paths, running_values, readings, stand_ins)
        return Observation(running, readings, {**facts, "glob": self._glob}, at)

    def _to_come(self, files: boot.Files) -> dict[str, str]:
        here = {*self._interfaces, *self._also, "lo"}
        found = boot.interfaces_of(files, self._folder, self._name)
        if not self._snapshot.live:
            found = {**found, _ANY: boot.example(_ANY)}
        return {part: name for part, name in found.items() if name not in here}

    def _running(self) -> tuple[Reading, dict[str, str]]:
        seen: dict[str, str] = {}
        gap: Gap | None = None
        for part in ("all", "default", *self._interfaces, *self._also):
            value = self._snapshot.ask(KernelFile(f"/proc/sys/{self._path(part)}"))
            if not isinstance(value, Unread):
                seen[part] = " ".join(value.split())
            elif part not in self._also and (value.reason not in _GONE or part in {"all", "default"}):
                # An interface may go away between two reads: then it no longer counts.
                gap = gap or value.gap(f"/proc/sys/{self._path(part)}")
        forwards = {part: self._forwards(part) for part in seen}
        values = self._effective(seen, forwards)
        return Reading(values, gap, (Provenance(f"/proc/sys/{self._glob}"),)), seen

    def _forwards(self, part: str) -> bool:
        return self._snapshot.ask(KernelFile(f"/proc/sys/{self._path(part, 'forwarding')}")) == "1"

    def _effective(self, seen: Mapping[str, str], forwards: Mapping[str, bool]) -> dict[str, str]:
        everywhere = seen.get("all", self._leaf.all_default)
        return {
            part: self._leaf.combine.of(everywhere, seen[part], forwards=forwards.get(part, False))
            for part in (*self._parts, "default")
            if part in seen
        }

    def _boot(self, reader: boot.Reader) -> Reading:
        """What this reader leaves on each interface: an own line, else what is inherited, else built in."""
        seen, places, gap = self._written(reader)
        if reader.gap is not None:
            return Reading({}, gap, tuple(dict.fromkeys(places)), reader.name)  # as in _boot_of_key
        unset = [part for part in (*self._parts, "default") if part not in seen]
        if "default" not in seen or ("all" not in seen and self._leaf.combine is not kernel.Combine.OWN):
            gap = gap or self._unseen_arguments()
        router = reader.outcome(_FORWARD).winner
        forwards = self._folder == "net/ipv4/conf" and router is not None and router.value == "1"
        # Turning routing on clears this one, unless a file sets it.
        all_default = "0" if forwards and self._name == "accept_redirects" else self._leaf.all_default
        everywhere = seen.setdefault("all", self._argument("all") or all_default)
        own_default = seen.setdefault("default", self._argument("default") or self._leaf.default)
        for interface in self._parts:
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
        for part in ("all", "default", *self._parts):
            outcome = reader.outcome(self._path(part))
            places += provenance(outcome)
            gap = gap or boot.other_writer(self._snapshot, self._path(part))
            if outcome.winner is not None and outcome.winner.value is not None:
                seen[part] = " ".join(outcome.winner.value.split())
                turns[part] = reader.order.index(outcome.winner)
        if self._leaf.reaches and "all" in seen:
            # Writing all writes every other one, and undoes what was written before it.
            undone = ("default", *(n for n in self._parts if n in turns))
            seen |= {part: seen["all"] for part in undone if turns.get(part, -1) < turns["all"]}
        return seen, places, gap

    def _argument(self, part: str) -> str:
        arguments = self._snapshot.derive(boot.kernel_arguments)
        return "" if isinstance(arguments, Unread) else arguments.get(self._path(part), "")

    def _unseen_arguments(self) -> Gap | None:
        arguments = self._snapshot.derive(boot.kernel_arguments)
        if not isinstance(arguments, Unread):
            return None
        return boot.unseen_arguments(arguments, live=self._snapshot.live)


# --- changing -------------------------------------------------------------------------------------


def competition(
    snapshot: Snapshot,
    paths: Sequence[str],
    running: Mapping[str, str],
    readings: Iterable[Reading],
    stand_ins: Sequence[str] = (),
) -> dict[str, Fact]:
    """What a change needs to know to win at the next boot.

    ``values`` are the running values by path; ``seen`` what a boot would give; ``contested`` the
    interfaces' paths that another file names; ``edits`` the lines of the files that are read after any
    drop-in (/etc/sysctl.conf, ufw's); ``dropin`` a name that sorts behind every rival, ``before`` its
    digest. ``stand_ins`` are paths that no file may be asked to name: they stand for a pattern's.
    """
    files = snapshot.derive(boot.read_files)
    setting = {
        name: [a for a in assignments if any(boot.matches(a, path) for path in (*paths, *stand_ins))]
        for name, assignments in files.names.items()
    }
    dropin = _winning_name([name for name, assignments in setting.items() if assignments])
    contested = {
        path
        for path in paths
        for name, assignments in setting.items()
        for a in assignments
        if name != dropin and boot.matches(a, path) and path.split("/")[-2] not in {"all", "default"}
    }
    path = f"/etc/sysctl.d/{dropin}"
    return {
        "values": dict(running),
        "seen": tuple(value for reading in readings for value in reading.values.values()),
        "contested": tuple(sorted(contested)) if len(paths) > 1 else (),
        "edits": tuple(
            {"file": a.file, "line": a.text, "key": a.key}
            for a in (*files.conf, *files.ufw)
            if not a.is_glob and a.value is not None and a.key in paths
        ),
        "dropin": path,
        "before": digest(snapshot, path),
    }


def _winning_name(setting: Sequence[str]) -> str:
    """A name of ours that sorts behind all of ``setting``, files that set the same; or is their last."""
    behind_each = (f"{name.removesuffix('.conf')}z-{OURS}" for name in sorted(setting))
    return next(name for name in (DROPIN, f"zz-{OURS}", *behind_each) if name >= max(setting, default=""))


def change_keys(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    """The drop-in that wins, the edits of the files where none can, and the values now."""
    if facts.get("container") is True:
        return Refusal(_("this is a container, and the key belongs to its host"))
    foreign = _foreign(entry, facts)
    if foreign:
        return Refusal(_("the facts of this decision speak of something else: {what}").format(what=foreign))
    own = boot.normalize(entry.subject)
    values = {path: str(value) for path, value in table_fact(facts, "values").items()}
    seen = [str(value) for value in list_fact(facts, "seen")]
    kept = [value for value in (*values.values(), *seen) if kernel.takes(own, value)]
    target = _not_lowered(entry.accept, target, kept)
    glob = text_fact(facts, "glob")
    folder, _star, name = glob.partition("/*/")
    contested = [str(path) for path in list_fact(facts, "contested")]
    unsafe = [
        p
        for p in (*contested, *values)
        if glob and not _SAFE_INTERFACE.fullmatch(p[len(folder) + 1 : -len(name) - 1])
    ]
    resets = table_fact(facts, "resets")
    unsafe += [key for key in resets if not _SAFE_INTERFACE.fullmatch("/".join(key.split("/")[3:-1]))]
    if unsafe:
        return Refusal(_("an interface has a name that sysctl.d cannot hold: {path}").format(path=unsafe[0]))
    lines = [f"{folder}/all/{name}", f"{folder}/default/{name}", glob, *contested] if glob else [own]
    locks_out = own.startswith("net/")
    one_way = target in kernel.ONE_WAY.get(own, frozenset())
    rank = kernel.RANKS.get(own, kernel.RANK)
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
            after=(after := str(value) if key == _REDIRECTS else target),
            accept=Comparison(Operator.EQUAL, (after,)),
            rank=rank + 2,
        )
        for key, value in resets.items()
    ]
    return tuple(operations)


def _foreign(entry: Recommendation, facts: Mapping[str, Fact]) -> str:
    """What in the facts is not about the entry's subject: a plan can be edited by hand. "" for nothing."""
    own = boot.normalize(entry.subject)
    names = {own, boot.ALIASES.get(own, own)}
    folder, star, name = own.partition("/*/")
    pattern = re.compile(f"{re.escape(folder)}/[^/]+/{re.escape(name)}")
    edits = [edit for edit in list_fact(facts, "edits") if isinstance(edit, Mapping)]
    for edit in edits:
        if _edited(edit) not in {boot.CONF, boot.UFW_CONF}:
            return _edited(edit)
        if [a.key for a in boot.parse("", text_fact(edit, "line"))] != [text_fact(edit, "key")]:
            return text_fact(edit, "line")
    keys = [
        *table_fact(facts, "values"),
        *map(str, list_fact(facts, "contested")),
        *(text_fact(edit, "key") for edit in edits),
    ]
    for key in keys:
        if key not in names and not (star and pattern.fullmatch(key)):
            return key
    for key in table_fact(facts, "resets"):
        forwarding = key.startswith(f"{_REWRITE.get(own)}/") and key.endswith("/forwarding")
        if not forwarding and (own, key) != (_FORWARD, _REDIRECTS):
            return key
    glob, dropin = text_fact(facts, "glob"), text_fact(facts, "dropin")
    if glob != (own if star else "") and (glob or star):
        return glob or own
    return "" if not dropin or _OWN_FILE.fullmatch(dropin) else dropin


def _edited(edit: Mapping[str, Fact]) -> str:
    return text_fact(edit, "file") or boot.CONF


def _edits(
    entry: Recommendation, facts: Mapping[str, Fact], target: str, *, locks_out: bool
) -> list[Operation] | Refusal:
    operations: list[Operation] = []
    edits = [edit for edit in list_fact(facts, "edits") if isinstance(edit, Mapping)]
    places = [(_edited(edit), text_fact(edit, "key")) for edit in edits]
    for (file, key), edit in zip(places, edits, strict=True):
        line = text_fact(edit, "line")
        if entry.accept is not None and entry.accept.accepts(line.partition("=")[2]):
            continue
        if places.count((file, key)) > 1:  # made alike, they could not be told apart on the way back
            return Refusal(
                _("{file} holds the line «{line}» twice: remove one by hand").format(file=file, line=line)
            )
        operations.append(
            ReplaceLine(
                owners=(entry.id,),
                can_lock_out=locks_out,
                path=file,
                before=line,
                after=f"{boot.spell(key)} = {target}",
            )
        )
    return operations


def _not_lowered(accept: Comparison | None, target: str, seen: Sequence[str]) -> str:
    """The target, or a higher value that was seen where more is better: we never weaken a host."""
    if accept is None or accept.operator is not Operator.AT_LEAST:
        return target
    numbers = [int(value) for value in seen if re.fullmatch(r"-?[0-9]{1,10}", value)]
    # What the kernel keeps in an int; more was never read from it.
    return str(max([int(target), *(number for number in numbers if number < 1 << 31)]))
