"""What rsyslog's configuration says: objects, and the statements of rulesets, each with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hardentui.resources.rsyslog.lexer import Lexer, Place, Token


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of an object, by name in small letters; one that is a list has several values."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def one(self, *names: str) -> str:
        """The value of the first of ``names`` that is given; "" for none."""
        return next((" ".join(self.values[name]) for name in names if name in self.values), "")

    def all(self, *names: str) -> tuple[str, ...]:
        """The values of the first of ``names`` that is given."""
        return next((self.values[name] for name in names if name in self.values), ())

    def on(self, name: str) -> bool:
        """Whether a switch is given and on."""
        return self.one(name).lower() in {"on", "yes", "1", "true"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a template: a constant text, or a property of the message with what is done to it."""

    constant: str = ""
    name: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A named template. ``kind`` is string, list, subtree or plugin; ``options`` are those of the whole."""

    name: str
    kind: str
    parts: tuple[Part, ...]
    place: Place
    options: tuple[str, ...] = ()
    text: str = ""  # as written, where it is written as one text


@dataclass(frozen=True, slots=True)
class Object:
    """A declaration: its kind ("module", "input", "global" ...), parameters and place."""

    kind: str
    parameters: Parameters
    place: Place


# --- expressions ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, a number as text, or a list of strings."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A property of the message, or a variable of its own, with all signs of its name: "msg", "!x"."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function and what is given to it."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator ("and", "or", "not", "==", "contains", "+" ...) and its operands."""

    operator: str
    operands: tuple[Expression, ...]


Expression = Constant | Variable | Call | Operation


