"""The product on a virtual machine: Debian's kernel, real partitions, and a plug that can be pulled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rig.job import UNTIL_REBOOT, main_job
from rig.machine import said
from rig.product import SCRIPT, STATE, Product
from rig.state import HISTORY, difference, state
from rig.vm import Vm
from rig.waiting import wait_for

Note = Callable[[str], None]
# Half of these tests run beside the other half, on a machine of their own.
SECOND = pytest.mark.xdist_group("second-vm")
FEW = ("mount.srv.options", "sysctl.ipv4-log-martians", "sysctl.kernel-kptr-restrict")

# Says so when the newest journal has so many lines.
WATCH = f"""
while [ "$(cat {STATE}/runs/*/journal 2>/dev/null | wc -l)" -lt "$1" ]; do sleep 0.2; done
echo reached
"""


def test_the_main_job(vm: Vm, note: Note) -> None:
    main_job(Product(vm), note)


@SECOND
@pytest.mark.parametrize("lines", [170])  # of about 260; containers are killed at many more points
def test_the_power_goes_while_apply_is_at_work(vm: Vm, note: Note, lines: int) -> None:
    product = Product(vm)
    product.decide(["all"], product.chapters)
    before = state(vm)
    with (
        vm.begin(["sh", "-c", WATCH, "sh", str(lines)]) as watch,
        vm.begin_login(["bash", SCRIPT, "apply", "--deadline", "900"]) as apply,
    ):
        assert watch.line(600).strip() == "reached"
        assert apply.process.poll() is None, "apply was over before the power went"
        vm.crash()
    vm.start()
    vm.wait_up()  # at the first try: an administrator far away has no other
    left = [
        line for line in difference(before, state(vm), ignored=HISTORY) if not line.startswith(UNTIL_REBOOT)
    ]
    assert not left, "\n".join(left)
    note(f"{vm.name}: power lost after {lines} journal lines of apply: as before after the boot")


@SECOND
def test_a_clock_that_jumps_does_not_move_the_deadline(vm: Vm, note: Note) -> None:
    product = Product(vm)
    product.decide(FEW, product.chapters)
    before = state(vm)
    deadline = 120  # apply itself takes up to a minute of it where the machine below is busy

    def taken_back() -> bool:
        return vm.get("/proc/sys/net/ipv4/conf/all/log_martians") == "0\n"

    assert taken_back(), "what is looked at is not as the plan finds it"
    begin = vm.uptime()
    product.script("apply", "--deadline", str(deadline))
    vm.sh('date -s "@$(($(date +%s) + 3600))" >/dev/null')

    # Had the deadline moved along, it would come an hour later, or have come at once.
    wait_for("the guard's rollback", deadline + 300, taken_back, every=0.5)
    late = vm.uptime() - begin - deadline
    assert late > -5, f"undone {late:+.0f} s from its deadline"
    wait_for("the state of before", 60, lambda: not difference(before, state(vm), ignored=HISTORY))
    note(f"{vm.name}: clock moved by an hour: undone {late:+.1f} s from the deadline of {deadline} s")


def test_confirm_from_the_console(vm: Vm) -> None:
    product = Product(vm)
    product.decide(FEW, product.chapters)
    product.script("apply", "--deadline", "900")
    done = vm.run(["bash", SCRIPT, "confirm", "--from-console"])
    assert done.returncode == 3, f"ssh is no console\n{said(done)}"
    vm.sh("systemctl stop serial-getty@ttyS0.service")
    vm.sh('setsid --wait --ctty bash "$1" confirm --from-console <>/dev/ttyS0 >&0', SCRIPT)
    product.script("rollback")
