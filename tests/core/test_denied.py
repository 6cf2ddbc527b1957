"""Every answer denied in turn: what was not read makes nothing pass, and no verdict outlives its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardentui.assess import assess
from hardentui.host.recording import demo_host
from hardentui.model import Recommendation, Result
from hardentui.resources import RESOURCES
from hardentui.resources.mac import lsm
from hardentui.snapshot import (
    Accounts,
    Clock,
    Command,
    DistributionIs,
    File,
    Folder,
    Groups,
    Host,
    Interfaces,
    KernelFile,
    KernelIs,
    KernelOption,
    Link,
    Mounts,
    PrivilegesAre,
    Processes,
    Question,
    Reason,
    Snapshot,
    Stat,
    Units,
    Unread,
)

from . import hosts
from .images import image
from .test_closed_loop import CHECKLISTS, answers_for

HARDENED = "".join(
    f"{key.replace('/', '.')} = {value}\n"
    for key, value in {
        "kernel/kptr_restrict": "2",
        "kernel/dmesg_restrict": "1",
        "net/ipv4/conf/*/rp_filter": "1",
        "net/ipv4/conf/*/log_martians": "1",
        "net/ipv6/conf/*/accept_redirects": "0",
        "fs/protected_hardlinks": "1",
        "net/ipv4/tcp_syncookies": "1",
    }.items()
)


class Noting:
    """A host as it was seen once, that notes the questions that it was asked."""

    def __init__(self, seen: Snapshot) -> None:
        self.name = seen.host.name
        self.label = seen.host.label
        self.asked: list[Question[Any]] = []
        self._seen = seen

    def answer(self, question: Question[Any]) -> tuple[Any, float]:
        self.asked.append(question)
        return self._seen.ask_timed(question)


def results(snapshot: Snapshot, entries: Iterable[Recommendation]) -> Iterator[tuple[Recommendation, Result]]:
    """What is made of each: in one pass, as in a scan, so that what they share is worked out once."""
    answered: dict[frozenset[tuple[str, str]], list[Recommendation]] = {}
    for entry in entries:
        answered.setdefault(frozenset(answers_for(entry).items()), []).append(entry)
    for answers, listed in answered.items():
        found = assess(listed, snapshot, dict(answers), CHECKLISTS.questions)
        yield from zip(listed, (one.result for one in found), strict=True)


def evidence(seen: Snapshot, entry: Recommendation) -> list[Question[Any]]:
    """What is asked to judge an entry, and has an answer or is known to be missing."""
    host = Noting(seen)
    RESOURCES[entry.resource].observe(Snapshot(host, deep=True), entry)
    answers = {question: seen.ask(question) for question in host.asked}
    return [q for q, a in answers.items() if not isinstance(a, Unread) or a.reason is Reason.MISSING]


def of_no_weight(entry: Recommendation, question: Question[Any]) -> str:
    """Why a verdict may stand without this answer; "" when it may not."""
    match question:
        case Clock() if entry.subject != "end-of-support":
            return "it only dates what was seen"
        case Link():
            return "the file is read by the same name all the same"
        case File(path) if path.endswith(("hardentui.conf", "/etc/sudoers.d/zz-hardentui")):
            return "our own file, whose digest the script needs"
        case Stat(
            "/.dockerenv" | "/run/.containerenv" | "/run/systemd/container" | "/run/host/container-manager"
        ):
            return "in a container /proc/sys would be read-only, which mountinfo says"
        case Stat("/var/lib/dpkg/info" | "/var/cache/debconf"):
            return "it only forbids a change"
        case KernelFile(path) if path.endswith("/forwarding") and "forwarding" not in entry.subject:
            return "without it the stricter of two ways of the kernel is judged; or a rollback restores it"
        case Folder(path) | KernelFile(path) if entry.subject in FORWARDS and "/conf" in path:
            own = path == f"/proc/sys/{entry.subject.replace('.', '/')}"
            return "" if own else "a rollback restores it"
        case KernelFile("/proc/sys/net/ipv6/conf/lo/accept_source_route"):
            return "lo is not judged for IPv6, only restored"
        case Mounts() | File() | Folder() if entry.resource == "tmpfiles":
            return "a tmpfs that the boot mounts is empty whatever else is written"
        case _:
            return of_no_weight_for_a_program(entry, question)


def of_no_weight_for_a_program(  # noqa: C901, PLR0912 - one case for each reason
    entry: Recommendation, question: Question[Any]
) -> str:
    """The same, of what programs, accounts and listeners are judged by."""
    match question:
        case Stat("/etc/ssh/sshd_config") if entry.resource == "sshd":
            return "in an image, where no daemon may have read it too early, our file only takes its mode"
        case Command(("sshd", "-T", *_)):
            return "what the files give sshd may only contradict; that it was not asked is shown"
        case Folder() | File() | Stat() | Processes() | DistributionIs() if entry.subject == "hostkeys":
            about_a_key = "ssh_host_" in getattr(question, "path", "")
            return "" if about_a_key else "sshd -T names the keys, whatever our own reader sees"
        case Command(("nft", *_)) if entry.resource == "listeners":
            return "it only says who reaches a listener, and none is open there"
        case Units() if entry.resource == "unit":
            return "a service of which no unit file is there does not run"
        case DistributionIs() if entry.resource == "pam":
            return "it only names the tool for the hand that changes the stack"
        case Accounts() | Groups() if entry.resource == "rights" and entry.subject in {"folders", "accounts"}:
            return "root is number 0, whatever the names: no other owner passes by its number"
        case Accounts() | Groups() if entry.resource == "auditd":
            return "rules name accounts; a setting of the kernel does not"
        case _ if entry.resource == "events" and question not in {Mounts(), File("/etc/fstab")}:
            return "one witness that keeps an event is enough: what another could not say only adds to it"
        case KernelFile("/sys/module/module/parameters/sig_enforce"):
            return "this kernel was built without modules, which CONFIG_MODULES says"
        case KernelIs() if entry.resource == "command-line" and entry.subject == "weakening":
            return "what weakens a kernel is the same on every machine"
        case KernelFile(lsm.ENFORCE | lsm.APPARMOR_ON) if entry.resource == "apparmor":
            return "the kernel's list of profiles says that AppArmor runs"
        case Stat("/usr/lib/systemd/systemd-journald"):
            return "it only tells a host that has no journald at all"
        case KernelFile() if entry.resource == "cgroups" and entry.subject == "version":
            return "the controllers are shown beside the version, which the mounts say"
        case Stat("/usr/sbin/auditctl") if entry.resource == "auditd":
            return "it only tells a host that has no auditd at all"
        case Command(("rsyslogd", "-N1")):
            return "what rsyslogd thinks of its files may only contradict; that it was not asked is shown"
        case File() if entry.resource == "path" and entry.subject.startswith("/var/log/"):
            return "no file system is mounted on a log of its own"
        case question if entry.resource in {"listeners", "openings"} and is_of_reach(question):
            return "nothing listens there for others, so nobody asks from where it is reached, or whose it is"
        case _:
            return ""


def is_of_reach(question: Question[Any]) -> bool:
    """Whether it only says who reaches a listener or whose it is, not which there are."""
    match question:
        case Interfaces() | PrivilegesAre() | Units() | KernelOption("CONFIG_NF_TABLES"):
            return True
        case KernelFile("/proc/sys/net/ipv6/bindv6only"):
            return True
        case KernelFile("/proc/net/ip_tables_names" | "/proc/net/ip6_tables_names"):
            return True
        case _:
            return False


FORWARDS = {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"}


def of_kind(name: str, folder: Path) -> Host:
    files = {"/etc/sysctl.d/90-hardened.conf": HARDENED}
    return {
        "demo": demo_host,
        "image": lambda: image(folder, files),
        "server": lambda: hosts.server(files=files),
    }[name]()


@pytest.mark.parametrize("name", ["demo", "image", "server"])
def test_what_is_denied_makes_nothing_pass(name: str, tmp_path: Path) -> None:
    seen = Snapshot(of_kind(name, tmp_path), deep=True)
    before = {entry.id: found for entry, found in results(seen, CHECKLISTS.recommendations)}
    asking: dict[Question[Any], list[Recommendation]] = {}
    for entry in CHECKLISTS.recommendations:
        for question in evidence(seen, entry):
            asking.setdefault(question, []).append(entry)
    lies, outlived = [], []
    for question, entries in asking.items():
        denied = seen.with_answers({question: Unread(Reason.DENIED)}, seen.taken_at)
        for entry, found in results(denied, entries):
            if found is not Result.PASS:
                continue
            if before[entry.id] is not Result.PASS:
                lies.append((entry.id, question))
            elif not of_no_weight(entry, question):
                outlived.append((entry.id, question))
    assert not lies
    assert not outlived
    assert list(before.values()).count(Result.PASS) > 15
