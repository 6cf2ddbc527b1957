"""Services: on or off, now and at boot; what is refused, and what the reader makes of systemctl's words."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.host import units as reader
from hardentui.host.image import ImageHost
from hardentui.host.recording import RecordedHost, record
from hardentui.model import Drift, Finding, Result
from hardentui.operations import DisableUnit, Refusal
from hardentui.resources import RESOURCES
from hardentui.resources.families import SERVICES
from hardentui.snapshot import Reason, Snapshot, Unit, UnitFile, UnitFiles, Units, Unread

from . import hosts
from .sittings import CHECKLISTS

ID = "services.avahi"
SERVICE, SOCKET = "avahi-daemon.service", "avahi-daemon.socket"


def host(active: str = "active", state: str = "enabled", **changes: object) -> hosts.DictHost:
    given = {
        "units": (Unit(SERVICE, "loaded", active), Unit(SOCKET, "loaded", active)),
        "unit_files": (UnitFile(SERVICE, state), UnitFile(SOCKET, state)),
        **changes,
    }
    return hosts.server(**given)


def finding(made: hosts.DictHost, id_: str = ID) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    return assess([entry], hosts.snapshot(made), {}, CHECKLISTS.questions)[0]


def change(made: hosts.DictHost) -> object:
    found = finding(made)
    return RESOURCES["unit"].change(found.recommendation, found.observation.facts, "off")


def test_every_service_has_its_recommendation() -> None:
    """A row of the table that no checklist names would be judged by nobody."""
    named = {entry.subject for entry in CHECKLISTS.recommendations if entry.resource == "unit"}
    assert set(SERVICES) <= named


@pytest.mark.parametrize(
    ("active", "state", "result", "drift"),
    [
        ("active", "enabled", Result.FAIL, None),
        ("activating", "enabled", Result.FAIL, None),
        ("inactive", "disabled", Result.PASS, None),
        ("failed", "masked", Result.PASS, None),
        ("inactive", "static", Result.PASS, None),
        ("inactive", "enabled", Result.FAIL, Drift.LOST_AT_REBOOT),
        ("active", "disabled", Result.FAIL, Drift.NOT_YET),
        ("inactive", "bad", Result.UNKNOWN, None),
    ],
)
def test_a_service_now_and_at_boot(active: str, state: str, result: Result, drift: Drift | None) -> None:
    found = finding(host(active, state))
    assert (found.result, found.drift) == (result, drift), found.message


def test_what_is_not_installed_passes() -> None:
    assert finding(host(units=(), unit_files=())).result is Result.PASS


@pytest.mark.parametrize("reason", [Reason.DENIED, Reason.FAILED, Reason.UNSUPPORTED, Reason.TIMED_OUT])
def test_units_that_cannot_be_read_are_not_off(reason: Reason) -> None:
    assert finding(host(unit_files=Unread(reason, "x"))).result in {Result.UNKNOWN, Result.FAIL}
    assert finding(host("inactive", unit_files=Unread(reason, "x"))).result is Result.UNKNOWN
    assert (
        finding(host(units=Unread(reason, "x"), unit_files=(UnitFile(SERVICE, "disabled"),))).result
        is Result.UNKNOWN
    )
    nothing = {"units": Unread(reason, "x"), "unit_files": Unread(reason, "x")}
    assert finding(host(**nothing)).result is Result.UNKNOWN


def test_a_service_of_an_old_start_script_is_seen() -> None:
    """A generator makes its unit: there is no file, and yet a boot starts it."""
    old = Unit(
        SERVICE, "loaded", "active", path="/run/systemd/generator.late/x", wanted_by=("multi-user.target",)
    )
    found = finding(host(units=(old,), unit_files=()))
    assert found.result is Result.FAIL
    assert isinstance(change(host(units=(old,), unit_files=())), Refusal)


def test_the_socket_goes_before_its_service() -> None:
    steps = change(host())
    assert [step.unit for step in steps] == [SOCKET, SERVICE]
    assert all(
        isinstance(step, DisableUnit) and step.active and step.enablement == "enabled" for step in steps
    )


@pytest.mark.parametrize("state", ["masked", "enabled-runtime", "linked", "transient"])
def test_a_running_unit_in_an_odd_state_is_left_to_a_person(state: str) -> None:
    assert isinstance(change(host("active", state)), Refusal)


def test_a_plan_cannot_bring_another_unit_in() -> None:
    entry = CHECKLISTS.get(ID)
    facts = {
        "units": {
            "ssh.service": "enabled active",
            f"{SERVICE}; reboot": "enabled active",
            SERVICE: "enabled active; x",
        }
    }
    done = RESOURCES["unit"].change(entry, facts, "off")
    assert [step.unit for step in done] == [SERVICE]
    assert not done[0].active


def test_who_needs_it_is_said_before() -> None:
    needed = Unit(SERVICE, "loaded", "active", needed_by=("needy.service", "sleeping.service", SOCKET))
    others = (Unit("needy.service", "loaded", "active"), Unit("sleeping.service", "loaded", "inactive"))
    found = finding(host(units=(needed, Unit(SOCKET, "loaded", "active"), *others)))
    assert [hazard.text for hazard in found.hazards] == ["needed by: needy.service"]


def test_failed_units_are_named_and_enabled_ones_counted() -> None:
    made = host(units=(Unit("b.service", "loaded", "failed"), Unit("a.timer", "loaded", "failed")))
    assert finding(made, "services.none-failed").running == "a.timer,b.service"
    assert finding(host(), "services.none-failed").result is Result.PASS
    found = finding(host(), "services.enabled-units")
    assert found.result is Result.INFORMATIONAL
    assert found.boot == "2"
    assert {SERVICE, SOCKET} <= {place.place for place in found.provenance}


def test_on_an_image_the_boot_side_counts() -> None:
    assert finding(host("active", "disabled", name="image")).result is Result.PASS
    assert finding(host("inactive", "enabled", name="image")).result is Result.FAIL


# --- the words of systemctl -----------------------------------------------------------------------------

SHOW = """\
Type=simple
MainPID=411
User=avahi
Id=avahi-daemon.service
RequiredBy=needy.service
BoundBy=other.service needy.service
WantedBy=multi-user.target
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/usr/lib/systemd/system/avahi-daemon.service
NeedDaemonReload=no

