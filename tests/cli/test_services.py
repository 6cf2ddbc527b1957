"""`hardentui services`: the matrix without a screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from core.running import HELD, many, process, rated, recorded, snapshot
from test_cli import run

from hardentui import i18n
from hardentui.snapshot import Socket, Unit


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "80")
    i18n.use("en")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    nginx = process(7), process(8, ppid=7, **HELD)
    ssh = process(9, "ssh.service", name="sshd")
    return recorded(tmp_path / "host.json", snapshot(*nginx, ssh, exposure=rated(nginx="9.6", ssh="9.2")))


def test_each_service_stands_on_a_line_the_most_exposed_first(capsys, recording: Path) -> None:
    code, out, _err = run(capsys, "services", "--recording", recording)
    assert code == 0
    lines = [line.split() for line in out.splitlines() if line.startswith(("nginx ", "ssh "))]
    assert [(line[0], line[1]) for line in lines] == [("nginx", "9.6"), ("ssh", "9.2")]
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.parametrize("name", ["nginx", "nginx.service"])
def test_one_service_is_told_with_the_places_where_it_was_read(capsys, recording: Path, name: str) -> None:
    code, out, _err = run(capsys, "services", name, "--recording", recording)
    assert code == 0
    for word in ("nginx.service", "/proc/7/status, NoNewPrivs", "/proc/7/ns", "least held", "www-data"):
        assert word in out


def test_json_names_all_services_or_the_one_that_was_asked_for(capsys, recording: Path) -> None:
    code, out, _err = run(capsys, "services", "--json", "--recording", recording)
    assert code == 0
    assert [one["unit"] for one in json.loads(out)["services"]] == ["nginx.service", "ssh.service"]
    out = run(capsys, "services", "ssh", "--json", "--recording", recording)[1]
    (one,) = json.loads(out)["services"]
    assert (one["exposure"], one["seccomp"], one["no-new-privileges"]) == (9.2, "none", False)


def test_a_service_that_does_not_run_is_wrong_usage_with_a_hint(capsys, recording: Path) -> None:
    code, out, err = run(capsys, "services", "ngin", "--recording", recording)
    assert (code, out) == (2, "")
    assert "ngin" in err
    assert "nginx.service" in err


def test_a_service_that_nobody_called_yet_is_said_to_wait(capsys, tmp_path: Path) -> None:
    held = Socket("tcp", "127.0.0.1", 631, "systemd", 1, "root")
    cups = Unit("cups.socket", "loaded", "active", listens=("127.0.0.1:631 (Stream)",))
    path = recorded(tmp_path / "host.json", snapshot(process(7), sockets=(held,), units=(cups,)))
    code, _out, err = run(capsys, "services", "cups", "--recording", path)
    assert code == 2
    assert "cups does not run: systemd listens for it (cups.socket)" in err
    assert json.loads(run(capsys, "services", "--json", "--recording", path)[1])["waiting"] == {
        "cups.socket": [631]
    }


def test_on_an_image_nothing_runs(capsys, tmp_path: Path) -> None:
    code, out, err = run(capsys, "services", "--root", tmp_path)
    assert (code, out) == (3, "")
    assert "an image does not run" in err


def test_a_recording_that_does_not_hold_it_says_so(capsys, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"hardentui-recording": 1, "host": "live", "answers": []}')
    code, out, err = run(capsys, "services", "--recording", path)
    assert (code, out) == (3, "")
    assert "not in this recording" in err


def test_what_is_not_known_of_a_service_ends_with_the_code_for_it(capsys, tmp_path: Path) -> None:
    unrated = recorded(tmp_path / "host.json", snapshot(process(7)))
    for words in ((), ("nginx",), ("--json",)):
        code, out, _err = run(capsys, "services", *words, "--recording", unrated)
        assert (code, "nginx" in out) == (3, True)


def test_this_machine_is_read_without_a_traceback(capsys) -> None:
    code, out, err = run(capsys, "services")
    systemd_runs = Path("/run/systemd/system").is_dir()
    assert ("services:" in out, err == "") == (systemd_runs, systemd_runs)
    assert code in ({0, 3} if systemd_runs else {3})  # who is not root does not see all


def test_three_hundred_services_are_all_there(capsys, tmp_path: Path) -> None:
    path = recorded(tmp_path / "host.json", many(300))
    out = run(capsys, "services", "--recording", path)[1]
    assert sum(line.startswith("app-") for line in out.splitlines()) == 300
