"""The resource "audit-rules": whether what should be recorded is, now and after a boot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, EnableUnit, Lines, LoadAuditRules, Operation, Refusal, WriteFile
from hardentui.resources.audit import conf, sensitive, state
from hardentui.resources.audit.catalogue import SETS, wanted
from hardentui.resources.audit.cover import Verdict, judge
from hardentui.resources.audit.rules import Rule, parse
from hardentui.resources.audit.sensitive import SENSITIVE
from hardentui.resources.base import digest, list_fact, missing, text_fact
from hardentui.snapshot import Snapshot, UnitFiles, Unread

RECORDED = "recorded"
_SHOWN = 40
_PLAIN = re.compile(r"/[A-Za-z0-9._@:+,\-]+(?:/[A-Za-z0-9._@:+,\-]+)*")


class AuditRules:
    """The subject is a set of the catalogue, or with the aspect "sensitive" paths with commas between them.

    The values say of each rule of the set "recorded" or what is not; the target is "recorded", for sensitive
    paths perhaps "recorded, except NAME" for an account whose own work is left out.
    """

    name = "audit-rules"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect == SENSITIVE or (not aspect and subject in SETS):
            return None
        known = ", ".join(SETS)
        return f"expected one of {known}, or the aspect {SENSITIVE}; found {subject!r} {aspect!r}"

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        inside = state.elsewhere(snapshot)
        if inside is not None:
            return missing(inside)
        rules = _asked(snapshot, entry)
        if isinstance(rules, Gap):
            return missing(rules)
        if not rules:
            return missing(Gap(GapKind.ABSENT, _("nothing of this kind is on this host")))
        boot = _boot(snapshot, rules)
        facts = _facts(snapshot, entry, rules)
        running = _running(snapshot, rules) if snapshot.live else None
        return Observation(running, (boot,), facts, snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if why := text_fact(facts, "refused"):
            return Refusal(why)
        name = SENSITIVE if entry.aspect == SENSITIVE else entry.subject
        rules = _of_plan(list_fact(facts, "rules"), name)
        if isinstance(rules, Refusal):
            return rules
        if entry.aspect == SENSITIVE:
            spared = sensitive.spared(target, list_fact(facts, "accounts"))
            if isinstance(spared, Refusal):
                return spared
            rules = tuple(replace(rule, fields=rule.fields | spared) for rule in rules)
        return written(entry.id, name, [rule.spelled() for rule in rules], facts)


def written(owner: str, name: str, lines: Sequence[str], facts: Mapping[str, Fact]) -> tuple[Operation, ...]:
    """The operations that write a file of ours with these lines, and load it."""
    path = ours(name)
    # One rule that cannot be loaded any more (its folder went away) must not take all others along.
    head = ("-i",) if _is_set(name) else ()
    steps: list[Operation] = [
        WriteFile(
            owners=(owner,),
            path=path,
            mode="0640",
            before=text_fact(facts, "before"),
            parts=(Lines(owner=owner, lines=(f"# {owner}", *head, *lines)),),
            late=name
            == "lock",  # auditd loads what is there when it starts: no rule could be taken back then
        )
    ]
    if facts.get("off") is True:
        steps.append(EnableUnit(owners=(owner,), unit=state.DAEMON, start=True))
    steps.append(LoadAuditRules(owners=(owner,)))
    return tuple(steps)


def ours(name: str) -> str:
    """Our file for a set, or for a setting of the kernel ("backlog", "lock").

    Rules go before all others, for the first that matches counts; settings after, for there the last does
    (and audit.rules, which distributions ship, sorts after all digits).
    """
    return f"{state.FOLDER}/{'00' if _is_set(name) else 'zz'}-hardentui-{name}.rules"


def _is_set(name: str) -> bool:
    return name in SETS or name == SENSITIVE


def prepared(snapshot: Snapshot, name: str) -> dict[str, Fact]:
    """What a change of our file must know: what stands there, and why it may not be written."""
    return {
        "before": digest(snapshot, ours(name)),
        "off": is_off(snapshot),
        "refused": refused(snapshot),
    }


def is_off(snapshot: Snapshot) -> bool:
    """Whether the daemon must be enabled and started for rules to be of any use."""
    now, then = state.status(snapshot), state.off_at_boot(snapshot)
    off_now = not isinstance(now, Gap) and not (now.enabled and now.pid)
    return off_now or (isinstance(then, str) and bool(then))


def refused(snapshot: Snapshot) -> str:
    """Why nothing that we write would be loaded; "" where it will be."""
    if why := _unstartable(snapshot):
        return why
    others = state.others_only(snapshot)
    if isinstance(others, str) and others:
        return _(
            "{path} says local_events = no, so that auditd takes nothing of this host: a person did so"
        ).format(path=conf.CONF)
    lines = state.written(snapshot)
    if not isinstance(lines, Gap) and state.switches_off(lines):
        return _("a file of {folder} says -e 0, which switches auditing off: a person did so").format(
            folder=state.FOLDER
        )
    if state.merges(snapshot) is not True:
        return _("{unit} does not load the rules of {folder}: a person must say what does").format(
            unit=state.DAEMON, folder=state.FOLDER
        )
    return ""


def _unstartable(snapshot: Snapshot) -> str:
    """Why the daemon cannot be had by starting it; "" where it can."""
    if state.not_installed(snapshot) is True:
        return _("auditd is not installed: see the procedure")
    word = state.off_by_command_line(snapshot)
    if isinstance(word, str) and word:
        return _("the kernel command line switches auditing off ({word}): see the procedure").format(
            word=word
        )
    files = snapshot.ask(UnitFiles())
    states = {} if isinstance(files, Unread) else {one.name: one.state for one in files}
    masked = next((one for one in (state.DAEMON, state.LOADER) if states.get(one) == "masked"), "")
    if masked:
        return _("{unit} is masked: a person did so").format(unit=masked)
    settings = snapshot.derive(conf.settings)
    # What cannot be read is no reason: a daemon that does not start on its settings is one.
    return settings.detail if isinstance(settings, Gap) and settings.kind is GapKind.UNTOLD else ""


# --- observing ------------------------------------------------------------------------------------


def _asked(snapshot: Snapshot, entry: Recommendation) -> tuple[Rule, ...] | Gap:
    if entry.aspect == SENSITIVE:
        return sensitive.wanted(snapshot, entry.subject)
    return wanted(snapshot, entry.subject)


def _running(snapshot: Snapshot, rules: tuple[Rule, ...]) -> Reading:
    if state.not_installed(snapshot) is True:
        return _off(state.NOT_INSTALLED)
    now = state.status(snapshot)
    if isinstance(now, Gap):
        return Reading(gap=now)
    if not now.enabled:
        return _off(state.OFF, "auditctl -s", "enabled 0")
    held = state.loaded(snapshot)
    return Reading(gap=held) if isinstance(held, Gap) else _judged(held, rules)


def _boot(snapshot: Snapshot, rules: tuple[Rule, ...]) -> Reading:
    off = state.off_at_boot(snapshot)
    if isinstance(off, Gap):
        return Reading(gap=off)
    if off:
        return _off(off)
    found, lines = state.boot_loading(snapshot), state.written(snapshot)
    if isinstance(found, Gap):
        return Reading(gap=found)
    if not isinstance(lines, Gap) and state.switches_off(lines):
        return _off(state.OFF, state.FOLDER, "-e 0")
    seen = _judged(found.rules, rules)
    if found.stopped_at is None:
        return seen
    stop = found.stopped_at
    place = Provenance(
        stop.place, Role.READ, stop.line, _("loading stops here: {line}").format(line=stop.text)
    )
    return Reading(seen.values, seen.gap, (place, *seen.provenance))


def _off(value: str, place: str = "", text: str = "") -> Reading:
    return Reading({"": value}, provenance=(Provenance(place, text=text),) if place else ())


def _judged(held: Sequence[Rule], rules: Iterable[Rule]) -> Reading:
    """For each rule that is asked for, what the rules that are held make of its events."""
    values: dict[str, str] = {}
    holes: list[Rule] = []
    for rule in rules:
        verdict = judge(held, rule)
        value, hole = sensitive.sparing(held, rule, verdict), None
        if not value:
            value, hole = _value(verdict, rule)
        values[_label(rule)] = value
        holes += [hole] if hole else []
    gap = None
    if holes:
        gap = Gap(
            GapKind.UNTOLD,
            _("an earlier rule leaves out a part of it: {rule} ({place})").format(
                rule=holes[0].shown(), place=_place(holes[0])
            ),
        )
    keys = {key for rule in rules for key in rule.keys}
    places = [one for one in held if one.keys & keys or any(_touches(one, rule) for rule in rules)]
    shown = tuple(Provenance(one.place, line=one.line, text=one.shown()) for one in places[:_SHOWN])
    return Reading(values, gap, shown)


def _value(verdict: Verdict, rule: Rule) -> tuple[str, Rule | None]:
    """What is shown of a verdict, and the rule that leaves out a part."""
    if verdict.hidden_by is not None:
        return f"left out by {verdict.hidden_by.shown()} ({_place(verdict.hidden_by)})", None
    if not verdict.lacking:
        return RECORDED, verdict.holed_by
    if len(verdict.lacking) == max(1, len(rule.syscalls)) * max(1, len(rule.perms)):
        return "not recorded", None
    return f"not recorded: {', '.join(verdict.lacking)}", None


def _place(rule: Rule) -> str:
    return f"{rule.place}:{rule.line}" if rule.place.startswith("/") else rule.place


def _label(rule: Rule) -> str:
    """What a rule is about, in a few words: its file, or its system calls."""
    if rule.path:
        return f"{rule.path} {rule.arch}"
    codes = [one.value for one in rule.fields if one.name == "exit"]
    calls = sorted(rule.syscalls)
    return " ".join((calls[0] + (" …" if len(calls) > 1 else ""), *codes, rule.arch))


def _touches(held: Rule, rule: Rule) -> bool:
    """Whether a rule that is held is about the same file or system calls."""
    if rule.path:
        return held.path == rule.path
    return bool(held.syscalls & rule.syscalls) and not held.path


def _facts(snapshot: Snapshot, entry: Recommendation, rules: tuple[Rule, ...]) -> dict[str, Fact]:
    name = SENSITIVE if entry.aspect == SENSITIVE else entry.subject
    facts = prepared(snapshot, name)
    # A log of sudo whose name would break its line stays unwritten, and the finding goes on saying so; what
    # a person named is refused.
    kept = [rule for rule in rules if entry.aspect == SENSITIVE or _is_plain(rule)]
    facts["rules"] = tuple(rule.spelled() for rule in kept)
    if not facts["refused"]:
        facts["refused"] = _rival(snapshot, rules)
    if entry.aspect == SENSITIVE:
        facts["accounts"] = sensitive.accounts(snapshot)
    return facts


def _rival(snapshot: Snapshot, rules: tuple[Rule, ...]) -> str:
    """A rule that would leave the events out whatever we write; "" for none."""
    found = state.boot_loading(snapshot)
    if isinstance(found, Gap):
        return ""
    inserted = [rule for rule in found.rules if rule.text.startswith("-A") or rule.list != "exit"]
    for rule in rules:
        hidden = judge((*inserted, *rules), rule).hidden_by
        if hidden is not None:
            return _(
                "{rule} ({place}) leaves these events out before any rule of ours: a person must decide"
            ).format(rule=hidden.shown(), place=_place(hidden))
    return ""


def _is_plain(rule: Rule) -> bool:
    """Whether a rule is about no path, or about one that can stand in a line of ours as it is."""
    return not rule.path or _PLAIN.fullmatch(rule.path) is not None


def _of_plan(texts: Iterable[Fact], name: str) -> tuple[Rule, ...] | Refusal:
    """The rules that a plan holds: such as we write, for this very set, and nothing else."""
    rules = []
    for text in texts:
        read = parse(text) if isinstance(text, str) else ()
        rule = read[0] if len(read) == 1 and isinstance(read[0], Rule) else None
        if (
            rule is None
            or rule.spelled() != text
            or (rule.list, rule.action, rule.keys) != ("exit", "always", frozenset({name}))
            or not _is_plain(rule)
        ):
            return Refusal(_("{line} is not written by hardentui").format(line=repr(text)))
        rules.append(rule)
    return tuple(rules) or Refusal(_("the plan does not say what is to be recorded"))
