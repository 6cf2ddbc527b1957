"""sudo: who may run what as whom, and the settings of Defaults lines: /etc/sudoers with its includes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, CheckSyntax, Lines, Refusal, WriteFile
from hardentui.resources.base import digest, kept_settings, missing, nothing, of_files, one, text_fact
from hardentui.resources.sudoers.grammar import Member, MemberKind, Mistake, Place, Rule, Setting
from hardentui.resources.sudoers.policy import FOLDER, SUDOERS, Policy, behind, is_sudo_rs, read_policy
from hardentui.resources.sudoers.programs import EDITORS, ESCAPES, SHELLS
from hardentui.snapshot import Packages, Snapshot, Unread

# Later settings win in sudoers, and the files of the folder are read by name: few sort after this one.
OURS = f"{FOLDER}/zz-hardentui"
NONE = "none"
_PROGRAM = "/usr/bin/sudo"
_SUDO_RS = "sudo-rs"

# Settings that are on or off, and what sudo does where no line says.
_FLAGS: Mapping[str, str] = {
    "env_reset": "on",
    "ignore_dot": "off",
    "noexec": "off",
    "requiretty": "off",
    "use_pty": "off",
    "visiblepw": "off",
}
# Settings with a value, its form, and what sudo does where no line says ("" where it depends on the build).
_VALUES: Mapping[str, tuple[str, str]] = {
    "passwd_timeout": (r"[0-9]{1,6}(?:\.[0-9]+)?", ""),
    "secure_path": (r"/[^\s\"\\]*", "off"),
    "timestamp_timeout": (r"-?[0-9]{1,6}(?:\.[0-9]+)?", ""),
    "umask": (r"[0-7]{1,4}", "0022"),
}
# No comma: what stands behind one is a setting of its own.
_OWN_LINE = re.compile(r"Defaults (?:!?([a-z_]+)|([a-z_]+)=([^\s,#]+))")
_PTY_SINCE = (1, 9, 14)  # the first version that uses a pseudo-terminal unless told not to


class Sudoers:
    """The resource "sudoers": settings by their name, and lists of rules by what is wrong with them."""

    name = "sudoers"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        known = (*_FLAGS, *_VALUES, *LISTS, "program")
        if aspect or subject not in known:
            return f"expected one of {', '.join(sorted(known))} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == "program":
            return _program(snapshot)
        policy = snapshot.derive(read_policy)
        if isinstance(policy, Unread):
            return missing(policy.gap(SUDOERS))
        if entry.subject in LISTS:
            found = LISTS[entry.subject](policy)
            return of_files(snapshot, _listed(found, _gap(policy)))
        return _setting(snapshot, policy, entry)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        name = entry.subject
        form = _VALUES[name][0] if name in _VALUES else "on|off"
        if name not in _FLAGS and name not in _VALUES:
            return Refusal(_("what was found is for a person to judge"))
        if not re.fullmatch(form, target):
            return Refusal(_("{target} is no value of {name}").format(target=target, name=name))
        if facts.get("rust"):
            return Refusal(_("{program} does not know this setting for certain").format(program=_SUDO_RS))
        if not facts.get("folder"):
            return Refusal(_("{path} does not include {folder}").format(path=SUDOERS, folder=FOLDER))
        rival = text_fact(facts, "rival")
        if rival:
            return Refusal(_("{place} would still win over our file").format(place=rival))
        if (name, target) == ("noexec", "on") and not text_fact(facts, "root_shell"):
            return Refusal(
                _(
                    "under noexec sudo bash could start no program, the confirm and the rollback of this "
                    "script neither: first give those who administer this host a rule with EXEC:"
                )
            )
        line = f"Defaults {name}={target}" if name in _VALUES else f"Defaults {'!' * (target == 'off')}{name}"
        write = WriteFile(
            owners=(entry.id,),
            can_lock_out=True,
            path=OURS,
            before=text_fact(facts, "before"),
            parts=(Lines(owner=entry.id, lines=(f"# {entry.id}", line)),),
            mode="0440",
            unique=True,
        )
        return (write, CheckSyntax(owners=(entry.id,), can_lock_out=True, checker="visudo"))

    def collects(self, path: str) -> bool:
        """See Collector."""
        return path == OURS

    def kept(self, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
        """See Collector. The setting is what a line is about."""
        return kept_settings(lines, parts, _name_of)


def _name_of(line: str) -> str:
    """The setting of a line that we would write; "" for any other."""
    found = _OWN_LINE.fullmatch(line)
    if found is None:
        return ""
    flag, name, value = found.groups()
    if flag:
        return flag if flag in _FLAGS else ""
    return name if name in _VALUES and re.fullmatch(_VALUES[name][0], value) else ""


def _gap(policy: Policy) -> Gap | None:
    """What keeps us from saying that we know the whole policy."""
    if policy.gaps:
        return policy.gaps[0]
    if policy.mistakes:
        wrong = policy.mistakes[0]
        return Gap(GapKind.FAILED, f"{wrong.place.file}:{wrong.place.line}: {wrong.what}")
    return None


def _at(place: Place, text: str = "", role: Role = Role.READ) -> Provenance:
    return Provenance(place.file, role, place.line, text)


def _part(place: Place, known: Mapping[str, str]) -> str:
    """A name for a line among the parts of a value: a line can hold several."""
    name = f"{place.file}:{place.line}"
    number = 2
    while name in known:
        name, number = f"{place.file}:{place.line}#{number}", number + 1
    return name


def _listed(found: Iterable[tuple[Place, str]], gap: Gap | None) -> Reading:
    values: dict[str, str] = {}
    places = []
    for place, text in found:
        values[_part(place, values)] = text
        places.append(_at(place, text))
    if not values and gap is None:
        values[""] = NONE
    return Reading(values, gap, tuple(places))


# --- settings -------------------------------------------------------------------------------------


def _setting(snapshot: Snapshot, policy: Policy, entry: Recommendation) -> Observation:
    name = entry.subject
    lines = [setting for setting in policy.settings if setting.name == name and _value(setting) is not None]
    general = [setting for setting in lines if not setting.scope]
    values = {"": _value(general[-1]) or "" if general else _unset(snapshot, name)}
    # A line for some users, hosts, targets or commands counts for them, whatever stands for all.
    for setting in lines:
        if setting.scope:
            values[_scope(setting)] = _value(setting) or ""
    places = tuple(
        _at(s.place, _shown(s), Role.WINS if s.scope or s is general[-1] else Role.BEATEN) for s in lines
    )
    if not general:
        places = (*places, Provenance("sudo", Role.DEFAULT, text=values[""]))
    rust = is_sudo_rs(snapshot)
    gap = Gap(GapKind.UNMODELLED, _SUDO_RS) if rust else _gap(policy)
    if gap is not None:
        values = {}  # what could not be read may say otherwise
    facts: dict[str, Fact] = {
        "before": digest(snapshot, OURS),
        "rust": rust,
        "folder": policy.folder_line > 0,
        "rival": _rival(policy, entry, lines),
    }
    if name == "noexec":
        facts["root_shell"] = _root_shell(policy)
    return of_files(snapshot, Reading(values, gap, places), facts)


def _value(setting: Setting) -> str | None:
    """What a setting sets, or None where sudo leaves it out because it has the wrong form."""
    if setting.operator == "!":
        return "off"
    if setting.name in _FLAGS:
        return "on" if not setting.operator else None
    if setting.operator != "=" or not re.fullmatch(_VALUES[setting.name][0], setting.value):
        return None
    return setting.value.rjust(4, "0") if setting.name == "umask" else setting.value


def _unset(snapshot: Snapshot, name: str) -> str:
    if name == "use_pty" and _version(snapshot) >= _PTY_SINCE:
        return "on"
    return _FLAGS[name] if name in _FLAGS else _VALUES[name][1] or "default"


def _version(snapshot: Snapshot) -> tuple[int, ...]:
    """The version of the package sudo, as far as it is numbers; () when it is not known."""
    packages = snapshot.ask(Packages())
    if isinstance(packages, Unread):
        return ()
    version = next((p.version for p in packages if p.name == "sudo"), "")
    numbers = re.match(r"(?:\d+:)?(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(number) for number in numbers.groups()) if numbers else ()


def _scope(setting: Setting) -> str:
    return f"{setting.scope}{','.join(member.show() for member in setting.members)}"


def _shown(setting: Setting) -> str:
    head = f"Defaults{_scope(setting)} " if setting.scope else "Defaults "
    if setting.operator in {"", "!"}:
        return f"{head}{setting.operator}{setting.name}"
    return f"{head}{setting.name}{setting.operator}{setting.value}"


def _rival(policy: Policy, entry: Recommendation, lines: Iterable[Setting]) -> str:
    """A line that would have the last word over our file, and does not pass; "" when there is none."""
    for setting in lines:
        passes = entry.accept is not None and entry.accept.accepts(_value(setting) or "")
        if not passes and (setting.scope or _is_after_ours(policy, setting.place)):
            return f"{setting.place.file}:{setting.place.line}"
    return ""


def _is_after_ours(policy: Policy, place: Place) -> bool:
    if place.file == SUDOERS:
        return place.line > policy.folder_line
    folder, _slash, name = place.file.rpartition("/")
    # What is included from elsewhere may come before or after: it counts as after.
    return folder != FOLDER or os.fsencode(name) > os.fsencode(OURS.rpartition("/")[2])


# --- lists of rules -------------------------------------------------------------------------------


def _who(rule: Rule) -> str:
    return ",".join(member.show() for member in rule.users)


def _shown_rule(rule: Rule) -> str:
    target = ""
    if rule.as_users is not None or rule.as_groups is not None:
        users, groups = (",".join(m.show() for m in part or ()) for part in (rule.as_users, rule.as_groups))
        target = f"({users}:{groups}) " if groups else f"({users}) "
    tags = "".join(f"{'' if holds else 'NO'}{tag}: " for tag, holds in rule.tags.items())
    hosts = ",".join(member.show() for member in rule.hosts)
    return f"{_who(rule)} {hosts}={target}{tags}{rule.command.show()}"


def _is_root_itself(rule: Rule) -> bool:
    """Rules for root alone grant nothing that root has not."""
    return all(m.kind is MemberKind.NAME and m.text in {"root", "#0"} for m in rule.users)


_Found = Iterable[tuple[Place, str]]


def _all_rules(policy: Policy) -> _Found:
    return [(rule.place, _shown_rule(rule)) for rule in policy.rules]


def _without_password(policy: Policy) -> _Found:
    for rule in policy.rules:
        if not rule.tags.get("PASSWD", True) and not _is_root_itself(rule):
            yield rule.place, _shown_rule(rule)
    for setting in policy.settings:
        if (setting.name, setting.operator) == ("authenticate", "!"):
            yield setting.place, _shown(setting)


def _as_root(policy: Policy, rule: Rule) -> bool:
    """Whether the target of a rule may be root: so it is where none is written."""
    if rule.as_users is None:
        return rule.as_groups is None
    targets = [*policy.targets(rule.as_users)]
    return any(
        not m.negated and (m.kind is MemberKind.ALL or m.text in {"root", "#0"}) for m in targets
    ) and not any(m.negated and m.text in {"root", "#0"} for m in targets)


def _root_targets(policy: Policy) -> _Found:
    for rule in policy.rules:
        if not _is_root_itself(rule) and not rule.command.negated and _as_root(policy, rule):
            yield rule.place, _shown_rule(rule)


def _all_commands(policy: Policy) -> _Found:
    for rule in policy.rules:
        granted = [m for m in policy.commands(rule) if m.kind is MemberKind.ALL and not m.negated]
        if granted and not _is_root_itself(rule):
            yield rule.place, _shown_rule(rule)


def _having(wrong: Callable[[Member], bool]) -> Callable[[Policy], _Found]:
    """The rules of which a command, written there or in a list that they name, is wrong."""

    def found(policy: Policy) -> _Found:
        for rule in policy.rules:
            if not _is_root_itself(rule) and any(wrong(member) for member in policy.commands(rule)):
                yield rule.place, _shown_rule(rule)

    return found


def _is_granted(member: Member) -> bool:
    return member.kind is MemberKind.COMMAND and not member.negated


def _has_wildcard(member: Member) -> bool:
    text = f"{member.text} {member.arguments or ''}"
    return _is_granted(member) and (
        re.search(r"(?<!\\)[*?\[]", text) is not None or member.text.startswith("^") or " ^" in text
    )


def _has_no_arguments(member: Member) -> bool:
    # "list" only shows the rules; a folder stands for all that lies in it.
    return _is_granted(member) and member.text != "list" and member.arguments is None


def _runs(names: frozenset[str]) -> Callable[[Member], bool]:
    return lambda member: _is_granted(member) and member.text.rpartition("/")[2] in names


def _negations(policy: Policy) -> _Found:
    for rule in policy.rules:
        members = (*rule.users, *rule.hosts, rule.command, *(rule.as_users or ()), *(rule.as_groups or ()))
        if any(member.negated for member in members):
            yield rule.place, _shown_rule(rule)
    for alias in policy.aliases:
        if any(member.negated for member in alias.members):
            members = alias.members
            yield alias.place, f"{alias.kind}_Alias {alias.name} = {', '.join(m.show() for m in members)}"


def _root_shell(policy: Policy) -> str:
    """A rule by which a person gets a shell of root that can start programs under noexec too; "" for none."""
    for rule in policy.rules:
        shell = any(
            (m.kind is MemberKind.ALL and not m.negated) or _runs(SHELLS)(m) for m in policy.commands(rule)
        )
        if rule.tags.get("EXEC") is True and shell and _as_root(policy, rule) and not _is_root_itself(rule):
            return f"{rule.place.file}:{rule.place.line}"
    return ""


def _may_execute(policy: Policy) -> _Found:
    for rule in policy.rules:
        if rule.tags.get("EXEC") is True:
            yield rule.place, _shown_rule(rule)


def _mistakes(policy: Policy) -> _Found:
    found: tuple[Mistake, ...] = (*policy.mistakes, *policy.ignored)
    return [(mistake.place, mistake.what) for mistake in found]


# The lists of rules, by what is wrong with them.
LISTS: Mapping[str, Callable[[Policy], _Found]] = {
    "all-commands": _all_commands,
    "editors": _having(_runs(EDITORS)),
    "exec": _may_execute,
    "mistakes": _mistakes,
    "negations": _negations,
    "no-arguments": _having(_has_no_arguments),
    "no-password": _without_password,
    "root-targets": _root_targets,
    "rules": _all_rules,
    "shells": _having(_runs(SHELLS | ESCAPES)),
    "wildcards": _having(_has_wildcard),
}


def _program(snapshot: Snapshot) -> Observation:
    """Who may run sudo at all: the mode and owner of the program, where alternatives lead to it as well."""
    path, status = behind(snapshot, _PROGRAM)
    if isinstance(status, Unread):
        return of_files(snapshot, nothing(status, path))
    value = f"{status.mode:04o} {status.user}:{status.group}"
    return of_files(snapshot, one(value, path))
