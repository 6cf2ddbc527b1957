"""Where records end: the journal, files of rsyslog, other hosts, the log of auditd; now or after a boot."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources import grants, journal, rsyslog
from hardentui.resources.audit import Rule, at_boot, conf, covers, loaded
from hardentui.resources.audit import state as audit
from hardentui.resources.audit.catalogue import wanted
from hardentui.resources.journal.daemon import sides
from hardentui.resources.journal.settings import LEVELS
from hardentui.resources.journal.storage import DISK, MEMORY, NONE, PERSISTENT, listed
from hardentui.resources.mount.boot import at_boot as mounted_at_boot
from hardentui.resources.mount.boot import holder, written_to
from hardentui.resources.rsyslog.config import Config
from hardentui.resources.rsyslog.destinations import CLEAR, LOCAL, Destination
from hardentui.resources.rsyslog.feed import is_fed
from hardentui.resources.rsyslog.state import view as rsyslog_view
from hardentui.snapshot import (
    KernelFile,
    Mount,
    Mounts,
    Processes,
    Reason,
    Snapshot,
    SpaceUsed,
    Stat,
    UnitFiles,
    Unread,
)

_REMOTE_PLUGIN = "au-remote"
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_UNASKED = frozenset({Reason.MISSING, Reason.NOT_RECORDED})  # older recordings do not tell of room
_JOURNALS_GROUPS = frozenset({"adm", "systemd-journal"})
_OTHER_DAEMON = "syslog-ng"
# Types of records that the kernel and auditd write themselves: the list "user" is about the other ones.
_NOT_BY_PROGRAMS = ("ANOM_ABEND", "AVC", "CONFIG_CHANGE", "DAEMON_", "MAC_", "NETFILTER_", "SELINUX_")


class Kind(StrEnum):
    """What a store is."""

    JOURNAL = "journal"
    FILE = "file"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Store:
    """One place where a record ends.

    ``lasts`` says that it is there after a reboot. ``readers`` are those who may read it beside root, ""
    where that is not known or not ours to know. ``hindered`` says why nothing can be written there: ABSENT
    where that is certain.
    """

    kind: Kind
    place: str
    lasts: bool
    readers: str = ""
    encrypted: bool = False
    hindered: Gap | None = None

    @property
    def remote(self) -> bool:
        """Whether it is on another host."""
        return self.kind is Kind.REMOTE


@dataclass(frozen=True, slots=True)
class Covering:
    """The rules of audit that record a set, and those of the set that none of them covers."""

    rules: tuple[Rule, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """A host now, or after its next boot."""

    snapshot: Snapshot
    boot: bool

    # --- messages --------------------------------------------------------------------------------------

    def of_messages(self, facility: str, severity: str, program: str) -> Sequence[Store] | Gap:
        """Where a message of a program ends; a gap where that is not known."""
        kept = self.snapshot.derive(journal.keeps)
        if isinstance(kept, Gap) and kept.kind is not GapKind.ABSENT:
            return kept
        found: list[Store] = []
        if not isinstance(kept, Gap):
            storage = kept.storage_boot if self.boot else kept.storage_now
            if not storage:
                return Gap(GapKind.UNTOLD, _("where journald stores is not known"))
            if storage != NONE:
                stored = self._journal(storage, severity)
                if isinstance(stored, Gap):
                    return stored
                found += stored
        files = self._of_rsyslog(facility, severity, program, kept)
        if isinstance(files, Gap):
            return tuple(found) if _is_kept(found) else files
        return (*found, *files)

    def _journal(self, storage: str, severity: str) -> tuple[Store, ...] | Gap:
        now, boot = sides(self.snapshot, "MaxLevelStore")
        level = boot if self.boot or now is None else now
        if level.gap is not None:
            return level.gap
        if not _is_stored(level.values.get("", ""), severity):
            return ()
        lasts = storage == PERSISTENT
        memory = lasts and self._in_memory(DISK)
        if isinstance(memory, Gap):
            return memory
        return (
            Store(
                Kind.JOURNAL,
                _("journal"),
                lasts and not memory,
                self._journals_readers(),
                hindered=self._journal_hindered(DISK if lasts else MEMORY),
            ),
        )

    def _journal_hindered(self, folder: str) -> Gap | None:
        """Without room journald drops its oldest entries for the new ones, as long as it has any."""
        held = self._held(folder)
        if held is None:
            return None
        if (locked := self._read_only(held)) is not None:
            return locked
        found = self._full(held, as_root=True)
        if found is None or found.kind is not GapKind.ABSENT:
            return found
        why = _("{why}: journald writes as long as it has old entries to drop")
        return Gap(GapKind.UNTOLD, why.format(why=found.detail))

    def _journals_readers(self) -> str:
        """The two groups that are for it, and whom an access list lets read beside them."""
        found = self.snapshot.derive(listed)
        if isinstance(found, Gap):
            return ""
        given = grants.beyond((one for _path, one in found), _JOURNALS_GROUPS)
        more = (_in_words(one) for one in given if one.rights & grants.READ)
        return ", ".join((_("groups systemd-journal and adm"), *dict.fromkeys(more)))

    def _of_rsyslog(
        self, facility: str, severity: str, program: str, kept: journal.Kept | Gap
    ) -> Sequence[Store] | Gap:
        if (other := self._other_daemon()) is not None:
            return other
        seen = rsyslog_view(self.snapshot)
        why = seen.boot if self.boot else seen.running
        if why is not None:
            return () if why.kind is GapKind.ABSENT else why
        if not isinstance(heard := self._is_heard(seen.config, facility, severity, kept), bool):
            return heard
        if not heard:
            return ()
        try:
            found = rsyslog.destinations(self.snapshot, facility, severity, program)
        except ValueError:
            return Gap(
                GapKind.FAILED, _("{name} is no facility of syslog").format(name=f"{facility}.{severity}")
            )
        if isinstance(found, Gap):
            return () if found.kind is GapKind.ABSENT else found
        stores: list[Store] = []
        for one in found:
            places = self._stores(one) if one.certain else ()
            if isinstance(places, Gap):
                return places
            stores += places
        doubtful = next((one for one in found if not one.certain), None)
        if not stores and doubtful is not None:
            place = doubtful.doubt or doubtful.place
            words = _("the words of a message decide at {place}")
            return Gap(GapKind.UNTOLD, words.format(place=f"{place.file}:{place.line}"))
        return tuple(stores)

    def _is_heard(self, config: Config, facility: str, severity: str, kept: journal.Kept | Gap) -> bool | Gap:
        """Whether rsyslog is told of such a message: by the kernel, by the journal, or by the socket."""
        if facility == "kern" and "imklog" in config.loaded:
            return True
        fed = is_fed(self.snapshot, config, boot=self.boot)
        if fed is not True or isinstance(kept, Gap):
            return fed
        level = kept.level if "imjournal" in config.loaded else kept.level_forwarded
        return _is_stored(level, severity)

    def _stores(self, one: Destination) -> tuple[Store, ...] | Gap:
        if one.kind == "file" and one.path:
            writer = rsyslog_view(self.snapshot).config.settings.one("privdrop.user.name") or "root"
            return self.file(one.path, as_root=writer == "root")
        if one.kind == "remote" and one.transport != LOCAL:
            place = f"{one.protocol}://{one.host}{':' if one.port else ''}{one.port}"
            return (Store(Kind.REMOTE, place, lasts=True, encrypted=one.transport != CLEAR),)
        return ()

    def _other_daemon(self) -> Gap | None:
        """Why nothing can be said of syslog: a daemon that is seen and not read."""
        if self.boot:
            files = self.snapshot.ask(UnitFiles())
            known = () if isinstance(files, Unread) else files
            there = any(one.name == f"{_OTHER_DAEMON}.service" and one.state == "enabled" for one in known)
        else:
            running = self.snapshot.ask(Processes())
            there = not isinstance(running, Unread) and any(one.name == _OTHER_DAEMON for one in running)
        return Gap(GapKind.UNMODELLED, _OTHER_DAEMON) if there else None

    # --- audit -----------------------------------------------------------------------------------------

    def rules(self) -> tuple[Rule, ...] | Gap:
        """The rules of audit; a gap of the kind ABSENT where there can be none."""
        if (off := self._no_rules()) is not None:
            return off
        return at_boot(self.snapshot) if self.boot else loaded(self.snapshot)

    def covering(self, name: str, about: Sequence[str] = ()) -> Covering | Gap:
        """How the rules record a set, or those rules of it that are ``about`` these paths."""
        rules = self.rules()
        if isinstance(rules, Gap):
            return rules
        needed = wanted(self.snapshot, name)
        if isinstance(needed, Gap):
            return needed
        needed = tuple(rule for rule in needed if not about or rule.path in about)
        missing = tuple(dict.fromkeys(_about(rule) for rule in needed if not covers(rules, rule)))
        recorders = (
            one for need in needed for one in rules if _may_record(one, need) and covers((one,), need)
        )
        return Covering(tuple(dict.fromkeys(recorders)), missing or (() if needed else (name,)))

    def auditing(self) -> bool | Gap:
        """Whether the kernel records what needs no rule."""
        outside = audit.elsewhere(self.snapshot)
        if outside is not None:
            return outside if outside.kind is not GapKind.ABSENT else False
        lacking = audit.not_installed(self.snapshot)
        if isinstance(lacking, Gap):
            return lacking
        if not lacking and not self.boot:
            status = audit.status(self.snapshot)
            return status if isinstance(status, Gap) else status.enabled > 0
        if not lacking and self.boot and audit.off_at_boot(self.snapshot) == "":
            return True
        return self._by_journald()

    def _by_journald(self) -> bool | Gap:
        """Without auditd it is journald that may switch auditing on when it starts, or the command line."""
        if audit.off_by_command_line(self.snapshot):
            return False
        kept = self.snapshot.derive(journal.keeps)
        if isinstance(kept, Gap):
            return False if kept.kind is GapKind.ABSENT else kept
        if kept.audit == "keep":
            line = self.snapshot.ask(KernelFile("/proc/cmdline"))
            return not isinstance(line, Unread) and bool({"audit=1", "audit=on"} & set(line.split()))
        if not kept.audit:
            return Gap(GapKind.UNTOLD, _("whether journald switches auditing on is not known"))
        return kept.audit == "yes"

    def _no_rules(self) -> Gap | None:
        """Why there can be no rules; ABSENT where that is certain."""
        outside = audit.elsewhere(self.snapshot)
        if outside is not None:
            return outside
        lacking = audit.not_installed(self.snapshot)
        if isinstance(lacking, Gap):
            return lacking
        if lacking:
            return Gap(GapKind.ABSENT, _("auditd is not installed"))
        return self._off_at_boot() if self.boot else self._off_now()

    def _off_now(self) -> Gap | None:
        status = audit.status(self.snapshot)
        if isinstance(status, Gap):
            return status
        return None if status.enabled else Gap(GapKind.ABSENT, _("auditing is switched off"))

    def _off_at_boot(self) -> Gap | None:
        off = audit.off_at_boot(self.snapshot)
        if isinstance(off, Gap):
            return off
        lines = audit.written(self.snapshot)
        if not off and not isinstance(lines, Gap) and audit.controls(lines).get("enabled") == "0":
            off = _("auditing is switched off")
        return Gap(GapKind.ABSENT, off) if off else None

    def of_audit(self) -> Sequence[Store] | Gap:
        """Where the records of audit end: with auditd in its log, without it among the kernel's messages."""
        daemon = self._has_auditd()
        if isinstance(daemon, Gap):
            return daemon
        if not daemon:
            return self.of_messages("kern", "notice", "kernel")
        settings = self.snapshot.derive(conf.settings)
        if isinstance(settings, Gap):
            if settings.kind is not GapKind.ABSENT:
                return settings
            settings = conf.DEFAULTS  # it runs without a file
        old = None if self.boot else conf.stale(self.snapshot)
        if old is not None and old.kind is GapKind.STALE:
            return old
        found = () if conf.without_log(settings) else self.file(settings["log_file"].value)
        if isinstance(found, Gap):
            return found
        own = tuple(self._with_room(one, settings) for one in found)
        handed_on = self._plugins()
        if isinstance(handed_on, Gap):
            return own if _is_kept(own) else handed_on
        return (*own, *handed_on)

    def _with_room(self, store: Store, settings: Mapping[str, conf.Setting]) -> Store:
        """The log of auditd, which stops before the file system is full where its settings say so."""
        if store.hindered is not None:
            return store
        if (full := self._at_its_most(store.place, settings)) is not None:
            return replace(store, hindered=full)
        usage = self.snapshot.ask(SpaceUsed(posixpath.dirname(store.place)))
        if isinstance(usage, Unread):
            return store
        stopped = conf.without_room(settings, usage)
        if not stopped:
            return store
        if self.boot:
            why = _("there is not enough room now ({setting}); whether there is after a reboot is not known")
            return replace(store, hindered=Gap(GapKind.UNTOLD, why.format(setting=stopped)))
        if stopped.endswith("= exec"):
            why = _("there is not enough room ({setting}), and auditd waits until that program has it go on")
            return replace(store, hindered=Gap(GapKind.UNTOLD, why.format(setting=stopped)))
        why = _("there is not enough room ({setting})")
        return replace(store, hindered=Gap(GapKind.ABSENT, why.format(setting=stopped)))

    def _at_its_most(self, log: str, settings: Mapping[str, conf.Setting]) -> Gap | None:
        """Why auditd writes no more to a log of this size; it stops again when it starts."""
        if settings["max_log_file_action"].value != "suspend":
            return None
        status = self.snapshot.ask(Stat(log))
        if isinstance(status, Unread):
            return None if status.reason is Reason.MISSING else status.gap(log)
        most = settings["max_log_file"]
        if status.size < conf.mebibytes(most, 0) << 20:
            return None
        why = _("it has reached max_log_file = {size}, where auditd suspends itself")
        return Gap(GapKind.ABSENT, why.format(size=most.value))

    def _has_auditd(self) -> bool | Gap:
        if not self.boot:
            status = audit.status(self.snapshot)
            if isinstance(status, Gap):
                return False if audit.not_installed(self.snapshot) is True else status
            return status.pid > 0
        files = self.snapshot.ask(UnitFiles())
        if isinstance(files, Unread):
            return files.gap(audit.DAEMON)
        if not any(one.name == audit.DAEMON and one.state == "enabled" for one in files):
            return False
        others = audit.others_only(self.snapshot)
        return others if isinstance(others, Gap) else not others

    def _plugins(self) -> Sequence[Store] | Gap:
        """Where plugins of auditd hand its records: to another host, or to syslog and where that ends."""
        found, spoken = conf.exporters(self.snapshot), conf.to_syslog(self.snapshot)
        remote = not isinstance(found, Gap) and _REMOTE_PLUGIN in found
        away = (Store(Kind.REMOTE, "audisp-remote", lasts=True),) if remote else ()
        heard = spoken if isinstance(spoken, Gap) else self._heard(spoken)
        if isinstance(heard, Gap):
            return away or heard
        if isinstance(found, Gap) and not _is_kept(heard):
            return found
        return (*away, *heard)

    def _heard(self, spoken: tuple[str, str] | None) -> Sequence[Store] | Gap:
        """Where that ends which the plugin says to syslog with this facility and severity."""
        return () if spoken is None else self.of_messages(*spoken, "audisp-syslog")

    def unwritten(self, types: Sequence[str]) -> Rule | Gap | None:
        """The rule by which none of these types of records is written; None where one of them is."""
        rules = self.rules()
        if isinstance(rules, Gap):
            return None if rules.kind is GapKind.ABSENT else rules
        left = set(types)
        for rule in rules:
            left -= _dropped(rule, left)
            if not left:
                return rule
        return None

    # --- files -----------------------------------------------------------------------------------------

    def file(self, path: str, *, as_root: bool = True) -> tuple[Store, ...] | Gap:
        """A file of this host as a store; a gap where it is not known whether it outlasts a reboot.

        ``as_root`` says that root writes it, for whom file systems hold some room back.
        """
        memory = self._in_memory(path)
        if isinstance(memory, Gap):
            return memory
        hindered = self._hindered(path, as_root=as_root)
        return (Store(Kind.FILE, path, not memory, self._readers(path), hindered=hindered),)

    def _hindered(self, path: str, *, as_root: bool) -> Gap | None:
        """Why nothing can be written to a path; of the time after a boot only what may still be so then."""
        held = self._held(path)
        return None if held is None else self._read_only(held) or self._full(held, as_root=as_root)

    def _held(self, path: str) -> Mount | None:
        """The file system that holds a path now."""
        mounts = self.snapshot.ask(Mounts()) if self.snapshot.live else Unread(Reason.UNSUPPORTED)
        return None if isinstance(mounts, Unread) else holder(mounts, path)

    def _read_only(self, held: Mount) -> Gap | None:
        if self.boot or "ro" not in held.words:
            return None
        return Gap(GapKind.ABSENT, _("{path} is mounted read-only").format(path=held.path))

    def _full(self, held: Mount, *, as_root: bool) -> Gap | None:
        if "ro" in held.words:
            return None  # what room it has says nothing of the time when it can be written to
        usage = self.snapshot.ask(SpaceUsed(held.path))
        if isinstance(usage, Unread):
            return None if usage.reason in _UNASKED else usage.gap(held.path)
        if usage.size <= 0:
            return None
        if usage.free > 0 or (as_root and usage.reserved > 0):
            return None
        if not self.boot:
            return Gap(GapKind.ABSENT, _("no room is left on {path}").format(path=held.path))
        if held.fstype in _IN_MEMORY:
            return None  # it is empty then
        why = _("no room is left on {path} now; whether there is after a reboot is not known")
        return Gap(GapKind.UNTOLD, why.format(path=held.path))

    def _in_memory(self, path: str) -> bool | Gap:
        """Whether a path lies on a file system that is made anew at each boot."""
        found = self._type_at_boot(path) if self.boot else self._type_now(path)
        return found if isinstance(found, Gap) else found in _IN_MEMORY

    def _type_now(self, path: str) -> str | Gap:
        mounts = self.snapshot.ask(Mounts())
        return mounts.gap(_("list of mounts")) if isinstance(mounts, Unread) else written_to(mounts, path)

    def _type_at_boot(self, path: str) -> str | Gap:
        for above in _above(path):
            mount = mounted_at_boot(self.snapshot, above)
            if isinstance(mount, Unread):
                return mount.gap(above)
            if mount is not None and mount.automatic and above != "/":
                return mount.fstype
        # The initramfs makes the root, and lays over it what it likes: as now.
        return self._type_now("/") if self.snapshot.live else ""

    def _readers(self, path: str) -> str:
        """Who may read a file beside root; "" while it is not there."""
        status = self.snapshot.ask(Stat(path))
        if isinstance(status, Unread):
            return ""
        if status.mode & 0o004:
            return _("everybody")
        given = grants.grants(self.snapshot, path, status)
        if isinstance(given, Gap):
            return ""
        names = []
        if status.uid and status.mode & 0o400:
            names.append(status.user or str(status.uid))
        if status.gid and grants.group_rights(status) & grants.READ:
            names.append(_("group {name}").format(name=status.group or status.gid))
        names += [_in_words(one) for one in given if one.rights & grants.READ]
        return ", ".join(dict.fromkeys(names)) or "root"


