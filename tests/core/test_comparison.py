"""What passes: each comparison against a plain statement of what it should mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui import i18n
from hardentui.comparison import Comparison, Operator
from hardentui.session import Session

from . import hosts
from .sittings import CHECKLISTS

NUMBERS = st.integers(-(10**12), 10**12)
WORDS = st.text(st.sampled_from("abcdefgh=-0123456789"), min_size=1, max_size=6)
ANYTHING = st.text(max_size=30)


def accepts(operator: Operator, *operands: object, value: object) -> bool:
    return Comparison(operator, tuple(str(operand) for operand in operands)).accepts(str(value))


@given(NUMBERS, NUMBERS)
def test_at_least_and_at_most_are_those_of_numbers(seen: int, bound: int) -> None:
    assert accepts(Operator.AT_LEAST, bound, value=seen) == (seen >= bound)
    assert accepts(Operator.AT_MOST, bound, value=seen) == (seen <= bound)


@given(st.sampled_from(list(Operator)), ANYTHING)
def test_no_value_breaks_a_comparison(operator: Operator, value: str) -> None:
    operand = {"covers-range": "1 2", "mode-at-most": "0700 root:root", "at-least": "1", "at-most": "1"}.get(
        operator, "a|b*"
    )
    assert Comparison(operator, (operand,)).accepts(value) in {True, False}


@given(st.sampled_from(list(Operator)), st.lists(ANYTHING, max_size=3))
def test_operands_that_mean_nothing_are_refused_in_words(operator: Operator, operands: list[str]) -> None:
    try:
        comparison = Comparison(operator, tuple(operands))
    except ValueError as error:
        said = str(error)
    else:
        assert isinstance(comparison.accepts("1"), bool)
        assert isinstance(comparison.describe(), str)
        return
    assert operator.value in said


@pytest.mark.parametrize(
    "value", ["", "x", "1x", "1.5", "0x10", "010", "+1", "1 2", "--1", "\u0661", "1" * 30]
)
def test_what_is_no_plain_number_never_passes_as_one(value: str) -> None:
    """The kernel reads 010 as eight; nothing here may read it as ten."""
    assert not accepts(Operator.AT_LEAST, 0, value=value)
    assert not accepts(Operator.AT_MOST, 10**12, value=value)
    assert not accepts(Operator.COVERS_RANGE, "0 1", value=f"{value} 65535")


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.sampled_from([" ", "\t", "  ", " \t "]))
def test_a_range_covers_another_that_lies_within(
    low: int, high: int, wanted_low: int, wanted_high: int, gap: str
) -> None:
    seen = f"{low}{gap}{high}"
    assert accepts(Operator.COVERS_RANGE, f"{wanted_low} {wanted_high}", value=seen) == (
        low <= wanted_low and high >= wanted_high
    )


@given(st.lists(WORDS, min_size=1, max_size=4), st.lists(WORDS, max_size=6))
def test_contains_and_lacks_are_those_of_words(wanted: list[str], seen: list[str]) -> None:
    value = ",".join(seen)
    assert accepts(Operator.CONTAINS, *wanted, value=value) == (set(wanted) <= set(seen))
    assert accepts(Operator.LACKS, *wanted, value=value) == (not set(wanted) & set(seen))


def test_a_word_is_no_part_of_another() -> None:
    assert not accepts(Operator.CONTAINS, "exec", value="rw,noexec")
    assert not accepts(Operator.CONTAINS, "ro", value="errors=remount-ro,rw")
    assert accepts(Operator.LACKS, "exec", value="rw,noexec")


def test_a_choice_or_a_pattern_of_words() -> None:
    either = Comparison(Operator.CONTAINS, ("hidepid=2|hidepid=invisible", "gid=*"))
    assert either.accepts("rw,hidepid=invisible,gid=4")
    assert either.accepts("hidepid=2,gid=0")
    assert not either.accepts("rw,hidepid=invisible")
    assert not either.accepts("hidepid=1,gid=4")


@given(st.integers(0, 0o7777), st.integers(0, 0o7777))
def test_a_mode_passes_with_no_bit_more(seen: int, most: int) -> None:
    assert accepts(Operator.MODE_AT_MOST, f"{most:04o}", value=f"{seen:04o} root:root") == (seen & ~most == 0)


def test_a_mode_may_ask_for_an_owner() -> None:
    assert accepts(Operator.MODE_AT_MOST, "0700 root:root", value="0500 root:root")
    assert not accepts(Operator.MODE_AT_MOST, "0700 root:root", value="0500 root:adm")
    assert not accepts(Operator.MODE_AT_MOST, "0700", value="0704 root:root")


@given(ANYTHING, ANYTHING)
def test_equal_is_equal_but_for_blanks(first: str, second: str) -> None:
    assert accepts(Operator.EQUAL, first, value=second) == (first.split() == second.split())


@given(st.lists(WORDS, min_size=1), WORDS)
def test_one_of_is_one_of(operands: list[str], value: str) -> None:
    assert accepts(Operator.ONE_OF, *operands, value=value) == (value in operands)


def test_a_pattern_matches_the_whole_value() -> None:
    assert accepts(Operator.MATCHES, "a+", value="aaa")
    assert not accepts(Operator.MATCHES, "a+", value="aab")
    assert not accepts(Operator.MATCHES, "a|b", value="ac")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_pattern_of_ours_is_shown_to_a_reader(language: str) -> None:
    """The words stand in the checklist; they say nothing else than what the pattern accepts."""
    i18n.use(language)
    for entry in CHECKLISTS.recommendations:
        if entry.accept is not None and entry.accept.operator is Operator.MATCHES:
            (pattern,) = entry.accept.operands
            assert entry.passes is not None, f"{entry.id}: passes, in words, for {pattern}"
            assert pattern not in entry.expected


def test_the_words_of_a_checklist_stand_where_what_is_expected_is_shown() -> None:
    i18n.use("en")
    found = Session.begin(
        CHECKLISTS,
        hosts.snapshot(hosts.server(files={"/etc/login.defs": "UMASK 022\n"})),
    ).finding("users.umask-login")
    assert found.expected == "077"
    assert found.message == "022, expected 077"
