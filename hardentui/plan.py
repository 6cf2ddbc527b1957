"""The plan: decisions and answers in one TOML file, read strictly and written so that nothing is lost.

Comments and order that a person added survive a save. A save is a new file, synced and renamed over
the old one: a kill or a full disk at any moment leaves the last saved plan whole.
"""

from __future__ import annotations

import calendar
import contextlib
import errno
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardentui import __version__, i18n
from hardentui.answers import misfits
from hardentui.errors import InputError
from hardentui.model import Action, Decision, Fact, Finding, HostIdentity, Plan, Question
from hardentui.tables import MistakesError, Report, Table, read_toml

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table as TomlTable

FORMAT = 1
REASON_LENGTH = 10  # characters that a waiver's reason has at least
WAIVER_MONTHS = 6  # after which a waiver ends, where nobody says otherwise
_STALE = 3600.0  # seconds after which a save that did not end is over


class PlanError(InputError):
    """A plan that cannot be saved where it should be; the sentence says why, and nothing was changed."""


class Standing(StrEnum):
    """Whether a decision still holds, seen from today's finding."""

    HOLDS = "holds"
    EXPIRED = "expired"
    MOVED = "moved"  # the value is not the one that was waived


def standing(decision: Decision, finding: Finding | None, today: date) -> Standing:
    """Whether a waiver still holds; other decisions always do."""
    if decision.action is not Action.WAIVE:
        return Standing.HOLDS
    if decision.until is not None and decision.until < today:
        return Standing.EXPIRED
    if finding is not None and (finding.running, finding.boot) != (decision.running, decision.boot):
        return Standing.MOVED
    return Standing.HOLDS


def months_after(day: date, months: int) -> date:
    """The same day some months later, or the last of that month where there is none."""
    years, month = divmod(day.month - 1 + months, 12)
    last = calendar.monthrange(day.year + years, month + 1)[1]
    return date(day.year + years, month + 1, min(day.day, last))


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlanFile:
    """A plan as it stands on disk, with the text it was read from."""

    path: Path
    plan: Plan
    text: str

    @classmethod
    def read(cls, path: Path) -> PlanFile:
        """The plan at ``path``.

        Raises:
            MistakesError: with file, line, key and what was expected, for every mistake.
        """
        text, data = read_toml(path)
        report = Report(str(path), text)
        plan = _plan(Table(report, data))
        report.close()
        return cls(path, plan, text)

    def misfits(self, questions: Iterable[Question]) -> list[str]:
        """Every answer that fits no question, as FILE:LINE: KEY: what was expected."""
        report = Report(str(self.path), self.text)
        for name, why in misfits(questions, self.plan.answers).items():
            report.add(("answers", name), why)
        return report.mistakes

    def save(self, plan: Plan) -> PlanFile:
        """Write ``plan`` over this file, keeping what a person added to it.

        Raises:
            PlanError: the file changed on disk meanwhile, or it cannot be written.
        """
        try:
            on_disk = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            on_disk = ""
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(f"{self.path}: {error}") from error
        if on_disk != self.text:
            raise PlanError(
                f"{self.path}: it was changed by someone else since it was read; nothing was written"
            )
        text = render(plan, self.text)
        write(self.path, text)
        return PlanFile(self.path, plan, text)


def _plan(top: Table) -> Plan:
    found = top.get("format", int)
    if found > FORMAT:
        top.wrong(
            "format", f"this plan has format {found}, and this hardentui knows {FORMAT}: use a newer one"
        )
        top.report.close()
    if found < 1:
        top.wrong("format", f"expected {FORMAT}, found {found}")
    top.string("hardentui")
    host = top.table("host") or Table(top.report, {}, ("host",))
    identity = HostIdentity(
        host.string("machine-id"), host.string("hostname"), host.string("distribution"), host.string("kernel")
    )
    host.close()
    language = top.string("language")
    if language not in i18n.LANGUAGES:
        top.wrong("language", f"expected one of {', '.join(i18n.LANGUAGES)}, found {language!r}")
    answers_table = top.table("answers")
    answers = answers_table.rest() if answers_table else {}
    for name, value in answers.items():
        if not isinstance(value, str):
            top.report.add(("answers", name), f"expected a string, found {value!r}")
    decisions: list[Decision] = []
    for table in top.tables("decision"):
        decision = _decision(table)
        if any(known.id == decision.id for known in decisions):
            table.wrong("id", f"{decision.id!r} is decided twice")
        decisions.append(decision)
    files_table = top.table("files")
    files = {name: files_table.strings(name) for name in files_table.rest()} if files_table else {}
    plan = Plan(identity, top.string("checklists"), language, dict(answers), tuple(decisions), files)
    top.close()
    return plan


