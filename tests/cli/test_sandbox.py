"""hardentui sandbox: a service on the workbench without a screen, and its choice in a plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from core import hosts
from core.test_sandbox import WEB, host, used

from hardentui.cli import main
from hardentui.host.recording import record
from hardentui.plan import PlanFile
from hardentui.resources.sandbox.bench import Bench
from hardentui.resources.sandbox.directives import parse
from hardentui.session import identity
from hardentui.snapshot import PrivilegesAre


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    """A recording of the web server."""
    return recording(tmp_path, host())


def recording(folder: Path, made: hosts.DictHost) -> str:
    snapshot = hosts.snapshot(made)
    Bench.open(snapshot, WEB)
    identity(snapshot)
    snapshot.ask(PrivilegesAre())
    path = folder / "host.json"
    path.write_text(record(snapshot))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["--lang", "en", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_seen_and_what_would_break_is_told(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = run(capsys, "--recording", recorded, "sandbox", "web")
    assert code == 0
    assert "ports below 1024: 80" in out
    assert "exposure 9.6 UNSAFE" in out
    assert "needs ReadWritePaths=-/run -/var/lib/web -/var/log/web" in out
    assert "What was not seen" in out


def test_a_broken_choice_fails_and_is_not_put_into_a_plan(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    words = ("--recording", recorded, "sandbox", WEB, "--set", "CapabilityBoundingSet=CAP_KILL")
    assert run(capsys, *words)[0] == 1
    code, _out, err = run(capsys, *words, "--plan", str(plan))
    assert code == 2
    assert "CapabilityBoundingSet would break web.service" in err
    assert not plan.exists()
    run(capsys, *words, "--plan", str(plan), "--force")
    assert plan.exists()


def test_choices_come_together_in_the_plan(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    start = ("--recording", recorded, "sandbox", WEB, "--plan", str(plan))
    assert run(capsys, *start, "--safe")[0] == 0
    run(capsys, *start, "--set", "UMask=0077", "--without", "PrivateTmp")
    (decision,) = PlanFile.read(plan).plan.decisions
    chosen = parse(decision.target)
    assert chosen["UMask"] == "0077"
    assert "PrivateTmp" not in chosen
    assert "NoNewPrivileges" in chosen
    code, out, _err = run(capsys, "--recording", recorded, "script", str(plan))
    assert code == 0
    assert "restart_unit 3 reversible web.service" in out
    assert "UMask=0077" in out


def test_json_says_the_same(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    _code, out, _err = run(capsys, "--recording", recorded, "sandbox", "web", "--recommended", "--json")
    said = json.loads(out)
    assert said["exposure"]["now"] == 9.6
    assert said["exposure"]["chosen"] < 3
    assert said["seen"]["low-ports"] == [80]
    assert {one["verdict"] for one in said["directives"] if one["chosen"] is not None} <= {"safe", "unknown"}
    assert "NoNewPrivileges=yes" in said["drop-in"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nothing"], "no service nothing"),
        (["web", "--set", "Nonsense=yes"], "no directive that is known here"),
        (["web", "--set", "PrivateTmp=perhaps"], "expected no, yes"),
        (["web", "--set", "PrivateTmp"], "expected DIRECTIVE=VALUE"),
        (["web", "--without", "\x1b[2J"], "no directive that is known here"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    recorded: str, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    code, _out, err = run(capsys, "--recording", recorded, "sandbox", *words)
    assert code == 2
    assert why in err
    assert "\x1b" not in err


def test_one_service_is_an_entry_like_others(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = f"sandbox.service:{WEB}"
    code, out, _err = run(capsys, "--recording", recorded, "explain", id_)
    assert (code, "9.6" in out, "is restarted: its work is interrupted" in out) == (0, True, True)
    plan = tmp_path / "plan.toml"
    assert run(capsys, "--recording", recorded, "plan", "new", "-o", str(plan), "--apply", id_)[0] == 0
    assert run(capsys, "--recording", recorded, "plan", "check", str(plan))[0] == 0
    (decision,) = PlanFile.read(plan).plan.decisions
    assert (decision.id, decision.target) == (id_, "proposed")


def test_names_of_the_host_draw_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recording(tmp_path, used(written=("/srv/\x1b[2Jx\ny",)))
    _code, out, _err = run(capsys, "--recording", path, "sandbox", "web")
    assert "\x1b" not in out
