"""Switching a unit off for real, in a throw-away host: its links go, and come back as they were."""

from __future__ import annotations

import pytest
from box import SCRIPT
from plans import script

from hardentui.operations import DisableUnit, EnableUnit

OWNER = ("sysctl.martians",)
SERVICE = (
    "[Unit]\n[Service]\nExecStart=/bin/true\n"
    "[Install]\nWantedBy=multi-user.target\nAlso=ours.socket\nAlias=dbus-ours.service\n"
)
SOCKET = "[Unit]\n[Socket]\nListenStream=/run/x\n[Install]\nWantedBy=sockets.target\n"
UNITS = "etc/systemd/system"


def off(unit: str = "ours.service", enablement: str = "enabled", *, active: bool = False) -> DisableUnit:
    return DisableUnit(owners=OWNER, unit=unit, enablement=enablement, active=active)


@pytest.fixture
def units(box):
    """A service and its socket, both enabled, and one link that only an administrator would make."""
    folder = box.scratch / UNITS
    (folder / "ours.service").write_text(SERVICE)
    (folder / "ours.socket").write_text(SOCKET)
    box.sh("systemctl --root=/ enable ours.service ours.socket 2>/dev/null")
    box.sh("mkdir /etc/systemd/system/special.target.wants")
    box.sh("ln -s ../ours.service /etc/systemd/system/special.target.wants/ours.service")
    return box


def links(box) -> set[str]:
    return {
        str(path.relative_to(box.scratch)) for path in (box.scratch / UNITS).rglob("*") if path.is_symlink()
    }


def state(box, unit: str) -> str:
    return box.call("systemctl", "--root=/", "is-enabled", unit).stdout.strip()


def test_a_unit_goes_off_alone_and_comes_back_exactly(units):
    units.install(script(off()))
    before = units.tree()
    assert "ours.service" in units.run("review")
    units.run("apply")
    assert state(units, "ours.service") == "disabled"
    assert state(units, "ours.socket") == "enabled"  # Also= is no reason to take others along
    assert links(units) == {f"{UNITS}/sockets.target.wants/ours.socket"}
    assert "nothing" in units.run("apply").lower() or units.journal[-1] == "run kept"
    units.run("rollback")
    assert units.tree() == before


def test_a_socket_and_its_service_go_together(units):
    units.install(script(off("ours.socket"), off()))
    before = units.tree()
    units.run("apply")
    assert links(units) == set()
    units.run("rollback")
    assert units.tree() == before


def test_what_was_switched_off_since_is_left_as_it_is(units):
    units.install(script(off()))
    units.sh("systemctl --root=/ disable ours.service 2>/dev/null")
    units.sh("rm -f /etc/systemd/system/special.target.wants/*")
    before = units.tree()
    units.run("apply")
    units.run("rollback", expected=None)
    assert units.tree() == before


def test_a_unit_that_was_masked_since_is_not_enabled_by_a_rollback(units):
    units.install(script(off()))
    units.run("apply")
    units.sh("rm /etc/systemd/system/ours.service; ln -s /dev/null /etc/systemd/system/ours.service")
    said = units.run("status", expected=None)
    assert "ours.service" in said
    assert (units.scratch / UNITS / "ours.service").is_symlink()


def test_one_that_is_not_as_the_plan_saw_it_stops_everything(units):
    units.install(script(off(enablement="static", active=True)))
    before = units.tree()
    units.run("apply", expected=3)
    assert units.tree() == before


@pytest.mark.parametrize("after", ["saved", "doing"])
def test_a_kill_between_the_steps_is_taken_back(units, after):
    """The journal ends there: the links are back after a rollback, whether some were taken away or not."""
    units.install(script(off()))
    before = units.tree()
    units.run("apply")
    runs = sorted((units.state / "runs").iterdir())
    journal = (runs[-1] / "journal").read_text().splitlines(keepends=True)
    at = next(n for n, line in enumerate(journal) if f" 1 {after} " in line)
    (runs[-1] / "journal").write_text("".join(journal[: at + 1]))
    units.sh("systemctl --root=/ enable ours.service 2>/dev/null")  # some links stand, one is gone
    units.run("rollback", expected=None, script=SCRIPT)
    assert links(units) == {
        name.removeprefix(f"{units.scratch}/") for name in before if _is_link(before[name])
    }


def _is_link(entry: tuple[object, ...]) -> bool:
    return (int(str(entry[0])) & 0o170000) == 0o120000


@pytest.mark.parametrize(
    "unit",
    [
        "ssh.service",
        "sshd.service",
        "ssh.socket",
        "NetworkManager.service",
        "systemd-networkd.service",
        "dbus.service",
        "nftables.service",
    ],
)
def test_what_a_person_comes_in_by_cannot_be_switched_off(unit):
    with pytest.raises(ValueError, match="spared"):
        off(unit)


@pytest.mark.parametrize(
    "state", ["masked", "generated", "transient", "enabled-runtime", "linked", "x; reboot"]
)
def test_only_what_can_be_taken_back_is_an_operation(state):
    with pytest.raises(ValueError, match="taken back"):
        off(enablement=state)


def test_a_folder_that_the_rollback_of_another_unit_took_along_is_made_again(box):
    for name in ("old.service", "new.service"):
        text = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=special.target\n"
        (box.scratch / UNITS / name).write_text(text)
    box.sh("systemctl --root=/ enable old.service 2>/dev/null")
    before = box.tree()
    box.install(script(off("old.service"), EnableUnit(owners=OWNER, unit="new.service", start=False)))
    box.run("apply")
    assert links(box) == {f"{UNITS}/special.target.wants/new.service"}
    box.run("rollback")
    assert box.tree() == before
