"""Which mandatory access control a kernel runs: now, and as the boot loader will start it next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Provenance
from hardentui.resources.kernel.loader import boot_entries
from hardentui.snapshot import KernelFile, KernelOption, Reason, Snapshot, Unread

SELINUX, APPARMOR = "selinux", "apparmor"
NAMES: Mapping[str, str] = {SELINUX: "SELinux", APPARMOR: "AppArmor"}
ENFORCING, PERMISSIVE, DISABLED = "enforcing", "permissive", "disabled"
ENFORCE = "/sys/fs/selinux/enforce"
APPARMOR_ON = "/sys/module/apparmor/parameters/enabled"
MODULES = "/sys/kernel/security/lsm"
_CMDLINE = "/proc/cmdline"
_EXCLUSIVE = frozenset({SELINUX, APPARMOR, "smack"})  # the kernel starts the first of these, and no other
_CHOOSING = ("lsm", "security", "selinux", "apparmor")  # parameters that choose among them
_MODES = {"1": ENFORCING, "0": PERMISSIVE}


@dataclass(frozen=True, slots=True)
class Start:
    """One kernel that the boot loader offers: the module that it will run ("" for none), and how."""

    title: str
    module: str
    enforcing: str  # the last enforcing= of its command line, "" where there is none
    place: Provenance


def selinux_now(snapshot: Snapshot) -> str | Unread:
    """The mode in which SELinux runs: enforcing, permissive or disabled."""
    text = snapshot.ask(KernelFile(ENFORCE))
    if isinstance(text, Unread):
        return DISABLED if text.reason is Reason.MISSING else text
    return _MODES.get(text, Unread(Reason.FAILED, text))


def apparmor_now(snapshot: Snapshot) -> bool | Unread:
    """Whether AppArmor runs."""
    text = snapshot.ask(KernelFile(APPARMOR_ON))
    if isinstance(text, Unread):
        return False if text.reason is Reason.MISSING else text
    return text == "Y"


def running_module(snapshot: Snapshot) -> str | Unread:
    """The module that runs now: "selinux", "apparmor", or "" for neither."""
    mode, apparmor = selinux_now(snapshot), apparmor_now(snapshot)
    for seen in (mode, apparmor):
        if isinstance(seen, Unread):
            return seen
    if mode != DISABLED:
        return SELINUX
    return APPARMOR if apparmor else ""


def starts(snapshot: Snapshot) -> tuple[Start, ...] | Gap:
    """What each kernel of the boot loader will run, or why that is not known."""
    entries = boot_entries(snapshot)
    if isinstance(entries, Gap):
        return entries
    found = []
    for entry in entries:
        module = _module_of(snapshot, entry.arguments)
        if isinstance(module, Gap):
            return module
        place = Provenance(entry.place, line=entry.line, text=" ".join(entry.arguments))
        enforcing = _parameters(entry.arguments).get("enforcing", "")
        found.append(Start(entry.title or entry.place, module, enforcing, place))
    return tuple(found)


def _module_of(snapshot: Snapshot, words: Iterable[str]) -> str | Gap:
    """The module that a kernel with this command line runs."""
    given = _parameters(words)
    if snapshot.live and (now := _as_now(snapshot, given)) is not None:
        return now
    if "lsm" in given:
        order = given["lsm"].split(",")
    elif "security" in given:
        order = [given["security"]]
    else:
        built = snapshot.ask(KernelOption("CONFIG_LSM"))
        if isinstance(built, Unread):
            return built.gap("CONFIG_LSM")
        order = built.split(",")
    chosen = next((name for name in order if name in _EXCLUSIVE and given.get(name) != "0"), "")
    return chosen if chosen in NAMES else ""


def _as_now(snapshot: Snapshot, given: Mapping[str, str]) -> str | None:
    """The module that runs now, where the same words chose it: better than any prediction."""
    line, modules = snapshot.ask(KernelFile(_CMDLINE)), snapshot.ask(KernelFile(MODULES))
    if isinstance(line, Unread) or isinstance(modules, Unread):
        return None
    now = _parameters(line.split())
    if any(now.get(name) != given.get(name) for name in _CHOOSING):
        return None
    return next((name for name in modules.split(",") if name in NAMES), "")


def _parameters(words: Iterable[str]) -> Mapping[str, str]:
    """The parameters of a command line with their last values."""
    pairs = (word.partition("=") for word in words)
    return {name: value for name, equals, value in pairs if equals}


def nothing_known(module: str) -> Gap:
    """What is said of one module on a host that runs the other, or none."""
    return Gap(GapKind.ABSENT, _("{module} does not run here").format(module=NAMES[module]))
