"""The text of a script: parses, is clean, and holds nothing that a plan could run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plans import decision, mode, plan, remount, replace, script, sysctl, write

from hardentui import i18n
from hardentui.model import Action, Text
from hardentui.operations import ByHand, ChangeSet, CheckMounts, EnableUnit, ReloadManager
from hardentui.script import render
from hardentui.script.messages import MESSAGES
from hardentui.script.quote import comment, word
from hardentui.visible import visible

OWNER = ("sysctl.martians",)
EVERY_KIND = (
    write(),
    replace("a b", "a 'c'", can_lock_out=True),
    CheckMounts(owners=OWNER),
    ReloadManager(owners=OWNER),
    EnableUnit(owners=OWNER, unit="tmp.mount"),
    sysctl(one_way=True),
    mode(),
    remount(),
    ByHand(owners=OWNER, subject="UEFI", instructions=Text("Set it's\npassword", "Poser le\nmot de passe")),
)
HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from("\n\r\t\x1b\x9b\u2028\u2029\u202e\u2066'\"`$();&|\\#!{}~*%\udc9b"),
    ),
    max_size=60,
) | st.sampled_from(
    ["$(touch /tmp/canary)", "'; touch canary #", "\ntouch canary\n", "%n%s", "-e", "EOF\n", "\\"]
)


def shellcheck() -> str:
    beside = Path(sys.executable).with_name("shellcheck")
    found = str(beside) if beside.exists() else shutil.which("shellcheck")
    if found is None:
        pytest.skip("shellcheck is not installed")
    return found


def check(text: str, tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    path.write_text(text)
    done = subprocess.run([shellcheck(), "-s", "bash", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("operations", [EVERY_KIND, ()])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_script_is_clean(operations, language, tmp_path):
    check(script(*operations, language=language), tmp_path)


def test_the_same_plan_gives_the_same_bytes():
    assert script(*EVERY_KIND) == script(*EVERY_KIND)


def test_rendering_leaves_the_language_as_it_was():
    i18n.use("en")
    text = script(language="fr")
    assert "Il se lit comme le plan" in text
    assert i18n.language() == "en"


def test_rendering_changes_the_language_of_no_other_thread():
    heard = set()

    class Listening(dict):
        def get(self, _id):
            with ThreadPoolExecutor(1) as pool:
                heard.add(pool.submit(i18n.language).result())

    i18n.use("en")
    assert "Il se lit comme le plan" in render(ChangeSet(), plan(language="fr"), Listening())
    assert heard == {"en"}


def test_the_last_line_starts_it_and_ends_it():
    assert script().endswith('\nmain "$@"; exit\n')


@pytest.mark.parametrize("key", MESSAGES)
def test_messages_take_the_same_arguments_in_both_languages(key):
    text = MESSAGES[key]
    assert text.en.count("%s") == text.fr.count("%s") == text.en.count("%") == text.fr.count("%")


def test_a_step_stands_once_and_names_all_its_owners():
    both = write(owner="a.first")
    both = type(both)(owners=("a.first", "b.second"), path=both.path, parts=both.parts, before="absent")
    change_set = ChangeSet((both,), {"c.third": "there is no value to set"})
    decided = plan(*(decision(id_) for id_ in ("a.first", "b.second", "c.third")))
    text = render(change_set, decided, {})
    assert text.count("    write_file 1 ") == 1
    assert "    # step 1 serves: a.first, b.second\n    write_file 1 " in text
    assert "    decision a.first 'Log impossible addresses' 1\n" in text
    assert "    decision b.second 'Log impossible addresses' 1\n" in text
    assert "    decision c.third 'Log impossible addresses'\n" in text
    assert "#   no change: there is no value to set\n" in text


def test_what_is_not_applied_is_told_as_a_comment():
    waived = decision("x.waived", action=Action.WAIVE, reason="legacy\nboot", until=date(2027, 1, 31))
    text = render(ChangeSet(), plan(waived), {})
    assert r"#   x.waived: waived: Log impossible addresses (legacy\x0aboot), until 2027-01-31" in text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_string_of_a_plan_is_run(tmp_path_factory, title, reason, source, hostname, id_):
    folder = tmp_path_factory.mktemp("hostile")
    entries = (
        decision(title=title, source=source, running=reason),
        decision(id_ or "x", title=title, action=Action.WAIVE, reason=reason),
        decision(source or "y", boot=title, target=id_),
    )
    said = "".join(char for char in reason if char.isprintable() or char == "\n")
    manual = ByHand(owners=(id_ or "x",), subject=title, instructions=Text(said, said))
    decided = plan(*entries, hostname=hostname)
    text = render(ChangeSet((write(), manual), {id_: reason}), decided, {})
    plain = text.replace("\n", "").replace("\t", "")
    assert visible(plain) == plain
    path = folder / "script.sh"
    path.write_text(text, encoding="utf-8")
    parsed = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr
    # Everything but main: what the body declares is really declared, in an empty folder.
    body = text.replace('\nmain "$@"; exit\n', "\nabout; messages; plan; help\n")
    path.write_text(body, encoding="utf-8")
    run = folder / "run"
    run.mkdir()
    ran = subprocess.run(["bash", path], cwd=run, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr
    assert list(run.iterdir()) == []
    assert not Path("/tmp/canary").exists()


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["C", "Mn", "Me", "Zl", "Zp", "Zs"])
        | st.just("\t")
        | st.just(" ")
    )
)
@settings(max_examples=30, deadline=None)
def test_a_word_is_exactly_its_text(text):
    shown = subprocess.run(["bash", "-c", f"printf %s {word(text)}"], capture_output=True, check=True)
    assert shown.stdout.decode() == text


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[1m", "a\u202eb", "a\u2028b", "\x00"])
def test_a_word_refuses_what_a_reader_would_not_see(text):
    with pytest.raises(ValueError, match="not printable"):
        word(text)


@given(HOSTILE)
@settings(deadline=None)
def test_a_comment_stays_one(text):
    assert all(line.startswith("#") and visible(line) == line for line in comment(text))
