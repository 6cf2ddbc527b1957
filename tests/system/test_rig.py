"""The rig itself: what it must see it sees, what it must not disturb it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from rig.lab import Lab
from rig.nspawn import Nspawn
from rig.state import assert_same, difference, state
from rig.vm import Vm

# What a script of ours would do, by hand: a drop-in, a value, an fstab option, a remount, a mode, a unit.
CHANGE = """
printf 'net.ipv4.conf.all.log_martians = 1\\nkernel.kptr_restrict = 2\\n' > /etc/sysctl.d/99-trial.conf
sysctl -q -p /etc/sysctl.d/99-trial.conf
cp -a /etc/fstab /root/fstab
sed -i -E 's#^(\\S+\\s+/srv\\s+\\S+\\s+defaults)#\\1,nodev,noexec#' /etc/fstab
systemctl daemon-reload
mount -o remount /srv
mount -o remount,hidepid=2 /proc
chmod 0600 /etc/crontab
systemctl -q disable cron.service
"""
UNDO = """
rm /etc/sysctl.d/99-trial.conf
sysctl -q -w net.ipv4.conf.all.log_martians=0 kernel.kptr_restrict=0
cp -a /root/fstab /etc/fstab
systemctl daemon-reload
mount -o remount /srv
mount -o remount,hidepid=0 /proc
chmod 0644 /etc/crontab
systemctl -q enable cron.service
"""
SEEN = (
    "sysctl net/ipv4/conf/all/log_martians: 0  ->  1",
    "sysctl kernel/kptr_restrict: 0  ->  2",
    "mount /srv: ",
    "mount /proc: ",
    "fstab: +",
    "etc /etc/crontab: -rw-r--r--",
    "etc /etc/sysctl.d/99-trial.conf: (not there)  ->  -rw-r--r--",
    "unit file cron.service: enabled enabled  ->  disabled enabled",
)


def look(machine: Nspawn | Vm) -> None:
    before = state(machine)
    assert_same(before, state(machine), "looking twice")
    machine.sh(CHANGE)
    lines = difference(before, state(machine))
    for expected in SEEN:
        assert any(line.startswith(expected) for line in lines), f"not seen: {expected}\n" + "\n".join(lines)
    machine.sh(UNDO)
    assert_same(before, state(machine), "undone by hand")
    machine.reboot()
    assert_same(before, state(machine), "a boot of its own")


def test_a_container_shows_what_changes_and_forgets_it_at_reboot(bare: Nspawn) -> None:
    look(bare)


@pytest.mark.long  # five looks at an emulated machine; its main job looks at the same things
def test_the_virtual_machine_shows_the_same(vm: Vm) -> None:
    look(vm)


def test_a_boot_sets_what_the_configuration_says(bare: Nspawn) -> None:
    before = state(bare)
    bare.sh(CHANGE)
    applied = state(bare)
    bare.sh("sysctl -q -w kernel.kptr_restrict=0")
    bare.sh("mount -o remount,hidepid=0 /proc; mount -o remount,dev,exec /srv")
    bare.reboot()
    lines = difference(applied, state(bare), ignored={"mount point"})
    assert lines
    assert all(line.startswith("mount /proc") for line in lines), lines  # hidepid stood in no fstab
    assert difference(before, state(bare))


def test_containers_do_not_see_each_other(lab: Lab) -> None:
    with Nspawn(lab, "one") as one, Nspawn(lab, "two") as two:
        one.sh("touch /etc/only-here; systemctl restart ssh; sysctl -q -w net.ipv4.ip_forward=1")
        assert one.exists("/etc/only-here")
        assert not two.exists("/etc/only-here")
        assert two.get("/proc/sys/net/ipv4/ip_forward") == "0\n"
        assert two.login(["true"]).returncode == 0


def test_the_machine_below_is_left_alone(lab: Lab) -> None:
    watched = [Path("/proc/sys/kernel/kptr_restrict"), Path("/proc/sys/net/ipv4/conf/all/log_martians")]
    watched += [Path("/etc/fstab"), Path("/proc/self/mountinfo"), Path("/proc/net/dev")]

    def seen() -> list[object]:
        lines = watched[-1].read_text().splitlines()
        cards = sorted(line.partition(":")[0].strip() for line in lines)
        return [path.read_text() if path.exists() else None for path in watched[:-1]] + [cards]

    before = seen()
    with Nspawn(lab, "quiet") as machine:
        machine.sh(CHANGE)
        assert seen() == before
        folder = machine.folder
    assert seen() == before
    assert not folder.exists()


def test_a_cut_line_is_cut(bare: Nspawn) -> None:
    bare.cut()
    assert bare.login(["true"], options=["-o", "ConnectTimeout=1"], seconds=30).returncode != 0
    bare.mend()
    assert bare.login(["true"], seconds=30).returncode == 0


def test_a_login_as_an_ordinary_user_with_sudo(bare: Nspawn) -> None:
    done = bare.login(["sudo", "id", "-u"], user="admin")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_a_crash_keeps_the_disk_and_loses_the_kernel(bare: Nspawn) -> None:
    bare.sh("echo kept > /etc/kept; sync; sysctl -q -w kernel.kptr_restrict=2 net.ipv4.ip_forward=1")
    bare.crash()
    bare.start()
    bare.wait_up()
    assert bare.get("/etc/kept") == "kept\n"
    assert bare.get("/proc/sys/kernel/kptr_restrict") == "0\n"
    assert bare.get("/proc/sys/net/ipv4/ip_forward") == "0\n"


@pytest.mark.parametrize("key", ["kernel/yama/ptrace_scope", "kernel/kexec_load_disabled"])
def test_one_way_keys_are_one_way_in_the_virtual_machine(vm: Vm, key: str) -> None:
    path = f"/proc/sys/{key}"
    highest = "3" if key.endswith("scope") else "1"
    vm.sh('echo "$2" > "$1"', path, highest)
    assert vm.run(["sh", "-c", f"echo 0 > {path}"]).returncode != 0
    assert vm.get(path) == highest + "\n"
