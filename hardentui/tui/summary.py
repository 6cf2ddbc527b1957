"""The sentences about host and plan that several screens show. Pure."""

from __future__ import annotations

from datetime import datetime

from textual.content import Content

from hardentui.i18n import _, ngettext
from hardentui.model import Action, Chapter, Result
from hardentui.session import identity
from hardentui.snapshot import DistributionIs, KernelIs, PrivilegesAre, Snapshot, Unread
from hardentui.tui import words
from hardentui.tui.progress import Tally
from hardentui.tui.store import PlanStore
from hardentui.tui.text import para, stack


def host(snapshot: Snapshot) -> Content:
    """Which host the facts are of, with what rights they were read, and when."""
    kernel, system = snapshot.ask(KernelIs()), snapshot.ask(DistributionIs())
    who = snapshot.ask(PrivilegesAre())
    moment = datetime.fromtimestamp(snapshot.taken_at).astimezone()
    at = moment.strftime("%H:%M:%S" if snapshot.host.name == "live" else "%Y-%m-%d %H:%M")
    parts = [
        _("unknown host") if isinstance(kernel, Unread) or not kernel.hostname else kernel.hostname,
        _("unknown system") if isinstance(system, Unread) else system.name,
        "" if isinstance(kernel, Unread) or not kernel.release else kernel.release,
        "" if isinstance(who, Unread) or snapshot.host.name != "live" else _rights(who.uid == 0),
        _source(snapshot).format(label=snapshot.host.label),
        _("read {time}").format(time=at),
    ]
    return Content("  ").join(para(part) for part in parts if part)


def _rights(root: bool) -> str:  # noqa: FBT001 - one fact
    return _("as root") if root else _("NOT root")


def _source(snapshot: Snapshot) -> str:
    return {"live": _("live"), "image": _("image {label}"), "recording": _("recording {label}")}.get(
        snapshot.host.name, "{label}"
    )


def unread(tally: Tally) -> list[Content]:
    """What more rights would show, and how to get them."""
    if not tally.denied:
        return []
    snapshot = tally.session.snapshot
    count = len(tally.denied)
    if snapshot.as_root:  # a container, for one, hides from root what is the host's
        sentence = ngettext(
            "{count} recommendation needs facts that root may not read here either.",
            "{count} recommendations need facts that root may not read here either.",
            count,
        ).format(count=count)
    else:
        sentence = ngettext(
            "{count} recommendation needs facts that are not readable without root.",
            "{count} recommendations need facts that are not readable without root.",
            count,
        ).format(count=count)
    if snapshot.host.name == "live" and not snapshot.as_root:
        sentence = _("{sentence} Leave and run: sudo hardentui").format(sentence=sentence)
    return [para(sentence, "$text-warning")]


def questions(tally: Tally) -> Content:
    """How many questions wait."""
    count = len(tally.unanswered)
    if not count:
        return para(_("Questions: all answered (A shows them)."))
    sentence = ngettext(
        "{count} question waits for an answer: press A.",
        "{count} questions wait for an answer: press A.",
        count,
    )
    return para(sentence.format(count=count), "$text-warning")


def plan(tally: Tally) -> Content:
    """The plan in numbers, and what one should know before it is applied."""
    actions = tally.actions
    waiting = sum(tally.is_open(found) for found in tally.session.findings)
    sentence = _(
        "Plan: {apply} apply, {waived} waived, {deferred} deferred, {attested} attested; {open} open."
    ).format(
        apply=actions[Action.APPLY],
        waived=actions[Action.WAIVE],
        deferred=actions[Action.DEFER],
        attested=actions[Action.ATTEST],
        open=waiting,
    )
    return stack([para(sentence, "bold"), *_warnings(tally)])


def _warnings(tally: Tally) -> list[Content]:
    found = []
    planned, seen = tally.session.plan.host, identity(tally.session.snapshot)
    if planned != seen and not planned.fits(seen):
        sentence = _("This plan was made for another host: {host}.")
        found.append(para(sentence.format(host=planned.hostname or "-"), "bold $text-error"))
    troubled = sum(bool(words.standing(standing)) for standing in tally.standings.values())
    if troubled:
        sentence = ngettext(
            "{count} waiver no longer holds: it expired, or the value moved.",
            "{count} waivers no longer hold: they expired, or the value moved.",
            troubled,
        )
        found.append(para(sentence.format(count=troubled), "$text-warning"))
    if tally.conflict:
        found.append(para(tally.conflict, "$text-error"))
    elif tally.locking:
        sentence = ngettext(
            "{count} step can lock you out (!): the script asks to confirm, and goes back if you do not.",
            "{count} steps can lock you out (!): the script asks to confirm, and goes back if you do not.",
            tally.locking,
        )
        found.append(para(sentence.format(count=tally.locking), "$text-warning"))
    if tally.one_way:
        sentence = ngettext(
            "{count} step can only be undone by a reboot; it comes last.",
            "{count} steps can only be undone by a reboot; they come last.",
            tally.one_way,
        )
        found.append(para(sentence.format(count=tally.one_way), "$text-warning"))
    return found


def promise() -> Content:
    """What this program does, and what it does not."""
    sentence = _("hardentui only looks. It writes a plan and a script that you review and run yourself.")
    return para(sentence, "dim")


def chapter(tally: Tally, id_: str, loaded: Chapter | None) -> Content:
    """A chapter in numbers, what was evaluated and what not first, and its next open point."""
    if loaded is None:
        sentence = _("{chapter}: no checklist in this version; it comes later.")
        return para(sentence.format(chapter=words.chapter(id_)), "dim")
    found = tally.chapter(id_)
    counts = tally.progress(found)
    sentence = _(
        "{evaluated} evaluated ({passed} pass, {failed} fail); {not_evaluated} not evaluated "
        "({unknown} unknown, {asked} wait for a person, {errors} errors); "
        "{informational} for information; {others} not applicable."
    ).format(
        evaluated=counts.evaluated,
        passed=counts.results[Result.PASS],
        failed=counts.results[Result.FAIL],
        not_evaluated=counts.not_evaluated,
        unknown=counts.results[Result.UNKNOWN],
        asked=counts.results[Result.NOTCHECKED],
        errors=counts.results[Result.ERROR],
        informational=counts.results[Result.INFORMATIONAL],
        others=counts.results[Result.NOTAPPLICABLE],
    )
    parts = [para(str(loaded.title), "bold"), para(sentence)]
    following = next((f for f in found if tally.is_open(f)), None)
    if following is not None:
        label = _("Next open: {title} ({message})")
        title = str(following.recommendation.title)
        parts.append(para(label.format(title=title, message=following.message)))
    return stack(parts)


def saved(tally: Tally, store: PlanStore) -> Content:
    """Where the plan is kept."""
    path = str(store.path)
    plan = tally.session.plan
    if store.saved is None and not (plan.decisions or plan.answers):
        return para(_("Saved at each decision, in {path}: nothing decided yet.").format(path=path))
    return para(_("Saved at each decision, in {path}").format(path=path))
