"""Recording a snapshot to one JSON file, and replaying it anywhere, with no root and no risk."""

from __future__ import annotations

import dataclasses
import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from hardentui.errors import InputError
from hardentui.snapshot import (
    QUESTIONS,
    Account,
    ConfinedProcess,
    Connection,
    ControlGroup,
    Denial,
    Distribution,
    End,
    Entry,
    Found,
    Group,
    Interface,
    Kernel,
    Kind,
    LastLogin,
    LeftOut,
    LogFile,
    Login,
    LogTree,
    Mislabelled,
    Mount,
    Openings,
    Output,
    Package,
    Password,
    Privileges,
    Process,
    Question,
    Reason,
    SecurityPolicy,
    ServiceSettings,
    ServiceUse,
    Snapshot,
    Socket,
    Status,
    Survey,
    Unit,
    UnitFile,
    Unread,
    Update,
    Usage,
    fields,
)

T = TypeVar("T")

FORMAT = 1
_GZIP = b"\x1f\x8b"  # how a gzip file begins
_LONGEST = 256 << 20  # bytes of JSON: hundreds of times the largest host that was recorded
_ANSWERS = {
    cls.__name__: cls
    for cls in (
        Account,
        ConfinedProcess,
        Connection,
        ControlGroup,
        Denial,
        Distribution,
        Entry,
        Found,
        Group,
        Interface,
        Kernel,
        LastLogin,
        LeftOut,
        LogFile,
        Login,
        LogTree,
        Mislabelled,
        Mount,
        Output,
        Package,
        Password,
        Privileges,
        Process,
        SecurityPolicy,
        ServiceSettings,
        Openings,
        ServiceUse,
        Socket,
        Status,
        Survey,
        Unit,
        UnitFile,
        Unread,
        Update,
        Usage,
    )
}
# The types of their fields: worked out once, for a recording asks thousands of times.
_KINDS = {cls: get_type_hints(cls) for cls in (*QUESTIONS.values(), *_ANSWERS.values())}
_LARGEST = 2**64  # of what a host counts: bytes, blocks, ids
_LATEST = 253402300800.0  # seconds: the year 10000, which no date can hold
_ENUMS = {"end": End, "kind": Kind, "reason": Reason}


class RecordingError(InputError):
    """A file that is no recording; the sentence names the file and what was expected."""


def record(snapshot: Snapshot) -> str:
    """The recording of every question that was asked, as JSON text. Secrets were cut at the question."""
    answers = [
        {
            "question": [type(question).__name__, *_encode(fields(question))],
            "answer": _encode(answer),
            "at": at,
        }
        for question, answer, at in snapshot.items()
    ]
    answers.sort(key=lambda entry: json.dumps(entry["question"]))
    document = {"hardentui-recording": FORMAT, "host": snapshot.host.name, "answers": answers}
    # ASCII, so that bytes which are not UTF-8 survive as lone surrogates.
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


class RecordedHost:
    """A recorded host. What was not asked then is NOT_RECORDED now."""

    name = "recording"
    replays = True  # what costs a search is there already, or is not

    def __init__(self, path: str | Path, label: str = "") -> None:
        self.label = label or str(path)
        text = _read(Path(path))
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecordingError(f"{path}: not JSON: {error}") from error
        if not isinstance(document, dict) or document.get("hardentui-recording") != FORMAT:
            raise RecordingError(f"{path}: not a hardentui recording of format {FORMAT}")
        if document.get("host") == "image":
            self.name = "image"  # judged as what it was: a system that did not run
        self._answers: dict[Question[Any], tuple[Any, float]] = {}
        entries = document.get("answers")
        if not isinstance(entries, list):
            raise RecordingError(f"{path}: answers: expected a list, found {entries!r:.60}")
        for number, entry in enumerate(entries):
            try:
                question, answer, at = _entry(entry)
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
                why = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
                raise RecordingError(f"{path}: answers[{number}]: {why:.200}") from error
            self._answers[question] = (answer, at)

    def answer(self, question: Question[T]) -> tuple[T | Unread, float]:
        """See snapshot.Host."""
        return cast(
            "tuple[T | Unread, float]", self._answers.get(question, (Unread(Reason.NOT_RECORDED), 0.0))
        )


