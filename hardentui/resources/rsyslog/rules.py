"""Where a message goes: the statements of rsyslog's rulesets, done in the mind.

Of a message only its facility and severity are known, and perhaps its program. A filter that asks for
more is neither true nor false: what stands behind it is done with some messages, and said to be so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from hardentui.resources.rsyslog.config import Config
from hardentui.resources.rsyslog.grammar import (
    Action,
    Call,
    Condition,
    Constant,
    Expression,
    Jump,
    Match,
    Operation,
    Perhaps,
    Selector,
    Statement,
    Stop,
    Variable,
)
from hardentui.resources.rsyslog.lexer import Place
from hardentui.resources.rsyslog.selectors import FACILITIES, SEVERITIES, read_selector

_DEPTH = 20  # of rulesets that call each other


@dataclass(frozen=True, slots=True)
class Message:
    """What is known of a message: numbers of syslog(3), and its program where that is asked."""

    facility: int
    severity: int
    program: str | None = None

    @classmethod
    def of(cls, facility: str, severity: str, program: str | None = None) -> Message:
        """A message by the names of its facility and severity.

        Raises:
            ValueError: no such name.
        """
        return cls(FACILITIES.index(facility), SEVERITIES.index(severity), program)


@dataclass(frozen=True, slots=True)
class Step:
    """An action that is done with a message. Where it is not ``certain``, ``doubt`` is what decides it."""

    action: Action
    certain: bool
    doubt: Place | None = None


def steps(config: Config, message: Message, ruleset: str = "") -> tuple[Step, ...]:
    """What is done with a message, in order; a message of this host, unless ``ruleset`` says otherwise."""
    walk = _Walk(config, message)
    walk.ruleset(ruleset or config.main, None, 0)
    return tuple(walk.found)


class _Stopped(Enum):
    """Whether the message has come to its end."""

    NO = "no"
    PERHAPS = "perhaps"
    YES = "yes"


class _Walk:
    def __init__(self, config: Config, message: Message) -> None:
        self._config = config
        self._message = message
        self.found: list[Step] = []

    def ruleset(self, name: str, doubt: Place | None, depth: int) -> tuple[_Stopped, Place | None]:
        statements = self._config.rulesets.get(name.lower(), ())
        return self._block(statements, doubt, depth) if depth < _DEPTH else (_Stopped.NO, doubt)

    def _block(
        self, statements: Sequence[Statement], doubt: Place | None, depth: int
    ) -> tuple[_Stopped, Place | None]:
        """Do statements, the first of which ``doubt`` decides about; how that ended, and what is in doubt."""
        ended = _Stopped.NO
        for statement in statements:
            stopped, doubt = self._statement(statement, doubt, depth)
            if stopped is _Stopped.YES:
                return stopped, doubt
            ended = stopped if stopped is _Stopped.PERHAPS else ended
        return ended, doubt

    def _statement(
        self, statement: Statement, doubt: Place | None, depth: int
    ) -> tuple[_Stopped, Place | None]:
        match statement:
            case Action():
                self._act(statement, doubt)
            case Stop():
                return _Stopped.YES, doubt
            case Condition():
                return self._condition(statement, doubt, depth)
            case Perhaps(body, place):
                return self._perhaps(body, doubt or place, doubt, depth)
            case Jump(ruleset, place):
                return self._jump(ruleset, place, doubt, depth)
        return _Stopped.NO, doubt

    def _act(self, action: Action, doubt: Place | None) -> None:
        given = action.parameters
        # A second choice, or one in so many.
        rare = given.on("action.execonlywhenpreviousissuspended") or any(
            given.one(name) not in {"", "0"}
            for name in ("action.execonlyeverynthtime", "action.execonlyonceeveryinterval")
        )
        doubt = doubt or (action.place if rare else None)
        self.found.append(Step(action, doubt is None, doubt))

    def _condition(
        self, condition: Condition, doubt: Place | None, depth: int
    ) -> tuple[_Stopped, Place | None]:
        answer = holds(condition.test, self._message)
        if answer is not None:
            return self._block(condition.then if answer else condition.otherwise, doubt, depth)
        here = doubt or condition.place
        first, _doubt = self._perhaps(condition.then, here, doubt, depth)
        second, _doubt = self._perhaps(condition.otherwise, here, doubt, depth)
        if first is second is _Stopped.NO:
            return _Stopped.NO, doubt
        return _Stopped.PERHAPS, here

    def _perhaps(
        self, statements: Sequence[Statement], here: Place, before: Place | None, depth: int
    ) -> tuple[_Stopped, Place | None]:
        """Statements that are done with some messages; those that end here are not seen behind them."""
        stopped, _doubt = self._block(statements, here, depth)
        return (_Stopped.NO, before) if stopped is _Stopped.NO else (_Stopped.PERHAPS, here)

    def _jump(
        self, ruleset: str, place: Place, doubt: Place | None, depth: int
    ) -> tuple[_Stopped, Place | None]:
        if not ruleset:  # the message tells which: any of them
            for name in self._config.rulesets:
                self.ruleset(name, doubt or place, depth + 1)
            return _Stopped.PERHAPS, doubt or place
        ended = self.ruleset(ruleset, doubt, depth + 1)
        # One with a queue works on a copy.
        return (_Stopped.NO, doubt) if ruleset.lower() in self._config.queued else ended


# --- filters ------------------------------------------------------------------------------------------


def holds(test: Selector | Match | Expression, message: Message) -> bool | None:
    """Whether a filter passes; None where the message does not tell."""
    match test:
        case Selector(masks):
            return bool(masks[message.facility] >> message.severity & 1) if masks else None
        case Match():
            return _matches(test, message)
        case _:
            return _truth(_value(test, message))


def _known(name: str, message: Message) -> str | None:
    """What the message has for a property."""
    numbers = {
        "syslogfacility": str(message.facility),
        "syslogfacility-text": FACILITIES[message.facility],
        "syslogseverity": str(message.severity),
        "syslogseverity-text": SEVERITIES[message.severity],
        "pri": str(message.facility * 8 + message.severity),
        "pri-text": f"{FACILITIES[message.facility]}.{SEVERITIES[message.severity]}",
    }
    names = {"syslogpriority": "syslogseverity", "syslogpriority-text": "syslogseverity-text"}
    if name in {"programname", "app-name"}:
        return message.program
    return numbers.get(names.get(name, name))


_OPERATIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda have, want: want in have,
    "contains_i": lambda have, want: want.lower() in have.lower(),
    "isequal": lambda have, want: have == want,
    "startswith": lambda have, want: have.startswith(want),
    "startswith_i": lambda have, want: have.lower().startswith(want.lower()),
    "endswith": lambda have, want: have.endswith(want),
    "==": lambda have, want: have == want,
}


def _matches(test: Match, message: Message) -> bool | None:
    have, operation = _known(test.name, message), _OPERATIONS.get(test.operation)
    if have is None:
        return None
    if test.operation == "isempty":
        return (not have) is not test.negated
    if operation is None:  # a regular expression
        return None
    return operation(have, test.value) is not test.negated


_Value = tuple[str, ...] | bool | None  # strings (a list has several), a truth, or not known


def _value(expression: Expression, message: Message) -> _Value:
    match expression:
        case Constant(values):
            return values
        case Variable(name):
            known = _known(name, message)
            return None if known is None else (known,)
        case Call("prifilt", (Constant((text,)),)):
            try:
                return bool(read_selector(text)[message.facility] >> message.severity & 1)
            except ValueError:
                return None
        case Operation("and" | "or" as word, (left, right)):
            return _joined(word, {_truth(_value(left, message)), _truth(_value(right, message))})
        case Operation("not", (inner,)):
            truth = _truth(_value(inner, message))
            return None if truth is None else not truth
        case Operation(operator, (left, right)):
            return _compared(operator, _value(left, message), _value(right, message))
        case _:
            return None


def _joined(word: str, truths: set[bool | None]) -> bool | None:
    decides = word == "or"
    if decides in truths:
        return decides
    return None if None in truths else not decides


def _truth(value: _Value) -> bool | None:
    if isinstance(value, tuple):
        # A string that is no number counts as 0.
        return value[0].isdecimal() and int(value[0]) != 0 if len(value) == 1 else None
    return value


def _compared(operator: str, left: _Value, right: _Value) -> bool | None:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None or len(left) != 1:
        return None
    have = left[0]
    if operator in _OPERATIONS:
        return any(_OPERATIONS[operator](have, want) for want in right)
    if operator == "!=":
        return all(have != want for want in right)
    if len(right) != 1 or not (have.isdecimal() and right[0].isdecimal()):
        return None
    one, other = int(have), int(right[0])
    orders = {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}
    return orders.get(operator)
