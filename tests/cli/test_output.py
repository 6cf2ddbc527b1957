"""What commands print and write: never lost in silence, never a traceback, safe on any terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from core.written import CHECKLIST

from hardentui import i18n
from hardentui.checklist import load_files, shipped_folder
from hardentui.cli import main
from hardentui.export import text
from hardentui.hazards import PROBES
from hardentui.host.recording import demo_host
from hardentui.model import Finding, Result
from hardentui.resources import check
from hardentui.session import Session
from hardentui.snapshot import Snapshot

HARDENTUI = (sys.executable, "-m", "hardentui")
PRINTING = [
    ["--version"],
    ["--help"],
    ["--demo", "scan"],
    ["--demo", "scan", "--json"],
    ["completion", "bash"],
    ["schema", "plan"],
]


def run(*words: str | Path, **others) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LANGUAGE": "en", "LC_ALL": "C.UTF-8", **others.pop("env", {})}
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **others}
    return subprocess.run([*HARDENTUI, *map(str, words)], check=False, env=environment, **given)


def closed(descriptor: int):
    return lambda: os.close(descriptor)


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_output_is_said_and_is_no_success(words: list[str], buffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(*words, stdout=full, env={"PYTHONUNBUFFERED": buffered})
    assert done.returncode == 2
    assert done.stderr == b"hardentui: standard output: No space left on device\n"


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_closed_output_is_said_and_is_no_success(words: list[str]) -> None:
    done = run(*words, stdout=None, preexec_fn=closed(1))
    assert done.returncode == 2
    assert done.stderr == b"hardentui: standard output is closed\n"


@pytest.mark.parametrize("words", [["--demo", "scan"], ["--demo", "scan", "--json"]], ids=" ".join)
def test_a_reader_that_went_away_ends_it_as_it_ends_other_programs(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(*words, stdout=writer)
    os.close(writer)
    assert done.returncode == 141
    assert not done.stderr


def test_a_closed_error_output_loses_no_result() -> None:
    done = run("--demo", "scan", stderr=None, preexec_fn=closed(2))
    assert done.returncode == 1
    assert done.stdout.startswith(b"Evaluated")
    assert run("scan", "--chapter", "nonsense", stderr=None, preexec_fn=closed(2)).returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "words", [["--demo", "scan"], ["--demo", "explain", "mount.home.options"]], ids=" ".join
)
def test_a_terminal_that_is_not_utf8_shows_escapes(words: list[str], encoding: str) -> None:
    done = run("--lang", "fr", *words, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert done.returncode in {0, 1}
    assert not done.stderr
    assert b"\\u2026" in done.stdout or b"\\xe9" in done.stdout or "é".encode("latin-1") in done.stdout


def test_a_script_has_the_same_bytes_in_every_locale(tmp_path: Path) -> None:
    plan, file = tmp_path / "plan.toml", tmp_path / "harden.sh"
    run("--lang", "fr", "--demo", "plan", "new", "-o", plan, "--apply", "sysctl.kernel-kptr-restrict")
    assert run("script", plan, "-o", file).returncode == 0
    printed = run("script", plan, env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}).stdout
    assert printed == file.read_bytes()
    assert not printed.isascii()


# --- files ------------------------------------------------------------------------------------------


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    assert main(["--demo", "plan", "new", "-o", str(path), "--apply", "sysctl.kernel-kptr-restrict"]) == 0
    return path


def commands(plan: Path) -> dict[str, list[str]]:
    return {
        "script": ["script", str(plan)],
        "record": ["--demo", "record"],
        "plan": ["--demo", "plan", "new"],
    }


@pytest.mark.parametrize("name", ["script", "record", "plan"])
def test_a_file_that_stands_there_is_written_over_by_force_only(
    name: str, plan: Path, tmp_path: Path
) -> None:
    words, file = commands(plan)[name], tmp_path / "file"
    file.write_text("mine\n")
    refused = run(*words, "-o", file)
    assert refused.returncode == 2
    assert b"--force" in refused.stderr
    assert file.read_text() == "mine\n"
    assert run(*words, "-o", file, "--force").returncode == 0
    assert file.read_text() != "mine\n"
    assert file.stat().st_mode & 0o777 == (0o700 if name == "script" else 0o600)


def test_a_script_that_is_the_same_is_left_alone(plan: Path, tmp_path: Path) -> None:
    file = tmp_path / "harden.sh"
    assert run("script", plan, "-o", file).returncode == 0
    before = file.stat()
    assert run("script", plan, "-o", file).returncode == 0
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_link_that_leads_nowhere_is_not_followed(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert run("script", plan, "-o", tmp_path / "link").returncode == 2
    assert not (tmp_path / "elsewhere").exists()


# --- what others wrote --------------------------------------------------------------------------------

HOSTILE = "x\\u001b]0;owned\\u0007\\u202e"


def test_no_id_of_a_checklist_draws_on_the_terminal(tmp_path: Path) -> None:
    """An id of a section may be anything; the loader refuses only hostile ids of recommendations."""

    path = tmp_path / "site.toml"
    path.write_text(CHECKLIST.replace('id = "kernel"', f'id = "{HOSTILE}"'))
    session = Session.begin(load_files([path], check, PROBES), Snapshot(demo_host()))
    lines = list(text.table(session.findings, session.plan, 100))
    assert any("\\x1b]0;owned" in line for line in lines)
    assert all(line.isprintable() for line in lines)


def test_no_option_draws_on_the_terminal() -> None:
    done = run("scan", "--\x1b]0;owned\x07")
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert b"owned" in done.stderr


def test_a_french_page_about_a_recommendation_is_french_and_names_each_document_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--demo", "--lang", "fr", "explain", "services.exposure"])
    page = capsys.readouterr().out
    assert "intermédiaire (ANSSI)" in page
    assert "intermediary" not in page
    assert "medium" not in page
    assert page.count("ANSSI-BP-028, ") == 1


def test_what_was_not_evaluated_is_counted_in_words_that_agree() -> None:
    i18n.use("en")
    entry = load_files([shipped_folder() / "selinux.toml"], check, PROBES).recommendations[0]
    one = Finding(entry, Result.ERROR, "")
    assert text.summary([one]).endswith("Not evaluated: 1 error.")
    assert text.summary([one, one]).endswith("Not evaluated: 2 errors.")