def _is_kept(stores: Sequence[Store]) -> bool:
    """Whether one of them is written to, and there after a reboot."""
    return any(one.lasts and one.hindered is None for one in stores)


def _in_words(one: grants.Grant) -> str:
    return one.name if one.kind == "user" else _("group {name}").format(name=one.name)


def _dropped(rule: Rule, types: set[str]) -> set[str]:
    """The types of records that a rule takes away whatever they hold."""
    if rule.list == "user" and rule.action == "never" and not rule.fields:
        return {one for one in types if not one.startswith(_NOT_BY_PROGRAMS)}
    if rule.list != "exclude" or len(rule.fields) != 1:
        return set()
    return {one.value for one in rule.fields if (one.name, one.operator) == ("msgtype", "=")}


def _above(path: str) -> Iterator[str]:
    """The folders in which a path lies, the nearest first."""
    while path not in {"/", ""}:
        path = posixpath.dirname(path)
        yield path


def _is_stored(level: str, severity: str) -> bool:
    """Whether journald stores a severity; what is not known is not said to be stored."""
    severity = {"warn": "warning", "error": "err", "panic": "emerg"}.get(severity, severity)
    return level in LEVELS and severity in LEVELS and LEVELS.index(severity) <= LEVELS.index(level)


def _may_record(rule: Rule, wanted: Rule) -> bool:
    """Whether a rule is about the same at all: looked at before the two are compared in full."""
    if rule.action != "always" or rule.list != wanted.list:
        return False
    same_path = rule.path in {"", wanted.path} or (rule.tree and wanted.path.startswith(f"{rule.path}/"))
    return same_path and (not rule.syscalls or bool(rule.syscalls & wanted.syscalls))


def _about(rule: Rule) -> str:
    """What a rule would be about, in few words."""
    return rule.path or ",".join(sorted(rule.syscalls)[:3])
