"""Nothing decided is lost: by a save, a kill, a full disk, or a second editor."""

from __future__ import annotations

import dataclasses
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardentui.model import Action, Decision, Finding, HostIdentity, Plan, Result
from hardentui.plan import PlanError, PlanFile, Standing, render, standing, write

from .rooted import why_not
from .test_closed_loop import CHECKLISTS

REPOSITORY = Path(__file__).parents[2]
AT = datetime(2026, 11, 21, 14, 2, 31, tzinfo=UTC)
HOST = HostIdentity("0123", "web01", "Debian", "6.1")
WAIVED = Decision(
    "b.waived",
    Action.WAIVE,
    "B",
    "s",
    "0",
    "0",
    "1",
    AT,
    "alice",
    reason="vendor forbids",
    until=date(2027, 5, 21),
)
APPLIED = Decision(
    "a.applied",
    Action.APPLY,
    "A",
    "s",
    "0",
    "0",
    "1",
    AT,
    "alice",
    "1",
    facts={"values": {"a/b": "0"}, "seen": ("0",)},
)
PLAN = Plan(HOST, "abc", "en", {"ipv6": "static"}, (APPLIED, WAIVED))


def saved(path: Path, plan: Plan = PLAN) -> PlanFile:
    write(path, render(plan))
    return PlanFile.read(path)


def test_a_plan_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    assert saved(tmp_path / "plan.toml").plan == PLAN


_TEXT = st.text(max_size=30)
_FACT = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(-(2**63), 2**63 - 1), st.booleans()),
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=120, deadline=None)
@given(
    title=_TEXT,
    running=_TEXT,
    target=_TEXT,
    facts=st.dictionaries(st.text(max_size=6), _FACT, max_size=4),
    answer=_TEXT,
)
def test_no_text_of_a_host_breaks_a_plan(tmp_path_factory, title, running, target, facts, answer) -> None:
    """Whatever a host calls its things: the plan is TOML, and comes back as it was."""
    decision = dataclasses.replace(APPLIED, title=title, running=running, target=target, facts=facts)
    plan = dataclasses.replace(PLAN, decisions=(decision,), answers={"q": answer})
    path = tmp_path_factory.getbasetemp() / "text.toml"
    path.write_text(render(plan), encoding="utf-8", newline="")
    assert PlanFile.read(path).plan == plan


def test_bytes_that_are_no_text_are_shown_and_do_not_break_the_plan(tmp_path: Path) -> None:
    plan = dataclasses.replace(
        PLAN, decisions=(dataclasses.replace(APPLIED, running="caf\udce9", facts={"x": "\udcff"}),)
    )
    seen = saved(tmp_path / "plan.toml", plan).plan.decisions[0]
    assert "caf" in seen.running
    assert set(seen.facts) == {"x"}


BY_HAND = """\
# Reviewed by Bob on Monday.
format = 1
hardentui = "0.0"
language = "en"   # he reads English
checklists = "old"

# the web server
[host]
machine-id = "0123" # from /etc/machine-id
hostname = "web01"
distribution = "Debian"
kernel = "6.0"

[answers]
ipv6 = "static" # asked Carol

# ticket 42
[[decision]]
id = "b.waived"
reason = "vendor forbids" # see the contract
action = "waive"
at = 2026-11-21T14:02:31Z
until = 2027-05-21
by = "alice"

# ticket 41
[[decision]]
by = "alice"
id = "a.applied"
action = "apply" # at last
at = 2026-11-21T14:02:31Z
target = "1"
"""


