"""Mounts: options now and at boot, whether a folder is a mount of its own, its type, how full it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import (
    Change,
    CheckMounts,
    EnableUnit,
    Lines,
    Operation,
    Refusal,
    ReloadManager,
    Remount,
    ReplaceLine,
    WriteFile,
    with_words,
)
from hardentui.resources.base import digest, list_fact, nothing, text_fact
from hardentui.resources.mount import boot
from hardentui.snapshot import (
    HIDDEN,
    File,
    Groups,
    KernelIs,
    Mount,
    Mounts,
    Snapshot,
    SpaceUsed,
    Stat,
    Unread,
)

ASPECTS = ("options", "separate", "fstype", "usage")
NOT_MOUNTED = "not mounted"
_DROPIN = "zz-hardentui.conf"
_DPKG = ("/var/lib/dpkg/info", "/var/cache/debconf")
# Words that stand in a file only: a running mount never shows them.
_FILE_ONLY = re.compile(r"noauto|nofail|_netdev|x-.*|user|users|owner|group")
_TMP_MOUNT = (
    "[Unit]",
    "Description=Temporary Directory /tmp",
    "ConditionPathIsSymbolicLink=!/tmp",
    "DefaultDependencies=no",
    "Conflicts=umount.target",
    "Before=local-fs.target umount.target",
    "After=swap.target",
    "",
    "[Mount]",
    "What=tmpfs",
    "Where=/tmp",
    "Type=tmpfs",
    "Options=mode=1777,strictatime,nosuid,nodev,noexec,size=50%%,nr_inodes=1m",
    "",
    "[Install]",
    "WantedBy=local-fs.target",
)
_ON_DEMAND = frozenset({"/boot"})  # mounted by hand for an update of the kernel: that is advice, no gap
_WORD = re.compile(r"[A-Za-z0-9_.-]+(?:=[A-Za-z0-9_.:/%+@*-]+)?")
_READERS = ("systemd-logind.service", "polkit.service")


class MountPoint:
    """The resource "mount"."""

    name = "mount"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if not re.fullmatch(r"/|(?:/[A-Za-z0-9._-]+)+", subject):
            return f"expected a mount point such as /var/log, found {subject!r}"
        if aspect not in ASPECTS:
            return f"expected an aspect of {', '.join(ASPECTS)}, found {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.aspect == "usage":
            return _usage(snapshot, entry.subject)
        now = boot.mounted(snapshot, entry.subject)
        then = boot.at_boot(snapshot, entry.subject)
        at = snapshot.ask_timed(Mounts())[1] if snapshot.live else snapshot.taken_at
        running = None if not snapshot.live else _now(snapshot, entry, now, then)
        reading = _then(snapshot, entry, now, then)
        return Observation(running, (reading,) if reading else (), _facts(snapshot, entry, now, then), at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.aspect == "fstype":
            return _make_tmpfs(entry, facts, target)
        return _Options(entry, facts, target).change()


def _usage(snapshot: Snapshot, path: str) -> Observation:
    used, at = snapshot.ask_timed(SpaceUsed(path))
    if isinstance(used, Unread):
        return Observation(nothing(used, path), seen_at=at)
    text = _("{blocks} % of its blocks, {inodes} % of its inodes").format(
        blocks=used.blocks_used, inodes=used.inodes_used
    )
    reading = Reading(
        {"": str(max(used.blocks_used, used.inodes_used))},
        provenance=(Provenance(f"statvfs {path}", text=text),),
    )
    return Observation(reading, seen_at=at)


# --- now ------------------------------------------------------------------------------------------


def _now(
    snapshot: Snapshot,
    entry: Recommendation,
    now: Mount | Unread | None,
    then: boot.BootMount | Unread | None,
) -> Reading | None:
    place = "/proc/self/mountinfo"
    if isinstance(now, Unread):
        return nothing(now, place)
    waits = now is None and isinstance(then, boot.BootMount) and not then.automatic
    if waits and entry.aspect != "options":
        return Reading(
            gap=Gap(GapKind.ABSENT, _("{path} is not mounted now (noauto)").format(path=entry.subject))
        )
    if entry.aspect == "separate":
        value, why = _separate(snapshot, entry.subject, now)
        return Reading({"": value}, provenance=(Provenance(place, text=why),))
    if (
        entry.aspect == "options"
        and entry.accept
        and all(_FILE_ONLY.fullmatch(w) for w in entry.accept.operands)
    ):
        unknown = None if isinstance(then, boot.BootMount) else Gap(GapKind.ABSENT, boot.FSTAB)
        return Reading(gap=unknown) if unknown else None
    if now is None:
        coming = isinstance(then, boot.BootMount) and then.automatic
        if coming or entry.aspect == "fstype":
            return Reading({"": NOT_MOUNTED}, provenance=(Provenance(place),))
        return Reading(
            gap=Gap(GapKind.ABSENT, _("{path} is not a mount of its own").format(path=entry.subject))
        )
    value = now.fstype if entry.aspect == "fstype" else ",".join(now.words)
    text = f"{now.source} {now.path} {now.fstype} {now.options}"
    return Reading({"": value}, provenance=(Provenance(place, text=text),))


def _separate(snapshot: Snapshot, path: str, now: Mount | None) -> tuple[str, str]:
    if now is None:
        return "no", ""
    mounts = snapshot.ask(Mounts())
    parents = [] if isinstance(mounts, Unread) else [m for m in mounts if m.path != path]
    below = boot.holder(parents, path)
    if below is not None and below.device == now.device and now.fstype != "btrfs":
        return "no", _("a bind mount of the file system of {path}").format(path=below.path)
    return "yes", f"{now.source} {now.path} {now.fstype}"


# --- at boot --------------------------------------------------------------------------------------


def _then(
    snapshot: Snapshot,
    entry: Recommendation,
    now: Mount | Unread | None,
    then: boot.BootMount | Unread | None,
) -> Reading | None:
    if isinstance(then, Unread):
        return nothing(then, boot.FSTAB)
    elsewhere = boot.unforeseen(snapshot, entry.subject, now, then)
    if elsewhere is not None:
        return Reading(gap=elsewhere)
    if then is None:
        if entry.aspect == "options" and not isinstance(now, Mount):
            return None
        value = "no" if entry.aspect == "separate" else NOT_MOUNTED
        return Reading({"": value}, provenance=(Provenance(boot.FSTAB),))
    if entry.aspect == "options":
        return Reading({"": ",".join(then.options) or "defaults"}, provenance=then.provenance)
    waits = not then.automatic and entry.subject not in _ON_DEMAND
    if entry.aspect == "separate":
        own = not waits and not boot.binds_below(snapshot, entry.subject, then)
        return Reading({"": "yes" if own else "no"}, provenance=then.provenance)
    return Reading({"": NOT_MOUNTED if waits else then.fstype}, provenance=then.provenance)


def _facts(
    snapshot: Snapshot,
    entry: Recommendation,
    now: Mount | Unread | None,
    then: boot.BootMount | Unread | None,
) -> dict[str, Fact]:
    """What a change needs: how it is mounted now, what mounts it at boot, whether dpkg lives there."""
    facts: dict[str, Fact] = {}
    if entry.aspect == "separate" or (not entry.target):
        return facts
    if isinstance(then, Unread):
        return facts
    facts["zfs"] = isinstance(now, Mount) and now.fstype == "zfs" and (then is None or then.fstab is None)
    if isinstance(now, Mount):
        facts["mounted"] = ",".join(now.words)
        mounts = snapshot.ask(Mounts())
        others = (
            [m for m in mounts if m.path != now.path and m.device == now.device]
            if isinstance(mounts, tuple)
            else []
        )
        facts["shared"] = now.root != "/" or bool(others)
    if then is not None:
        facts["boot"] = ",".join(then.options)
        facts["raw"] = then.raw_options
        facts["fstab"] = then.fstab.text if then.fstab else ""
        dropin = f"/etc/systemd/system/{then.unit}.d/{_DROPIN}"
        facts["dropin"] = dropin
        facts["before"] = digest(snapshot, dropin)
    if entry.subject == "/tmp":  # noqa: S108 - the mount point, not a file of ours
        facts["tmp-unit"] = digest(snapshot, "/etc/systemd/system/tmp.mount")
        facts["tmp-dropin"] = digest(snapshot, f"/etc/systemd/system/tmp.mount.d/{_DROPIN}")
        facts["in-fstab"] = then is not None and then.fstab is not None
        facts["shipped"] = isinstance(snapshot.ask(File("/usr/lib/systemd/system/tmp.mount")), str)
    if any(word.startswith("hidepid=") for word in entry.target.split(",")):
        facts.update(_hidepid_facts(snapshot))
    mounts = snapshot.ask(Mounts())
    if isinstance(mounts, tuple):
        facts["dpkg"] = any(
            not isinstance(snapshot.ask(Stat(path)), Unread)
            and (held := boot.holder(mounts, path)) is not None
            and held.path == entry.subject
            for path in _DPKG
        )
    return facts


def _hidepid_facts(snapshot: Snapshot) -> dict[str, Fact]:
    groups = snapshot.ask(Groups())
    known = {} if isinstance(groups, Unread) else {group.name: group.gid for group in groups}
    name = next((name for name in ("proc", "adm") if name in known), "")
    kernel = snapshot.ask(KernelIs())
    release = "" if isinstance(kernel, Unread) else kernel.release
    found = re.match(r"(\d+)\.(\d+)", release)
    facts: dict[str, Fact] = {
        # Since 5.8 the kernel shows the word, whichever was written.
        "shown": "2" if found and (int(found[1]), int(found[2])) < (5, 8) else "invisible",
    }
    if name:
        facts |= {"group": name, "gid": str(known[name])}
    facts["readers"] = tuple(
        unit for unit in _READERS if isinstance(snapshot.ask(File(f"/usr/lib/systemd/system/{unit}")), str)
    )
    return facts


# --- changing -------------------------------------------------------------------------------------


def _make_tmpfs(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    if entry.subject != "/tmp" or target != "tmpfs":  # noqa: S108 - see _facts
        return Refusal(_("only /tmp can become a tmpfs by a script"))
    known = {"in-fstab": bool, "shipped": bool, "tmp-unit": str, "tmp-dropin": str}
    lacking = [name for name, kind in known.items() if not isinstance(facts.get(name), kind)]
    if lacking:
        return Refusal(
            _("the facts of this decision lack {what}: run `hardentui plan refresh`").format(
                what=", ".join(lacking)
            )
        )
    if facts["in-fstab"]:
        return Refusal(_("/etc/fstab already mounts /tmp otherwise: change that line by hand"))
    # A unit that the distribution ships gives no noexec: a drop-in adds it.
    shipped = facts.get("shipped") is True
    options = next(line for line in _TMP_MOUNT if line.startswith("Options="))
    write = WriteFile(
        owners=(entry.id,),
        can_lock_out=True,
        path=f"/etc/systemd/system/tmp.mount.d/{_DROPIN}" if shipped else "/etc/systemd/system/tmp.mount",
        before=text_fact(facts, "tmp-dropin" if shipped else "tmp-unit"),
        unique=shipped,
        parts=(Lines(owner=entry.id, lines=("[Mount]", options) if shipped else _TMP_MOUNT),),
    )
    return (
        write,
        ReloadManager(owners=(entry.id,)),
        EnableUnit(owners=(entry.id,), unit="tmp.mount"),
    )


class _Options:
    """The operations that give a mount point more option words, now and at boot."""

    def __init__(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> None:
        self._entry = entry
        self._facts = facts
        self._words = [self._resolved(word) for word in target.split(",")]

    def _resolved(self, word: str) -> str:
        if word == "hidepid=invisible" and text_fact(self._facts, "shown") == "2":
            return "hidepid=2"  # before 5.8 the kernel knows the number only
        return f"gid={text_fact(self._facts, 'gid')}" if word == "gid=*" else word

    def change(self) -> Change:
        if "gid=" in self._words:
            return Refusal(_("no group proc or adm on this host to keep its sight of /proc"))
        if self._facts.get("dpkg") is True and "noexec" in self._words:
            return Refusal(
                _(
                    "dpkg keeps its maintainer scripts on {path}: with noexec no package installs any more"
                ).format(path=self._entry.subject)
            )
        unfit = self._unfit()
        if unfit:
            return Refusal(_("these are no options that can hold together: {words}").format(words=unfit))
        if self._facts.get("zfs") is True:
            return Refusal(
                _("{path} is a dataset of ZFS: set its properties by hand").format(path=self._entry.subject)
            )
        if any(HIDDEN in text_fact(self._facts, name) for name in ("fstab", "raw", "mounted")):
            words = _("the options of {path} hold a password, which no plan may hold: change them by hand")
            return Refusal(words.format(path=self._entry.subject))
        foreign = self._foreign()
        if foreign:
            return Refusal(
                _("the facts of this decision speak of something else: {what}").format(what=foreign)
            )
        if self._facts.get("shared") is True and {"ro", "rw"} & set(self._words):
            return Refusal(
                _("{path} shares its file system: ro would reach the other mounts too").format(
                    path=self._entry.subject
                )
            )
        if "boot" not in self._facts:
            return Refusal(_("nothing mounts {path} at boot").format(path=self._entry.subject))
        line = text_fact(self._facts, "fstab")
        if line and len(line.split()) < 4:  # noqa: PLR2004 - the options are the fourth field
            return Refusal(_("the line «{line}» has no options yet: write them by hand").format(line=line))
        return (*self._at_boot(), *self._hidepid(), *self._now())

    def _unfit(self) -> str:
        """Words of the target that are no options, or that undo each other: a plan can be edited by hand."""
        keys = [word.partition("=")[0] for word in self._words]
        for word, key in zip(self._words, keys, strict=True):
            undone = boot.OPPOSITE.get(word) in self._words or keys.count(key) > 1
            if undone or not _WORD.fullmatch(word):
                return ",".join(self._words)
        return ""

    def _foreign(self) -> str:
        """What in the facts is not about this mount point; a plan can be edited by hand. "" for nothing."""
        raw, shown, gid = (text_fact(self._facts, name) for name in ("raw", "shown", "gid"))
        if len(raw.split()) > 1:
            return raw
        if shown not in {"", "2", "invisible"} or not re.fullmatch(r"[0-9]{0,10}", gid):
            return shown + gid
        line, dropin = text_fact(self._facts, "fstab"), text_fact(self._facts, "dropin")
        if line and [entry.path for entry in boot.parse_fstab(line)] != [self._entry.subject]:
            return line
        own = f"/etc/systemd/system/{boot.unit_name(self._entry.subject)}.d/{_DROPIN}"
        if dropin and dropin != own:
            return dropin
        if text_fact(self._facts, "group") not in {"", "proc", "adm"}:
            return text_fact(self._facts, "group")
        return next((str(u) for u in list_fact(self._facts, "readers") if u not in _READERS), "")

    def _lacking(self, name: str) -> list[str]:
        have = text_fact(self._facts, name).split(",")
        shown = f"hidepid={text_fact(self._facts, 'shown')}"
        return [w for w in self._words if w not in have and not (w.startswith("hidepid=") and shown in have)]

    def _at_boot(self) -> list[Operation]:
        lacking = self._lacking("boot")
        if not lacking:
            return []
        owners = (self._entry.id,)
        after: list[Operation] = [CheckMounts(owners=owners), ReloadManager(owners=owners)]
        line = text_fact(self._facts, "fstab")
        if line:
            changed = with_words(line, lacking, field=3)
            return [
                ReplaceLine(owners=owners, can_lock_out=True, path=boot.FSTAB, before=line, after=changed),
                *after,
            ]
        if self._entry.subject == "/proc":
            # systemd-remount-fs takes the flags from this line alone, so those of systemd stand in it.
            kept = [word for word in text_fact(self._facts, "raw").split(",") if word]
            added = f"proc /proc proc {','.join(['defaults', *kept, *lacking])} 0 0"
            return [
                ReplaceLine(owners=owners, can_lock_out=True, path=boot.FSTAB, before="", after=added),
                *after,
            ]
        options = with_words(text_fact(self._facts, "raw"), lacking).replace("%", "%%")
        write = WriteFile(
            owners=owners,
            can_lock_out=True,
            path=text_fact(self._facts, "dropin"),
            before=text_fact(self._facts, "before"),
            unique=True,
            parts=(Lines(owner=self._entry.id, lines=("[Mount]", f"Options={options}")),),
        )
        return [write, ReloadManager(owners=owners)]

    def _hidepid(self) -> list[Operation]:
        """Services that run as others must keep their sight of /proc: they join the group."""
        group = text_fact(self._facts, "group")
        if not group or not any(word.startswith("hidepid=") for word in self._words):
            return []
        return [
            WriteFile(
                owners=(self._entry.id,),
                can_lock_out=True,
                path=f"/etc/systemd/system/{unit}.d/{_DROPIN}",
                unique=True,
                parts=(Lines(owner=self._entry.id, lines=("[Service]", f"SupplementaryGroups={group}")),),
            )
            for unit in list_fact(self._facts, "readers")
            if isinstance(unit, str)
        ]

    def _now(self) -> list[Operation]:
        lacking = self._lacking("mounted")
        live = [word for word in lacking if not _FILE_ONLY.fullmatch(word)]
        if "mounted" not in self._facts or not live:
            return []
        before = text_fact(self._facts, "mounted")
        shown = [
            f"hidepid={text_fact(self._facts, 'shown')}" if w.startswith("hidepid=") else w for w in live
        ]
        return [
            Remount(
                owners=(self._entry.id,),
                can_lock_out=True,
                path=self._entry.subject,
                before=before,
                after=",".join(shown),
                set=",".join(live),
                unset=",".join(_undone(word, before.split(",")) for word in live),
            )
        ]


def _undone(word: str, before: Sequence[str]) -> str:
    """The word that takes back ``word``: what stood before, else the opposite."""
    key, equals, _value = word.partition("=")
    if equals:
        return next((old for old in before if old.startswith(f"{key}=")), f"{key}=0")
    return boot.OPPOSITE.get(word, word.removeprefix("no") if word.startswith("no") else f"no{word}")
