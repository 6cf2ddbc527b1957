"""Questions that are answered with text, and the entries that use the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui import answers, checklist, hazards, i18n, resources
from hardentui.changeset import compile_plan
from hardentui.comparison import PLACEHOLDER, Comparison, Operator
from hardentui.model import Action, Question, Result, Text
from hardentui.session import Session
from hardentui.tables import MistakesError

from . import hosts
from .sittings import CHECKLISTS
from .written import asking

ENTRY = "sections[0].recommendations[0]"
NOTHING = Text("", "")
CHECKLIST = (
    asking("""\
[[questions]]
id = "least-kptr"
title = { en = "How strict?", fr = "Quelle rigueur ?" }
why = { en = "Because", fr = "Car" }
format = "days"
proposed = "1"
""")
    .replace("at-least = 1", 'at-least = "{least-kptr}"')
    .replace('target = "2"', 'target = "{least-kptr}"')
)


def asked(form: str) -> Question:
    return Question("q", NOTHING, NOTHING, format=form)


@pytest.mark.parametrize(
    ("form", "typed", "kept"),
    [
        ("host", " logs.example.org ", "logs.example.org"),
        ("host", "2001:db8::1", "2001:db8::1"),
        ("hosts", "a.example,192.0.2.1 ,  a.example", "a.example, 192.0.2.1"),
        ("port", "2514", "2514"),
        ("days", "7", "7"),
        ("path", "/etc/ssl/ca.pem", "/etc/ssl/ca.pem"),
        ("paths", "/etc/a, /srv/b", "/etc/a, /srv/b"),
        ("words", "cryptopy,apipy", "cryptopy, apipy"),
    ],
)
def test_what_fits_is_kept_without_needless_blanks(form: str, typed: str, kept: str) -> None:
    assert answers.cleaned(asked(form), typed) == kept


@pytest.mark.parametrize(
    ("form", "typed"),
    [
        ("host", ""),
        ("host", "a b"),
        ("host", "1.2.3"),
        ("host", "1.2.3.400"),
        ("host", "fe80::1%eth0"),
        ("host", "-x"),
        ("host", 'a"; rm -rf /'),
        ("hosts", "a,$(b)"),
        ("hosts", ","),
        ("port", "0"),
        ("port", "65536"),
        ("port", "ssh"),
        ("port", "+1"),
        ("days", "0"),
        ("path", "etc/x"),
        ("path", "/etc/../shadow"),
        ("path", "/etc/a b"),
        ("path", "/etc/\n-D"),
        ("paths", "/etc/a, b"),
        ("words", "a b"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_expected(form: str, typed: str) -> None:
    with pytest.raises(ValueError, match="expected "):
        answers.cleaned(asked(form), typed)


@given(st.sampled_from(sorted(answers.FORMATS)), st.text())
def test_what_is_kept_holds_nothing_that_a_shell_or_a_file_could_take_for_more(form: str, typed: str) -> None:
    try:
        kept = answers.cleaned(asked(form), typed)
    except ValueError:
        return
    assert kept.isprintable()
    assert not set(kept) & set("\"'`$\\;&|<>(){}[]#!?~^")
    assert answers.cleaned(asked(form), kept) == kept


@pytest.fixture
def lists(tmp_path):
    def read(text: str = CHECKLIST):
        (tmp_path / "site.toml").write_text(text)
        return checklist.load([tmp_path], resources.check, hazards.PROBES)

    return read


def begun(lists) -> Session:
    return Session.begin(
        lists, hosts.snapshot(hosts.with_kernel(hosts.server(), {"kernel/kptr_restrict": "1"}))
    )


def test_an_entry_waits_for_its_answer_and_then_uses_it(lists) -> None:
    session = begun(lists())
    found = session.finding("sysctl.kptr")
    assert found.result is Result.NOTCHECKED
    assert "How strict?" in found.message
    assert session.refusal(found)

    session = session.answered("least-kptr", "2")
    found = session.finding("sysctl.kptr")
    assert found.result is Result.FAIL
    assert found.expected == "≥ 2"
    session = session.decided(session.decision(found, Action.APPLY))
    assert [step.after for step in session.compiled().operations if hasattr(step, "after")] == ["2"]
    assert {f.recommendation.id: f.result for f in session.rehearsed()} == {"sysctl.kptr": Result.PASS}


def test_an_open_question_is_shown_by_its_title_in_every_language(lists) -> None:
    entry = begun(lists()).finding("sysctl.kptr").recommendation
    assert (entry.expected, entry.aim) == ("≥ «How strict?»", "«How strict?»")
    i18n.use("fr")
    assert (entry.expected, entry.aim) == ("≥ «Quelle rigueur ?»", "«Quelle rigueur ?»")


def test_no_id_of_a_question_is_shown_in_braces() -> None:
    session = Session.begin(CHECKLISTS, hosts.snapshot(hosts.server()))
    entries = [found.recommendation for found in session.findings]
    entries += [session.entry(entry.id) for entry in CHECKLISTS.recommendations]
    shown = {entry.id: f"{entry.subject} {entry.expected} {entry.aim}" for entry in entries}
    assert "«What is the name of the log server?»" in shown["td3.relay-relp"]
    assert not [id_ for id_, text in shown.items() if PLACEHOLDER.search(text)]


def test_a_wrong_answer_is_refused_and_one_from_an_edited_plan_counts_as_open(lists) -> None:
    session = begun(lists()).answered("least-kptr", "2")
    session = session.decided(session.decision(session.finding("sysctl.kptr"), Action.APPLY))
    with pytest.raises(ValueError, match="expected a number of days"):
        session.answered("least-kptr", "many")
    edited = replace(session.plan, answers={"least-kptr": "2; reboot"})
    compiled = compile_plan(edited, session.checklists)
    assert compiled.operations == ()
    assert "least-kptr" in compiled.refused["sysctl.kptr"]
    again = Session.begin(session.checklists, session.snapshot, edited)
    assert again.finding("sysctl.kptr").result is Result.NOTCHECKED


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "word"),
    [
        ('format = "days"', 'format = "date"', 15, "questions[0].format", "expected one of"),
        ('proposed = "1"', 'proposed = "one"', 16, "questions[0].proposed", "no answer"),
        ('format = "days"\nproposed = "1"', "", 11, "questions[0].choices", "format"),
        ('target = "{least-kptr}"', 'target = "{most-kptr}"', 29, f"{ENTRY}.target", "least-kptr"),
    ],
)  # fmt: skip
def test_mistakes_in_a_checklist_are_named(lists, old, new, line, key, word) -> None:
    assert old in CHECKLIST
    with pytest.raises(MistakesError) as caught:
        lists(CHECKLIST.replace(old, new))
    (mistake,) = caught.value.mistakes
    assert f":{line}: {key}: " in mistake
    assert word in mistake


def test_an_answer_that_is_a_list_is_as_many_words_of_what_passes() -> None:
    entry = replace(
        CHECKLISTS.get("sysctl.kernel-kptr-restrict"),
        accept=Comparison(Operator.CONTAINS, ("{servers}", "x-{n}")),
    )
    filled = answers.filled(entry, {"servers": "a.example, b.example", "n": "1"})
    assert filled.accept == Comparison(Operator.CONTAINS, ("a.example", "b.example", "x-1"))
    told = replace(entry, accept=filled.accept, target="{n}", passes=Text("{n} of them", "{n} d'entre eux"))
    assert answers.filled(told, {"n": "3"}).expected == "3 of them"
    pattern = replace(entry, accept=Comparison(Operator.MATCHES, (".*{n}.*",)))
    assert answers.filled(pattern, {"n": "a.b"}).accept.accepts("xa.by")
    assert not answers.filled(pattern, {"n": "a.b"}).accept.accepts("xaxby")
