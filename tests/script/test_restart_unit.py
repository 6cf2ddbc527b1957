"""A service that is restarted under its new files, must go on running, and comes back with the old ones."""

from __future__ import annotations

import pytest
from plans import script, write

from hardentui.operations import ReloadManager, RestartUnit

OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
OWNER = ("sandbox.service:web.service",)
DROPIN = "/etc/systemd/system/web.service.d/99-zz-hardentui.conf"
# Stands where systemctl does: /var/lib/state holds the state of the service, a drop-in that says "bad"
# makes it fall over once it was restarted, and each call that changes something is written down.
SYSTEMCTL = f"""#!/bin/bash
state=/var/lib/state
case $1 in
    is-active)
        [[ " $* " == *" --quiet "* ]] || cat $state
        [[ $(cat $state) == active ]]
        exit
        ;;
esac
printf '%s with %s\\n' "$*" "$(cat {DROPIN} 2>/dev/null)" >>/var/lib/calls
case $1 in
    restart)
        if [[ -e /var/lib/refuses ]]; then echo 'Job failed.' >&2; exit 1; fi
        if grep -qs ends {DROPIN}; then echo inactive >$state;
        elif grep -qs bad {DROPIN}; then echo failed >$state; else echo active >$state; fi
        ;;
esac
"""


@pytest.fixture
def served(box):
    """A host with a service that runs, and a systemctl that writes down what it is asked."""
    tool = box.scratch / "lib/systemctl"
    tool.write_text(SYSTEMCTL)
    tool.chmod(0o755)
    (box.scratch / "lib/state").write_text("active\n")
    box.sh("mkdir -p /run/systemd/system; mount --bind /var/lib/systemctl $(realpath /usr/bin/systemctl)")
    return box


def calls(box) -> list[str]:
    path = box.scratch / "lib/calls"
    return path.read_text().splitlines() if path.exists() else []


def state(box) -> str:
    return (box.scratch / "lib/state").read_text().strip()


def steps(line: str) -> str:
    return script(
        write(DROPIN, line), ReloadManager(owners=OWNER), RestartUnit(owners=OWNER, unit="web.service")
    )


def test_it_is_restarted_under_the_new_file_and_again_under_none(served):
    served.install(steps("NoNewPrivileges=yes"))
    before = served.tree()
    assert "web.service is restarted" in served.run("review")
    assert calls(served) == []
    served.run("apply")
    assert calls(served) == [
        "daemon-reload with NoNewPrivileges=yes",
        "restart -- web.service with NoNewPrivileges=yes",
    ]
    served.run("rollback")
    after = calls(served)[2:]
    assert [call.split(" with")[0] for call in after if "reset-failed" not in call] == [
        "daemon-reload",
        "restart -- web.service",
    ]
    assert all(call.endswith("with ") for call in after), "the old state is read"
    assert served.tree() == before


def test_one_that_does_not_run_is_left_alone(served):
    (served.scratch / "lib/state").write_text("inactive\n")
    served.install(steps("NoNewPrivileges=yes"))
    served.run("apply")
    served.run("rollback")
    assert not any(call.startswith("restart") for call in calls(served))
    assert state(served) == "inactive"


@pytest.mark.parametrize("how", ["bad", "ends"])
def test_one_that_falls_over_after_its_restart_fails_the_step_and_comes_back(served, how):
    """Started without a word, it is gone a moment later, perhaps with status 0: that is not done."""
    served.install(steps(f"MemoryDenyWriteExecute={how}"))
    before = served.tree()
    said = served.run("apply", expected=1)
    assert "web.service does not stay up" in said
    assert served.journal[-1] == "run rolled-back"
    assert state(served) == "active"
    assert served.tree() == before


def test_a_restart_that_systemd_refuses_fails_the_step(served):
    (served.scratch / "lib/refuses").touch()
    served.install(steps("NoNewPrivileges=yes"))
    assert "Job failed." in served.run("apply", expected=4)


@pytest.mark.parametrize(("unit", "again"), [("systemd-journald.service", True), ("web.service", False)])
def test_a_boot_that_takes_a_run_back_restarts_what_read_its_files_already(served, unit, again):
    served.install(
        script(write(DROPIN, "NoNewPrivileges=yes", can_lock_out=True), RestartUnit(owners=OWNER, unit=unit))
    )
    before = served.tree()
    served.run("apply", "--without-guard")
    (run,) = (served.state / "runs").iterdir()
    (run / "armed").write_text(f"1 {served.sysctl('kernel/random/boot_id')} found\n")
    served.sh(f"echo {OTHER_BOOT} > /root/boot_id")
    served.sh("mount --bind /root/boot_id /proc/sys/kernel/random/boot_id")
    applied = len(calls(served))
    served.run("boot", script=served.run_script)
    assert calls(served)[applied:] == ([f"restart --no-block -- {unit} with "] if again else [])
    assert served.tree() == before