Listen=/run/avahi-daemon/socket (Stream)
Listen=[::]:5353 (Datagram)
Id=avahi-daemon.socket
LoadState=loaded
ActiveState=active
SubState=listening
NeedDaemonReload=yes
"""


def test_what_systemctl_shows_is_read() -> None:
    service, sock = reader.loaded(lambda _argv: SHOW, booted=True)
    assert (service.name, service.active, service.pid, service.user) == (SERVICE, "active", 411, "avahi")
    assert service.needed_by == ("needy.service", "other.service")
    assert sock.listens == ("/run/avahi-daemon/socket (Stream)", "[::]:5353 (Datagram)")
    assert sock.stale


def test_where_systemd_does_not_run_nothing_is_asked() -> None:
    assert reader.loaded(lambda _argv: pytest.fail("asked"), booted=False) == Unread(
        Reason.UNSUPPORTED, "systemd does not run here"
    )


@given(st.text(max_size=300))
def test_no_output_breaks_the_reader(text: str) -> None:
    assert isinstance(reader.loaded(lambda _argv: text, booted=True), tuple)
    assert isinstance(reader.files(lambda _argv: text, "/"), tuple)


def test_units_survive_a_recording(tmp_path) -> None:
    snapshot = hosts.snapshot(host())
    before = snapshot.ask(Units()), snapshot.ask(UnitFiles())
    path = tmp_path / "host.json"
    path.write_text(record(snapshot))
    replayed = Snapshot(RecordedHost(path))
    assert (replayed.ask(Units()), replayed.ask(UnitFiles())) == before


def test_the_units_of_an_image_are_read_by_our_own_systemctl(tmp_path) -> None:
    if shutil.which("systemctl") is None:
        pytest.skip("needs systemctl")
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    text = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    for name in ("on", "off", "masked", "plain"):
        (units / f"{name}.service").write_text(
            text if name != "plain" else "[Service]\nExecStart=/bin/true\n"
        )
    subprocess.run(["systemctl", f"--root={tmp_path}", "enable", "on"], check=True, capture_output=True)
    subprocess.run(["systemctl", f"--root={tmp_path}", "mask", "masked"], check=True, capture_output=True)
    answer, _at = ImageHost(str(tmp_path)).answer(UnitFiles())
    assert {file.name.removesuffix(".service"): file.state for file in answer} == {
        "on": "enabled",
        "off": "disabled",
        "masked": "masked",
        "plain": "static",
    }
