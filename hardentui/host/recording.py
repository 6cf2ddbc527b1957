"""Recording a snapshot to one JSON file, and replaying it anywhere, with no root and no risk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar, cast

from hardentui.errors import InputError
from hardentui.snapshot import (
    QUESTIONS,
    Account,
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
    Login,
    Mount,
    Output,
    Package,
    Password,
    Privileges,
    Process,
    Question,
    Reason,
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
_ANSWERS = {
    cls.__name__: cls
    for cls in (
        Account,
        Distribution,
        Entry,
        Found,
        Group,
        Interface,
        Kernel,
        LastLogin,
        LeftOut,
        Login,
        Mount,
        Output,
        Package,
        Password,
        Privileges,
        Process,
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
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise RecordingError(f"{path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise RecordingError(f"{path}: not JSON: {error}") from error
        if not isinstance(document, dict) or document.get("hardentui-recording") != FORMAT:
            raise RecordingError(f"{path}: not a hardentui recording of format {FORMAT}")
        if document.get("host") == "image":
            self.name = "image"  # judged as what it was: a system that did not run
        self._answers: dict[Question[Any], tuple[Any, float]] = {}
        try:
            for entry in document["answers"]:
                name, *arguments = entry["question"]
                question = QUESTIONS[name](*(_decode(argument) for argument in arguments))
                self._answers[question] = (_decode(entry["answer"]), float(entry["at"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise RecordingError(f"{path}: an entry of this recording is broken: {error!r}") from error

    def answer(self, question: Question[T]) -> tuple[T | Unread, float]:
        """See snapshot.Host."""
        return cast(
            "tuple[T | Unread, float]", self._answers.get(question, (Unread(Reason.NOT_RECORDED), 0.0))
        )


def demo_host() -> RecordedHost:
    """The recorded host that ships with the package: made up of a real system, and free of secrets."""
    return RecordedHost(Path(__file__).parent / "demo.json", "demo")


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"is": type(value).__name__, **named}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if isinstance(value, dict):
        cls = _ANSWERS[value["is"]]
        given = {name: _decode(item) for name, item in value.items() if name != "is"}
        for name, enum in _ENUMS.items():
            if name in given:
                given[name] = enum(given[name])
        return cls(**given)
    return value
