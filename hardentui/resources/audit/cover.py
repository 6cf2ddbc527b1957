"""Whether rules record what a wanted rule would: the kernel goes by the first one that matches an event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hardentui.resources.audit.rules import OF_PERM, UNSET, Field, Rule

# Without its SYSCALL record there is no event; without the others it lacks names of files, or arguments.
# The rest (CWD, PROCTITLE, EOE ...) can be left out.
_SYSCALL = 1300
_EVENT = frozenset({"SYSCALL", str(_SYSCALL)})
_DETAILS = frozenset({"PATH", "1302", "EXECVE", "1309"})
_LARGEST = 4294967295


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the events of a wanted rule.

    ``recorded`` where each of them is; ``lacking`` names the system calls or kinds of access that no rule
    records, ``hidden_by`` is a rule that leaves all of them out before they are recorded, ``holed_by`` one
    that leaves out some.
    """

    recorded: bool
    lacking: tuple[str, ...] = ()
    hidden_by: Rule | None = None
    holed_by: Rule | None = None


def covers(rules: Iterable[Rule], wanted: Rule) -> bool:
    """Whether every event that ``wanted`` would record is recorded, and no earlier rule leaves it out."""
    verdict = judge(rules, wanted)
    return verdict.recorded and verdict.holed_by is None


def judge(rules: Iterable[Rule], wanted: Rule) -> Verdict:
    """How the rules treat the events that ``wanted`` would record."""
    every = tuple(rules)
    in_order = [rule for rule in every if rule.list == wanted.list]
    lacking: list[str] = []
    hidden = holed = None
    for atom in _atoms(wanted):
        recorder, before = _first(in_order, atom)
        for rule in (*_left_out(every), *before):
            if _includes(_as_exit(rule), atom):
                hidden = hidden or rule
            elif _overlaps(_as_exit(rule), atom):
                holed = holed or rule
        if recorder is None:
            lacking.append(_name(atom))
    holed = holed or next((rule for rule in every if _excluded_types(rule) & _DETAILS), None)
    if hidden is not None:
        return Verdict(recorded=False, lacking=tuple(lacking), hidden_by=hidden)
    return Verdict(recorded=not lacking, lacking=tuple(dict.fromkeys(lacking)), holed_by=holed)


def _first(rules: Sequence[Rule], atom: Rule) -> tuple[Rule | None, list[Rule]]:
    """The rule that records an atom, and those before it that leave something out."""
    nevers: list[Rule] = []
    for rule in rules:
        if rule.action == "never":
            nevers.append(rule)
        elif _includes(rule, atom):
            return rule, nevers
    return None, []


def _left_out(rules: Iterable[Rule]) -> Iterable[Rule]:
    """Rules of the other lists that leave events out: whole processes, or kinds of records."""
    for rule in rules:
        silences = rule.list == "exclude" and (_excluded_types(rule) & _EVENT or _may_mean_events(rule))
        if silences or (rule.list == "task" and rule.action == "never"):
            yield rule


def _may_mean_events(rule: Rule) -> bool:
    """Whether a rule leaves records out by no type, or by a range in which that of events may lie."""
    types = [one for one in rule.fields if one.name == "msgtype"]
    if any(one.operator == "=" or (one.operator == "!=" and one.value in _EVENT) for one in types):
        return False
    ranges = [_range(one) for one in types]
    return all(one is None or one[0] <= _SYSCALL <= one[1] for one in ranges)


def _excluded_types(rule: Rule) -> frozenset[str]:
    """The types of records that a rule leaves out by name."""
    if rule.list != "exclude":
        return frozenset()
    return frozenset(one.value for one in rule.fields if one.name == "msgtype" and one.operator == "=")


def _as_exit(rule: Rule) -> Rule:
    """A rule of another list, by the events that it takes away: types of records are no condition."""
    if rule.list == "exit":
        return rule
    return replace(rule, list="exit", fields=frozenset(f for f in rule.fields if f.name != "msgtype"))


