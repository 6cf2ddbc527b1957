"""AIDE: what is sealed, whether it was, who checks, and where the seals lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.model import Finding, Result
from hardentui.snapshot import Mount, Mounts, UnitFile, UnitFiles

from . import hosts
from .sittings import CHECKLISTS

CONF = "/etc/aide/aide.conf"
EVERYTHING = "/boot Full\n/etc Full\n/usr/(s)?bin Full\n/usr/lib Full\n"


def finding(host: hosts.DictHost, id_: str) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    (found,) = assess([entry], hosts.snapshot(host), {}, CHECKLISTS.questions)
    return found


def configured(text: str) -> hosts.DictHost:
    host = hosts.server()
    host.files[CONF] = text
    return host


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        (EVERYTHING, "all"),
        ("/ Full\n", "all"),
        ("/[[:alpha:]]+ Full\n", "all"),
        ("/ Full\n!/etc$\n", "/etc"),
        ("/ Full\n!/var/log\n", "all"),
        ("=/etc Full\n/boot Full\n/usr Full\n", "/etc"),  # the folder itself, and nothing in it
        ("# /etc Full\n/usr Full\n/boot Full\n", "/etc"),
        ("@@define BOOT boot\n/@@{BOOT} Full\n/etc Full\n/usr Full\n", "all"),
        ("/etc/ssh Full\n/usr Full\n/boot Full\n", "/etc"),  # a part is not the whole
        ("/boots? Full\n/etcx* Full\n/usrx{0,2} Full\n", "all"),  # a letter that need not be there
        ("/nothing|/etc|/boot|/usr Full\n", "all"),
        ("/(nothing|etc|boot|usr) Full\n", "all"),
        ("/ Full\n!/(srv|usr/lib)$\n", "/usr/lib"),
    ],
)
def test_what_no_line_seals_is_named(text: str, lacking: str) -> None:
    found = finding(configured(text), "aide.scope")
    assert found.running == lacking
    assert found.result is (Result.PASS if lacking == "all" else Result.FAIL)


def test_what_the_folder_of_debian_adds_counts() -> None:
    host = configured("/boot Full\n")
    host.files["/etc/aide/aide.conf.d/70_aide_etc"] = "/etc Full\n"
    host.files["/etc/aide/aide.conf.d/70_aide_usr"] = "/usr Full\n"
    assert finding(host, "aide.scope").running == "all"


@given(st.text())
def test_no_configuration_breaks_the_reader(text: str) -> None:
    host = configured(text)
    for id_ in ("aide.scope", "aide.database", "aide.guard"):
        assert finding(host, id_).result is not Result.ERROR


def test_seals_that_were_never_made_are_none() -> None:
    host = configured("@@define DBDIR /var/lib/aide\ndatabase_in=file:@@{DBDIR}/aide.db\n")
    assert finding(host, "aide.database").running == "not built"
    host.files["/var/lib/aide/aide.db.new"] = "made, and not put in place"
    assert finding(host, "aide.database").running == "not built"
    host.files["/var/lib/aide/aide.db"] = "@@begin_db"
    assert finding(host, "aide.database").result is Result.PASS


@pytest.mark.parametrize(
    ("job", "value"),
    [
        ("5 4 * * * root /usr/sbin/aide --check\n", "scheduled"),
        ("#5 4 * * * root /usr/sbin/aide --check\n", "not scheduled"),
        ("5 4 * * * root /usr/sbin/aide --init\n", "not scheduled"),
        ("[ -d /run/systemd/system ] && exit 0\ndailyaidecheck\n", "not scheduled"),  # leaves it to a timer
    ],
)
def test_a_job_of_cron_checks_too(job: str, value: str) -> None:
    host = hosts.server()
    host.files["/etc/cron.d/aide"] = job
    assert finding(host, "aide.schedule").running == value


def test_a_timer_that_is_enabled_and_not_started_is_right_after_a_boot_only() -> None:
    host = hosts.server()
    host.answers[UnitFiles] = (UnitFile("dailyaidecheck.timer", "enabled"),)
    found = finding(host, "aide.schedule")
    assert (found.running, found.boot) == ("not scheduled", "scheduled")
    assert found.drift is not None


def test_seals_within_reach_of_root_are_for_a_person_to_answer_for() -> None:
    host = configured("database_in=file:/var/lib/aide/aide.db\n")
    found = finding(host, "aide.guard")
    assert found.result is Result.NOTCHECKED
    assert "only people know" in found.message
    seals = Mount(99, 1, "8:99", "/", "/mnt/seals", "ro,relatime", "ext4", "/dev/sdz", "ro")
    host.answers[Mounts] = (*host.answers[Mounts], seals)
    host.files[CONF] = "database_in=file:/mnt/seals/aide.db\n"
    assert finding(host, "aide.guard").running == "read-only"
    host.files[CONF] = "database_in=https://seals.example.org/aide.db\n"
    assert finding(host, "aide.guard").result is Result.PASS


def test_without_aide_the_rest_does_not_concern_the_host() -> None:
    host = hosts.server()
    del host.files["/usr/bin/aide"]
    assert finding(host, "aide.installed").result is Result.FAIL
    assert finding(host, "aide.scope").result is Result.NOTAPPLICABLE
    host.files["/usr/sbin/samhain"] = ""
    assert finding(host, "aide.installed").result is Result.PASS
