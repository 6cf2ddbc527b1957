"""Steps about services: a program judges its files first, and the service reads them once, both ways."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from plans import KEY, replace, script, sysctl, write

from hardentui.operations import CheckSyntax, ReloadUnit

OWNER = ("sysctl.martians",)
DROPIN = "/etc/ssh/sshd_config.d/00-hardentui.conf"
LOG = "/var/lib/calls"
# Stands where systemctl does: notes each call, and which files it would make the service read. A frail
# service dies of a reload and comes back by a restart, unless it is dead.
SYSTEMCTL = f"""#!/bin/bash
[[ $1 == is-active ]] && {{ [[ ! -e /var/lib/stopped ]]; exit; }}
[[ $1 == is-failed ]] && {{ [[ -e /var/lib/stopped ]]; exit; }}
printf '%s with %s\\n' "$*" "$(cat {DROPIN} 2>/dev/null)" >>{LOG}
[[ $1 == reload ]] && cat /proc/sys/{KEY} >>/var/lib/values
[[ $1 == reload && -e /var/lib/frail ]] && touch /var/lib/stopped
[[ $1 == restart && ! -e /var/lib/dead ]] && rm -f /var/lib/stopped
[[ ! -e /var/lib/broken ]]
"""


@pytest.fixture
def served(box):
    """A host with sshd's files and keys, and a systemctl that writes down what it is asked."""
    if shutil.which("sshd") is None:
        pytest.skip("needs sshd")
    ssh = box.etc / "ssh"
    (ssh / "sshd_config.d").mkdir(parents=True)
    (ssh / "sshd_config").write_text("Include /etc/ssh/sshd_config.d/*.conf\nX11Forwarding yes\n")
    key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh / "ssh_host_ed25519_key"))
    subprocess.run(key, check=True)
    with (box.etc / "passwd").open("a") as passwd:
        passwd.write("sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n")
    tool = box.scratch / "lib/systemctl"
    tool.write_text(SYSTEMCTL)
    tool.chmod(0o755)
    box.sh("mkdir -p /run/systemd/system; mount --bind /var/lib/systemctl $(realpath /usr/bin/systemctl)")
    return box


def calls(box) -> list[str]:
    path = box.scratch / "lib/calls"
    return path.read_text().splitlines() if path.exists() else []


def steps(line: str, unit: str = "ssh.service") -> str:
    return script(
        write(DROPIN, line), CheckSyntax(owners=OWNER, checker="sshd"), ReloadUnit(owners=OWNER, unit=unit)
    )


def test_the_service_reads_the_new_file_once_and_the_old_state_once(served):
    served.install(steps("X11Forwarding no"))
    before = served.tree()
    said = served.run("review")
    assert "sshd judges its own files" in said
    assert "ssh.service reads its files again" in said
    assert calls(served) == []
    served.run("apply")
    assert calls(served) == ["reload -- ssh.service with X11Forwarding no"]
    served.run("apply")
    assert len(calls(served)) == 1
    served.run("rollback")
    assert calls(served)[1:] == ["reload -- ssh.service with "]
    assert served.tree() == before


def test_what_sshd_refuses_is_taken_back_and_no_service_reads_it(served):
    served.install(steps("X11Forwarding perhaps"))
    before = served.tree()
    said = served.run("apply", expected=1)
    assert "unsupported option" in said
    assert "sshd: FAILED" in said
    assert calls(served) == []
    assert served.tree() == before
    assert served.journal[-1] == "run rolled-back"


def test_a_service_that_does_not_run_is_left_alone(served):
    (served.scratch / "lib/stopped").touch()
    served.install(steps("X11Forwarding no"))
    served.run("apply")
    assert calls(served) == []
    assert served.journal[-1] == "run kept"


def test_a_reload_that_fails_takes_the_file_back(served):
    served.install(steps("X11Forwarding no"))
    before = served.tree()
    (served.scratch / "lib/broken").touch()
    served.run("apply", expected=4)
    assert served.tree() == before


def test_a_reload_that_fails_on_the_way_back_is_said_and_tried_again(served):
    served.install(steps("X11Forwarding no"))
    before = served.tree()
    served.run("apply")
    (served.scratch / "lib/broken").touch()
    assert "ssh.service could NOT be restored" in served.run("rollback", expected=1)
    assert served.journal[-1] == "run partial"
    (served.scratch / "lib/broken").unlink()
    served.run("rollback")
    assert calls(served)[-1] == "reload -- ssh.service with "
    assert served.tree() == before


def test_the_folder_that_sshd_looks_for_is_made_for_the_check_only(served):
    served.install(steps("X11Forwarding no"))
    before = served.sh("ls /run")
    served.run("apply")
    assert served.sh("ls /run") == before


