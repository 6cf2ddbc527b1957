"""What would be recorded of each class of events: now and after a boot, by which rule, in which store.

This is a prediction from configuration: no event is made to try it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.audit import covers
from hardentui.resources.events import speakers
from hardentui.resources.events.catalogue import CLASSES, FIREWALL, MAC, SENSITIVE, TYPED, EventClass, Voice
from hardentui.resources.events.stores import Covering, Moment, Store
from hardentui.resources.firewall import logs
from hardentui.resources.firewall.logs import LogRule
from hardentui.resources.mac.lsm import MODULES, running_module, starts
from hardentui.resources.mount.boot import container
from hardentui.resources.pam.stack import Module, read_stack
from hardentui.snapshot import Reason, Snapshot, Stat, Unread

_SESSIONS = ("sudo", "su", "login", "sshd")


class State(StrEnum):
    """What comes of an event."""

    KEPT = "kept"  # recorded, and there after a reboot
    PASSING = "until the reboot"  # recorded, and lost with the reboot
    LOST = "not recorded"
    UNKNOWN = "not known"
    ABSENT = "cannot happen"  # the program is not installed


@dataclass(frozen=True, slots=True)
class Witness:
    """What writes an event down: the rule, where it stands, and the stores in which that ends.

    A ``partial`` one does so for some users, hosts or commands alone.
    """

    rule: str
    place: str
    stores: tuple[Store, ...]
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """What would be recorded of a class at one time, and what could not be found out about it.

    ``silent`` says, in sentences, what is there and writes nothing down, and why.
    """

    witnesses: tuple[Witness, ...] = ()
    gaps: tuple[Gap, ...] = ()
    silent: tuple[str, ...] = ()
    absent: bool = False

    @property
    def stores(self) -> tuple[Store, ...]:
        """Where the event is found, each store once."""
        return tuple(dict.fromkeys(store for witness in self.witnesses for store in witness.stores))

    @property
    def full(self) -> tuple[Witness, ...]:
        """The witnesses that leave no event of the class out."""
        return tuple(witness for witness in self.witnesses if not witness.partial)

    @property
    def state(self) -> State:
        """What comes of an event. What was not read can only add to it."""
        if any(store.lasts for witness in self.full for store in witness.stores):
            return State.KEPT
        if self.gaps:
            return State.UNKNOWN
        if self.full:
            return State.PASSING
        return State.ABSENT if self.absent else State.LOST

    @property
    def leaves(self) -> bool:
        """Whether a copy leaves this host."""
        return any(store.remote for store in self.stores)


@dataclass(frozen=True, slots=True)
class Told:
    """A class of events and what is recorded of it; ``now`` is None on an image."""

    kind: EventClass
    now: Side | None
    boot: Side

    @property
    def unknown(self) -> bool:
        """Whether it could not be found out what comes of it, now or after a boot."""
        return any(side is not None and side.state is State.UNKNOWN for side in (self.now, self.boot))


def told(snapshot: Snapshot) -> tuple[Told, ...]:
    """All classes, in the order of the course."""
    return told_of(snapshot, CLASSES)


def told_of(snapshot: Snapshot, kinds: Iterable[EventClass]) -> tuple[Told, ...]:
    """Some classes: only what matters for these is asked."""
    now = _Observer(Moment(snapshot, boot=False)) if snapshot.live else None
    boot = _Observer(Moment(snapshot, boot=True))
    return tuple(Told(kind, now.side(kind) if now else None, boot.side(kind)) for kind in kinds)


class _Found:
    """A side that is being put together."""

    def __init__(self) -> None:
        self.witnesses: list[Witness] = []
        self.gaps: list[Gap] = []
        self.silent: list[str] = []
        self.present = False

    def add(self, rule: str, place: str, stores: Sequence[Store] | Gap, *, partial: bool = False) -> None:
        """Note a witness; one whose words are stored nowhere is silent."""
        if isinstance(stores, Gap):
            self.gaps.append(stores)
            return
        written = tuple(store for store in stores if store.hindered is None)
        if written:
            self.witnesses.append(Witness(rule, place, written, partial))
        elif not stores:
            self.silent.append(_("{rule}: nothing stores it").format(rule=rule))
        for store in stores:
            if (why := store.hindered) is not None:
                words = _("{rule}: nothing is written to {store}, {why}")
                if why.kind is not GapKind.ABSENT:
                    words = _("{rule}: perhaps nothing is written to {store}, {why}")
                self.unsaid(Gap(why.kind, words.format(rule=rule, store=store.place, why=why.detail)))

    def unsaid(self, gap: Gap) -> None:
        """Note why something says nothing: for certain, or as far as can be seen."""
        if gap.kind is GapKind.ABSENT:
            self.silent.append(gap.detail)
        else:
            self.gaps.append(gap)

    def side(self, *, can_be_absent: bool) -> Side:
        """What was found."""
        absent = can_be_absent and not self.present
        gaps = tuple(dict.fromkeys(self.gaps))
        return Side(tuple(self.witnesses), gaps, tuple(dict.fromkeys(self.silent)), absent)


class _Observer:
    """Looks at every class at one time."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._snapshot = moment.snapshot

    def side(self, kind: EventClass) -> Side:
        """What would be recorded of a class."""
        found = _Found()
        if kind.special == MAC and not self._has_module(found):
            return found.side(can_be_absent=True)
        for voice in kind.voices if kind.special != FIREWALL else ():
            self._voice(found, voice)
        self._audit(found, kind)
        for path in kind.files:
            self._binary(found, path)
        if kind.special == FIREWALL:
            self._firewall(found, kind.voices[0])
        elif kind.special == TYPED:
            self._typed(found)
        elif kind.special == SENSITIVE:
            self._sensitive(found)
        needed = any(voice.needs for voice in kind.voices) and all(voice.needs for voice in kind.voices)
        return found.side(can_be_absent=needed)

    def _has_module(self, found: _Found) -> bool:
        """Whether SELinux or AppArmor will say anything; what is not known is noted."""
        module: str | Unread | Gap = ""
        kernels = starts(self._snapshot) if self._moment.boot else None
        if isinstance(kernels, tuple):
            module = "".join(one.module for one in kernels)
        elif kernels is None or (kernels.kind is GapKind.UNMODELLED and self._snapshot.live):
            module = running_module(self._snapshot)  # without a boot loader of its own (a container), as now
        else:
            module = kernels
        if isinstance(module, Unread):
            module = module.gap(MODULES)
        if isinstance(module, Gap):
            found.gaps.append(module)
        elif not module:
            found.silent.append(_("neither SELinux nor AppArmor runs"))
        return bool(module)

    # --- programs --------------------------------------------------------------------------------------

    def _voice(self, found: _Found, voice: Voice) -> None:
        there = self._is_there(voice)
        if isinstance(there, Gap):
            found.present = True
            found.gaps.append(there)
            return
        if not there:
            return
        found.present = True
        if voice.facility == "kern" and (outside := self._outside()) is not None:
            found.unsaid(outside)
            return
        spoken = speakers.of(self._snapshot, voice, boot=self._moment.boot)
        if isinstance(spoken, Gap):
            found.unsaid(spoken)
            return
        for path, place in spoken.files:
            found.add(f"{voice.name} -> {path}", place, self._moment.file(path))
        for path, place in spoken.partial:
            rule = _("{rule}, of some only").format(rule=f"{voice.name} -> {path}")
            found.add(rule, place, self._moment.file(path), partial=True)
        if spoken.silent:
            found.silent.append(spoken.silent)
            return
        rule = f"{voice.name} -> {spoken.facility}.{spoken.severity}"
        found.add(rule, spoken.place, self._moment.of_messages(spoken.facility, spoken.severity, voice.name))

    def _is_there(self, voice: Voice) -> bool | Gap:
        unread = None
        for path in voice.needs:
            status = self._snapshot.ask(Stat(path))
            if not isinstance(status, Unread):
                return True
            if status.reason is not Reason.MISSING:
                unread = status.gap(path)
        return unread or not voice.needs

    # --- audit -----------------------------------------------------------------------------------------

    def _audit(self, found: _Found, kind: EventClass) -> None:
        if not kind.rules and not kind.types:
            return
        if kind.rules:
            covering = self._moment.covering(kind.rules, kind.about)
            if isinstance(covering, Gap):
                found.unsaid(covering)
            elif covering.missing:
                what = _("audit: no rule for {rules}").format(rules=" | ".join(covering.missing[:2]))
                found.silent.append(what)
            else:
                for rule in covering.rules:
                    found.add(rule.text or rule.shown(), rule.place, self._moment.of_audit())
        if kind.types:
            on = self._moment.auditing()
            if isinstance(on, Gap):
                found.gaps.append(on)
            elif on:
                self._typed_records(found, kind.types)

    def _typed_records(self, found: _Found, types: Sequence[str]) -> None:
        """What audit writes without a rule, unless a rule leaves it out."""
        name = "/".join(types[:3])
        drops = self._moment.unwritten(types)
        if isinstance(drops, Gap):
            found.gaps.append(drops)
        elif drops is not None:
            found.silent.append(_("{rule}: leaves out {types}").format(rule=drops.shown(), types=name))
        else:
            found.add(_("audit by itself: {types}").format(types=name), "auditd", self._moment.of_audit())

    def _sensitive(self, found: _Found) -> None:
        """What a person named as sensitive has rules with a key of its own."""
        rules = self._moment.rules()
        if isinstance(rules, Gap):
            found.unsaid(rules)
            return
        named = [rule for rule in rules if SENSITIVE in rule.keys and rule.action == "always"]
        if not named:
            found.silent.append(_("audit: nothing was named as sensitive (key {key})").format(key=SENSITIVE))
        for rule in named:
            if not covers(rules, rule):
                found.silent.append(_("{rule}: an earlier rule leaves it out").format(rule=rule.shown()))
                continue
            found.add(rule.text or rule.shown(), rule.place, self._moment.of_audit())

    # --- records of logins -----------------------------------------------------------------------------

    def _binary(self, found: _Found, path: str) -> None:
        status = self._snapshot.ask(Stat(path))
        if not isinstance(status, Unread):
            found.add(path.rpartition("/")[2], path, self._moment.file(path))
        elif status.reason is not Reason.MISSING:
            found.gaps.append(status.gap(path))

    # --- the firewall ----------------------------------------------------------------------------------

    def _firewall(self, found: _Found, voice: Voice) -> None:
        rules = (logs.at_boot if self._moment.boot else logs.now)(self._snapshot)
        if isinstance(rules, Gap):
            found.gaps.append(rules)
            return
        if (outside := self._outside()) is not None:
            found.unsaid(outside)
            return
        refusing = [rule for rule in rules if rule.refused]
        if not refusing:
            found.silent.append(_("no rule of the firewall logs what it refuses"))
        for rule in refusing:
            if rule.group:
                why = _("{place} hands packets to a program (ulogd), which is not followed here")
                found.gaps.append(Gap(GapKind.UNMODELLED, why.format(place=rule.place)))
                continue
            found.add(
                _in_words(rule),
                rule.place,
                self._moment.of_messages(voice.facility, voice.severity, voice.name),
            )

    def _outside(self) -> Gap | None:
        """What the kernel says, it says to its host and not to a container."""
        inside = container(self._snapshot)
        if inside is None or inside.kind is not GapKind.UNMODELLED:
            return inside
        return Gap(GapKind.ABSENT, _("a container: the kernel writes into the log of its host"))

    # --- what is typed ---------------------------------------------------------------------------------

    def _typed(self, found: _Found) -> None:
        for service in _SESSIONS:
            stack = read_stack(self._snapshot, service, "session")
            if isinstance(stack, Unread):
                if stack.reason is not Reason.MISSING:
                    found.gaps.append(stack.gap(f"/etc/pam.d/{service}"))
                continue
            for module in stack.named("pam_tty_audit"):
                if module.argument("enable") is not None:
                    self._tty(found, module)
        for path, place in speakers.sessions_of_sudo(self._snapshot):
            found.add("sudo log_output", place, self._moment.file(path))

    def _tty(self, found: _Found, module: Module) -> None:
        """pam_tty_audit has the kernel note what is typed, while it audits at all."""
        on = self._moment.auditing()
        if isinstance(on, Gap):
            found.gaps.append(on)
        elif on:
            found.add(module.text, f"{module.file}:{module.line}", self._moment.of_audit())
        else:
            found.silent.append(_("{rule}: auditing is switched off").format(rule=module.text))


def _in_words(rule: LogRule) -> str:
    limit = _("limited rate") if rule.limited else _("no limit of the rate")
    return f'log prefix "{rule.prefix}" ({limit})' if rule.prefix else f"log ({limit})"


def learned_keys(snapshot: Snapshot) -> Mapping[str, EventClass]:
    """The keys that the loaded rules of this host give to events, each with the class that they record."""
    if not snapshot.live:
        return {}
    moment = Moment(snapshot, boot=False)
    found: dict[str, EventClass] = {}
    # Of classes that one set records, the one that nobody else tells of is meant.
    for kind in sorted(CLASSES, key=lambda one: bool(one.voices)):
        covering = moment.covering(kind.rules, kind.about) if kind.rules else None
        for rule in covering.rules if isinstance(covering, Covering) else ():
            for key in rule.keys:
                found.setdefault(key, kind)
    return found


def by_line(found: Sequence[Told]) -> Iterator[tuple[str, tuple[Told, ...]]]:
    """The classes below the lines of the course, in their order."""
    for line in dict.fromkeys(one.kind.line for one in found):
        yield line, tuple(one for one in found if one.kind.line is line)
