"""`hardentui events`: what is recorded, without a screen."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from core.test_event_classes import PERSISTENT, VOLATILE, host
from test_cli import run

from hardentui import i18n
from hardentui.host.recording import record
from hardentui.resources.events.catalogue import CLASSES
from hardentui.resources.events.told import told
from hardentui.snapshot import Process, Snapshot


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "100")
    i18n.use("en")


def recording(folder: Path, store: str, *more: Process) -> Path:
    path = folder / "host.json"
    snapshot = Snapshot(host(*more, store=store))
    told(snapshot)
    snapshot.taken_at  # noqa: B018 - asked, so that the recording holds it
    path.write_text(record(snapshot), encoding="utf-8")
    return path


def test_each_class_stands_on_a_line_with_both_sides(capsys, tmp_path: Path) -> None:
    code, out, err = run(capsys, "events", "--recording", recording(tmp_path, VOLATILE))
    assert (code, err) == (0, "")
    line = next(line for line in out.splitlines() if "Command by sudo" in line)
    assert line.split("  ", 1)[1].count("~ until reboot") == 2
    assert "journal" in line
    assert max(len(line) for line in out.splitlines()) <= 100


def test_the_numbers_of_the_summary_are_all_of_the_classes(capsys, tmp_path: Path) -> None:
    out = run(capsys, "events", "--recording", recording(tmp_path, PERSISTENT))[1]
    count, *parts = (int(word) for word in re.findall(r"\d+", " ".join(out.splitlines()[:2])))
    assert count == len(CLASSES) == sum(parts)


def test_one_class_is_told_with_rule_store_and_readers(capsys, tmp_path: Path) -> None:
    code, out, _err = run(capsys, "events", "sudo", "--recording", recording(tmp_path, PERSISTENT))
    assert code == 0
    for words in ("sudo true", "sudo -> authpriv.notice", "outlasts a reboot", "systemd-journal"):
        assert words in out


def test_json_has_words_of_no_language(capsys, tmp_path: Path) -> None:
    code, out, _err = run(
        capsys, "events", "--json", "--lang", "fr", "--recording", recording(tmp_path, PERSISTENT)
    )
    classes = {one["id"]: one for one in json.loads(out)["classes"]}
    assert code == 0
    assert set(classes) == {one.id for one in CLASSES}
    assert (classes["sudo"]["line"], classes["sudo"]["boot"]["state"]) == ("authentication", "kept")
    assert classes["account-files"]["now"]["state"] == "lost"
    store = classes["sudo"]["now"]["witnesses"][0]["stores"][0]
    assert (store["kind"], store["lasts"]) == ("journal", True)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_could_not_be_found_out_ends_with_the_code_for_it(
    capsys, tmp_path: Path, more: tuple[str, ...]
) -> None:
    path = recording(tmp_path, VOLATILE, Process(9, "syslog-ng", "root", "", ""))
    codes = {
        kind: run(capsys, "events", *kind, *more, "--recording", path)[0]
        for kind in [("sudo",), ("account-files",), ()]
    }
    assert codes == {("sudo",): 3, ("account-files",): 0, (): 3}


def test_a_class_that_does_not_exist_is_wrong_usage(capsys, tmp_path: Path) -> None:
    code, out, err = run(capsys, "events", "sudoo", "--recording", recording(tmp_path, VOLATILE))
    assert (code, out) == (2, "")
    assert "sudo-refused" in err


@pytest.mark.parametrize("where", ["--recording", "--root"])
def test_nothing_comes_of_a_recording_or_an_image(capsys, tmp_path: Path, where: str) -> None:
    place = recording(tmp_path, VOLATILE) if where == "--recording" else tmp_path
    code, out, err = run(capsys, "events", "--follow", where, place)
    assert (code, out) == (3, "")
    assert "no live events" in err
