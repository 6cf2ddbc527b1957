"""What passes: one place that compares a value that was seen with what a recommendation accepts."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from enum import StrEnum

from hardentui.i18n import _

# The id of a question in braces stands for its answer; a regular expression's {2} is none.
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9]*(?:-[a-z0-9]+)*)\}")


class Operator(StrEnum):
    """How a value is compared; the names are those of the checklists."""

    EQUAL = "equal"
    AT_LEAST = "at-least"
    AT_MOST = "at-most"
    ONE_OF = "one-of"
    CONTAINS = "contains"
    LACKS = "lacks"
    MATCHES = "matches"
    COVERS_RANGE = "covers-range"
    MODE_AT_MOST = "mode-at-most"


@dataclass(frozen=True, slots=True)
class Comparison:
    """An operator and its operands, as written in a checklist.

    ``contains`` and ``lacks`` work on comma-separated words: each operand must match (or must not
    match) a word; ``a|b`` in an operand means either, ``*`` and ``?`` are wildcards.
    ``{question}`` in an operand stands for an answer, see hardentui.answers.
    ``covers-range`` takes one operand "LOW HIGH"; ``mode-at-most`` one octal file mode, of which the
    value may only have a subset of the bits, and perhaps an owner: "0700 root:root".

    Raises:
        ValueError: the operands do not fit the operator; the message says what was expected.
    """

    operator: Operator
    operands: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.operands:
            raise ValueError(f"{self.operator} needs a value")
        single = {
            Operator.EQUAL,
            Operator.AT_LEAST,
            Operator.AT_MOST,
            Operator.MATCHES,
            Operator.COVERS_RANGE,
            Operator.MODE_AT_MOST,
        }
        if self.operator in single and len(self.operands) != 1:
            raise ValueError(f"{self.operator} takes one value, not {len(self.operands)}")
        first = self.operands[0]
        if PLACEHOLDER.search(first):
            return  # an answer will stand there
        if self.operator in {Operator.AT_LEAST, Operator.AT_MOST} and _integer(first) is None:
            raise ValueError(f"{self.operator} takes a whole number, not {first!r}")
        if self.operator is Operator.COVERS_RANGE and _range(first) is None:
            raise ValueError(f'covers-range takes "LOW HIGH", not {first!r}')
        if self.operator is Operator.MODE_AT_MOST and _octal(first.partition(" ")[0]) is None:
            raise ValueError(f"mode-at-most takes an octal file mode, not {first!r}")
        if self.operator is Operator.MATCHES:
            try:
                re.compile(first)
            except re.error as error:
                raise ValueError(f"matches takes a regular expression: {error}") from error

    def accepts(self, value: str) -> bool:  # noqa: C901 - one case for each operator
        """Whether ``value`` passes. A value that cannot be compared does not."""
        value = " ".join(value.split())
        first = self.operands[0]
        match self.operator:
            case Operator.EQUAL:
                return value == " ".join(first.split())
            case Operator.AT_LEAST | Operator.AT_MOST:
                seen, bound = _integer(value), _integer(first)
                if seen is None or bound is None:
                    return False
                return seen >= bound if self.operator is Operator.AT_LEAST else seen <= bound
            case Operator.ONE_OF:
                return value in self.operands
            case Operator.CONTAINS:
                return not self.missing(value)
            case Operator.LACKS:
                return len(self.missing(value)) == len(self.operands)
            case Operator.MATCHES:
                return re.fullmatch(first, value) is not None
            case Operator.COVERS_RANGE:
                seen_range, wanted = _range(value), _range(first)
                if seen_range is None or wanted is None:
                    return False
                return seen_range[0] <= wanted[0] and seen_range[1] >= wanted[1]
            case Operator.MODE_AT_MOST:
                (mode, _gap, owner), (most, _gap2, wanted_owner) = value.partition(" "), first.partition(" ")
                bits, allowed = _octal(mode), _octal(most)
                if bits is None or allowed is None or bits & ~allowed:
                    return False
                return not wanted_owner or owner == wanted_owner

    def missing(self, value: str) -> tuple[str, ...]:
        """The operands that no comma-separated word of ``value`` matches."""
        words = [word.strip() for word in value.split(",")]
        return tuple(
            operand
            for operand in self.operands
            if not any(fnmatch.fnmatchcase(word, choice) for choice in operand.split("|") for word in words)
        )

    def describe(self) -> str:
        """What passes, in the language in use, short enough for a table."""
        joined = ", ".join(self.operands)
        match self.operator:
            case Operator.EQUAL:
                return joined
            case Operator.AT_LEAST:
                return f"≥ {joined}"
            case Operator.AT_MOST:
                return f"≤ {joined}"
            case Operator.ONE_OF:
                return _(" or ").join(self.operands)
            case Operator.CONTAINS:
                return ",".join(operand.partition("|")[0] for operand in self.operands)
            case Operator.LACKS:
                return _("without {words}").format(words=joined)
            case Operator.MATCHES:
                return _("what matches {pattern}").format(pattern=joined)
            case Operator.COVERS_RANGE:
                return _("at least the range {range}").format(range=joined)
            case Operator.MODE_AT_MOST:
                return _("mode {mode} or stricter").format(mode=joined)


def _integer(text: str) -> int | None:
    # The kernel reads 010 as octal, and refuses +1: neither is a number that we could compare.
    return int(text) if re.fullmatch(r"-?(?:0|[1-9][0-9]{0,19})", text) else None


def _octal(text: str) -> int | None:
    return int(text, 8) if re.fullmatch(r"[0-7]{3,5}", text) else None


def _range(text: str) -> tuple[int, int] | None:
    numbers = [_integer(part) for part in text.split()]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:  # noqa: PLR2004 - low and high
        return None
    return numbers[0], numbers[1]
