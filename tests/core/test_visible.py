"""What a host says stays in its own cells: no control character, and no mark that covers its neighbours."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.visible import visible

ACUTE, ENCLOSING = "\u0301", "\u20dd"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"e{ACUTE}te{ACUTE}", f"e{ACUTE}te{ACUTE}"),
        ("a\u0323\u0302", "a\u0323\u0302"),  # Vietnamese, decomposed: two marks
        ("\u0e17\u0e35\u0e48", "\u0e17\u0e35\u0e48"),  # Thai: a vowel and a tone above one letter
        (ACUTE + "x", "\\u0301x"),
        (ENCLOSING, "\\u20dd"),
        (f"a {ACUTE}b", "a \\u0301b"),
        (f"a\n{ACUTE}", "a\\x0a\\u0301"),
        ("z" + ACUTE * 5, "z" + ACUTE * 3 + "\\u0301" * 2),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202egnp", "\\u202egnp"),
        ("caf\udce9", "caf\\xe9"),
    ],
)
def test_only_what_would_draw_elsewhere_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(alphabet=st.sampled_from("ab \n\x1b\u202e" + ACUTE + ENCLOSING), max_size=40))
def test_no_text_stacks_marks_or_begins_with_one(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    run = 3  # as if a full stack stood before the text
    for char in shown:
        run = run + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0 if char != " " else 3
        assert run <= 3
