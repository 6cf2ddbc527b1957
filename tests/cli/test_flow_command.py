"""hardentui flows: the matrix without a screen, the policy, and what goes into a plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from core import applications, hosts
from core.applications import ADMIN, ANSWERS, LDAP

from hardentui.cli import main
from hardentui.flows.draft import ADDED, DECISION
from hardentui.host.recording import record
from hardentui.plan import PlanFile
from hardentui.resources.firewall.policy import parse
from hardentui.session import Session
from hardentui.snapshot import File, Output

GIVEN = [word for pair in ANSWERS.items() for word in ("--answer", "=".join(pair))]
OWN = 'format = 1\napplication = "shop"\nversion = "1"\n'


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    """A recording of a host of Canopsis, with an administrator and a directory connected."""
    return recording(tmp_path, applications.host(connections=(ADMIN, LDAP)))


def recording(folder: Path, made: hosts.DictHost) -> str:
    made.files["/usr/sbin/nft"] = "a program"
    made.files["/etc/machine-id"] = f"{7:032x}\n"
    snapshot = hosts.snapshot(made)
    Session.begin(applications.CHECKLISTS, snapshot)
    applications.draft(snapshot)
    snapshot.ask(File("/etc/machine-id"))
    path = folder / "host.json"
    path.write_text(record(snapshot))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["--lang", "en", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def flows(capsys: pytest.CaptureFixture[str], recorded: str, *words: str) -> tuple[int, str, str]:
    return run(capsys, "--recording", recorded, "flows", *GIVEN, *words)


def test_the_matrix_says_what_is_open_and_that_it_is_not_complete(
    recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _err = flows(capsys, recorded)
    assert code == 1
    row = next(line for line in out.splitlines() if line.startswith("22/tcp sshd"))
    assert "= passes 1" in row
    assert "! passes" in row
    assert "> 389/tcp 10.0.0.9" in out
    assert "Never complete" in out
    assert "the policy would cut out tcp 389 10.0.0.9" in out


@pytest.mark.parametrize("width", ["60", "80", "140"])
def test_no_line_is_wider_than_the_terminal(
    recorded: str, width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    out = flows(capsys, recorded)[1]
    assert max(map(len, out.splitlines())) <= int(width)
    assert "others" in out


def test_a_heading_stands_above_its_column_and_is_written_out_where_there_is_room(
    recorded: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    lines = flows(capsys, recorded)[1].splitlines()
    heading = next(line for line in lines if line.startswith("Goes out"))
    row = next(line for line in lines if line.startswith("> 389/tcp"))
    assert row[heading.index("this host") - 1] == " "
    assert row[heading.index("this host")] in "=!?"
    assert "…" not in next(line for line in lines if line.startswith("Comes in"))


def test_in_french(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "fr", "--recording", recorded, "flows", *GIVEN]) == 1
    assert "Utilisateurs" in capsys.readouterr().out


def test_for_other_programs(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(flows(capsys, recorded, "--json")[1])
    assert found["complete"] is False
    row = next(one for one in found["rows"] if (one["ports"], one["direction"]) == ("22", "in"))
    assert row["cells"]["administrators"] == {
        "state": "wanted",
        "needed": True,
        "passes": "all",
        "published": False,
        "connected": 1,
    }
    assert [one["peer"] for one in found["would-cut"]] == ["10.0.0.9"]
    assert parse("\n".join(found["policy"]))


def test_a_picture_for_reports(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    import xml.etree.ElementTree as ET

    drawn = ET.fromstring(flows(capsys, recorded, "--svg")[1])
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "22/tcp sshd" in texts
    assert "! passes" in texts
    assert not [one for one in drawn.iter() if one.tag.endswith("script")]


def test_a_recording_of_the_command_holds_all_that_the_matrix_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "this.json"
    assert run(capsys, "record", "-o", str(path))[0] == 0
    found = json.loads(run(capsys, "--recording", str(path), "flows", *GIVEN, "--json")[1])
    assert not [gap for gap in found["unread"] if "recorded" in gap]


def test_the_policy_alone_can_be_piped(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    _code, out, err = flows(capsys, recorded, "--propose", "--add", "out tcp 389 to 10.0.0.9 site.ldap")
    policy = parse(out)
    assert {permit.name for permit in policy.permits} >= {"canopsis.users-web", "site.ldap"}
    assert "would cut" not in err


def test_what_would_be_cut_keeps_the_policy_out_of_the_plan(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    words = ("--plan", str(plan), "--apply")
    code, _out, err = flows(capsys, recorded, *words)
    assert (code, plan.exists()) == (2, False)
    assert "--acknowledge 'out tcp 389 10.0.0.9: REASON'" in err
    said = ("--acknowledge", "out tcp 389 10.0.0.9: the directory moves on Monday")
    assert flows(capsys, recorded, *words, *said)[0] == 1
    saved = PlanFile.read(plan).plan
    assert "cut out tcp 389 10.0.0.9: the directory moves on Monday" in saved.decision(DECISION).target
    assert saved.answers["canopsis-roles"] == "canopsis, mongodb"
    # Once more, from the plan alone: what was acknowledged and answered is remembered.
    again = run(capsys, "--recording", recorded, "flows", "--plan", str(plan), "--propose")[1]
    assert again == saved.decision(DECISION).target + "\n"


def test_a_policy_that_locks_its_administrator_out_is_kept_out_of_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is connected; it is where sshd listens that counts."""
    path, plan = recording(tmp_path, applications.host()), tmp_path / "plan.toml"
    words = ("--recording", path, "flows", "--plan", str(plan), "--apply")
    code, _out, err = run(capsys, *words)
    assert (code, plan.exists()) == (2, False)
    assert "sshd listens on tcp 22 (IPv4), and no line of the policy lets anybody in there" in err
    assert "--acknowledge 'in tcp 22 any: REASON'" in err
    assert run(capsys, *words, "--json")[1].count('"tcp 22 (IPv4)"') == 1
    run(capsys, *words, "--acknowledge", "in tcp 22 any: a console is at hand")
    decided = PlanFile.read(plan).plan.decision(DECISION)
    assert decided is not None
    assert "cut in tcp 22 any: a console is at hand" in decided.target.splitlines()


