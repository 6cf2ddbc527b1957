"""The command that prints how fast the logs grow."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from core import growth
from core.test_volume import host

from hardentui.cli import main
from hardentui.host.recording import record
from hardentui.resources.volume.forecast import volumes
from hardentui.snapshot import LeftOut, LogTree, Reason, Snapshot, Unread

HOSTILE = "/var/log/\x1b[31m\u202eevil\udcff.log"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def recorded(folder: Path, tree: LogTree | Unread = growth.BUSY) -> str:
    """A file with what the command asks of a host."""
    asked = Snapshot(host(tree))
    found = volumes(asked)
    for system in getattr(found, "systems", ()):
        from hardentui.resources.volume.consequences import when_full

        when_full(asked, system)
    path = folder / "host.json"
    path.write_text(record(asked))
    return str(path)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_each_file_system_has_its_days_its_plot_and_its_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _err = said(capsys, "--recording", recorded(tmp_path), "volume")
    assert code == 0
    assert "Full first: /var/log/audit, in 150-450 d." in out
    assert "/var/log/audit  █" in out
    assert "journald: 410 MiB" in out
    assert "/var/log/remote/web03/*.log" in out
    assert any("\u2801" <= character <= "\u28ff" for character in out)


def test_a_console_without_braille_gets_ascii(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "linux")
    assert said(capsys, "--recording", recorded(tmp_path), "volume")[1].isascii()


def test_json_says_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = said(capsys, "--recording", recorded(tmp_path), "volume", "--json")
    assert code == 0
    systems: dict[str, Any] = {one["path"]: one for one in json.loads(out)["file-systems"]}
    audit = systems["/var/log/audit"]
    assert audit["days-until-full"] == {"soonest": 150, "latest": 450}
    assert audit["within-ten-years"] is True
    assert audit["growth"]["low"] == pytest.approx(2 << 20, rel=0.01)
    journal = next(log for log in systems["/var/log"]["logs"] if log["name"] == "/var/log/journal")
    assert journal["kept-bytes"] == (4 << 30) // 10
    assert journal["limit-lasts-days"] == {"soonest": 17, "latest": 17}
    assert systems["/var/log"]["growth-not-known-of"] == []


def test_a_name_that_would_draw_is_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = growth.tree(growth.file(HOSTILE, 1 << 20, 3, 0))
    _code, out, _err = said(capsys, "--recording", recorded(tmp_path, tree), "volume")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\x1b[31m\\u202eevil\\xff.log" in out
    _code, out, _err = said(capsys, "--recording", recorded(tmp_path, tree), "volume", "--json")
    named = [log["name"] for one in json.loads(out)["file-systems"] for log in one["logs"]]
    assert named == [HOSTILE]


def test_what_was_not_recorded_is_said_and_is_no_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, "--recording", recorded(tmp_path, Unread(Reason.NOT_RECORDED)), "volume")
    assert code == 3
    assert out == ""
    assert "not in this recording: /var/log" in err


@pytest.mark.parametrize(
    "lacks",
    [
        {"unread": ("/var/log/private",), "unread_count": 1},
        {"cut": "files"},
        {"left_out": (LeftOut("/var/log/remote", "nfs4"),)},
    ],
)
def test_logs_that_were_not_read_end_with_the_code_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lacks: dict[str, Any]
) -> None:
    part = dataclasses.replace(growth.BUSY, **lacks)
    code, out, _err = said(capsys, "--recording", recorded(tmp_path, part), "volume")
    assert code == 3
    assert "Full first: /var/log/audit" in out


def test_an_image_has_sizes_but_no_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / "var/log/app.log").write_text("2026-01-01T00:00:00Z x\n" * 1000)
    code, out, _err = said(capsys, "--root", str(tmp_path), "volume", "--lang", "en")
    assert code == 0
    assert "How full it is cannot be told here" in out
    assert "/var/log/app.log" in out
