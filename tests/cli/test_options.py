"""Options hold wherever they stand, and two that exclude each other are refused wherever they stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from core.written import CHECKLIST, asking
from test_cli import findings, run


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "en")


def site(folder: Path, id_: str, text: str = CHECKLIST) -> Path:
    folder.mkdir()
    text = text.replace("sysctl.kptr", id_).replace('id = "ipv6"', f'id = "{id_}"')
    (folder / "site.toml").write_text(text.replace('question = "ipv6"', f'question = "{id_}"'))
    return folder


def test_checklists_before_and_behind_the_command_are_both_read(capsys, tmp_path: Path) -> None:
    one, two = site(tmp_path / "one", "site.one"), site(tmp_path / "two", "site.two")
    _code, out, err = run(capsys, "--checklists", one, "--demo", "scan", "--json", "--checklists", two)
    assert {"site.one", "site.two"} <= set(findings(out)), err


def test_a_plan_named_before_the_command_is_used(capsys, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    run(capsys, "--demo", "plan", "new", "-o", plan, "--apply", "sysctl.kernel-kptr-restrict")
    _code, out, _err = run(capsys, "--demo", "--plan", plan, "scan", "--json")
    assert findings(out)["sysctl.kernel-kptr-restrict"]["decision"] == "apply"


def test_a_plan_named_to_a_command_that_has_no_use_for_it_is_refused(capsys, tmp_path: Path) -> None:
    code, out, err = run(capsys, "--plan", tmp_path / "p", "--demo", "record", "-o", tmp_path / "r")
    assert code == 2
    assert not out
    assert "--plan" in err


@pytest.mark.parametrize("words", [["--lang", "fr", "--demo", "scan"], ["--demo", "scan", "--lang", "fr"]])
def test_the_language_holds_wherever_it_is_named(capsys, words: list[str]) -> None:
    assert "conforme" in run(capsys, *words)[1]


@pytest.mark.parametrize(
    "words",
    [
        ["--demo", "scan", "--root", "/"],
        ["--root", "/", "scan", "--recording", "x"],
        ["scan", "--demo", "--root", "/"],
    ],
)
def test_two_hosts_are_refused(capsys, words: list[str]) -> None:
    code, out, err = run(capsys, *words)
    assert code == 2
    assert not out
    assert "not allowed with argument" in err


# --- questions of other files -------------------------------------------------------------------------

ASKED = asking("") + 'when = [{ question = "ipv6", is = ["yes"] }]\n'


def test_a_sites_checklist_depends_on_a_question_of_ours(capsys, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(
        ASKED.replace("sysctl.kptr", "site.swap").replace('"yes"', '"static"')
    )
    words = ["--checklists", tmp_path, "--demo", "scan", "--json"]
    _code, out, err = run(capsys, *words, "--answer", "ipv6=static")
    assert findings(out)["site.swap"]["result"] not in {"notapplicable", "notchecked"}, err
    _code, out, _err = run(capsys, *words, "--answer", "ipv6=unused")
    assert findings(out)["site.swap"]["result"] == "notapplicable"
    assert run(capsys, "checklist", "check", tmp_path / "site.toml")[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('question = "ipv6"', 'question = "ipv5"', "unknown question 'ipv5'"),
        ('is = ["yes"]', 'is = ["perhaps"]', "'perhaps' is no answer to ipv6"),
    ],
)
def test_a_question_or_an_answer_that_nobody_knows_is_named(
    capsys, tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "site.toml"
    path.write_text(ASKED.replace(old, new))
    for words in (["--checklists", tmp_path, "--demo", "scan"], ["checklist", "check", path]):
        code, _out, err = run(capsys, *words)
        assert code == 2
        assert f"{path}:" in err
        assert said in err


def test_one_question_with_other_answers_is_refused(capsys, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(CHECKLIST)  # its "ipv6" has the answers yes and no
    code, _out, err = run(capsys, "--checklists", tmp_path, "--demo", "scan")
    assert code == 2
    assert "'ipv6' is asked already, and its answers are unused, static, autoconfigured" in err


def test_a_schema_is_json(capsys) -> None:
    for kind in ("checklist", "plan"):
        code, out, _err = run(capsys, "schema", kind)
        assert code == 0
        assert json.loads(out)["type"] == "object"
