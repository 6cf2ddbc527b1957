"""The stacks of PAM: the modules that a service asks, with what its files include, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hardentui.model import Fact, Gap, GapKind, Provenance
from hardentui.resources.base import text_fact
from hardentui.snapshot import File, Reason, Snapshot, Unread

_FOLDERS = ("/etc/pam.d", "/usr/lib/pam.d")
_TOOLS = ("pam-auth-update", "authselect")
_DEPTH = 32  # of includes, as in Linux-PAM
_LINE = re.compile(
    r"-?(?P<type>auth|account|password|session)\s+"
    r"(?P<control>\[[^\]]*\]|\S+)\s+(?P<module>\S+)\s*(?P<arguments>.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Module:
    """One module of a stack: its name without folder and .so, its control, its arguments."""

    name: str
    control: str
    arguments: tuple[str, ...]
    file: str
    line: int
    text: str

    def argument(self, name: str) -> str | None:
        """The value of NAME=VALUE, "" for a bare NAME, None where it is not given. The last one counts."""
        found = [a.partition("=")[2] for a in self.arguments if a.partition("=")[0] == name]
        return found[-1] if found else None

    @property
    def provenance(self) -> Provenance:
        """Where the module was read."""
        return Provenance(self.file, line=self.line, text=self.text)


@dataclass(frozen=True, slots=True)
class Stack:
    """The modules of a service and type, in order; ``gap`` says what could not be read of them."""

    modules: tuple[Module, ...]
    gap: Gap | None

    def named(self, *names: str) -> tuple[Module, ...]:
        """The modules that have one of these names."""
        return tuple(module for module in self.modules if module.name in names)


def read_stack(snapshot: Snapshot, service: str, kind: str) -> Stack | Unread:
    """The stack of a service: kind is auth, account, password or session. MISSING: no such service."""
    reader = _Reader(snapshot, kind)
    first = reader.read(service)
    if isinstance(first, Unread):
        return first
    return Stack(tuple(reader.follow(service, first, 0)), reader.gap)


class _Reader:
    def __init__(self, snapshot: Snapshot, kind: str) -> None:
        self._snapshot = snapshot
        self._kind = kind
        self.gap: Gap | None = None

    def read(self, service: str) -> tuple[str, str] | Unread:
        """The path and text of a service's file; the administrator's before the vendor's."""
        places = (service,) if service.startswith("/") else tuple(f"{f}/{service}" for f in _FOLDERS)
        answer: str | Unread = Unread(Reason.MISSING)
        for place in places:
            answer = self._snapshot.ask(File(place))
            if isinstance(answer, str):
                return place, answer
            if answer.reason is not Reason.MISSING:
                break
        return answer if isinstance(answer, Unread) else Unread(Reason.MISSING)

    def follow(self, service: str, found: tuple[str, str] | Unread, depth: int) -> Iterator[Module]:
        """The modules of a file and of those that it includes."""
        if isinstance(found, Unread):
            self.gap = found.gap(service)
            return
        if depth > _DEPTH:
            self.gap = Gap(GapKind.FAILED, f"{service}: too many levels of includes")
            return
        path, text = found
        for number, line in _lines(text):
            words = line.split()
            if words[0] == "@include" and len(words) > 1:
                yield from self.follow(words[1], self.read(words[1]), depth + 1)
                continue
            match = _LINE.fullmatch(line)
            if match is None or match["type"].lower() != self._kind:
                continue
            if match["control"].lower() in {"include", "substack"}:
                yield from self.follow(match["module"], self.read(match["module"]), depth + 1)
                continue
            name = match["module"].rpartition("/")[2].removesuffix(".so")
            yield Module(name, match["control"], _arguments(match["arguments"]), path, number, line)


def tool_for(facts: Mapping[str, Fact]) -> str:
    """The program by which a person changes the stacks, as a decision's facts say; else both."""
    tool = text_fact(facts, "tool")
    return tool if tool in _TOOLS else " / ".join(_TOOLS)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with the number of their first: a backslash joins the next to it."""
    joined, begin = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        begin = begin if joined else number
        code = line.partition("#")[0].rstrip()
        if code.endswith("\\"):
            joined += code[:-1] + " "
            continue
        whole = (joined + code).strip()
        joined = ""
        if whole:
            yield begin, whole


def _arguments(text: str) -> tuple[str, ...]:
    """Words apart by blanks; those in brackets hold blanks."""
    found = re.finditer(r"\[((?:[^\]\\]|\\.)*)\]|(\S+)", text)
    return tuple(m[1].replace("\\]", "]") if m[1] is not None else m[2] for m in found)