def test_a_plan_edited_by_hand_keeps_its_comments_and_its_order(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(BY_HAND)
    file = PlanFile.read(path)
    decisions = tuple(
        dataclasses.replace(d, recommended="1") if d.id == "a.applied" else d for d in file.plan.decisions
    )
    plan = dataclasses.replace(file.plan, checklists="new", decisions=decisions)
    text = file.save(plan).text
    assert re.findall("#.*", text) == re.findall("#.*", BY_HAND)
    ours = [line for line in text.split("\n") if line in BY_HAND.split("\n")]
    theirs = [line for line in BY_HAND.split("\n") if line in text.split("\n")]
    assert ours == theirs
    assert 'checklists = "new"' in text
    assert PlanFile.read(path).plan == plan


def test_a_decision_that_is_added_or_taken_back_leaves_the_comments_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(BY_HAND)
    file = PlanFile.read(path)
    new = dataclasses.replace(APPLIED, id="c.new")
    longer = file.save(dataclasses.replace(file.plan, decisions=(*file.plan.decisions, new)))
    for comment in ("# at last", "# see the contract", "# asked Carol", "# he reads English"):
        assert comment in longer.text
    shorter = longer.save(dataclasses.replace(longer.plan, decisions=longer.plan.decisions[1:]))
    assert "# at last" in shorter.text
    assert "b.waived" not in shorter.text
    assert [d.id for d in PlanFile.read(path).plan.decisions] == ["a.applied", "c.new"]


def test_saving_what_nobody_changed_changes_nothing(tmp_path: Path) -> None:
    first = saved(tmp_path / "plan.toml")
    assert first.save(first.plan).text == first.text


def test_a_plan_that_someone_else_changed_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    file = saved(path)
    path.write_text(file.text + "# Bob was here\n")
    with pytest.raises(PlanError, match=r"plan\.toml"):
        file.save(PLAN)
    assert path.read_text().endswith("# Bob was here\n")


def test_a_plan_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    saved(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["plan.toml"]


def test_a_plan_behind_a_link_is_saved_where_the_link_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "plan.toml"
    link.symlink_to(tmp_path / "real" / "p.toml")
    saved(link)
    assert link.is_symlink()
    assert (tmp_path / "real" / "p.toml").is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_plan_saved_behind_sudo_belongs_to_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "12346")
    saved(tmp_path / "plan.toml")
    seen = (tmp_path / "plan.toml").stat()
    assert (seen.st_uid, seen.st_gid) == (12345, 12346)


def test_what_a_killed_save_left_is_cleared_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    step = 0
    while not (left := [p for p in tmp_path.iterdir() if p != path]):
        saved(path)
        with child(STEPS, str(path), str(step)) as saver:
            saver.communicate()
        step += 1
        assert step < 30, "no kill left anything"
    saved(path)
    assert left[0].exists(), "another save may be going on: what is fresh is left alone"
    hours = time.time() - 7200
    os.utime(left[0], (hours, hours))
    saved(path)
    assert [p.name for p in tmp_path.iterdir()] == ["plan.toml"]


def test_no_file_of_anybody_else_is_cleared(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    others = [
        ".plan.toml.original",
        ".plan.toml.hardentui-backup-2026",
        ".other.toml.hardentui-abcd1234",
        "plan.toml.hardentui-abcd1234",
    ]
    for name in others:
        (tmp_path / name).write_text("mine\n")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".plan.toml.hardentui-abcd1234").symlink_to(tmp_path / others[0])
    (tmp_path / ".plan.toml.hardentui-abcd1235").mkdir()
    saved(path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {*others, "plan.toml", ".plan.toml.hardentui-abcd1234", ".plan.toml.hardentui-abcd1235"}


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="nothing was written"):
        write(tmp_path / "no" / "plan.toml", "x")


# --- kill and full disk -----------------------------------------------------------------------------

SAVER = """
import dataclasses, sys
from pathlib import Path
from hardentui.plan import PlanFile
file = PlanFile.read(Path(sys.argv[1]))
for number in range(100000):
    why = sys.argv[2] + " because " + str(number) * 900
    decisions = tuple(dataclasses.replace(d, reason=why) for d in file.plan.decisions)
    file = file.save(dataclasses.replace(file.plan, decisions=decisions))
    print(number, flush=True)
"""


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        (sys.executable, "-c", code, *arguments), stdout=subprocess.PIPE, text=True, env=environment
    )


def test_a_plan_is_whole_after_a_kill_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    saved(path)
    chance = random.Random(7)
    for attempt in range(10):
        with child(SAVER, str(path), str(attempt)) as saver:
            assert saver.stdout.readline() == "0\n"
            time.sleep(chance.uniform(0.0, 0.04))
            saver.send_signal(signal.SIGKILL)
        first, second = PlanFile.read(path).plan.decisions
        assert first.reason == second.reason
        assert first.reason.startswith(f"{attempt} because ")


