"""Plans and change sets for the tests of the script: small, and without checklists."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from hardentui.comparison import Comparison, Operator
from hardentui.model import Action, Decision, HostIdentity, Plan
from hardentui.operations import (
    ChangeSet,
    Lines,
    Operation,
    Remount,
    ReplaceLine,
    SetMode,
    SetSysctl,
    WriteFile,
)
from hardentui.script import render

MACHINE_ID = "0123456789abcdef0123456789abcdef"
DROPIN = "/etc/sysctl.d/99-zz-hardentui.conf"
FSTAB = "/etc/fstab"
KEY = "net/ipv4/conf/all/log_martians"


def decision(id_: str = "sysctl.martians", **changes) -> Decision:
    given = {
        "id": id_,
        "action": Action.APPLY,
        "title": "Log impossible addresses",
        "source": "ANSSI R12",
        "running": "0",
        "boot": "0",
        "recommended": "1",
        "at": datetime(2026, 11, 21, tzinfo=UTC),
        "by": "root",
    }
    return Decision(**{**given, **changes})


def plan(*decisions: Decision, language: str = "en", hostname: str = "web01") -> Plan:
    host = HostIdentity(MACHINE_ID, hostname, "Debian GNU/Linux 12", "6.1.0")
    return Plan(host, "0" * 64, language, {}, decisions or (decision(),))


def write(path: str = DROPIN, *lines: str, before: str = "absent", owner: str = "sysctl.martians", **flags):
    parts = (Lines(owner=owner, lines=lines or ("net.ipv4.conf.all.log_martians = 1",)),)
    return WriteFile(owners=(owner,), path=path, parts=parts, before=before, **flags)


def replace(before: str, after: str, path: str = FSTAB, owner: str = "sysctl.martians", **flags):
    return ReplaceLine(owners=(owner,), path=path, before=before, after=after, **flags)


def sysctl(key: str = KEY, before: str = "0", after: str = "1", accept: Comparison | None = None, **flags):
    rule = accept or Comparison(Operator.EQUAL, (after,))
    owners = ("sysctl.martians",)
    return SetSysctl(owners=owners, key=key, before=before, after=after, accept=rule, **flags)


# The runtime has one place where it waits for the disk, and one where it adds to the journal. Here it burns a
# fuse there: before and after the wait, and after each line.
_WAIT = """\
flush() { # FILE_OR_FOLDER...; the durable boundary: returns when all of it is on the disk
    try sync -- "$@"
}"""
_FUSED_WAIT = """\
flush() {
    burn
    try sync -- "$@" || return 1
    [[ ! -e $RUN/journal || $* != *"$RUN/journal"* ]] || stat -c %s "$RUN/journal" >/root/on-disk
    burn
}

burn() {
    local left=0
    [[ ! -e /root/fuse ]] || read -r left </root/fuse
    ((left > 0)) || return 0
    printf '%s\\n' "$((left - 1))" >/root/fuse
    ((left > 1)) || {ACT}
}"""
_LINE = """printf '%s\\n' "$line" 2>/dev/null >>"$RUN/journal" || return 1"""

# As when the power goes: what was added to the journal since it last reached the disk is lost.
POWER = '{ truncate -s "$(cat /root/on-disk)" "$RUN/journal"; kill -KILL $$; }'


def fused(text: str, act: str = "kill -KILL $$") -> str:
    """The script, which does ``act`` at the boundary whose number stands in /root/fuse."""
    assert text.count(_WAIT) == 1
    assert text.count(_LINE) == 1
    return text.replace(_WAIT, _FUSED_WAIT.replace("{ACT}", act)).replace(_LINE, f"{_LINE}\n    burn")


def mode(path: str = "/etc/crontab", before: str = "0644", after: str = "0600"):
    return SetMode(
        owners=("sysctl.martians",),
        path=path,
        before_mode=before,
        before_owner="root:root",
        mode=after,
        owner="root:root",
    )


def remount(path: str = "/mnt", before: str = "rw,relatime"):
    return Remount(
        owners=("sysctl.martians",),
        path=path,
        before=before,
        after="nosuid,nodev",
        set="nosuid,nodev",
        unset="suid,dev",
    )


def script(*operations: Operation, **changes) -> str:
    return render(ChangeSet(operations), plan(**changes), {})


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
