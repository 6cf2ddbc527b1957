"""The clock: which program keeps it, which servers it asks, and whether it is right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.model import Fact, Finding, Gap, GapKind, Result
from hardentui.operations import EnableUnit, Refusal, ReplaceLine, RestartUnit, WriteFile
from hardentui.resources import RESOURCES
from hardentui.resources.timesync import chrony
from hardentui.snapshot import Kind, Output, Snapshot, Status, Unit, UnitFile, UnitFiles, Units

from . import hosts, journals
from .hosts import NOW, DictHost, snapshot
from .sittings import sitting

TRACKING = "C0000202,192.0.2.2,3,1795245700.0,{off},0.0001,0.0002,1.5,0.01,0.2,0.02,0.001,64.2,{leap}\n"


def found(host: DictHost, id_: str, servers: str = "ntp1.example.org, ntp2.example.org") -> Finding:
    finding = sitting(Snapshot(host), {"ntp-servers": servers}).finding(id_)
    assert finding is not None
    return finding


def change(id_: str, facts: dict[str, Fact], target: str, servers: str = "ntp1.example.org"):
    entry = sitting(snapshot(hosts.server()), {"ntp-servers": servers}).entry(id_)
    return RESOURCES["timesync"].change(entry, facts, target)


# --- who keeps the clock -----------------------------------------------------------------------------


def with_units(*units: tuple[str, str, str]) -> DictHost:
    host = hosts.server()
    host.answers[Units] = tuple(Unit(name, "loaded", active) for name, _state, active in units)
    host.answers[UnitFiles] = tuple(UnitFile(name, state) for name, state, _active in units)
    return host


TIMESYNCD = ("systemd-timesyncd.service", "enabled", "active")
CHRONY = ("chrony.service", "enabled", "active")


def test_one_client_passes_and_two_fight() -> None:
    assert found(with_units(TIMESYNCD), "time.client").result is Result.PASS
    both = found(with_units(TIMESYNCD, CHRONY), "time.client")
    assert (both.result, both.running) == (Result.FAIL, "timesyncd, chrony")
    assert isinstance(change("time.client", dict(both.observation.facts), "on"), Refusal)


def test_a_client_that_runs_and_does_not_start_is_lost_at_reboot() -> None:
    seen = found(with_units(("chrony.service", "disabled", "active")), "time.client")
    assert (seen.result, seen.running, seen.boot) == (Result.FAIL, "chrony", "none")
    (step,) = change("time.client", dict(seen.observation.facts), "on")
    assert isinstance(step, EnableUnit)
    assert (step.unit, step.start) == ("chrony.service", True)


def test_another_name_of_a_unit_is_no_second_client() -> None:
    seen = found(with_units(CHRONY, ("chronyd.service", "alias", "active")), "time.client")
    assert seen.result is Result.PASS


def test_where_none_is_installed_a_person_installs_one() -> None:
    seen = found(with_units(), "time.client")
    assert seen.result is Result.FAIL
    assert isinstance(change("time.client", dict(seen.observation.facts), "on"), Refusal)


def test_a_container_has_no_clock_of_its_own() -> None:
    host = hosts.server(files={"/run/systemd/container": "systemd-nspawn"})
    for id_ in ("time.client", "time.synchronised", "time.servers", "time.hardware-clock"):
        assert found(host, id_).result is Result.NOTAPPLICABLE


# --- whether it is right -----------------------------------------------------------------------------


def clock(said: str, tracking: str = "", *units: tuple[str, str, str]) -> DictHost:
    host = with_units(*units or (CHRONY,))
    host.commands["timedatectl", "show"] = Output(said)
    if tracking:
        host.commands["chronyc", "-c", "tracking"] = Output(tracking)
    return host


@pytest.mark.parametrize(
    ("said", "tracking", "value"),
    [
        ("NTP=yes\nNTPSynchronized=yes\n", "", "yes"),
        ("NTP=yes\nNTPSynchronized=no\n", "", "no"),
        ("NTPSynchronized=yes\n", TRACKING.format(off="-0.000012", leap="Normal"), "yes"),
        ("NTPSynchronized=yes\n", TRACKING.format(off="-1.2", leap="Normal"), "1.2 s off"),
        ("NTPSynchronized=yes\n", TRACKING.format(off="0.0", leap="Not synchronised"), "no"),
        ("NTPSynchronized=yes\n", "506 Cannot talk to daemon\n", "yes"),
        ("NTPSynchronized=no\n", TRACKING.format(off="0.1", leap="Normal"), "no"),
    ],
)
def test_whether_the_clock_is_right_now(said: str, tracking: str, value: str) -> None:
    seen = found(clock(said, tracking), "time.synchronised")
    assert seen.running == value
    assert (seen.result is Result.PASS) == (value == "yes")
    assert not seen.boot


def test_a_clock_that_nobody_can_tell_of_is_not_right() -> None:
    assert found(hosts.server(), "time.synchronised").result is Result.UNKNOWN
    assert found(clock("NTP=yes\n"), "time.synchronised").result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.0 0 0.0\n0\nUTC\n", "UTC"), ("0.0 0 0.0\n0\nLOCAL\n", "local"), ("0.0 0 0\n", "UTC")],
)
def test_what_the_hardware_clock_holds(text: str, value: str) -> None:
    seen = found(hosts.server(files={"/etc/adjtime": text}), "time.hardware-clock")
    assert seen.boot == value


def test_the_zone() -> None:
    host = hosts.server(links={"/etc/localtime": "../usr/share/zoneinfo/Europe/Paris"})
    assert found(host, "time.zone").boot == "Europe/Paris"


# --- the servers --------------------------------------------------------------------------------------


def timesyncd(**files: str) -> DictHost:
    return journals.with_client(hosts.server(files=files), "timesyncd", NOW)


CONF = "/etc/systemd/timesyncd.conf"


def test_the_list_adds_up_and_an_empty_one_takes_it_back() -> None:
    files = {
        CONF: "[Time]\nNTP=a.example.org\n",
        f"{CONF}.d/10.conf": "[Time]\nNTP=ntp2.example.org\nNTP=\nNTP=ntp2.example.org\n",
        f"{CONF}.d/20.conf": "[Time]\nNTP=NTP1.example.org\n",
    }
    seen = found(timesyncd(**files), "time.servers")
    assert (seen.result, seen.boot) == (Result.PASS, "ntp1.example.org, ntp2.example.org")


def test_without_a_list_the_fallback_is_asked() -> None:
    seen = found(timesyncd(), "time.servers")
    assert (seen.result, seen.boot) == (Result.FAIL, "0.debian.pool.ntp.org, 1.debian.pool.ntp.org")


def test_what_the_network_names_is_asked_too() -> None:
    files = {
        CONF: "[Time]\nNTP=ntp1.example.org ntp2.example.org\n",
        "/run/systemd/netif/state": "NTP=10.0.0.1\n",
    }
    seen = found(timesyncd(**files), "time.servers")
    assert (seen.result, seen.running) == (Result.FAIL, "ntp1.example.org, ntp2.example.org, 10.0.0.1")


def test_a_client_older_than_its_files_is_not_judged_by_them() -> None:
    host = timesyncd(**{CONF: "[Time]\nNTP=ntp1.example.org ntp2.example.org\n"})
    host.stats[CONF] = Status(Kind.FILE, 0o644, 0, 0, "root", "root", 30, "8:1", NOW - 60, NOW - 60)
    seen = found(host, "time.servers")
    assert seen.result is Result.UNKNOWN
    assert seen.observation.running.gap.kind is GapKind.STALE


def test_timesyncd_gets_a_drop_in_that_takes_the_others_back() -> None:
    seen = found(timesyncd(), "time.servers")
    write, restart = change("time.servers", dict(seen.observation.facts), "ntp1.example.org, 192.0.2.3")
    assert isinstance(write, WriteFile)
    assert write.content.splitlines()[1:] == ["[Time]", "NTP=", "NTP=ntp1.example.org 192.0.2.3"]
    assert isinstance(restart, RestartUnit)


def with_chrony(**files: str) -> DictHost:
    return journals.with_client(
        hosts.server(files={"/etc/chrony/chrony.conf": journals.DEBIAN_CHRONY, **files}), "chrony", NOW
    )


def test_chrony_gets_a_file_of_sources_and_its_other_lines_become_comments() -> None:
    site = {"/etc/chrony/sources.d/site.sources": "server ntp1.example.org iburst\nserver old.example.org\n"}
    seen = found(with_chrony(**site), "time.servers")
    assert seen.boot == "ntp1.example.org, 2.debian.pool.ntp.org, old.example.org"
    *steps, restart = change(
        "time.servers", dict(seen.observation.facts), "ntp1.example.org, ntp2.example.org"
    )
    write = next(one for one in steps if isinstance(one, WriteFile))
    assert write.path == "/etc/chrony/sources.d/hardentui.sources"
    assert write.content.splitlines()[1:] == ["server ntp2.example.org iburst"]
    edits = {(one.path, one.before): one.after for one in steps if isinstance(one, ReplaceLine)}
    assert edits == {
        (
            "/etc/chrony/chrony.conf",
            "pool 2.debian.pool.ntp.org iburst",
        ): "# pool 2.debian.pool.ntp.org iburst",
        ("/etc/chrony/sources.d/site.sources", "server old.example.org"): "# server old.example.org",
    }
    assert isinstance(restart, RestartUnit)


def test_files_of_chrony_that_include_each_other_are_told_and_do_not_hang() -> None:
    """Ten levels of a folder with six such files would be sixty million."""
    files = {f"/etc/chrony/conf.d/{n}.conf": "include /etc/chrony/conf.d/*.conf\n" for n in range(6)}
    seen = found(with_chrony(**files), "time.servers")
    assert seen.result is Result.UNKNOWN
    assert "not read to the end" in seen.message


def test_where_dhcp_names_servers_a_file_of_ours_does_not_help() -> None:
    seen = found(with_chrony(**{"/run/chrony-dhcp/eth0.sources": "server 10.0.0.1 iburst\n"}), "time.servers")
    assert "10.0.0.1" in seen.running
    assert "10.0.0.1" not in seen.boot
    assert isinstance(change("time.servers", dict(seen.observation.facts), "ntp1.example.org"), Refusal)


@pytest.mark.parametrize(
    "facts",
    [
        {"client": "chrony", "unit": "sshd.service", "main": "/etc/chrony.conf"},
        {"client": "chrony", "unit": "chrony.service", "main": "/etc/passwd"},
        {
            "client": "chrony",
            "unit": "chrony.service",
            "main": "/etc/chrony.conf",
            "lines": ({"path": "/etc/sudoers", "line": "pool x", "host": "x"},),
        },
        {
            "client": "chrony",
            "unit": "chrony.service",
            "main": "/etc/chrony.conf",
            "lines": ({"path": "/etc/chrony.conf", "line": "driftfile /x", "host": "x"},),
        },
        {"client": "chrony", "unit": "chrony.service", "main": "/etc/chrony.conf", "ours": "/etc/cron.d/x"},
    ],
)
def test_facts_that_were_edited_change_no_other_file(facts: dict[str, Fact]) -> None:
    assert isinstance(change("time.servers", facts, "ntp1.example.org"), Refusal)


@pytest.mark.parametrize("target", ["", "a b;c", "ntp1\nNTP=x", "-o", "$(id)"])
def test_a_server_that_is_none_is_refused(target: str) -> None:
    assert isinstance(change("time.servers", {"client": "timesyncd"}, target), Refusal)


# --- chrony's own reading -----------------------------------------------------------------------------

CASES = {
    "Debian's own": (
        {"main": journals.DEBIAN_CHRONY.replace("/etc/chrony", "ROOT").replace("/run", "ROOT/run")}
    ),
    "comments": {"main": "! server a\n# pool b\n; peer c\n% server d\n  SERVER e iburst\npool f\n"},
    "an include": {
        "main": "include ROOT/d/*.conf\nserver z\n",
        "d/b.conf": "server b\n",
        "d/a.conf": "server a\n",
    },
    "folders": {
        "main": "confdir ROOT/one ROOT/two\n",
        "one/x.conf": "server one\n",
        "two/x.conf": "server hidden\n",
        "two/y.conf": "peer two\n",
        "two/z.sources": "server not\n",
    },
}


@pytest.mark.skipif(shutil.which("chronyd") is None, reason="needs chronyd")
@pytest.mark.parametrize("name", CASES)
def test_every_configuration_is_read_as_chronyd_reads_it(name: str, tmp_path: Path) -> None:
    files = {str(tmp_path / path): text.replace("ROOT", str(tmp_path)) for path, text in CASES[name].items()}
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    argv = ["chronyd", "-p", "-f", str(tmp_path / "main")]
    printed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    read = chrony.read(snapshot(DictHost(files)), str(tmp_path / "main"))
    assert isinstance(read, chrony.Files)
    assert [one.text.strip().lower() for one in read.sources] == [
        line.strip().lower() for line in printed.splitlines() if chrony.is_source(line)
    ]


def test_a_folder_of_sources_is_read_too() -> None:
    """chronyd -p does not print these: it reads them once it runs."""
    files = {
        "/etc/chrony.conf": "sourcedir /run/chrony-dhcp /etc/chrony/sources.d\nserver a\n",
        "/etc/chrony/sources.d/p.sources": "pool p iburst\n",
        "/etc/chrony/sources.d/b.conf": "server no\n",
    }
    read = chrony.read(snapshot(DictHost(files)), "/etc/chrony.conf")
    assert isinstance(read, chrony.Files)
    assert {one.host for one in read.sources} == {"p", "a"}


@given(st.text(max_size=200))
def test_any_text_is_read_without_harm(text: str) -> None:
    read = chrony.read(snapshot(DictHost({"/etc/chrony.conf": text})), "/etc/chrony.conf")
    assert isinstance(read, chrony.Files | Gap)
