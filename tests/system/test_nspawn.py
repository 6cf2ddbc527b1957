"""The product on a booted Debian 12: the whole job, and the ways in which it may be interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from rig.job import main_job
from rig.lab import Lab
from rig.machine import Done, said
from rig.nspawn import ADDRESS, Nspawn
from rig.product import ANSWERS, SCRIPT, Product
from rig.state import HISTORY, State, assert_same, difference, state
from rig.waiting import now, wait_for

Note = Callable[[str], None]

# A few changes of each kind: enough to lock out (network, fstab), quick to apply.
FEW = ("mount.srv.options", "sysctl.ipv4-log-martians", "sysctl.kernel-kptr-restrict")
DEADLINE = 30  # seconds until an apply that nobody confirmed is undone; the shortest there is
GRACE = 90  # what it may take on top: 10 s are promised, the notes say what it took on this machine


@pytest.mark.parametrize("ipv6", ["static", "unused"])
def test_the_main_job(host: Nspawn, note: Note, ipv6: str) -> None:
    main_job(Product(host, ANSWERS | {"ipv6": ipv6}), note)


class Trial:
    """A container with a small plan, and its state of before."""

    def __init__(self, machine: Nspawn) -> None:
        self.machine = machine
        self.product = Product(machine)
        self.ids = self.product.plan(*FEW)
        self.before: State = state(machine)

    def apply(self, deadline: int = DEADLINE) -> float:
        """Apply; when the deadline is, on our clock."""
        self.product.script("apply", "--deadline", str(deadline))
        applied = now()
        self.assert_applied()
        return applied + deadline

    def assert_applied(self) -> None:
        changed = difference(self.before, state(self.machine), ignored=HISTORY)
        assert any(line.startswith("sysctl net/ipv4/conf/all/log_martians: 0  ->  1") for line in changed), (
            changed
        )
        assert any(line.startswith("mount /srv") for line in changed), changed

    def assert_before(self, when: str) -> None:
        assert_same(self.before, state(self.machine), when, ignored=HISTORY)

    def wait_undone(self, deadline: float) -> float:
        """Wait until the guard has undone the run; how long after the deadline that was."""

        def undone() -> bool:
            if self.machine.get("/proc/sys/net/ipv4/conf/all/log_martians") != "0\n":
                return False
            return not difference(self.before, state(self.machine), ignored=HISTORY)

        wait_for("the guard's rollback", deadline + GRACE - now(), undone, every=0.3)
        return now() - deadline

    def confirm(self) -> Done:
        return self.product.script("confirm")


@pytest.fixture
def trial(host: Nspawn) -> Trial:
    return Trial(host)


# --- the confirm guard ----------------------------------------------------------------------------

KILL_GUARD = "pids=$(pgrep -f 'script[.]sh guard'); for pid in $pids; do kill -KILL $pid; done"


ATTACKS = {
    "left-alone": "true",
    "reload": "systemctl daemon-reload",
    "reexec": "systemctl daemon-reexec",
    "sshd-restart": "systemctl restart ssh.service",
    "guard-killed": KILL_GUARD,
    "logged-out": "loginctl terminate-user root",
}


def test_without_a_confirm_the_guard_undoes_it(new_host: Callable[[str], Nspawn], note: Note) -> None:
    """Whatever happens meanwhile; all at the same time, since each takes its deadline."""

    def watch(trial: Trial, deadline: float) -> float:
        late = trial.wait_undone(deadline)
        assert trial.machine.login(["true"]).returncode == 0
        return late

    watched: dict[str, Future[float]] = {}
    with ThreadPoolExecutor(len(ATTACKS)) as pool:
        for name, attack in ATTACKS.items():
            trial = Trial(new_host(name))
            deadline = trial.apply()
            trial.machine.run(["sh", "-c", attack])
            trial.assert_applied()
            watched[name] = pool.submit(watch, trial, deadline)
    lateness = {name: future.result() for name, future in watched.items()}
    told = ", ".join(f"{name} {late:+.1f}" for name, late in lateness.items())
    note(f"guard, seconds from the deadline of {DEADLINE} s until the state of before: {told}")
    assert all(late > -3 for late in lateness.values()), f"undone before its time: {told}"


def test_a_confirm_keeps_it(trial: Trial) -> None:
    deadline = trial.apply()
    trial.confirm()
    trial.assert_applied()
    wait_for("the deadline to pass", DEADLINE + 5, lambda: now() > deadline + 3)
    trial.assert_applied()
    trial.machine.reboot()
    assert not trial.product.scan().not_passing(trial.ids)
    trial.product.script("rollback")
    trial.assert_before("after rollback")


def test_a_reboot_before_the_confirm_undoes_it(trial: Trial) -> None:
    trial.apply(900)
    trial.machine.reboot()
    trial.assert_before("after the reboot")
    assert trial.product.script("confirm", expected=None).returncode != 0, "there is nothing left to confirm"
    trial.assert_before("after a late confirm")


def test_a_power_cut_before_the_confirm_undoes_it(trial: Trial) -> None:
    trial.apply(900)
    trial.machine.crash()
    trial.machine.start()
    trial.machine.wait_up()
    trial.assert_before("after the power cut")


def refused(done: Done) -> None:
    assert done.returncode == 3, f"confirm was not refused\n{said(done)}"


def test_who_cannot_confirm_and_who_can(trial: Trial, lab: Lab) -> None:
    machine = trial.machine
    shared = machine.folder / "shared"
    master = ["-o", "ControlMaster=auto", "-o", f"ControlPath={shared}", "-o", "ControlPersist=120"]
    assert machine.login(["true"], options=master).returncode == 0
    machine.put(lab.key, "/root/inner-key")
    trial.apply(900)
    confirm = ["bash", SCRIPT, "confirm"]

    refused(machine.login(confirm, options=["-o", f"ControlPath={shared}"]))  # it was there before
    inner = ["ssh", "-q", "-i", "/root/inner-key", "-o", "StrictHostKeyChecking=no"]
    for address in ("localhost", ADDRESS):  # they never leave the host: no proof that one comes in
        refused(machine.login([*inner, f"root@{address}", " ".join(confirm)]))
    refused(machine.run(confirm))
    refused(machine.run([*confirm, "--from-console"]))  # a container has none
    refused(machine.login([*confirm, "--from-console"], options=["-tt"]))
    refused(machine.login(["systemd-run", "--quiet", "--pipe", "--wait", *confirm]))
    trial.assert_applied()

    done = machine.login(["sudo", *confirm], user="admin")
    assert done.returncode == 0, said(done)
    trial.assert_applied()


def test_confirm_and_guard_at_the_same_moment(new_host: Callable[[str], Nspawn], note: Note) -> None:
    """Whoever comes first wins, and the other knows."""

    def race(trial: Trial, moment: float) -> bool:
        wait_for("the moment", DEADLINE + 5, lambda: now() >= moment, every=0.01)
        kept = trial.product.script("confirm", expected=None).returncode == 0
        if kept:
            trial.product.script("status")
            trial.assert_applied()
        else:
            trial.wait_undone(moment)
        return kept

    outcomes = []
    with ThreadPoolExecutor(len(RACES)) as pool:
        for number, offset in enumerate(RACES):
            trial = Trial(new_host(f"race{number}"))
            outcomes.append(pool.submit(race, trial, trial.apply() + offset))
    kept = [outcome.result() for outcome in outcomes]
    told = ", ".join(
        f"{offset:+.1f} {'kept' if won else 'undone'}" for offset, won in zip(RACES, kept, strict=True)
    )
    note(f"confirm, so many seconds from the deadline: {told}")


def test_a_cut_line_leaves_the_host_reachable(trial: Trial, note: Note) -> None:
    begin = now()
    with trial.machine.begin_login(["bash", SCRIPT, "apply", "--deadline", str(DEADLINE)]) as session:
        wait_for("the first step", 30, trial.product.journal, every=0.02)
        trial.machine.cut()
        session.kill()
    late = trial.wait_undone(begin + DEADLINE)
    trial.machine.mend()
    wait_for(
        "a login", begin + DEADLINE + GRACE - now(), lambda: trial.machine.login(["true"]).returncode == 0
    )
    note(f"guard, line cut: undone {late:+.1f} s from the deadline of {DEADLINE} s")


def test_a_change_that_locks_out_is_undone(host: Nspawn, note: Note) -> None:
    """IPv6 goes away under an administrator who comes in over it."""
    product = Product(host, ANSWERS | {"ipv6": "unused"})
    over_ipv6 = ["-o", f"HostName={host.link_local()}", "-o", "ConnectTimeout=2"]
    product.plan("sysctl.net-ipv6-conf-all-disable-ipv6")

    def gone() -> bool:
        return host.get("/proc/sys/net/ipv6/conf/host0/disable_ipv6") == "1\n"

    def back() -> bool:
        return host.login(["true"], options=over_ipv6).returncode == 0

    wait_for("a login over IPv6", 60, back)
    before = state(host)
    begin = now()
    with host.begin_login(["bash", SCRIPT, "apply", "--deadline", str(DEADLINE)], options=over_ipv6):
        wait_for("IPv6 going away", DEADLINE, gone, every=0.02)
        assert not back(), "not locked out at all"
        wait_for("a login over IPv6", begin + DEADLINE + GRACE - now(), back)
    note(
        f"guard, locked out: a new login {now() - begin - DEADLINE:+.1f} s from the deadline of {DEADLINE} s"
    )
    product.wait_taken_back(GRACE)
    assert_same(before, state(host), "after the guard's rollback", ignored=HISTORY)


# --- interrupted -----------------------------------------------------------------------------------


def killed(machine: Nspawn, lines: int, *verb: str) -> bool:
    """Kill a verb when it has written so many journal lines; whether it was still running then."""
    said_ = json.loads(machine.python("kill_at.py", SCRIPT, str(lines), *verb).stdout)
    return bool(said_["killed"])


RACES = (-1.5, -0.5, 0.0, 0.5, 1.0, 1.5)
POINTS = 6


@pytest.fixture
def everything(host: Nspawn) -> tuple[Nspawn, Product, State, int]:
    """A container with a plan of all changes, and how long the journal of applying it is."""
    product = Product(host)
    product.plan()
    before = state(host)
    product.script("apply", "--deadline", "900")
    length = len(product.journal())
    product.script("rollback")
    assert_same(before, state(host), "after a whole apply and rollback", ignored=HISTORY)
    return host, product, before, length


def test_a_killed_apply_rolls_back(everything: tuple[Nspawn, Product, State, int], note: Note) -> None:
    host, product, before, length = everything
    hit = []
    for point in range(POINTS):
        lines = 1 + point * (length - 2) // (POINTS - 1)
        if killed(host, lines, "apply", "--deadline", "900"):
            hit.append(lines)
        status = product.script("status", expected=None)
        assert status.stdout.strip(), "status has nothing to say"
        product.script("rollback")
        assert_same(before, state(host), f"killed after {lines} of {length} journal lines", ignored=HISTORY)
    assert len(hit) >= POINTS // 2, f"only killed at {hit} of {length}"
    note(f"apply killed after {', '.join(map(str, hit))} of {length} journal lines: rollback restores all")


def test_a_killed_rollback_goes_on(everything: tuple[Nspawn, Product, State, int], note: Note) -> None:
    host, product, before, length = everything
    hit = []
    for point in range(3):
        product.script("apply", "--deadline", "900")
        lines = 1 + point * length // 3
        if killed(host, lines, "rollback"):
            hit.append(lines)
            product.script("rollback")
        assert_same(before, state(host), f"rollback killed after {lines} journal lines", ignored=HISTORY)
    assert hit
    note(f"rollback killed after {', '.join(map(str, hit))} journal lines: called again, it restores all")


def test_a_killed_apply_that_nobody_sees_is_undone(trial: Trial) -> None:
    begin = now()
    assert killed(trial.machine, 4, "apply", "--deadline", str(DEADLINE))
    trial.wait_undone(begin + DEADLINE)


# --- the rest of the contract ---------------------------------------------------------------------


def test_a_reader_that_goes_away_does_no_harm(trial: Trial) -> None:
    trial.machine.login(["sh", "-c", f"bash {SCRIPT} apply --deadline 900 | head -n 1"])
    trial.product.script("rollback", expected=None)
    trial.assert_before("after apply | head -n 1 and rollback")


def test_the_wrong_host_is_refused(trial: Trial, lab: Lab, layer: Path) -> None:
    with Nspawn(lab, "other", [layer]) as other:
        before = state(other)
        other.put(trial.machine.get(SCRIPT).encode(), SCRIPT)
        done = other.login(["bash", SCRIPT, "apply"])
        assert done.returncode == 3, said(done)
        assert_same(before, state(other), "refused on another host")


def test_what_a_third_party_changed_is_kept(trial: Trial) -> None:
    machine = trial.machine
    trial.apply(900)
    trial.confirm()
    ours = machine.sh("ls /etc/sysctl.d/*hardentui*").strip()
    machine.sh('echo "vm.swappiness = 10" >> "$1"', ours)
    done = trial.product.script("rollback", expected=4)
    assert ours in done.stdout + done.stderr, said(done)
    left = difference(trial.before, state(machine), ignored=HISTORY)
    assert [line.partition(":")[0] for line in left] == [f"etc {ours}"], left
    assert "vm.swappiness = 10" in machine.get(ours)