def _decision(table: Table) -> Decision:
    facts = table.table("facts")
    decision = Decision(
        id=table.string("id"),
        action=table.choice("action", Action),
        title=table.string("title", ""),
        source=table.string("source", ""),
        running=table.string("running", ""),
        boot=table.string("boot", ""),
        recommended=table.string("recommended", ""),
        at=table.moment("at"),
        by=table.string("by"),
        target=table.string("target", ""),
        reason=table.string("reason", ""),
        until=table.day("until"),
        facts={name: _fact(table, value) for name, value in facts.rest().items()} if facts else {},
    )
    if decision.action is Action.WAIVE and len(decision.reason) < REASON_LENGTH:
        table.wrong("reason", f"a waiver needs a reason of at least {REASON_LENGTH} characters")
    if decision.action is not Action.WAIVE and decision.until is not None:
        table.wrong("until", "only a waiver has an end")
    if decision.action is Action.ATTEST and not decision.reason:
        table.wrong("reason", "an attestation needs a sentence of what was seen")
    table.close()
    return decision


def _fact(table: Table, value: Any) -> Fact:
    match value:
        case bool() | int() | str():
            return value
        case list():
            return tuple(_fact(table, item) for item in value)
        case dict():
            return {name: _fact(table, item) for name, item in value.items()}
        case _:
            table.wrong("facts", f"expected text, numbers, lists and tables, found {value!r}")
            return ""


# --- writing --------------------------------------------------------------------------------------


def render(plan: Plan, text: str = "") -> str:
    """The plan as TOML: ``text`` brought up to date, its comments and order kept, or a new document."""
    import tomlkit  # noqa: PLC0415 - 40 ms that reading need not spend

    document = tomlkit.parse(text) if text else _new_document()
    document["format"] = FORMAT
    document["hardentui"] = __version__
    document["language"] = plan.language
    document["checklists"] = plan.checklists
    _update(document, "host", _host_table(plan.host))
    _update(document, "answers", dict(plan.answers))
    if plan.files or "files" in document:
        _update(document, "files", dict(plan.files))
    _update_decisions(document, plan)
    return tomlkit.dumps(document)


def _new_document() -> TOMLDocument:
    import tomlkit  # noqa: PLC0415 - see render

    document = tomlkit.document()
    document.add(
        tomlkit.comment("A hardentui plan: what was decided for one host. Edit it as you like; `hardentui")
    )
    document.add(
        tomlkit.comment("plan check FILE` says what is wrong, `hardentui script FILE` writes the script.")
    )
    document.add(tomlkit.nl())
    return document


def _host_table(host: HostIdentity) -> dict[str, str]:
    return {
        "machine-id": host.machine_id,
        "hostname": host.hostname,
        "distribution": host.distribution,
        "kernel": host.kernel,
    }


def _update(document: TOMLDocument, name: str, values: Mapping[str, Fact]) -> None:
    import tomlkit  # noqa: PLC0415 - see render

    if name not in document:
        document.add(name, tomlkit.table())
    table: Any = document[name]
    for key in [key for key in table if key not in values]:
        del table[key]
    for key, value in values.items():
        if key not in table or _plain(table[key]) != _plain(value):
            table[key] = _toml_fact(_plain(value))


