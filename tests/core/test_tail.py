"""The tail: log files that grow, are rotated, emptied or flooded; what cannot be followed is said."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from hardentui.host import tail as module
from hardentui.host.tail import MOST, Tail
from hardentui.record import Record
from hardentui.snapshot import Reason

T = TypeVar("T")
LINE = "Nov 21 18:49:01 lab sudo: root : COMMAND={}\n"
AUDIT = "type=USER_CMD msg=audit(1795260819.001:{0}): cmd={0:08d} res=success\n"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host without systemd: its logs are files in a folder of ours."""
    monkeypatch.setattr(module, "AUDIT_LOG", str(tmp_path / "audit.log"))
    monkeypatch.setattr(module, "AUTH_LOGS", (str(tmp_path / "auth.log"), str(tmp_path / "secure")))
    monkeypatch.setattr(module, "_JOURNALS", (str(tmp_path / "journal"),))
    (tmp_path / "auth.log").write_text(LINE.format("before"))
    return tmp_path


@pytest.fixture
def tail(logs: Path) -> Iterator[Tail]:
    found = Tail()
    yield found
    found.close()


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def until(tail: Tail, enough: Callable[[list[Record]], object]) -> list[Record]:
    """The records that came until these are enough."""
    found: list[Record] = []
    for _turn in range(50):
        found += tail.wait(0.2).records
        if enough(found):
            return found
    raise AssertionError(found)


def commands(records: list[Record]) -> list[str]:
    return [record.text.partition("COMMAND=")[2] for record in records]


def test_only_what_comes_from_now_on_is_shown(logs: Path, tail: Tail) -> None:
    add(logs / "auth.log", LINE.format("one"))
    assert commands(until(tail, bool)) == ["one"]
    assert tail.stores == (str(logs / "auth.log"),)
    assert [(place, why.reason) for place, why in tail.gaps] == [("journal", Reason.MISSING)]


def test_half_a_line_waits_for_its_other_half(logs: Path, tail: Tail) -> None:
    whole = LINE.format("one")
    add(logs / "auth.log", whole[:20])
    assert tail.wait(0.2).records == ()
    add(logs / "auth.log", whole[20:])
    assert commands(until(tail, bool)) == ["one"]


def test_a_rotation_loses_nothing(logs: Path, tail: Tail) -> None:
    add(logs / "auth.log", LINE.format("last of the old"))
    (logs / "auth.log").replace(logs / "auth.log.1")
    assert commands(until(tail, bool)) == ["last of the old"]
    add(logs / "auth.log.1", LINE.format("late in the old"))
    (logs / "auth.log").write_text(LINE.format("first of the new"))
    assert commands(until(tail, lambda found: len(found) == 2)) == ["late in the old", "first of the new"]
    add(logs / "auth.log", LINE.format("second of the new"))
    assert commands(until(tail, bool)) == ["second of the new"]


def test_a_file_that_is_emptied_in_its_place_is_read_from_its_beginning(logs: Path, tail: Tail) -> None:
    add(logs / "auth.log", LINE.format("one"))
    until(tail, bool)
    os.truncate(logs / "auth.log", 0)
    tail.wait(0.2)
    add(logs / "auth.log", LINE.format("two"))
    assert commands(until(tail, bool)) == ["two"]


def test_of_a_flood_the_newest_are_kept_and_the_others_counted(logs: Path, tail: Tail) -> None:
    add(logs / "auth.log", "".join(LINE.format(number) for number in range(5000)))
    batch = tail.wait(5)
    assert len(batch.records) == MOST
    assert commands(list(batch.records))[-1] == "4999"
    assert (batch.count, batch.left_out) == (5000, 5000 - MOST)


def test_a_line_without_end_takes_no_memory_and_hides_nothing(logs: Path, tail: Tail) -> None:
    add(logs / "auth.log", "x" * 3_000_000)
    tail.wait(0.2)
    add(logs / "auth.log", "\n" + LINE.format("after"))
    assert commands(until(tail, bool)) == ["after"]


def test_the_lines_of_an_audit_event_are_one_record(logs: Path) -> None:
    (logs / "audit.log").write_text("")
    tail = Tail()
    try:
        add(logs / "audit.log", AUDIT.format(7) + AUDIT.format(7) + AUDIT.format(8))
        assert len(until(tail, bool)) == 2
    finally:
        tail.close()


def test_a_wait_ends_when_another_thread_closes(tail: Tail) -> None:
    done = threading.Event()

    def follow() -> None:
        tail.wait(60)
        done.set()

    thread = threading.Thread(target=follow)
    thread.start()
    tail.close()
    tail.close()
    assert done.wait(10)
    thread.join()
    assert tail.wait(1).records == ()


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("#!/nowhere/interpreter\n", 0o755, "journalctl is not installed"),
        ("#!/bin/sh\n", 0o644, "journalctl: Permission denied"),
        ("nothing that runs\n", 0o755, "journalctl: Exec format error"),
    ],
)
def test_where_journalctl_cannot_be_started_the_files_are_followed(
    logs: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, why: str
) -> None:
    (logs / "journal/0").mkdir(parents=True)
    (logs / "journal/0/system.journal").write_text("")
    program = logs / "bin/journalctl"
    program.parent.mkdir()
    program.write_text(text)
    program.chmod(mode)
    monkeypatch.setitem(module._ENVIRONMENT, "PATH", str(program.parent))
    tail = Tail()
    try:
        assert tail.stores == (str(logs / "auth.log"),)
        assert [(place, unread.words()) for place, unread in tail.gaps] == [("journal", why)]
    finally:
        tail.close()


def test_a_fifo_where_a_log_should_be_holds_nobody_up(logs: Path) -> None:
    (logs / "auth.log").unlink()
    os.mkfifo(logs / "auth.log")
    tail = within(5, Tail)
    assert tail.stores == ()
    assert str(logs / "auth.log") in dict(tail.gaps)
    tail.close()


def test_a_fifo_that_takes_the_place_of_a_log_holds_nobody_up(logs: Path, tail: Tail) -> None:
    (logs / "auth.log").unlink()
    os.mkfifo(logs / "auth.log")
    assert within(5, lambda: tail.wait(0.2)).records == ()


def within(seconds: float, work: Callable[[], T]) -> T:
    """What a piece of work gives; it fails where it takes longer."""
    done: list[T] = []
    thread = threading.Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert done, f"not done within {seconds} s"
    return done[0]
