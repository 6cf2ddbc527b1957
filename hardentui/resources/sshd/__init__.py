"""The SSH server: what its files give, for everybody and in Match blocks, and what the daemon has.

A subject is a keyword of sshd_config(5), or one of a few lists. ``boot`` is what the files give;
``running`` is the same where the daemon has read them since they were changed, and unknown where it
has not. Each part of a value is a Match block: a recommendation holds only if it holds in all of them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import (
    Change,
    CheckSyntax,
    Lines,
    Operation,
    Refusal,
    ReloadUnit,
    ReplaceLine,
    WriteFile,
)
from hardentui.resources.base import kept_settings, list_fact, text_fact, why_not
from hardentui.resources.families import family_of
from hardentui.resources.sshd import algorithms, hostkeys, placing
from hardentui.resources.sshd.config import Explicit, Line, Outcome
from hardentui.resources.sshd.keywords import KEYWORDS, Rule, canonical
from hardentui.resources.sshd.match import Connection
from hardentui.resources.sshd.state import UNITS, View, of_root, view
from hardentui.snapshot import Snapshot

_NONE = "none"
_ELSE = "else"  # the part of those for whom no Match block holds
_POLICIES = "/etc/crypto-policies/"
_HEADER = (
    "# Written by hardentui. The first value of a keyword wins, and this file is read first.",
    "# The plan of this host says who decided each line; the rollback of its script removes it.",
)
# What an AllowUsers line may be put beside: who may come in at all.
_ACCESS = ("allowusers", "allowgroups", "denyusers", "denygroups")


class Sshd:
    """The resource "sshd"."""

    name = "sshd"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if subject in _LISTS:
            return None if not aspect else f"{subject} has no aspects, found {aspect!r}"
        if subject == "hostkeys":
            return None if aspect in hostkeys.ASPECTS else f"expected size or mode, found {aspect!r}"
        keyword = subject.lower()
        if keyword not in KEYWORDS or KEYWORDS[keyword].name != subject:
            return f"expected a keyword of sshd_config as its manual spells it, found {subject!r}"
        if aspect == "weak":
            return (
                None if keyword in algorithms.WEAK else f"which algorithms of {subject} are weak is not known"
            )
        return None if not aspect else f"expected no aspect, or weak, found {aspect!r}"

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        seen = snapshot.derive(view)
        if seen.gap is not None and not seen.config.lines:
            return Observation(_running(snapshot, seen, Reading(gap=seen.gap)), (Reading(gap=seen.gap),))
        if entry.subject == "hostkeys":
            reading, facts = hostkeys.observe(snapshot, seen.config, entry.aspect)
            return Observation(reading if snapshot.live else None, (reading,), facts, snapshot.taken_at)
        if entry.subject in _LISTS:
            reading = _LISTS[entry.subject](seen)
            return Observation(_running(snapshot, seen, reading), (reading,), {}, snapshot.taken_at)
        keyword = entry.subject.lower()
        reading = _keyword(snapshot, seen, keyword, weak=entry.aspect == "weak")
        facts = _facts(snapshot, seen, keyword, reading)
        if entry.aspect == "weak":
            facts["kept"] = ",".join(_kept(snapshot, seen, keyword))
        return Observation(_running(snapshot, seen, reading), (reading,), facts, snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject == "hostkeys":
            return hostkeys.change(entry, facts)
        if entry.subject in _LISTS or KEYWORDS[entry.subject.lower()].rule is not Rule.FIRST:
            return Refusal(_("only a person can change this"))
        return _change(entry, facts, target)

    def collects(self, path: str) -> bool:
        """See Collector."""
        return placing.OURS.fullmatch(path) is not None

    def kept(self, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
        """See Collector. The keyword is what a line is about."""
        return kept_settings(lines, parts, placing.keyword_of)


# --- looking ------------------------------------------------------------------------------------------


def _running(snapshot: Snapshot, seen: View, reading: Reading) -> Reading | None:
    """What the daemon has: what its files give, if it has read them since they were changed."""
    if not snapshot.live:
        return None
    if seen.running is not None:
        return Reading(gap=seen.running)
    loaded = (Provenance("sshd", text=seen.loaded),) if seen.loaded else ()
    return dataclasses.replace(reading, provenance=loaded)


def _keyword(snapshot: Snapshot, seen: View, keyword: str, *, weak: bool) -> Reading:
    outcomes = seen.config.outcomes(keyword, _who(snapshot, keyword))
    values: dict[str, str] = {}
    places: list[Provenance] = []
    gap = seen.gap
    winners = {line for outcome in outcomes for line in outcome.lines}
    for outcome in outcomes:
        found = _found(snapshot, seen, keyword, outcome)
        places += _places(outcome, winners)
        who = outcome.who or (_ELSE if len(outcomes) > 1 else "")
        if isinstance(found, Gap):
            gap = gap or found
        elif weak:
            bad, _good = algorithms.parted(keyword, found)
            values[who] = ",".join(bad) or _NONE
            places += [Provenance(name, text=_(algorithms.reason(keyword, name))) for name in bad]
        else:
            values[who] = found
    places.append(_explicit(seen, keyword))
    if seen.silent is not None and snapshot.live:
        places.append(
            Provenance(
                "sshd -T",
                text=_("not asked ({why}): the files alone are read").format(why=why_not(seen.silent)),
            )
        )
    gap = gap or _disagreement(seen, keyword)
    return Reading({} if gap is not None else values, gap, tuple(dict.fromkeys(places)))


def _who(snapshot: Snapshot, keyword: str) -> Connection:
    """Whose connections count: for root's login, root's alone."""
    return of_root(snapshot) if keyword == "permitrootlogin" else Connection()


def _unasked(snapshot: Snapshot) -> GapKind:
    """Why sshd itself was not asked: on an image never, without root in vain, else it would not say."""
    if not snapshot.live:
        return GapKind.UNSUPPORTED
    return GapKind.FAILED if snapshot.as_root else GapKind.DENIED


def _found(snapshot: Snapshot, seen: View, keyword: str, outcome: Outcome) -> str | Gap:
    """The value of an outcome on one line."""
    if outcome.lines and not _is_relative(outcome):
        return _spelled(keyword, " ".join(outcome.values or ()))
    said = _said(seen, keyword)
    if said is not None and not outcome.who:
        return _spelled(keyword, said)
    if outcome.lines or outcome.values is None:
        return Gap(
            _unasked(snapshot),
            _("{keyword} starts from the list that this sshd was built with; only sshd -T knows it").format(
                keyword=KEYWORDS[keyword].name
            ),
        )
    return _spelled(keyword, " ".join(outcome.values))


def _spelled(keyword: str, value: str) -> str:
    """A value as it is compared: no number where zero means that there is no limit."""
    return _NO_LIMIT if value == "0" and keyword in _WITHOUT_LIMIT else value


_NO_LIMIT = "unlimited"
_WITHOUT_LIMIT = frozenset({"clientaliveinterval", "logingracetime"})


def _is_relative(outcome: Outcome) -> bool:
    """A list that adds to, or takes from, the one that sshd was built with."""
    return outcome.values is not None and outcome.values[0].startswith(("+", "-", "^"))


def _said(seen: View, keyword: str) -> str | None:
    """What ``sshd -T`` says of everybody; of one connection where it says nothing without."""
    return next((" ".join(said[keyword]) for _who, said in seen.says if keyword in said), None)


def _disagreement(seen: View, keyword: str) -> Gap | None:
    """Where sshd itself says otherwise than our reading of its files, neither is believed."""
    for connection, everything in seen.says:
        said = everything.get(keyword)
        ours = seen.plain.effective(keyword, connection)
        if said is None or not ours.lines or _is_relative(ours) or keyword in _PRINTED_OTHERWISE:
            continue
        if ours.values is not None and tuple(ours.values) != said:
            line = ours.lines[0]
            words = _("{place} gives {ours}, and sshd -T says {said}")
            return Gap(
                GapKind.FAILED,
                words.format(
                    place=f"{line.file}:{line.number}", ours=" ".join(ours.values), said=" ".join(said)
                ),
            )
    return None


# Paths and addresses are looked up before they are printed.
_PRINTED_OTHERWISE = frozenset({"listenaddress", "hostkey", "ipqos"})


def _places(outcome: Outcome, winners: Container[Line] = ()) -> list[Provenance]:
    """The lines of an outcome, and those that they beat; some may win for others."""
    won = [Provenance(x.file, Role.WINS, x.number, _shown(x)) for x in outcome.lines]
    lost = [Provenance(x.file, Role.BEATEN, x.number, _shown(x)) for x in outcome.beaten if x not in winners]
    if not outcome.lines and outcome.values:
        won = [Provenance(_("default of sshd"), Role.DEFAULT, text=" ".join(outcome.values))]
    return won + lost


def _shown(line: Line) -> str:
    text = " ".join(line.text.split())
    return f"{text} ({line.who})" if line.who else text


def _explicit(seen: View, keyword: str) -> Provenance:
    words = {
        Explicit.ONCE: _("yes: said once, for everybody"),
        Explicit.UNSAID: _("no: no file says it, the default of this release holds"),
        Explicit.REPEATED: _("no: said several times, the first match wins"),
        Explicit.CONDITIONAL: _("no: said for some connections only"),
    }
    return Provenance(_("said explicitly"), text=words[seen.config.explicit(keyword)])


def _kept(snapshot: Snapshot, seen: View, keyword: str) -> list[str]:
    """The algorithms of a list that are not weak; empty where the list is not known."""
    outcome = seen.config.outcomes(keyword, Connection())[-1]
    found = _found(snapshot, seen, keyword, outcome)
    return [] if isinstance(found, Gap) else algorithms.parted(keyword, found)[1]


# --- lists --------------------------------------------------------------------------------------------


def _access(seen: View) -> Reading:
    """Who may come in at all, by the lists of users and groups."""
    places: list[Provenance] = []
    words = []
    for keyword in _ACCESS:
        outcome = seen.config.outcomes(keyword, Connection())[-1]
        places += _places(outcome)
        if outcome.lines:
            words.append(f"{KEYWORDS[keyword].name} {' '.join(outcome.values or ())}")
    allowed = any(word.startswith("Allow") for word in words)
    value = ", ".join(words if allowed else (_EVERYBODY, *words))
    return Reading({} if seen.gap else {"": value}, seen.gap, tuple(places))


_EVERYBODY = "everybody"


def _removed(seen: View) -> Reading:
    """Keywords whose choice is gone from sshd."""
    places = tuple(Provenance(x.file, Role.READ, x.number, _shown(x)) for x in seen.config.removed)
    names = ",".join(dict.fromkeys(x.text.split()[0].partition("=")[0] for x in seen.config.removed))
    return Reading({} if seen.gap else {"": names or _NONE}, seen.gap, places)


def _unclear(seen: View) -> Reading:
    """The keywords of the recommendations that the files do not say once, for everybody."""
    verdicts: dict[str, list[str]] = {}
    places: list[Provenance] = []
    for keyword in placing.SAMPLES:
        verdict = seen.config.explicit(keyword)
        if verdict is not Explicit.ONCE:
            verdicts.setdefault(str(verdict), []).append(KEYWORDS[keyword].name)
            places += [Provenance(x.file, Role.READ, x.number, _shown(x)) for x in seen.config.of(keyword)]
    values = {verdict: " ".join(names) for verdict, names in sorted(verdicts.items())} or {"": _NONE}
    return Reading({} if seen.gap else values, seen.gap, tuple(places))


_LISTS: Mapping[str, Callable[[View], Reading]] = {
    "access": _access,
    "removed": _removed,
    "unclear": _unclear,
}


# --- changing -----------------------------------------------------------------------------------------


def _facts(snapshot: Snapshot, seen: View, keyword: str, reading: Reading) -> dict[str, Fact]:
    """What a change needs: where a line would win, which Match blocks it cannot reach, what was seen."""
    blocks = tuple(
        {
            "who": outcome.who,
            "place": f"{line.file}:{line.number}",
            "value": reading.values.get(outcome.who, ""),
        }
        for outcome in seen.config.outcomes(keyword, _who(snapshot, keyword))
        for line in outcome.lines[:1]
        if line.blocks and line.blocks[-1].criteria
    )
    names = family_of(snapshot)
    winner = seen.config.effective(keyword, Connection()).lines[:1]
    return {
        **placing.facts(snapshot, seen, keyword),
        "seen": reading.values.get("", reading.values.get(_ELSE, "")),
        "blocks": blocks,
        "pending": seen.pending,
        "policy": next((x.file for x in winner if x.file.startswith(_POLICIES)), ""),
        "unit": "" if isinstance(names, Gap) else names.ssh_unit,
    }


def _change(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    keyword = entry.subject.lower()
    for block in list_fact(facts, "blocks"):
        if isinstance(block, Mapping) and not _passes(entry, text_fact(block, "value")):
            words = _(
                "{who} ({place}) gives {value}, and no other line can overrule a Match block: edit it by hand"
            )
            return Refusal(
                words.format(
                    who=text_fact(block, "who"),
                    place=text_fact(block, "place"),
                    value=text_fact(block, "value"),
                )
            )
    if pending := text_fact(facts, "pending"):
        words = _(
            "{pending}: the reload of this run would put that in force too, and its rollback could not take "
            "it back. Reload sshd, try a new login, and assess again"
        )
        return Refusal(words.format(pending=pending))
    if text_fact(facts, "policy"):
        words = _("{file} sets this for the whole system: change the policy with update-crypto-policies")
        return Refusal(words.format(file=text_fact(facts, "policy")))
    value = _value(entry, keyword, facts, target)
    if isinstance(value, Refusal):
        return value
    unit = text_fact(facts, "unit")
    if not unit:
        return Refusal(_("which unit is to be reloaded is not known on this distribution"))
    if unit not in UNITS:
        return Refusal(
            _("the facts of this decision speak of something else: {what}").format(what=unit or "-")
        )
    written = _written(entry, keyword, facts, f"{KEYWORDS[keyword].name} {value}")
    if isinstance(written, Refusal):
        return written
    return (
        written,
        CheckSyntax(owners=(entry.id,), can_lock_out=True, checker="sshd"),
        ReloadUnit(owners=(entry.id,), can_lock_out=True, unit=unit),
    )


def _passes(entry: Recommendation, value: str) -> bool:
    return entry.accept is None or entry.accept.accepts(value)


def _value(entry: Recommendation, keyword: str, facts: Mapping[str, Fact], target: str) -> str | Refusal:
    """What the line is to say: the target; for algorithms, those that stay; never less than what is there."""
    if entry.aspect == "weak":
        kept = text_fact(facts, "kept")
        if not re.fullmatch(r"[a-z0-9@.-]+(?:,[a-z0-9@.-]+)*", kept) or algorithms.parted(keyword, kept)[0]:
            return Refusal(_("which algorithms would be left is not known"))
        return kept
    before = text_fact(facts, "seen")
    if target == entry.target and before and _passes(entry, before):
        target = before  # it passes, and may be stricter: this only says it once and first
    try:
        return KEYWORDS[keyword].read([target])[0]
    except ValueError as error:
        return Refusal(
            _("{value} is no value of {keyword}: {why}").format(
                value=target, keyword=entry.subject, why=error
            )
        )


def _written(
    entry: Recommendation, keyword: str, facts: Mapping[str, Fact], line: str
) -> Operation | Refusal:
    way, path = text_fact(facts, "way"), text_fact(facts, "path")
    if way == "file" and placing.OURS.fullmatch(path):
        return WriteFile(
            owners=(entry.id,),
            can_lock_out=True,
            path=path,
            before=text_fact(facts, "before"),
            mode=text_fact(facts, "mode") if text_fact(facts, "mode") in placing.MODES else "0600",
            unique=True,
            parts=(
                Lines(owner="", rank=0, lines=_HEADER),
                Lines(owner=entry.id, lines=(f"# {entry.id}", line)),
            ),
        )
    if way in {"line", "append"} and placing.CONFIGURATION.fullmatch(path):
        before = text_fact(facts, "line")
        word = before.lstrip("# \t").replace("=", " ").split()[:1]
        if (way == "append") == bool(before) or (before and canonical(word[0] if word else "") != keyword):
            return Refusal(
                _("the facts of this decision speak of something else: {what}").format(what=before)
            )
        return ReplaceLine(owners=(entry.id,), can_lock_out=True, path=path, before=before, after=line)
    if way == "no":
        return Refusal(_("no line of ours would win: edit {path} by hand").format(path=path))
    return Refusal(_("the facts of this decision speak of something else: {what}").format(what=path or "-"))