# Dies by its own hand right before each of the steps that a save makes on the file system.
STEPS = """
import os, signal, sys
from pathlib import Path
from hardentui import plan
left = int(sys.argv[2])
def watch(event, arguments):
    global left
    if event in ("open", "os.rename", "os.chmod", "os.chown", "os.remove") and armed:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
armed = False
sys.addaudithook(watch)
sync = os.fsync
def fsync(handle):
    watch("open", ())
    sync(handle)
    watch("open", ())
os.fsync = fsync
file = plan.PlanFile.read(Path(sys.argv[1]))
text = plan.render(file.plan).replace("web01", "web02")
armed = True
plan.write(Path(sys.argv[1]), text)
armed = False
"""


def test_a_plan_is_whole_after_a_kill_before_each_step_of_a_save(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    names = []
    for step in range(30):
        saved(path)
        with child(STEPS, str(path), str(step)) as saver:
            saver.communicate()
        names.append(PlanFile.read(path).plan.host.hostname)
        if saver.returncode == 0:
            break
    assert names[-1] == "web02"
    assert names == sorted(names)  # the old one, then the new one, never anything else
    assert names.count("web01") >= 3


FULL = """
import sys
from pathlib import Path
from hardentui.plan import PlanError, PlanFile
path = Path(sys.argv[1])
file = PlanFile.read(path)
(path.parent / "filler").write_bytes(b"x" * 4096)
try:
    with (path.parent / "more").open("wb") as filler:
        while filler.write(b"x" * 512):
            filler.flush()
except OSError:
    pass
import dataclasses
big = dataclasses.replace(file.plan, language="fr", answers={"q": "x" * 20000})
try:
    file.save(big)
except PlanError as error:
    print(error)
else:
    print("saved")
assert PlanFile.read(path).plan == file.plan
print(sorted(p.name for p in path.parent.iterdir()))
"""


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
def test_a_full_disk_leaves_the_plan_and_no_litter(tmp_path: Path) -> None:
    source = tmp_path / "plan.toml"
    saved(source)
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=64k full {disk} && cp {source} {disk}/ && exec "$@"'
    argv = ("unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", FULL, str(disk / "plan.toml"))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    said, names = done.stdout.splitlines()
    assert "No space left" in said
    assert "nothing was written" in said
    assert names == "['filler', 'more', 'plan.toml']"


def test_the_new_text_is_on_the_disk_before_the_old_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut right after a save would leave an empty plan."""
    steps = []

    def noting(name: str):
        real = getattr(os, name)

        def step(*arguments, **others):
            whole = (
                ""
                if name != "fsync"
                else "file"
                if stat.S_ISREG(os.fstat(arguments[0]).st_mode)
                else "folder"
            )
            steps.append(f"{name} {whole}".strip())
            return real(*arguments, **others)

        monkeypatch.setattr(os, name, step)

    for name in ("fsync", "replace"):
        noting(name)
    write(tmp_path / "plan.toml", render(PLAN))
    assert steps == ["fsync file", "replace", "fsync folder"]


# --- whether a waiver still holds ---------------------------------------------------------------------


def shown(running: str, boot: str) -> Finding:
    from hardentui.model import Observation, Reading

    seen = Observation(Reading({"": running}), (Reading({"": boot}),))
    return Finding(CHECKLISTS.recommendations[0], Result.FAIL, "", seen)


@pytest.mark.parametrize(
    ("finding", "today", "expected"),
    [
        (shown("0", "0"), date(2027, 5, 21), Standing.HOLDS),
        (shown("0", "0"), date(2027, 5, 22), Standing.EXPIRED),
        (shown("1", "0"), date(2027, 1, 1), Standing.MOVED),
        (shown("0", "1"), date(2027, 1, 1), Standing.MOVED),
        (None, date(2027, 1, 1), Standing.HOLDS),
    ],
)
def test_a_waiver_holds_for_the_value_that_was_seen_until_its_last_day(
    finding, today: date, expected: Standing
) -> None:
    assert standing(WAIVED, finding, today) is expected
    assert standing(APPLIED, finding, today) is Standing.HOLDS