def _update_decisions(document: TOMLDocument, plan: Plan) -> None:
    import tomlkit  # noqa: PLC0415 - see render

    old: Any = document.get("decision")
    known: dict[str, Any] = {str(table["id"]): table for table in old} if old is not None else {}
    for decision in plan.decisions:
        if decision.id in known:
            _fill(known[decision.id], decision)
    kept = [name for name in known if plan.decision(name) is not None]
    wanted = [decision.id for decision in plan.decisions]
    if old is not None and kept == wanted and len(known) == len(kept):
        return
    tables = tomlkit.aot()
    for decision in plan.decisions:
        table = known.get(decision.id)
        if table is None:
            table = tomlkit.table()
            _fill(table, decision)
        tables.append(table)
    if "decision" in document:
        del document["decision"]
    if plan.decisions:
        document.append("decision", tables)


def _fill(table: TomlTable, decision: Decision) -> None:
    import tomlkit  # noqa: PLC0415 - see render

    values: dict[str, Any] = {
        "id": decision.id,
        "title": decision.title,
        "source": decision.source,
        "running": decision.running,
        "boot": decision.boot,
        "recommended": decision.recommended,
        "action": decision.action.value,
        "target": decision.target,
        "reason": decision.reason,
        "until": decision.until,
        "at": decision.at,
        "by": decision.by,
    }
    for key, value in values.items():
        if value is None or value == "":
            if key in table:
                del table[key]
        elif key not in table or table[key] != value:
            table[key] = _in_toml(value)
    facts = _plain(decision.facts)
    if not facts:
        if "facts" in table:
            del table["facts"]
    elif "facts" not in table or _plain(table["facts"]) != facts:
        inner = tomlkit.table()
        for name, fact in facts.items():
            inner[name] = _toml_fact(fact)
        table["facts"] = inner


def _in_toml(value: Any) -> Any:
    """A value as TOML; text of several lines is written as such, to be read and compared line by line."""
    import tomlkit  # noqa: PLC0415 - see render

    value = _storable(value)
    # There a carriage return would not come back as it was.
    if isinstance(value, str) and "\n" in value and "\r" not in value:
        return tomlkit.string(value, multiline=True)
    return value


def _storable(value: Any) -> Any:
    """Text with lone surrogates (bytes of the host that are not UTF-8) cannot stand in TOML: show them."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    return str(_storable(str(value)))


def _toml_fact(value: Any) -> Any:
    import tomlkit  # noqa: PLC0415 - see render

    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        for name, item in value.items():
            inline[name] = _toml_fact(item)
        return inline
    if isinstance(value, list):
        array = tomlkit.array()
        for item in value:
            array.append(_toml_fact(item))
        return array.multiline(len(value) > 3)  # noqa: PLR2004 - what reads well on one line
    return value


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file of ours whole: beside it, synced, renamed over it; it belongs to the user behind sudo.

    Raises:
        PlanError: it cannot be written; what stood there still stands.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise PlanError(f"{path}: not a regular file; nothing was written")
    prefix = f".{path.name}.hardentui-"
    _clear(path.parent, prefix)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=prefix, dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            _give_to_user(file.fileno())
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - the atomic rename itself
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - as above
        why = os.strerror(error.errno or errno.EIO)
        raise PlanError(f"{path}: {why}; nothing was written") from error


def _clear(folder: Path, prefix: str) -> None:
    """Remove what saves of this file left that were killed; one that may be going on now is left alone."""
    ours = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}")
    with contextlib.suppress(OSError):
        for left in folder.iterdir():
            if ours.fullmatch(left.name) is None:
                continue
            seen = left.lstat()
            mine = stat.S_ISREG(seen.st_mode) and seen.st_uid in {os.geteuid(), _user()[0]}
            if mine and seen.st_mtime < time.time() - _STALE:
                left.unlink()


def _user() -> tuple[int, int]:
    """The user and group behind sudo, or our own."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and user.isdigit() and group.isdigit():
        return int(user), int(group)
    return os.geteuid(), os.getegid()


def _give_to_user(handle: int) -> None:
    user, group = _user()
    if user != os.geteuid():
        os.fchown(handle, user, group)


__all__ = ["MistakesError", "PlanError", "PlanFile", "Standing", "render", "standing", "write"]