def _read(path: Path) -> bytes:
    """A recording as JSON text in UTF-8; one that gzip compressed is unpacked.

    Raises:
        RecordingError: it cannot be read, is damaged, or would unpack to more than a host has to tell.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_GZIP)) == _GZIP:
                file.seek(0)
                text = gzip.GzipFile(fileobj=file).read(_LONGEST + 1)
            else:
                file.seek(0)
                text = file.read(_LONGEST + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: damaged gzip: {error}") from error
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    if len(text) > _LONGEST:
        raise RecordingError(f"{path}: expected at most {_LONGEST >> 20} MiB of JSON, found more")
    return text


def demo_host() -> RecordedHost:
    """The recorded host that ships with the package: made up of a real system, and free of secrets."""
    return RecordedHost(Path(__file__).parent / "demo.json", "demo")


def _entry(entry: Any) -> tuple[Question[Any], Any, float]:
    """A question with its answer and time, each of the type that it must have.

    Raises:
        ValueError: or any other error that a value of a wrong form provokes.
    """
    name, *arguments = entry["question"]
    cls = QUESTIONS[name]
    question = cls(*(_decode(argument) for argument in arguments))
    for field, kind in _KINDS[cls].items():
        if field != "cost":
            _demand(getattr(question, field), kind, f"question {name}, {field}")
    answer, at = _decode(entry["answer"]), entry["at"]
    (kind,) = get_args(cls.__orig_bases__[0])  # type: ignore[attr-defined]  # Question[KIND]
    _demand(answer, Unread if isinstance(answer, Unread) else kind, f"answer to {question!r:.80}")
    _demand(at, float, "at")
    return question, answer, float(at)


def _demand(value: Any, kind: Any, what: str) -> None:
    """Refuse a ``value`` that is not of the type ``kind``, as annotations of the snapshot write it.

    Raises:
        ValueError: it is not, or a number that no host could have answered.
    """
    if get_origin(kind) is UnionType:  # KIND | None
        if value is not None:
            _demand(value, get_args(kind)[0], what)
    elif get_origin(kind) is tuple:
        _demand_list(value, get_args(kind), what)
    elif get_origin(kind) is Mapping:
        _demand_table(value, get_args(kind)[1], what)
    else:
        _demand_one(value, kind, what)


def _demand_list(value: Any, kinds: tuple[Any, ...], what: str) -> None:
    if not isinstance(value, tuple):
        raise _unexpected(what, "a list", value)
    kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
    if len(kinds) != len(value):
        raise ValueError(f"{what}: expected {len(kinds)} items, found {len(value)}")
    for item, each in zip(value, kinds, strict=True):
        _demand(item, each, what)


def _demand_table(value: Any, kind: Any, what: str) -> None:
    if not isinstance(value, dict):
        raise _unexpected(what, "a table", value)
    for name, item in value.items():
        _demand(item, kind, f"{what}, {name!r:.60}")


def _demand_one(value: Any, kind: Any, what: str) -> None:
    wanted = (int, float) if kind is float else kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        raise _unexpected(what, kind.__name__, value)
    if isinstance(value, (int, float)) and not abs(value) < (_LATEST if kind is float else _LARGEST):
        raise ValueError(f"{what}: the number {value!r:.60} is too large")
    for field, inner in _KINDS.get(kind, {}).items():
        _demand(getattr(value, field), inner, f"{what}, {field}")


def _unexpected(what: str, expected: str, value: Any) -> ValueError:
    return ValueError(f"{what}: expected {expected}, found {value!r:.60}")


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"is": type(value).__name__, **named}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if isinstance(value, dict) and "is" in value:
        cls = _ANSWERS[value["is"]]
        given = {name: _decode(item) for name, item in value.items() if name != "is"}
        for name, enum in _ENUMS.items():
            if name in given:
                given[name] = enum(given[name])
        return cls(**given)
    return value
