"""What people answer: the forms of an answer that is text, and the entries that use it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from hardentui.comparison import PLACEHOLDER, Comparison, Operator
from hardentui.i18n import N_, _
from hardentui.model import Question, Recommendation, Text

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_PATH = re.compile(r"/[A-Za-z0-9._@:+=,\-]+(?:/[A-Za-z0-9._@:+=,\-]+)*")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_PERMIT = re.compile(r"(?:in \S+ [0-9,-]+ from|out \S+ [0-9,-]+ to) [^\s;]+ [a-z0-9][a-z0-9.-]{0,63}")
_LONGEST_NAME = 253
_LAST_PORT = 65535
_MOST_DAYS = 36500


@dataclass(frozen=True, slots=True)
class Format:
    """A form that an answer has: what it looks like, whether it is a list, and what each item must be."""

    expected: str
    fits: Callable[[str], bool]
    many: bool = False
    separator: str = ","


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        # What looks like an address, and is none, is no name either.
        is_name = _NAME.fullmatch(text) is not None and len(text) <= _LONGEST_NAME
        return is_name and not re.fullmatch(r"[0-9.]+", text)
    return "%" not in text


def _is_network(text: str) -> bool:
    """Whether it is an address or network of either family, a host name, or "any"."""
    address, slash, _length = text.partition("/")
    if not slash:
        return _is_host(text)
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return "%" not in address


def _is_permit(text: str) -> bool:
    """Whether it looks like a line of a firewall policy, which judges its numbers and addresses itself."""
    return _PERMIT.fullmatch(text) is not None


def _is_number(least: int, most: int) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(r"[1-9][0-9]{0,8}", text) is not None and least <= int(text) <= most


def _is_path(text: str) -> bool:
    return _PATH.fullmatch(text) is not None and not {".", ".."} & set(text.split("/")) and len(text) < 1024  # noqa: PLR2004 - as paths of operations


FORMATS: Mapping[str, Format] = {
    "host": Format(N_("a host name or an IP address"), _is_host),
    "hosts": Format(N_("host names or IP addresses, with commas between them"), _is_host, many=True),
    "networks": Format(
        N_("addresses, networks (10.0.0.0/24, 2001:db8::/32), host names or any, with commas between them"),
        _is_network,
        many=True,
    ),
    "permits": Format(
        N_("in|out tcp|udp PORTS from|to PEERS NAME, with semicolons between several"),
        _is_permit,
        many=True,
        separator=";",
    ),
    "port": Format(N_("a port number from 1 to 65535"), _is_number(1, _LAST_PORT)),
    "days": Format(N_("a number of days"), _is_number(1, _MOST_DAYS)),
    "path": Format(N_("an absolute path of letters, digits and . _ @ : + = , -"), _is_path),
    "paths": Format(N_("absolute paths, with commas between them"), _is_path, many=True),
    "words": Format(
        N_("names, with commas between them"), lambda text: _WORD.fullmatch(text) is not None, many=True
    ),
}


def cleaned(question: Question, answer: str) -> str:
    """The answer as the plan keeps it: a choice, or text without needless white space.

    Raises:
        ValueError: it is no answer to this question; the message says what was expected.
    """
    if not question.format:
        choices = [choice.id for choice in question.choices]
        if answer not in choices:
            raise ValueError(_("expected one of {expected}").format(expected=", ".join(choices)))
        return answer
    form = FORMATS[question.format]
    items = items_of(answer, form.separator) if form.many else (answer.strip(),)
    wrong = next((item for item in items if not form.fits(item)), None if items else "")
    if wrong is not None:
        expected = _(form.expected)
        raise ValueError(
            _("{value} does not fit: expected {expected}").format(value=repr(wrong), expected=expected)
        )
    stranger = next((item for item in items if question.names and item not in question.names), None)
    if stranger is not None:
        raise ValueError(
            _("{value} is not known; known: {known}").format(
                value=repr(stranger), known=", ".join(question.names)
            )
        )
    return f"{form.separator} ".join(dict.fromkeys(items))


def items_of(answer: str, separator: str = ",") -> tuple[str, ...]:
    """The items of an answer that is a list."""
    return tuple(item for part in answer.split(separator) if (item := part.strip()))


def valid(questions: Iterable[Question], given: Mapping[str, str]) -> Mapping[str, str]:
    """The answers as a plan keeps them, without those that do not fit: such a question counts as open."""
    kept = dict(given)
    for question in questions:
        answer = kept.pop(question.id, None)
        if answer is not None:
            with contextlib.suppress(ValueError):
                kept[question.id] = cleaned(question, answer)
    return kept


def misfits(questions: Iterable[Question], given: Mapping[str, str]) -> Mapping[str, str]:
    """The answers that fit no question, each with what was expected, in the language in use."""
    asked = {question.id: question for question in questions}
    wrong = {}
    for name, answer in given.items():
        if name not in asked:
            wrong[name] = _("unknown question; known: {known}").format(known=", ".join(asked))
            continue
        try:
            cleaned(asked[name], answer)
        except ValueError as error:
            wrong[name] = str(error)
    return wrong


def fits(question: Question, answer: str) -> bool:
    """Whether this is an answer to the question, written as the plan keeps it."""
    try:
        return cleaned(question, answer) == answer
    except ValueError:
        return False


def needed(entry: Recommendation) -> tuple[str, ...]:
    """The questions that an entry cannot do without: its conditions, and the answers in its texts."""
    return tuple(dict.fromkeys((*(c.question for c in entry.when if c.question), *named(entry))))


def named(entry: Recommendation) -> tuple[str, ...]:
    """The questions whose answers stand in an entry's subject, target or what passes."""
    texts = (entry.subject, entry.target, *_operands(entry))
    return tuple(dict.fromkeys(name for text in texts for name in PLACEHOLDER.findall(text)))


def filled(entry: Recommendation, given: Mapping[str, str], asked: Iterable[Question] = ()) -> Recommendation:
    """The entry with the answers in the place of their questions' names.

    An open one leaves nothing in the subject, and its name in what would pass and be set; those of
    ``asked`` are shown there by their titles.
    """
    names = named(entry)
    if not names:
        return entry

    def put(text: str, *, instead: str | None = None) -> str:
        return PLACEHOLDER.sub(
            lambda found: given.get(found[1], found[0] if instead is None else instead), text
        )

    return replace(
        entry,
        subject=put(entry.subject, instead=""),
        target=put(entry.target),
        accept=_accepting(entry.accept, given) if entry.accept else None,
        passes=Text(put(entry.passes.en), put(entry.passes.fr)) if entry.passes else None,
        unanswered=tuple(question for question in asked if question.id in names and question.id not in given),
    )


def _operands(entry: Recommendation) -> tuple[str, ...]:
    return entry.accept.operands if entry.accept else ()


def _accepting(accept: Comparison, given: Mapping[str, str]) -> Comparison:
    """The comparison with answers; one operand that is a list becomes as many."""

    def answer(found: re.Match[str]) -> str:
        text = given.get(found[1], found[0])
        return re.escape(text) if accept.operator is Operator.MATCHES and found[1] in given else text

    operands: list[str] = []
    for operand in accept.operands:
        whole = PLACEHOLDER.fullmatch(operand)
        listed = items_of(given[whole[1]]) if whole and whole[1] in given else ()
        several = accept.operator in {Operator.CONTAINS, Operator.LACKS, Operator.ONE_OF}
        operands += listed if several and listed else (PLACEHOLDER.sub(answer, operand),)
    return Comparison(accept.operator, tuple(operands))