def test_an_added_flow_is_kept_with_the_plan(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    flows(
        *(capsys, recorded, "--plan", str(plan), "--apply"),
        *("--add", "out tcp 389 to 10.0.0.9 site.ldap", "--add", "in tcp 9100 from 10.0.0.7 site.metrics"),
    )
    saved = PlanFile.read(plan).plan
    both = "out tcp 389 to 10.0.0.9 site.ldap; in tcp 9100 from 10.0.0.7 site.metrics"
    assert saved.answers[ADDED] == both


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--add", "in tcp 99999 from any x"), "99999"),
        (("--add", "out drop"), "expected in|out tcp|udp PORTS"),
        (("--acknowledge", "out tcp 1 192.0.2.1: why"), "what the policy would cut: out tcp 389 10.0.0.9"),
        (("--acknowledge", "out tcp 389 10.0.0.9"), "expected CONNECTION: REASON"),
        (("--apply",), "--plan"),
        (("--answer", "canopsis-users=nobody at all"), "canopsis-users"),
    ],
)
def test_wrong_usage_is_said(
    recorded: str, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _out, err = flows(capsys, recorded, *words)
    assert code == 2
    assert said in err


def test_a_host_without_rules_to_read_is_not_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _err = flows(capsys, recording(tmp_path, applications.host(Output("no json"))))
    assert code == 3
    assert "?" in out


def test_hostile_names_of_processes_draw_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    odd = replace(LDAP, process="\x1b[2Jevil\n")
    hostile = recording(tmp_path, applications.host(connections=(odd,)))
    for words in ((), ("--json",), ("--propose",), ("--svg",)):
        _code, out, err = flows(capsys, hostile, *words)
        assert "\x1b" not in out + err
    assert "evil" in flows(capsys, hostile)[1]


# --- checklist check, schema --------------------------------------------------------------------------


def test_check_reads_profiles_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _code, out, _err = run(capsys, "checklist", "check")
    assert "canopsis: 18 flows" in out
    (tmp_path / "applications").mkdir()
    path = tmp_path / "applications" / "shop.toml"
    path.write_text(OWN)
    for words in (("checklist", "check", str(path)), ("--checklists", str(tmp_path), "checklist", "check")):
        code, _out, err = run(capsys, *words)
        assert code == 2
        assert f"{path}:1: title: missing" in err


def test_the_schema_of_profiles_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(run(capsys, "schema", "application")[1])["title"] == "hardentui application"
