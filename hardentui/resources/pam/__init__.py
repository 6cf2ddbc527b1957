"""PAM: what its stacks, and the files of their modules, ask of passwords and of those who enter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, Lines, Refusal, ReplaceLine, WriteFile
from hardentui.resources.base import digest, kept_settings, of_files, text_fact, wrong_subject
from hardentui.resources.families import family_of
from hardentui.resources.login.settings import Setting, last, login_setting, read_settings, stands_twice
from hardentui.resources.pam.stack import Module, Stack, read_stack, tool_for
from hardentui.snapshot import Folder, Groups, Reason, Snapshot, Unread

PWQUALITY = "/etc/security/pwquality.conf"
FAILLOCK = "/etc/security/faillock.conf"
PWHISTORY = "/etc/security/pwhistory.conf"
# libpwquality reads the folder first, by name, and then the file, which has the last word.
OURS = f"{PWQUALITY}.d/zz-hardentui.conf"

_PASSWD = "passwd"  # noqa: S105 - the service that changes passwords
# The services through which people come in; those that a host does not have are left out.
ENTRIES = ("login", "sshd", "su", "sudo")
_REMOTE = ("pam_sss", "pam_ldap", "pam_krb5", "pam_winbind", "pam_radius_auth", "pam_tacplus", "pam_nis")
_HASHES = ("yescrypt", "gost_yescrypt", "blowfish", "sha512", "sha256", "md5", "bigcrypt")
_CREDITS = ("dcredit", "ucredit", "lcredit", "ocredit")
_MINIMUM = 6  # libpwquality takes no smaller length
# The settings of files that we change: the file, the form of a value, the module, its own default.
_FILED: Mapping[str, tuple[str, str, str, str]] = {
    "password-length": (PWQUALITY, "minlen", "pam_pwquality", "8"),
    "password-classes": (PWQUALITY, "minclass", "pam_pwquality", "0"),
    "lockout-attempts": (FAILLOCK, "deny", "pam_faillock", "3"),
    "lockout-time": (FAILLOCK, "unlock_time", "pam_faillock", "600"),
}


class Pam:
    """The resource "pam"."""

    name = "pam"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        seen, facts = _SUBJECTS[entry.subject](snapshot)
        return of_files(snapshot, seen, facts)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject not in _FILED:
            return Refusal(_("the PAM stack is changed by hand, with {tool}").format(tool=tool_for(facts)))
        path, name, module, _default = _FILED[entry.subject]
        if not re.fullmatch(r"[0-9]{1,6}", target):
            return Refusal(_("{target} is no value of {name}").format(target=target, name=name))
        if not facts.get("asked"):
            return Refusal(
                _("{module} is not asked by the PAM stack: by hand, with {tool}").format(
                    module=module, tool=tool_for(facts)
                )
            )
        rival = text_fact(facts, "rival")
        if rival:
            return Refusal(_("{place} would still win over our file").format(place=rival))
        return _filed(entry, facts, path, f"{name} = {target}", name)

    def collects(self, path: str) -> bool:
        """See Collector."""
        return path == OURS

    def kept(self, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
        """See Collector. The setting is what a line is about."""
        return kept_settings(lines, parts, _name_of)


def _name_of(line: str) -> str:
    """The setting of a line that we would write; "" for any other."""
    found = re.fullmatch(r"(minlen|minclass) = [0-9]{1,6}", line)
    return found[1] if found else ""


def _tool_of(snapshot: Snapshot) -> str:
    names = family_of(snapshot)
    return "" if isinstance(names, Gap) else names.pam_tool


def _filed(entry: Recommendation, facts: Mapping[str, Fact], path: str, after: str, name: str) -> Change:
    before = text_fact(facts, "line")
    if facts.get("twice"):
        return Refusal(_("the line {line} stands twice").format(line=before))
    if before and before.partition("=")[0].strip() != name:
        return Refusal(_("the line {line} is not about {name}").format(line=before, name=name))
    lock = path == FAILLOCK
    if path == PWQUALITY and not before:
        lines = (f"# {entry.id}", after)
        return (
            WriteFile(
                owners=(entry.id,),
                path=OURS,
                before=text_fact(facts, "before"),
                parts=(Lines(owner=entry.id, lines=lines),),
                unique=True,
            ),
        )
    if before == after:
        return ()
    return (ReplaceLine(owners=(entry.id,), can_lock_out=lock, path=path, before=before, after=after),)


_Seen = tuple[Reading, Mapping[str, Fact]]


def _read(snapshot: Snapshot, service: str, kind: str) -> Stack | Reading:
    stack = read_stack(snapshot, service, kind)
    return Reading(gap=stack.gap(f"/etc/pam.d/{service}")) if isinstance(stack, Unread) else stack


def _no_facts(reading: Reading) -> _Seen:
    return reading, {}


# --- settings of a module: its arguments first, then its file ------------------------------------


@dataclass(frozen=True, slots=True)
class _Settled:
    """A value, the places that speak of it (the one that counts first), and what could not be read."""

    value: str
    places: tuple[Provenance, ...]
    gap: Gap | None = None


def _settle(snapshot: Snapshot, module: Module, path: str, name: str, default: str) -> _Settled:
    """What counts for a module: its argument, else the file, else the files of its folder, else default."""
    argument = module.argument(name)
    found, gap = _from_files(snapshot, path, name)
    beaten = tuple(Provenance(s.file, Role.BEATEN, s.line, s.text.strip()) for s in found)
    if argument is not None:
        winner = Provenance(module.file, Role.WINS, module.line, module.text)
        return _Settled(argument, (winner, *reversed(beaten)), None)
    if found:
        last_one = found[-1]
        winner = Provenance(last_one.file, Role.WINS, last_one.line, last_one.text.strip())
        return _Settled(last_one.value, (winner, *reversed(beaten[:-1])), gap)
    return _Settled(default, (Provenance(module.name, Role.DEFAULT, text=default),), gap)


def _from_files(snapshot: Snapshot, path: str, name: str) -> tuple[list[Setting], Gap | None]:
    """The lines that set ``name``, in the order of their reading, and the first that could not be read."""
    found: list[Setting] = []
    gap: Gap | None = None
    for place in _files(snapshot, path):
        settings = read_settings(snapshot, place) if isinstance(place, str) else place
        if isinstance(settings, Unread):
            if settings.reason is not Reason.MISSING:
                gap = gap or settings.gap(place if isinstance(place, str) else f"{path}.d")
        else:
            found += [setting for setting in settings if setting.name == name]
    return found, gap


def _files(snapshot: Snapshot, path: str) -> list[str | Unread]:
    if path != PWQUALITY:
        return [path]
    entries = snapshot.ask(Folder(f"{path}.d"))
    if isinstance(entries, Unread):
        return [entries, path]
    return [*(f"{path}.d/{entry.name}" for entry in entries if entry.name.endswith(".conf")), path]


def _facts(snapshot: Snapshot, subject: str, modules: tuple[Module, ...]) -> Mapping[str, Fact]:
    """What a change must know: whether the module is asked, what would win, the line that is there."""
    path, name, _module, _default = _FILED[subject]
    arguments = [m for m in modules if m.argument(name) is not None]
    settings = read_settings(snapshot, path)
    line = None if isinstance(settings, Unread) else last(settings, name)
    folder = [s for s in _from_files(snapshot, path, name)[0] if s.file > OURS and s.file != path]
    rival = f"{arguments[0].file}:{arguments[0].line}" if arguments else ""
    if not rival and folder and line is None:
        rival = f"{folder[-1].file}:{folder[-1].line}"
    return {
        "asked": bool(modules),
        "rival": rival,
        "line": line.text if line else "",
        "twice": line is not None and not isinstance(settings, Unread) and stands_twice(settings, line),
        "before": digest(snapshot, OURS),
        "tool": _tool_of(snapshot),
    }


# --- passwords ------------------------------------------------------------------------------------


def _password_length(snapshot: Snapshot) -> _Seen:
    """The shortest password that the stack takes, credits for classes of characters counted in."""
    stack = _read(snapshot, _PASSWD, "password")
    if isinstance(stack, Reading):
        return _no_facts(stack)
    quality = stack.named("pam_pwquality")
    facts = _facts(snapshot, "password-length", quality)
    if quality:
        settled = _settle(snapshot, quality[0], PWQUALITY, "minlen", "8")
        credits_ = [_settle(snapshot, quality[0], PWQUALITY, name, "0") for name in _CREDITS]
        if not _is_number(settled.value) or not all(_is_number(c.value) for c in credits_):
            return _unknown(settled, stack), facts
        generous = [c for c in credits_ if int(c.value) > 0]
        if generous:
            facts = {**facts, "rival": f"{generous[0].places[0].place}:{generous[0].places[0].line}"}
        length = max(_MINIMUM, int(settled.value) - sum(int(c.value) for c in generous))
        enforcing = _settle(snapshot, quality[0], PWQUALITY, "enforcing", "1")
        if enforcing.value == "0":
            return Reading({"": _("only a warning")}, stack.gap, (*enforcing.places, *settled.places)), facts
        return Reading({"": str(length)}, stack.gap or settled.gap, settled.places), facts
    for name, argument, default in (("pam_cracklib", "minlen", "9"), ("pam_unix", "minlen", "6")):
        for module in stack.named(name):
            value = module.argument(argument) or default
            return Reading({"": value}, stack.gap, (module.provenance,)), facts
    return Reading(gap=stack.gap or Gap(GapKind.UNMODELLED, "/etc/pam.d/passwd")), facts


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,6}", text) is not None


def _unknown(settled: _Settled, stack: Stack) -> Reading:
    return Reading(gap=stack.gap or Gap(GapKind.UNMODELLED, settled.value), provenance=settled.places)


def _password_classes(snapshot: Snapshot) -> _Seen:
    """How many of the four classes of characters a password must have."""
    stack = _read(snapshot, _PASSWD, "password")
    if isinstance(stack, Reading):
        return _no_facts(stack)
    quality = stack.named("pam_pwquality")
    facts = _facts(snapshot, "password-classes", quality)
    if not quality:
        return Reading({"": "0"}, stack.gap, tuple(m.provenance for m in stack.modules)), facts
    settled = _settle(snapshot, quality[0], PWQUALITY, "minclass", "0")
    demanded = [_settle(snapshot, quality[0], PWQUALITY, name, "0") for name in _CREDITS]
    if not _is_number(settled.value) or not all(_is_number(c.value) for c in demanded):
        return _unknown(settled, stack), facts
    count = max(int(settled.value), sum(int(c.value) < 0 for c in demanded))
    return Reading({"": str(count)}, stack.gap or settled.gap, settled.places), facts


def _password_hash(snapshot: Snapshot) -> _Seen:
    """How pam_unix hashes a new password: its argument, else ENCRYPT_METHOD of login.defs."""
    stack = _read(snapshot, _PASSWD, "password")
    if isinstance(stack, Reading):
        return _no_facts(stack)
    facts = {"tool": _tool_of(snapshot)}
    for module in stack.named("pam_unix"):
        # The last of the arguments counts, as in pam_unix.
        named = [argument for argument in module.arguments if argument in _HASHES]
        if named:
            return Reading({"": named[-1]}, stack.gap, (module.provenance,)), facts
        method = login_setting(snapshot, "ENCRYPT_METHOD")
        value = "des" if isinstance(method, Unread) else method.lower()
        places = (module.provenance, Provenance("/etc/login.defs", text=f"ENCRYPT_METHOD {value}"))
        unread = isinstance(method, Unread) and method.reason is not Reason.MISSING
        gap = method.gap("/etc/login.defs") if isinstance(method, Unread) and unread else stack.gap
        return Reading({} if unread else {"": value}, gap, places), facts
    return Reading(gap=stack.gap or Gap(GapKind.UNMODELLED, "/etc/pam.d/passwd")), facts


def _password_history(snapshot: Snapshot) -> _Seen:
    """How many former passwords are refused."""
    stack = _read(snapshot, _PASSWD, "password")
    if isinstance(stack, Reading):
        return _no_facts(stack)
    facts = {"tool": _tool_of(snapshot)}
    for module in stack.named("pam_pwhistory"):
        settled = _settle(snapshot, module, PWHISTORY, "remember", "10")
        return Reading({"": settled.value}, stack.gap or settled.gap, settled.places), facts
    for module in stack.named("pam_unix"):
        return Reading({"": module.argument("remember") or "0"}, stack.gap, (module.provenance,)), facts
    return Reading({"": "0"}, stack.gap), facts


# --- entering -------------------------------------------------------------------------------------


def _stacks(snapshot: Snapshot, kind: str) -> tuple[dict[str, Stack], Gap | None]:
    """The stacks of the services through which people come in, and what could not be read of them."""
    stacks: dict[str, Stack] = {}
    gap: Gap | None = None
    for service in ENTRIES:
        stack = read_stack(snapshot, service, kind)
        if isinstance(stack, Stack):
            stacks[service] = stack
            gap = gap or stack.gap
        elif stack.reason is not Reason.MISSING:
            gap = gap or stack.gap(f"/etc/pam.d/{service}")
    if not stacks and gap is None:
        gap = Gap(GapKind.ABSENT, "/etc/pam.d")
    return stacks, gap


def _null_passwords(snapshot: Snapshot) -> _Seen:
    """Whether an account with an empty password may enter, by service."""
    stacks, gap = _stacks(snapshot, "auth")
    values: dict[str, str] = {}
    places: list[Provenance] = []
    for service, stack in stacks.items():
        null = [m for m in stack.named("pam_unix") if {"nullok", "nullok_secure"} & {*m.arguments}]
        values[service] = "allowed" if null else "refused"
        places += [module.provenance for module in null]
    return Reading(values, gap, tuple(dict.fromkeys(places))), {"tool": _tool_of(snapshot)}


def _lockout(subject: str) -> Callable[[Snapshot], _Seen]:
    """The settings of pam_faillock, by service: "never" where nothing counts the failures."""

    def seen(snapshot: Snapshot) -> _Seen:
        path, name, _module, default = _FILED[subject]
        stacks, gap = _stacks(snapshot, "auth")
        stacks.pop("sudo", None)  # who uses sudo is inside already
        stacks.pop("su", None)
        values: dict[str, str] = {}
        places: list[Provenance] = []
        asked: tuple[Module, ...] = ()
        for service, stack in stacks.items():
            lock = stack.named("pam_faillock", "pam_tally2")
            asked += stack.named("pam_faillock")
            if not lock:
                values[service] = "never"
                continue
            settled = _settle(snapshot, lock[0], path, name, default)
            values[service] = settled.value.replace("never", "0")
            places += settled.places
            gap = gap or settled.gap or _half(stack)
        return Reading(values, gap, tuple(dict.fromkeys(places))), _facts(snapshot, subject, asked)

    return seen


def _half(stack: Stack) -> Gap | None:
    """pam_faillock must be asked twice: before the password and after it failed."""
    lock = stack.named("pam_faillock")
    words = {word for module in lock for word in module.arguments}
    if lock and not {"preauth", "authfail"} <= words:
        return Gap(GapKind.UNMODELLED, f"{lock[0].file}:{lock[0].line}: {lock[0].text}")
    return None


def _su(snapshot: Snapshot) -> _Seen:
    """Who may use su: "group" where pam_wheel demands one, else "anyone"."""
    stack = _read(snapshot, "su", "auth")
    if isinstance(stack, Reading):
        return _no_facts(stack)
    facts = {"tool": _tool_of(snapshot)}
    demanded = [m for m in stack.named("pam_wheel") if m.control in {"required", "requisite"}]
    if demanded and demanded[0].argument("deny") is None:
        group = demanded[0].argument("group") or _wheel(snapshot)
        if isinstance(group, Gap):
            return Reading(gap=stack.gap or group, provenance=(demanded[0].provenance,)), facts
        return Reading({"": f"group {group}"}, stack.gap, (demanded[0].provenance,)), facts
    return Reading({"": "anyone"}, stack.gap, tuple(m.provenance for m in stack.named("pam_wheel"))), facts


def _wheel(snapshot: Snapshot) -> str | Gap:
    """The group that pam_wheel(8) asks for where none is named: wheel, or the first one without it."""
    groups = snapshot.ask(Groups())
    if isinstance(groups, Unread):
        return groups.gap("/etc/group")
    names = {group.gid: group.name for group in groups}
    return "wheel" if "wheel" in names.values() else names.get(0, "root")


def _remote(snapshot: Snapshot) -> _Seen:
    """The modules that ask another machine, by service; "none" where there is none."""
    stacks, gap = _stacks(snapshot, "auth")
    values: dict[str, str] = {}
    places: list[Provenance] = []
    for service, stack in stacks.items():
        found = stack.named(*_REMOTE)
        values[service] = ", ".join(dict.fromkeys(module.name for module in found)) or "none"
        places += [module.provenance for module in found]
    return _no_facts(Reading(values, gap, tuple(dict.fromkeys(places))))


_SUBJECTS: Mapping[str, Callable[[Snapshot], _Seen]] = {
    "lockout-attempts": _lockout("lockout-attempts"),
    "lockout-time": _lockout("lockout-time"),
    "null-passwords": _null_passwords,
    "password-classes": _password_classes,
    "password-hash": _password_hash,
    "password-history": _password_history,
    "password-length": _password_length,
    "remote": _remote,
    "su": _su,
}
