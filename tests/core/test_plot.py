"""Curves drawn with characters: they stand where their numbers are, in braille and in ASCII."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.export.plot import Curve, Line, plot, text

RISING = Line(Curve.PAST, [(0, 0.0), (10, 10.0)])


def test_a_rising_curve_goes_from_the_lower_left_to_the_upper_right() -> None:
    assert text(plot([RISING], 10, 5, 10.0, braille=False)) == [
        "        ##",
        "      ##",
        "    ##",
        "  ##",
        "##",
    ]


def test_in_braille_each_character_holds_eight_dots() -> None:
    (line,) = text(plot([RISING], 4, 1, 10.0))
    assert line == "⣀⠤⠒⠉"


def test_a_curve_covers_those_that_matter_less() -> None:
    limit = Line(Curve.LIMIT, [(0, 5.0), (10, 5.0)])
    rows = plot([limit, Line(Curve.LOUD, [(0, 5.0), (5, 5.0)])], 10, 3, 10.0, braille=False)
    assert text(rows)[1] == ":::::-----"


def test_a_dashed_curve_has_gaps() -> None:
    dashed = Line(Curve.QUIET, [(0, 1.0), (10, 1.0)], gaps=True)
    assert text(plot([dashed], 8, 1, 1.0, braille=False)) == [". . . ."]


def test_a_steep_curve_is_not_torn() -> None:
    jump = Line(Curve.PAST, [(0, 0.0), (5, 0.0), (5, 10.0), (10, 10.0)])
    rows = text(plot([jump], 11, 6, 10.0, braille=False))
    assert all("#" in row for row in rows)


@given(
    points=st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e18, 1e18)), max_size=8).map(sorted),
    width=st.integers(1, 40),
    height=st.integers(1, 12),
    top=st.floats(0, 1e18),
    braille=st.booleans(),
)
def test_whatever_the_numbers_a_plot_fills_its_place_and_no_more(points, width, height, top, braille) -> None:
    rows = plot([Line(Curve.LOUD, points)], width, height, top, braille=braille)
    assert len(rows) == height
    assert {len(row) for row in rows} == {width}


@pytest.mark.parametrize("braille", [True, False])
def test_nothing_to_draw_is_an_empty_plot(braille: bool) -> None:
    assert text(plot([], 10, 3, 1.0, braille=braille)) == ["", "", ""]
