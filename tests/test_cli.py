"""The command line, as an administrator or another program meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from core.written import asking

from hardentui import __version__, i18n
from hardentui.cli import main

ANSWERS = ["ipv6=static", "routing=no", "role=server", "hypervisor=no"]
GIVEN = [word for answer in ANSWERS for word in ("--answer", answer)]
KEYS = {
    "id",
    "chapter",
    "level",
    "resource",
    "subject",
    "result",
    "running",
    "boot",
    "expected",
    "provenance",
    "message",
}


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "en")
    i18n.use("en")


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    try:
        code = main([str(word) for word in words])
    except SystemExit as left:
        code = int(left.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def findings(out: str) -> dict[str, dict[str, object]]:
    return {found["id"]: found for found in json.loads(out)["findings"]}


def test_version_and_help_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[:2] == (0, f"hardentui {__version__}\n")
    code, out, _err = run(capsys, "--help")
    assert code == 0
    assert "examples:" in out
    assert "exit codes:" in out


def test_help_in_french(capsys: pytest.CaptureFixture[str]) -> None:
    assert "exemples" in run(capsys, "--lang", "fr", "--help")[1]


def test_scan_counts_what_was_not_evaluated_first(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = run(capsys, "--demo", "scan")
    assert code == 1
    first = out.splitlines()[0]
    assert first.startswith("Evaluated ")
    assert "Not evaluated:" in first


def test_scan_json_has_what_programs_need(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = run(capsys, "--demo", "scan", "--json")
    assert code == 1
    found = findings(out)
    assert all(set(entry) >= KEYS for entry in found.values())
    chapters = {"partitioning", "sysctl", "selinux", "ports", "sandboxing", "logging"}
    assert {entry["chapter"] for entry in found.values()} == chapters
    home = found["mount.home.options"]
    assert (home["result"], home["drift"]) == ("fail", "lost-at-reboot")
    places = found["sysctl.kernel-kptr-restrict"]["provenance"]
    assert any(p["place"] == "/etc/sysctl.d/90-site.conf" and p["role"] == "wins" for p in places)


def test_a_file_that_is_beaten_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    _code, out, _err = run(capsys, "--demo", "scan", "--json", "--chapter", "sysctl")
    fifos = findings(out)["sysctl.v2.protected-fifos"]
    roles = {place["place"]: place["role"] for place in fifos["provenance"]}
    assert roles["/usr/lib/sysctl.d/99-protect-links.conf"] == "wins"
    assert roles["/etc/sysctl.d/90-site.conf"] == "beaten"


def test_chapter_and_level_select(capsys: pytest.CaptureFixture[str]) -> None:
    _code, out, _err = run(
        capsys, "--demo", "scan", "--json", "--chapter", "sysctl", "--level", "intermediary"
    )
    found = findings(out).values()
    assert found
    assert {entry["chapter"] for entry in found} == {"sysctl"}
    assert {entry["level"] for entry in found} <= {"minimal", "intermediary"}


def test_nothing_fails_but_nothing_was_evaluated_is_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "--root", tmp_path, "scan", "--json", "--chapter", "sysctl")
    results = {entry["result"] for entry in findings(out).values()}
    assert "error" not in results
    assert code in {1, 3}
    assert not err


def test_an_empty_root_lists_every_recommendation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _code, out, _err = run(capsys, "--root", tmp_path, "scan", "--json")
    _code, demo, _err = run(capsys, "--demo", "scan", "--json")
    assert set(findings(out)) == set(findings(demo))
    assert not any(entry["result"] == "error" for entry in findings(out).values())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to stop being it")
def test_an_ordinary_user_gets_results_and_no_traceback() -> None:
    # All is imported while it can be: the interpreter may live where an ordinary user cannot look.
    program = (
        "import os, sys, io, contextlib\n"
        "from hardentui.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    main(['scan', '--json'])\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(main(['scan', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode in {1, 3}, done.stderr
    assert not done.stderr
    found = findings(done.stdout)
    assert not any(entry["result"] == "error" for entry in found.values())
    unreadable = found["sysctl.v2.bpf-jit-harden"]  # root alone reads it
    assert unreadable["running"] is None
    assert unreadable["result"] != "pass"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scan", "--chapter", "nonsense"], "unknown chapter nonsense"),
        (["explain", "no.such.id"], "no recommendation has the id no.such.id"),
        (["scan", "--answer", "ipv6=maybe"], "expected one of unused, static, autoconfigured"),
        (["scan", "--answer", "colour=red"], "unknown question colour"),
        (["scan", "--answer", "applications=canopsis, shop"], "applications: 'shop' is not known; known: "),
        (["scan", "--answer", "canopsis-roles=web"], "canopsis-roles: 'web' is not known; known: "),
        (["--root", "/nonexistent", "scan"], "is no folder"),
        (["--recording", "/nonexistent", "scan"], "No such file"),
        (["plan", "show", "/nonexistent"], "No such file"),
        (["--checklists", "/nonexistent", "scan"], "no checklist"),
    ],
)
def test_wrong_input_is_2_with_a_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    code, out, err = run(capsys, *(["--demo"] if not {"--root", "--recording"} & set(words) else []), *words)
    assert code == 2
    assert said in err
    assert not out


def test_explain_shows_the_erratum(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = run(capsys, "--demo", "explain", "sysctl.kernel-perf-event-paranoid")
    assert code == 0
    assert "E03" in out
    assert "E04" in out
    assert "kernel.perf_event_paranoid" in out


def test_explain_shows_an_open_question_by_its_title_and_then_its_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explain = ["explain", "time.servers"]
    assert "«Which servers give the time to all hosts here?»" in run(capsys, "--demo", *explain)[1]
    french = run(capsys, "--demo", "--lang", "fr", *explain)[1]
    assert "«Quels serveurs donnent l'heure à toutes les machines ici ?»" in french
    answered = run(capsys, "--demo", *explain, "--answer", "ntp-servers=ntp.example.org")[1]
    assert "Target      ntp.example.org" in answered


def test_from_a_plan_to_a_script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plan, script = tmp_path / "web01.toml", tmp_path / "harden.sh"
    code, out, _err = run(capsys, "--demo", "plan", "new", "-o", plan, "--apply", "failing", *GIVEN)
    assert (code, plan.stat().st_mode & 0o777) == (0, 0o600), out
    assert run(capsys, "plan", "check", plan)[0] == 0
    assert "sysctl.ipv4-accept-redirects" in run(capsys, "--demo", "plan", "show", plan)[1]
    assert run(capsys, "--demo", "plan", "diff", plan)[:2] == (0, "no difference\n")
    assert run(capsys, "script", plan, "-o", script)[0] == 0
    assert run(capsys, "script", plan)[1] == script.read_text()
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert script.read_text().endswith('main "$@"; exit\n')


def test_every_answer_of_a_plan_that_does_not_fit_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.toml"
    answers = [*GIVEN, "--answer", "log-server=logs.example.org", "--answer", "log-port=2514"]
    answers += ["--answer", "applications=canopsis", "--answer", "ntp-servers=a.example"]
    assert run(capsys, "--demo", "plan", "new", "-o", plan, *answers)[0] == 0
    text = plan.read_text().replace("ntp-servers", "ntp-sever").replace('"canopsis"', '"canopsys"')
    text = text.replace('"logs.example.org"', '"-nothing"').replace('"2514"', '"many"')
    plan.write_text(text.replace('"no"', '"perhaps"', 1))
    lines = {line.partition(" = ")[0]: number for number, line in enumerate(plan.read_text().split("\n"), 1)}
    wrong = ("log-server", "log-port", "routing", "applications", "ntp-sever")
    named = [f"{plan}:{lines[name]}: answers.{name}: " for name in wrong]

    code, _out, err = run(capsys, "plan", "check", plan)
    assert code == 2
    assert all(name in err for name in named)
    assert "a port number from 1 to 65535" in err
    assert "expected one of" in err
    assert "'canopsys' is not known; known: canopsis, course, roboconf" in err
    assert "unknown question; known: " in err
    code, out, err = run(capsys, "script", plan)
    assert (code, out[:2]) == (0, "#!")
    assert all(name in err for name in named)
    assert err.count("it counts as not answered") == len(wrong)
    code, out, _err = run(capsys, "--demo", "plan", "show", plan)
    assert code == 0
    assert out.count("! counts as not answered: ") == len(wrong)
    assert run(capsys, "--demo", "plan", "refresh", plan)[0] == 0
    assert 'log-port = "many"' in plan.read_text()  # for a person to mend


def test_a_list_that_was_edited_by_hand_needs_no_blank_behind_its_commas(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.toml"
    run(capsys, "--demo", "plan", "new", "-o", plan, "--answer", "ntp-servers=a.example, b.example")
    plan.write_text(plan.read_text().replace("a.example, b.example", "a.example,b.example"))
    _code, out, _err = run(capsys, "--demo", "scan", "--json", "--plan", plan)
    assert findings(out)["time.servers"]["expected"] == "a.example, b.example"


def test_a_plan_is_not_written_over(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text("# mine\n")
    assert run(capsys, "--demo", "plan", "new", "-o", plan)[0] == 2
    assert plan.read_text() == "# mine\n"


def test_alternatives_are_refused_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    wanted = ["--apply", "sysctl.ipv6-autoconf"]
    assert run(capsys, "--demo", "plan", "new", "-o", plan, *GIVEN, *wanted)[0] == 0
    text = plan.read_text()
    start = text.index("[[decision]]")
    disable = text[start:].replace("sysctl.ipv6-autoconf", "sysctl.net-ipv6-conf-all-disable-ipv6")
    plan.write_text(text + disable.replace('target = "0"', 'target = "1"'))
    code, _out, err = run(capsys, "plan", "check", plan)
    assert code == 2
    assert "alternatives" in err


def test_a_script_is_not_rendered_when_the_checklists_moved(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.toml"
    run(capsys, "--demo", "plan", "new", "-o", plan, "--apply", "failing", *GIVEN)
    digest = tomllib.loads(plan.read_text())["checklists"]
    plan.write_text(plan.read_text().replace(digest, "0" * 64))
    code, _out, err = run(capsys, "script", plan)
    assert code == 2
    assert "plan refresh" in err
    assert run(capsys, "--demo", "plan", "refresh", plan)[0] == 0
    assert run(capsys, "script", plan)[0] == 0


def test_a_plan_of_another_host_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    run(capsys, "--demo", "plan", "new", "-o", plan, *GIVEN)
    plan.write_text(plan.read_text().replace('machine-id = "', 'machine-id = "0'))
    code, _out, err = run(capsys, "--demo", "plan", "refresh", plan)
    assert code == 2
    assert "not of this host" in err


def test_a_recording_replays_to_the_same_findings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "copy.json"
    assert run(capsys, "--demo", "record", "-o", file)[0] == 0
    _code, first, _err = run(capsys, "--demo", "scan", "--json", *GIVEN)
    _code, second, _err = run(capsys, "--recording", file, "scan", "--json", *GIVEN)
    assert findings(first) == findings(second)


def test_a_waiver_that_holds_does_not_fail_the_scan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.toml"
    one = ["--chapter", "sysctl"]
    run(capsys, "--demo", "plan", "new", "-o", plan, "--apply", "failing", *GIVEN)
    text = plan.read_text().replace(
        'action = "apply"', 'action = "waive"\nreason = "a lab host, see ticket 7"'
    )
    lines = [line for line in text.splitlines() if not line.startswith("target = ")]
    plan.write_text("\n".join(lines) + "\n")
    code, out, err = run(capsys, "--demo", "scan", "--json", *one, "--plan", plan)
    still = [i for i, f in findings(out).items() if f["result"] == "fail" and f["decision"] != "waive"]
    assert code == (
        1 if still else 3 if any(f["result"] == "notchecked" for f in findings(out).values()) else 0
    ), err
    assert any(f["decision"] == "waive" for f in findings(out).values())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    code, out, _err = run(capsys, "completion", shell)
    assert code == 0
    for word in ("scan", "explain", "plan", "refresh", "checklist", "record"):
        assert word in out


def test_bash_completion_completes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _code, out, _err = run(capsys, "completion", "bash")
    (tmp_path / "complete").write_text(out)
    ask = '. ./complete; COMP_WORDS=(hardentui plan ""); COMP_CWORD=2; _hardentui; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert {"new", "show", "check", "diff", "refresh"} <= set(done.stdout.split())


def test_a_sites_own_checklist_is_added(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    site = (
        asking("").replace("sysctl.kptr", "site.swappiness").replace("kernel.kptr_restrict", "vm.swappiness")
    )
    (tmp_path / "site.toml").write_text(site.replace("at-least = 1", 'at-most = "10"').replace('"2"', '"10"'))
    _code, out, err = run(capsys, "--checklists", tmp_path, "--root", tmp_path, "scan", "--json")
    assert "site.swappiness" in findings(out), err
    assert run(capsys, "checklist", "check", tmp_path / "site.toml")[0] == 0
