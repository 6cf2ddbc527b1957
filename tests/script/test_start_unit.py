"""A unit that is enabled and started, and what a rollback makes of it."""

from __future__ import annotations

import pytest
from plans import script, write

from hardentui.operations import EnableUnit, ReloadManager

OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
OWNER = ("logging.time",)
UNIT = "/etc/systemd/system/ours.timer"
LINK = "etc/systemd/system/timers.target.wants/ours.timer"
TIMER = ("[Timer]", "OnCalendar=daily", "[Install]", "WantedBy=timers.target")
# Stands where systemctl does: the real one links and unlinks, /var/lib/state says what runs. A unit whose
# manual stop is refused (/var/lib/refuses) ends only when it is told so itself.
SYSTEMCTL = """#!/bin/bash
state=/var/lib/state
case $1 in
    --root=/) exec /var/lib/real-systemctl "$@" ;;
    is-active) [[ " $* " == *" --quiet "* ]] || cat $state; [[ $(cat $state) == active ]]; exit ;;
    show)
        if [[ $* == *' Job '* ]]; then cat /var/lib/job; exit; fi
        if [[ -e /var/lib/refuses ]]; then echo yes; else echo no; fi
        ;;
    start) if [[ -e /var/lib/falls ]]; then echo failed >$state; else echo active >$state; fi ;;
    stop)
        if [[ -e /var/lib/refuses ]]; then echo 'Operation refused.' >&2; exit 1; fi
        echo inactive >$state
        ;;
    cancel) [[ $* == "cancel -- $(cat /var/lib/job)" ]] && rm /var/lib/job ;;
    kill) echo inactive >$state ;;
esac
"""


@pytest.fixture
def served(box):
    """A host with one timer, which neither starts nor runs, and a systemctl that only acts as if."""
    tool = box.scratch / "lib/systemctl"
    tool.write_text(SYSTEMCTL)
    tool.chmod(0o755)
    (box.scratch / "lib/state").write_text("inactive\n")
    box.sh("cp /usr/bin/systemctl /var/lib/real-systemctl")
    box.sh("mkdir -p /run/systemd/system; mount --bind /var/lib/systemctl $(realpath /usr/bin/systemctl)")
    (box.scratch / UNIT[1:]).write_text("\n".join(TIMER) + "\n")
    return box


def state(box) -> str:
    return (box.scratch / "lib/state").read_text().strip()


def set_state(box, word: str) -> None:
    (box.scratch / "lib/state").write_text(f"{word}\n")


def starting() -> str:
    return script(EnableUnit(owners=OWNER, unit="ours.timer", start=True))


def test_it_runs_now_and_at_the_next_boot_and_neither_after_a_rollback(served):
    served.install(starting())
    before = served.tree()
    assert "disabled inactive -> enabled active" in served.run("review")
    assert served.tree() == before
    served.run("apply")
    assert state(served) == "active"
    assert (served.scratch / LINK).is_symlink()
    served.run("status")
    served.run("rollback")
    assert state(served) == "inactive"
    assert served.tree() == before


@pytest.mark.parametrize(
    ("enabled", "activity"), [(True, "inactive"), (False, "active")], ids=["enabled", "running"]
)
def test_a_rollback_takes_back_only_what_apply_made(served, enabled, activity):
    if enabled:
        served.sh("systemctl --root=/ enable ours.timer 2>/dev/null")
    set_state(served, activity)
    before = served.tree()
    served.install(starting())
    served.run("apply")
    assert (state(served), (served.scratch / LINK).is_symlink()) == ("active", True)
    served.run("rollback")
    assert state(served) == activity
    assert served.tree() == before


@pytest.mark.parametrize("start", [True, False], ids=["started", "enabled"])
def test_what_it_enables_along_stays_enabled_where_it_was_so_before(served, start):
    """Disabling a unit disables those of its Also= too, whoever had enabled them."""
    also = (*TIMER, "Also=known.service new.service")
    units = served.scratch / "etc/systemd/system"
    (units / "ours.timer").write_text("\n".join(also) + "\n")
    for name in ("known", "new"):
        text = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=ours-own.target\n"
        (units / f"{name}.service").write_text(text)
    served.sh("systemctl --root=/ enable known.service 2>/dev/null")
    before = served.tree()
    served.install(script(EnableUnit(owners=OWNER, unit="ours.timer", start=start)))
    served.run("apply")
    wanted = units / "ours-own.target.wants"
    assert sorted(link.name for link in wanted.iterdir()) == ["known.service", "new.service"]
    served.run("rollback")
    assert served.tree() == before


def test_a_unit_of_the_plan_itself_is_written_read_started_and_gone_again(served):
    (served.scratch / UNIT[1:]).unlink()
    before = served.tree()
    served.install(
        script(
            write(UNIT, *TIMER),
            ReloadManager(owners=OWNER),
            EnableUnit(owners=OWNER, unit="ours.timer", start=True),
        )
    )
    served.run("apply")
    assert (state(served), (served.scratch / LINK).is_symlink()) == ("active", True)
    served.run("rollback")
    assert state(served) == "inactive"
    assert served.tree() == before


def test_one_that_falls_over_fails_the_step_and_is_enabled_no_more(served):
    (served.scratch / "lib/falls").touch()
    before = served.tree()
    served.install(starting())
    assert "ours.timer does not stay up" in served.run("apply", expected=1)
    assert served.tree() == before


def test_one_whose_stop_is_refused_ends_all_the_same(served):
    (served.scratch / "lib/refuses").touch()
    served.install(starting())
    served.run("apply")
    served.run("rollback")
    assert state(served) == "inactive"


def test_a_masked_unit_is_not_unmasked(served):
    unit = served.scratch / UNIT[1:]
    unit.unlink()
    unit.symlink_to("/dev/null")
    served.install(starting())
    before = served.tree()
    served.run("apply", expected=3)
    assert served.tree() == before


def test_who_stopped_it_since_is_heard(served):
    served.install(starting())
    served.run("apply")
    set_state(served, "inactive")
    assert "ours.timer" in served.run("status", expected=4)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_boot_that_takes_it_back_calls_off_its_start(served, enabled):
    """The boot has queued the start of what was enabled: a link that goes away then would change nothing."""
    if enabled:
        served.sh("systemctl --root=/ enable ours.timer 2>/dev/null")
    before = served.tree()
    served.install(script(EnableUnit(owners=OWNER, unit="ours.timer", start=True, can_lock_out=True)))
    served.run("apply", "--without-guard")
    (run,) = (served.state / "runs").iterdir()
    (run / "armed").write_text(f"1 {served.sysctl('kernel/random/boot_id')} found\n")
    served.sh(f"echo {OTHER_BOOT} > /root/boot_id")
    served.sh("mount --bind /root/boot_id /proc/sys/kernel/random/boot_id")
    set_state(served, "inactive")
    job = served.scratch / "lib/job"
    job.write_text("47\n")
    served.run("boot", script=served.run_script)
    assert job.exists() is enabled
    assert served.tree() == before
