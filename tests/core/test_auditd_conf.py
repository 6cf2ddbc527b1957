"""auditd.conf: what counts of it, and what is changed of it and nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.model import Action, Decision, Finding, Recommendation, Result
from hardentui.operations import ByHand, Refusal, ReplaceLine, RestartUnit
from hardentui.resources.audit import conf, sets
from hardentui.session import Session
from hardentui.snapshot import Kind, Processes, Reason, Unread

from . import hosts
from .audit import STARTS
from .sittings import CHECKLISTS


def configured(text: str, least: str = STARTS) -> hosts.DictHost:
    host = hosts.server()
    host.files[conf.CONF] = least + text
    return host


def finding(host: hosts.DictHost, id_: str) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    (found,) = assess([entry], hosts.snapshot(host), {}, CHECKLISTS.questions)
    return found


def decided(host: hosts.DictHost, id_: str) -> tuple[Recommendation, Decision]:
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    entry, found = session.entry(id_), session.finding(id_)
    assert entry is not None
    assert found is not None
    return entry, session.decision(found, Action.APPLY)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("log_format = ENRICHED\n", "enriched"),
        ("LOG_FORMAT  =  enriched\n", "enriched"),
        ("write_logs = yes\nlog_format = ENRICHED", "raw"),  # a line without its end is skipped
        (f"log_format = ENRICHED {'x' * 150}\n", "raw"),  # too long a line is skipped
        ("log_format = ENRICHED\nlog_format = RAW\n", "raw"),  # the last counts
        ("#log_format = ENRICHED\n", "raw"),
        ("", "raw"),  # what was built in
        ("disk_full_action = SYSLOG as ever\nlog_format = enriched\n", "enriched"),
        ("space_left_action = exec  /usr/local/bin/warn now\nlog_format = enriched\n", "enriched"),
    ],
)
def test_the_setting_that_counts(text: str, value: str) -> None:
    assert finding(configured(text), "audit.log-format").running == value


@pytest.mark.parametrize(
    "line",
    [
        "log_format=ENRICHED",
        "log_format = ",
        "log_format ENRICHED",
        "log_format\t=\tENRICHED",
        "log_format = ENRICHED # names, not numbers",
        "log_format = RICH",
        "log_format = ENRICHED\r",
        "no_such = 1",
        "max_log_file = 8M",
        "num_logs = 1000",
        "space_left = 100%",
        "log_file = /audit.log",
        "space_left_action = exec",
        "space_left_action = exec warn",
        "disk_full_action = email",
        "disk_error_action = rotate",
        "max_log_file_action = rotate now",
    ],
)
def test_a_line_that_auditd_does_not_start_with_is_named(line: str) -> None:
    host = configured(f"{line}\n")
    for id_ in ("audit.log-format", "audit.write-logs", "audit.service"):
        found = finding(host, id_)
        assert found.result is Result.UNKNOWN
        assert "auditd.conf:2: auditd does not start" in found.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "space_left = 10\nadmin_space_left = 50\n",
            "(10) is not more than admin_space_left (50)",
        ),
        ("space_left = 50\nadmin_space_left = 50\n", "space_left (50) is not more"),
        ("space_left = 0%\n", "space_left (0%) is not more"),
        ("log_format = ENRICHED\n", "space_left (0) is not more"),
        ("space_left = 10%\nadmin_space_left = 50\n", ""),
        ("space_left = 10\nadmin_space_left = 50%\n", ""),
        ("space_left = 75\nflush = INCREMENTAL\n", "flush = incremental needs a freq"),
        ("space_left = 75\nflush = incremental_async\nfreq = 00\n", "flush = incremental_async needs a freq"),
        ("space_left = 75\nflush = incremental_async\nfreq = 20\n", ""),
        ("space_left = 75\nflush = SYNC\n", ""),
        ("", ""),
    ],
)
def test_settings_with_which_auditd_does_not_start_beside_each_other_are_named(text: str, why: str) -> None:
    found = finding(configured(text, least=""), "audit.service")
    assert found.result is (Result.UNKNOWN if why else Result.PASS)
    assert (why in found.message) if why else (found.boot == "recording")


@pytest.mark.parametrize(
    "changes", [{"mode": 0o646}, {"uid": 1000, "user": "bob"}, {"kind": Kind.LINK}, {"kind": Kind.FOLDER}]
)
def test_a_file_that_others_could_have_written_is_none_that_auditd_starts_with(
    changes: dict[str, Any],
) -> None:
    host = configured("")
    assert finding(host, "audit.service").result is Result.PASS
    host.stats[conf.CONF] = dataclasses.replace(host.stats[conf.CONF], **changes)
    found = finding(host, "audit.service")
    assert found.result is Result.UNKNOWN
    assert "auditd starts with a plain file alone" in found.message


def test_records_are_written_soon_without_taking_the_daemon_its_start() -> None:
    """With INCREMENTAL_ASYNC and no freq auditd would not start again."""

    def lines(text: str) -> dict[str, str]:
        steps = change_of(*decided(configured(text), "audit.flush"))
        assert not isinstance(steps, Refusal)
        return {one.before: one.after for one in steps if isinstance(one, ReplaceLine)}

    assert lines("flush = NONE\n") == {"flush = NONE": "flush = INCREMENTAL_ASYNC", "": "freq = 50"}
    assert lines("flush = NONE\nfreq = 0\n") == {
        "flush = NONE": "flush = INCREMENTAL_ASYNC",
        "freq = 0": "freq = 50",
    }
    assert lines("flush = NONE\nfreq = 20\n") == {"flush = NONE": "flush = INCREMENTAL_ASYNC"}


def test_no_line_is_added_behind_one_that_would_count_from_then_on() -> None:
    why = change_of(*decided(configured("local_events = no"), "audit.log-format"))
    assert isinstance(why, Refusal)
    assert "has no line end" in why.reason
    for text in ("# the end", "log_format = RAW\nlocal_events = no"):
        assert not isinstance(change_of(*decided(configured(text), "audit.log-format")), Refusal)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("write_logs = yes\nlog_format = ENRICHED\n", "yes"),
        ("write_logs = no\n", "write_logs = no"),
        ("log_format = NOLOG\n", "log_format = nolog"),
        ("log_format = NOLOG\nwrite_logs = yes\n", "log_format = nolog"),
    ],
)
def test_a_daemon_that_writes_no_log_is_seen_by_either_setting(text: str, value: str) -> None:
    found = finding(configured(text), "audit.write-logs")
    assert found.running == value
    assert found.result is (Result.PASS if value == "yes" else Result.FAIL)


def test_both_settings_are_changed_where_both_keep_it_from_writing() -> None:
    steps = change_of(*decided(configured("log_format = NOLOG\nwrite_logs = no\n"), "audit.write-logs"))
    assert not isinstance(steps, Refusal)
    lines = {one.after for one in steps if isinstance(one, ReplaceLine)}
    assert lines == {"write_logs = yes", "log_format = ENRICHED"}


def test_a_daemon_that_only_gathers_the_events_of_others_records_nothing_here() -> None:
    host = configured("local_events = no\n")
    found = finding(host, "audit.service")
    assert found.boot == "local_events = no"
    assert found.result is Result.FAIL
    assert finding(host, "audit.identity").boot == "local_events = no"
    why = change_of(*decided(host, "audit.service"))
    assert isinstance(why, Refusal)
    assert "local_events = no" in why.reason
    assert finding(configured("local_events = yes\n"), "audit.service").boot == "recording"


def test_why_no_rule_would_be_loaded_is_told_by_what_was_read() -> None:
    host = configured("no_such = 1\n")
    made = change_of(*decided(host, "audit.identity"))
    assert isinstance(made, Refusal)
    assert "auditd.conf:2: auditd does not start" in made.reason
    host.files[conf.CONF] = Unread(Reason.DENIED)
    assert sets.refused(hosts.snapshot(host)) == ""


@given(st.text())
def test_no_file_breaks_the_reader(text: str) -> None:
    host = configured(text)
    for id_ in ("audit.stops-host", "audit.rotation-fits", "audit.room", "audit.flush"):
        assert finding(host, id_).result is not Result.ERROR


@pytest.mark.parametrize("key", ["space_left_action", "admin_space_left_action", "disk_full_action"])
@pytest.mark.parametrize("word", ["halt", "SINGLE", "halt at once"])
def test_each_way_to_stop_the_host_is_named(key: str, word: str) -> None:
    found = finding(configured(f"{key} = {word}\n"), "audit.stops-host")
    assert found.result is Result.FAIL
    assert key in found.message


def test_only_what_stops_the_host_is_changed_and_the_daemon_told() -> None:
    entry, made = decided(
        configured("admin_space_left_action = halt\ndisk_full_action = ROTATE\n"), "audit.stops-host"
    )
    steps = change_of(entry, made)
    assert not isinstance(steps, Refusal)
    (edit, restart) = steps
    assert isinstance(edit, ReplaceLine)
    assert (edit.before, edit.after) == (
        "admin_space_left_action = halt",
        "admin_space_left_action = SUSPEND",
    )
    assert isinstance(restart, RestartUnit)


def test_where_systemd_must_not_stop_it_a_person_restarts_it() -> None:
    host = configured("disk_full_action = halt\n")
    host.files["/usr/lib/systemd/system/auditd.service"] = (
        "[Unit]\nRefuseManualStop=yes\n[Service]\nExecStart=/sbin/auditd\n"
    )
    steps = change_of(*decided(host, "audit.stops-host"))
    assert not isinstance(steps, Refusal)
    assert isinstance(steps[-1], ByHand)
    assert "service auditd restart" in str(steps[-1].instructions)


def test_a_line_that_stands_twice_or_was_edited_in_the_plan_is_refused() -> None:
    twice = change_of(
        *decided(configured("disk_full_action = halt\ndisk_full_action = halt\n"), "audit.stops-host")
    )
    assert isinstance(twice, Refusal)
    entry, made = decided(configured("disk_full_action = halt\n"), "audit.stops-host")
    other = {"disk_full_action": {"text": "log_file = /etc/shadow", "value": "halt", "twice": False}}
    assert isinstance(
        change_of(entry, dataclasses.replace(made, facts={**made.facts, "settings": other})), Refusal
    )


def test_a_daemon_that_has_no_room_to_write_is_seen() -> None:
    text = "space_left = 800\nadmin_space_left = 700\nadmin_space_left_action = SUSPEND\n"  # 600 MiB are free
    found = finding(configured(text), "audit.room")
    assert found.result is Result.FAIL
    assert "600 MiB free, suspend at 700" in found.message
    assert finding(configured("space_left = 25%\n"), "audit.room").result is Result.PASS


def test_a_daemon_that_does_not_run_has_no_settings_now() -> None:
    host = configured("disk_full_action = halt\n")
    host.answers[Processes] = ()
    found = finding(host, "audit.stops-host")
    assert found.running == ""
    assert found.result is Result.FAIL