def _atoms(wanted: Rule) -> Iterable[Rule]:
    """One rule for each architecture, and each system call or kind of access."""
    for arch in (wanted.arch,) if wanted.arch else ("b64", "b32"):
        for perm in sorted(wanted.perms) or [""]:
            perms = frozenset(perm)
            for call in sorted(wanted.syscalls) or [""]:
                yield replace(wanted, arch=arch, perms=perms, syscalls=frozenset(filter(None, (call,))))


def _name(atom: Rule) -> str:
    return " ".join(filter(None, (atom.arch, *sorted(atom.syscalls), *sorted(atom.perms))))


def _includes(rule: Rule, atom: Rule) -> bool:
    """Whether every event of ``atom`` matches ``rule``."""
    return (
        rule.arch in {"", atom.arch}
        and _calls_included(rule, atom)
        and (not rule.perms or (bool(atom.perms) and atom.perms <= rule.perms))
        and _object_included(rule, atom)
        and all(_implied(one, atom) for one in rule.fields)
    )


def _calls_included(rule: Rule, atom: Rule) -> bool:
    return not rule.syscalls or (bool(atom.syscalls) and atom.syscalls <= rule.syscalls)


def _object_included(rule: Rule, atom: Rule) -> bool:
    if not rule.path:
        return True
    if rule.tree:
        return atom.path == rule.path or atom.path.startswith(f"{rule.path.rstrip('/')}/")
    return atom.path == rule.path and not atom.tree


def _overlaps(rule: Rule, atom: Rule) -> bool:
    """Whether an event can match both."""
    if rule.arch not in {"", atom.arch} or (rule.perms and atom.perms and not rule.perms & atom.perms):
        return False
    if rule.syscalls and atom.syscalls and not rule.syscalls & atom.syscalls:
        return False
    if rule.syscalls and atom.perms and not rule.syscalls & OF_PERM[next(iter(atom.perms))]:
        return False
    if rule.path and atom.path and not (_object_included(rule, atom) or _object_included(atom, rule)):
        return False
    return not any(_excludes(one, other) for one in rule.fields for other in atom.fields)


# --- conditions -----------------------------------------------------------------------------------


def _implied(condition: Field, atom: Rule) -> bool:
    """Whether the conditions of ``atom`` leave no event for which ``condition`` does not hold."""
    if condition.name == "success" and condition.operator == "=" and condition.value == "0":
        fails = any(f.name == "exit" and f.operator == "=" and f.value.startswith("-") for f in atom.fields)
        return fails or condition in atom.fields
    return any(_implies(given, condition) for given in atom.fields)


def _implies(given: Field, wanted: Field) -> bool:
    if given == wanted:
        return True
    low, high = _range(given), _range(wanted)
    if given.name != wanted.name:
        return False
    if wanted.operator == "!=":
        return _excludes(given, replace(wanted, operator="="))
    return low is not None and high is not None and low[0] >= high[0] and low[1] <= high[1]


def _excludes(one: Field, other: Field) -> bool:
    """Whether no event can fulfil both."""
    if one.name != other.name:
        return False
    if {one.operator, other.operator} == {"=", "!="}:
        return one.value == other.value
    if one.operator == other.operator == "=":
        return one.value != other.value
    low, high = _range(one), _range(other)
    return low is not None and high is not None and (low[1] < high[0] or high[1] < low[0])


def _range(condition: Field) -> tuple[int, int] | None:
    """The lowest and highest value for which a condition on a number holds; None where it is no range."""
    number = _LARGEST if condition.value == UNSET else _integer(condition.value)
    if number is None:
        return None
    lowest = -_LARGEST
    return {
        "=": (number, number),
        ">": (number + 1, _LARGEST),
        ">=": (number, _LARGEST),
        "<": (lowest, number - 1),
        "<=": (lowest, number),
    }.get(condition.operator)


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