def wait_for_confirm(served) -> str:
    """Applied, and armed as apply does where systemd runs; the path of root's copy of the script."""
    lockable = {"can_lock_out": True}
    served.install(
        script(
            write(DROPIN, "X11Forwarding no", **lockable),
            CheckSyntax(owners=OWNER, checker="sshd", **lockable),
            ReloadUnit(owners=OWNER, unit="ssh.service", **lockable),
        )
    )
    served.run("apply", "--without-guard")
    assert served.journal[-1] == "run applied"
    boot_id = served.sh("cat /proc/sys/kernel/random/boot_id")
    for run in (served.state / "runs").iterdir():
        (run / "armed").write_text(f"99999 {boot_id} made\n")
    return served.sh("echo /var/lib/hardentui/runs/*/script.sh")


def test_the_guard_reloads_with_the_files_of_before(served):
    before = served.tree()
    copy = wait_for_confirm(served)
    boot = served.sh("cat /proc/sys/kernel/random/boot_id")
    for armed in (served.state / "runs").glob("*/armed"):
        armed.write_text(f"1 {boot} made\n")
    served.run("guard", "1", boot, script=copy)
    assert calls(served) == ["reload -- ssh.service with X11Forwarding no", "reload -- ssh.service with "]
    assert served.tree() == before


def test_the_service_reads_its_old_files_when_the_values_are_back_too(served):
    """sshd may listen on an address that only the old value brings back."""
    served.install(
        script(write(DROPIN, "X11Forwarding no"), ReloadUnit(owners=OWNER, unit="ssh.service"), sysctl())
    )
    served.run("apply")
    served.run("rollback")
    assert (served.scratch / "lib/values").read_text().split() == ["0", "0"]


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_service_that_dies_of_the_way_back_is_started_again_or_named(served, comes_back):
    served.install(steps("X11Forwarding no"))
    before = served.tree()
    served.run("apply")
    (served.scratch / "lib/frail").touch()
    if not comes_back:
        (served.scratch / "lib/dead").touch()
    said = served.run("rollback", expected=0 if comes_back else 1)
    assert ("ssh.service could NOT be restored" in said) is not comes_back
    assert "restart -- ssh.service with " in calls(served)
    assert served.tree() == before


def test_a_boot_restores_the_files_and_touches_no_service(served):
    """sshd starts after it, and reads them; to wait for a service there would hold up the boot."""
    before = served.tree()
    copy = wait_for_confirm(served)
    for armed in (served.state / "runs").glob("*/armed"):
        armed.write_text("99999 00000000-0000-0000-0000-000000000000 made\n")
    served.run("boot", script=copy)
    assert [call for call in calls(served) if call.startswith("reload -- ")] == [
        "reload -- ssh.service with X11Forwarding no"
    ]
    assert served.tree() == before
    assert served.journal[-1] == "run rolled-back"


def test_visudo_judges_the_rules_of_sudo(box):
    if shutil.which("visudo") is None:
        pytest.skip("needs visudo")
    sudoers = box.etc / "sudoers"
    sudoers.write_text("root ALL=(ALL) ALL\n")
    sudoers.chmod(0o440)
    check = CheckSyntax(owners=OWNER, checker="visudo")
    rule = "root ALL=(ALL) ALL"
    before = box.tree()
    box.install(script(replace(rule, "root ALL=(ALL", path="/etc/sudoers"), check))
    assert "visudo finds errors" in box.run("apply", expected=1)
    assert box.tree() == before
    box.install(script(replace(rule, "root ALL=(ALL:ALL) ALL", path="/etc/sudoers"), check))
    box.run("apply")
    assert "ALL:ALL" in sudoers.read_text()


def test_a_fifo_among_the_files_of_rsyslog_is_named_and_does_not_hold_up_the_script(box):
    if shutil.which("rsyslogd") is None:
        pytest.skip("needs rsyslogd")
    (box.etc / "rsyslog.conf").write_text('include(file="/etc/rsyslog.d/*.conf")\n*.* /var/log/all\n')
    (box.etc / "rsyslog.d").mkdir()
    ours = "/etc/rsyslog.d/50-hardentui.conf"
    step = script(write(ours, "*.* /var/log/more"), CheckSyntax(owners=OWNER, checker="rsyslogd"))
    box.install(step)
    box.run("apply")  # without a FIFO the program is let come to its end
    box.run("rollback")
    os.mkfifo(box.etc / "rsyslog.d/table")  # which a file that is read names
    (box.etc / "rsyslog.d/60-table.conf").write_text('lookup_table(name="t" file="/etc/rsyslog.d/table")\n')
    before = box.tree()
    assert step.count("--kill-after=5 60") == 1
    box.install(step.replace("--kill-after=5 60", "--kill-after=1 2"))
    assert "rsyslogd did not get through its own files" in box.run("apply", expected=1)
    assert box.tree() == before