# --- statements -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selector:
    """Facilities and severities: for each of the 25 facilities the bits of the severities that pass."""

    masks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A filter by one property: its name, the operation, whether it is turned round, and the value."""

    name: str
    operation: str
    negated: bool
    value: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Statements that are done where a filter passes, and others where it does not."""

    test: Selector | Match | Expression
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Perhaps:
    """Statements that are done with some messages, as with others not: the body of a foreach."""

    body: tuple[Statement, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Action:
    """What is done with a message; an old one (``legacy``) has the directives before it as parameters."""

    kind: str  # "omfile", "omfwd", "omrelp" ...
    parameters: Parameters
    place: Place
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """The message goes no further."""

    place: Place


@dataclass(frozen=True, slots=True)
class Jump:
    """The statements of another ruleset are done; "" for one that only the message tells."""

    ruleset: str
    place: Place


Statement = Condition | Perhaps | Action | Stop | Jump


@dataclass(frozen=True, slots=True)
class Problem:
    """What rsyslog objects to, or we cannot read."""

    place: Place
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


class BrokenError(ValueError):
    """The text is not of the format: rsyslog gives up at this place."""

    def __init__(self, place: Place, why: str) -> None:
        super().__init__(f"{place}: {why}")
        self.problem = Problem(place, why)


_DEPTH = 100  # of nested blocks and expressions
_LEVELS = (  # of operators, loosest first; and and or are of one level
    frozenset({"and", "or"}),
    frozenset({"==", "!=", "<>", "<=", ">=", "<", ">", "contains", "contains_i", "startswith"})
    | {"startswith_i", "endswith"},
    frozenset({"+", "-", "&"}),
    frozenset({"*", "/", "%"}),
)


class Handler(Protocol):
    """Takes what the parser reads, in order, and answers what depends on that which stood before."""

    def declared(self, made: Object) -> None:
        """An object without a body."""

    def template(self, made: Object, parts: tuple[Part, ...]) -> None:
        """A template that has its parts as a body."""

    def ruleset(self, made: Object, statements: tuple[Statement, ...]) -> None:
        """A ruleset with its statements."""

    def begun(self, ruleset: str) -> None:
        """From here on statements outside of any ruleset belong to this one."""

    def statements(self, statements: tuple[Statement, ...]) -> None:
        """Statements outside of any ruleset."""

    def directive(self, text: str, place: Place) -> None:
        """A line that begins with a dollar sign."""

    def include(self, given: Parameters, place: Place) -> None:
        """Files that are to be read next."""

    def selector(self, text: str, place: Place) -> Selector:
        """The filter that a selector is."""
        ...

    def action(self, text: str, place: Place) -> Action | Stop:
        """The action of an old line."""
        ...

    def acted(self, action: Action) -> None:
        """An action was read: directives that count for one are used up."""

    def problem(self, problem: Problem) -> None:
        """Something was read that rsyslog objects to, or that we cannot judge."""


class Parser:
    """Reads all tokens of a lexer, and gives to a handler what they say, in order."""

    def __init__(self, lexer: Lexer, handler: Handler) -> None:
        self._lexer = lexer
        self._handler = handler
        self._ahead: Token | None = None
        self._depth = 0

    def run(self) -> None:
        """Read to the end.

        Raises:
            BrokenError: the text is not of the format.
        """
        while (token := self._peek()).kind != "end":
            if token.kind == "object" and token.text not in {"action", "include"}:
                self._object()
            elif token.kind == "ruleset":
                self._handler.begun(self._take().text.split(maxsplit=1)[-1].strip())
            elif token.kind == "block":
                raise BrokenError(token.place, f"blocks of BSD's kind are no longer read: {token.text}")
            else:
                self._handler.statements(self._statement())

    # Directives count where they stand: for the actions behind them, within a block as outside.
    def _peek(self) -> Token:
        while self._ahead is None:
            token = self._lexer.next()
            if token.kind == "wrong":
                self._handler.problem(Problem(token.place, f"invalid character {token.text!r}"))
            elif token.kind == "directive":
                self._handler.directive(token.text, token.place)
            elif token.kind == "include":
                self._handler.include(Parameters({"file": (token.text,)}), token.place)
            else:
                self._ahead = token
        return self._ahead

    def _take(self) -> Token:
        token = self._peek()
        self._ahead = None
        return token

    def _is(self, kind: str, *texts: str) -> bool:
        token = self._peek()
        return token.kind == kind and (not texts or token.text in texts)

    def _expect(self, kind: str, *texts: str) -> Token:
        if not self._is(kind, *texts):
            raise self._unexpected(self._peek())
        return self._take()

    @staticmethod
    def _unexpected(token: Token) -> BrokenError:
        return BrokenError(token.place, f"not expected here: {token.text or 'the end of the file'}")

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise BrokenError(token.place, "nested too deeply")

    # --- objects

    def _object(self) -> None:
        token, made = self._declaration()
        has_body = self._is("sign", "{")
        if token.text == "template" and has_body:
            self._handler.template(made, self._parts())
        elif token.text == "ruleset":
            self._handler.ruleset(made, self._braces(may_be_empty=True))
        else:
            self._handler.declared(made)

    def _declaration(self) -> tuple[Token, Object]:
        token = self._expect("object")
        return token, Object(token.text, self._parameters(), token.place)

    def _parameters(self) -> Parameters:
        values: dict[str, tuple[str, ...]] = {}
        while not self._is("close"):
            name = self._expect("name")
            self._expect("sign", "=")
            if name.text in values:
                self._handler.problem(Problem(name.place, f"given twice: {name.text}"))
            values[name.text] = self._value()
        # The next token is not looked at before an include was taken in.
        self._ahead = None
        return Parameters(values)

    def _value(self) -> tuple[str, ...]:
        if not self._is("sign", "["):
            return (self._string(),)
        self._take()
        values = [self._string()]
        while self._is("sign", ","):
            self._take()
            values.append(self._string())
        self._expect("sign", "]")
        return tuple(values)

    def _string(self) -> str:
        if self._is("backtick"):
            token = self._take()
            # The output of echo or a file, as root sees them when rsyslog starts.
            self._handler.problem(Problem(token.place, f"depends on its environment: `{token.text}`"))
            return ""
        return self._expect("string").text

    def _parts(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        self._expect("sign", "{")
        while not self._is("sign", "}"):
            token, made = self._declaration()
            given = made.parameters
            if token.text == "constant":
                parts.append(Part(constant=given.one("value")))
            elif token.text == "property":
                secure = given.one("securepath")
                options = (f"secpath-{secure.lower()}",) if secure else ()
                parts.append(Part(name=given.one("name").lower(), options=options))
            else:
                raise self._unexpected(token)
        self._take()
        return tuple(parts)

    # --- statements

    def _block(self) -> tuple[Statement, ...]:
        return self._braces() if self._is("sign", "{") else self._statement()

    def _braces(self, *, may_be_empty: bool = False) -> tuple[Statement, ...]:
        opening = self._expect("sign", "{")
        self._deeper(opening)
        if self._is("sign", "}") and not may_be_empty:
            raise self._unexpected(self._peek())
        statements: list[Statement] = []
        while not self._is("sign", "}"):
            statements += self._statement()
        self._take()
        self._depth -= 1
        return tuple(statements)

    def _statement(self) -> tuple[Statement, ...]:
        token = self._peek()
        self._deeper(token)
        found = self._one_statement(token)
        self._depth -= 1
        return found

    def _one_statement(self, token: Token) -> tuple[Statement, ...]:
        match token.kind, token.text:
            case "word", "if":
                return (self._condition(),)
            case "word", "foreach":
                self._take()
                self._iterator()
                return (Perhaps(self._block(), token.place),)
            case "word", "set" | "reset":
                self._take()
                self._expect("variable")
                self._expect("sign", "=")
                self._expression()
                self._expect("word", ";")
                return ()
            case "word", "unset":
                self._take()
                self._expect("variable")
                self._expect("word", ";")
                return ()
            case "word", "reload_lookup_table":
                self._take()
                self._arguments()
                raise BrokenError(token.place, "reload_lookup_table is not read by us")
            case "selector", _:
                self._take()
                test = self._handler.selector(token.text.strip(), token.place)
                return (Condition(test, self._block(), (), token.place),)
            case "property-filter", _:
                self._take()
                return (Condition(_match(token.text), self._block(), (), token.place),)
            case "object", "include":
                _token, made = self._declaration()
                self._handler.include(made.parameters, token.place)
                return ()
            case _:
                return self._actions()

    def _condition(self) -> Condition:
        place = self._take().place
        test = self._expression()
        self._expect("word", "then")
        then = self._block()
        otherwise: tuple[Statement, ...] = ()
        if self._is("word", "else"):
            self._take()
            otherwise = self._block()
        return Condition(test, then, otherwise, place)

    def _iterator(self) -> None:
        self._expect("sign", "(")
        self._expect("variable")
        self._expect("word", "in")
        self._expression()
        self._expect("sign", ")")
        self._expect("word", "do")

    def _actions(self) -> tuple[Statement, ...]:
        done = [*self._action()]
        while self._is("sign", "&"):
            self._take()
            done += self._action()
        return tuple(done)

    def _action(self) -> tuple[Statement, ...]:
        token = self._take()
        match token.kind, token.text:
            case "object", "action":
                given = self._parameters()
                kind = given.one("type").lower().removeprefix("builtin:")
                action = Action(kind, given, token.place)
                self._handler.acted(action)
                return (action,)
            case "action", _:
                made = self._handler.action(token.text.strip(), token.place)
                if isinstance(made, Action):
                    self._handler.acted(made)
                return (made,)
            case "word", "stop":
                return (Stop(token.place),)
            case "word", "continue":
                return ()
            case "word", "call":
                return (Jump(self._expect("name").text, token.place),)
            case "word", "call_indirect":
                self._expression()
                self._expect("word", ";")
                return (Jump("", token.place),)
            case _:
                raise self._unexpected(token)

    # --- expressions

    def _expression(self, level: int = 0) -> Expression:
        if level == len(_LEVELS):
            return self._operand()
        left = self._expression(level + 1)
        while self._peek().text in _LEVELS[level] and self._peek().kind in {"word", "compare", "sign"}:
            operator = self._take().text
            operator = "!=" if operator == "<>" else operator
            left = Operation(operator, (left, self._expression(level + 1)))
        return left

    def _operand(self) -> Expression:
        token = self._take()
        self._deeper(token)
        found = self._one_operand(token)
        self._depth -= 1
        return found

    def _one_operand(self, token: Token) -> Expression:
        match token.kind, token.text:
            case "word", "not":
                return Operation("not", (self._operand(),))
            case "sign", "-":
                return Operation("minus", (self._operand(),))
            case "sign", "(":
                inner = self._expression()
                self._expect("sign", ")")
                return inner
            case "sign", "[":
                self._ahead = token
                return Constant(self._value())
            case "string", _:
                return Constant((token.text,))
            case "number", _:
                return Constant((str(_number(token.text)),))
            case "backtick", _:
                self._ahead = token
                return Constant((self._string(),))
            case "variable", _:
                return Variable(token.text.removeprefix("$").lower())
            case ("function", _) | ("word", "exists"):
                return Call(token.text, self._arguments())
            case _:
                raise self._unexpected(token)

    def _arguments(self) -> tuple[Expression, ...]:
        self._expect("sign", "(")
        given: list[Expression] = []
        while not self._is("sign", ")"):
            given.append(self._expression())
            if not self._is("sign", ")"):
                self._expect("sign", ",")
        self._take()
        return tuple(given)


def _number(text: str) -> int:
    if text.lower().startswith("0x"):
        return int(text, 16)
    return int(text, 8) if len(text) > 1 and text.startswith("0") else int(text)


def _match(text: str) -> Match:
    """The parts of ``:name, operation, "value"``, which the lexer has held against its pattern."""
    name, operation, value = (part.strip() for part in text.strip().removeprefix(":").split(",", 2))
    negated = operation.startswith("!")
    inner = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return Match(name.removeprefix("$").lower(), operation.removeprefix("!").lower(), negated, inner)
