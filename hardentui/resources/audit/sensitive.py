"""Sensitive resources that an administrator names: every access to them is recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind
from hardentui.operations import Refusal
from hardentui.resources.audit.catalogue import arches
from hardentui.resources.audit.cover import Verdict, judge
from hardentui.resources.audit.rules import Field, Rule, canonical
from hardentui.resources.audit.state import kind_of, resolved
from hardentui.resources.mount.boot import holder
from hardentui.snapshot import Accounts, Kind, Mounts, Reason, Snapshot, Stat, Unread

SENSITIVE = "sensitive"  # the aspect of an entry whose subject is a list of paths, and the key of its rules
_TARGET = re.compile(r"recorded((?:, except [a-z_][a-z0-9_.-]{0,31}\$?)*)")
# File systems that are no files of this host: the kernel's own views, and what others change unseen.
_VIEWS = frozenset(
    {"proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "devpts", "bpf"}
)
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.sshfs", "glusterfs", "afs", "9p", "autofs"}
)


def wanted(snapshot: Snapshot, subject: str) -> tuple[Rule, ...] | Gap:
    """A rule for each of the paths, with commas between them; or why one of them cannot be watched."""
    rules: list[Rule] = []
    for path in (word.strip() for word in subject.split(",") if word.strip()):
        found = _about(snapshot, path)
        if isinstance(found, Gap):
            return found
        rules += found
    return tuple(rules)


def _about(snapshot: Snapshot, path: str) -> Iterable[Rule] | Gap:
    real = resolved(snapshot, path)
    seen = snapshot.ask(Stat(real))
    if isinstance(seen, Unread):
        if seen.reason is Reason.MISSING:
            return Gap(
                GapKind.UNTOLD, _("{path} does not exist: the rule could not be loaded").format(path=path)
            )
        return seen.gap(path)
    if real == "/":
        return Gap(GapKind.UNTOLD, _("the kernel takes no rule about / itself: name what is sensitive in it"))
    mounts = snapshot.ask(Mounts())
    held = None if isinstance(mounts, Unread) else holder(mounts, real)
    if held is not None and held.fstype in _VIEWS | _NETWORK:
        why = _("{path} is on {fstype}: accesses there are not those of a file of this host")
        return Gap(GapKind.UNTOLD, why.format(path=path, fstype=held.fstype))
    rule = Rule(
        "exit",
        "always",
        path=canonical(real),
        tree=kind_of(snapshot, real) is Kind.FOLDER,
        perms=frozenset("rwxa"),
        keys=frozenset({SENSITIVE}),
    )
    return [replace(rule, arch=arch) for arch in arches(snapshot)]


def sparing(held: Sequence[Rule], rule: Rule, verdict: Verdict) -> str:
    """The value "recorded, except NAME" where only the work of accounts is left out; else ""."""
    if verdict.recorded or SENSITIVE not in rule.keys:
        return ""
    spared = next((left for one in held if one.path == rule.path and (left := _spares(one))), frozenset())
    if not spared or not judge(held, replace(rule, fields=spared)).recorded:
        return ""
    return "recorded" + "".join(f", except {one.value}" for one in sorted(spared))


def _spares(rule: Rule) -> frozenset[Field]:
    """The accounts whose work a rule leaves out, where it has no other condition."""
    left_out = frozenset(one for one in rule.fields if one.name == "uid" and one.operator == "!=")
    return left_out if left_out == rule.fields else frozenset()


def spared(target: str, known: Sequence[Fact]) -> frozenset[Field] | Refusal:
    """The conditions that leave out the accounts which a target names: "recorded, except NAME"."""
    found = _TARGET.fullmatch(target)
    if found is None:
        return Refusal(
            _('expected "recorded", or "recorded, except ACCOUNT"; found {value}').format(value=repr(target))
        )
    names = [name for name in found[1].split(", except ") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        return Refusal(_("{name} is no account of this host").format(name=unknown[0]))
    return frozenset(Field("uid", "!=", name) for name in names)


def accounts(snapshot: Snapshot) -> tuple[str, ...]:
    """The names of accounts, of which a target may leave some out."""
    seen = snapshot.ask(Accounts())
    return () if isinstance(seen, Unread) else tuple(one.name for one in seen)
