"""The log of each service: in whose hands it is."""

from __future__ import annotations

from typing import Any

import pytest

from hardentui.assess import assess
from hardentui.model import Finding, Result
from hardentui.snapshot import (
    Account,
    Accounts,
    Confinement,
    Group,
    Groups,
    Kind,
    Reason,
    Snapshot,
    Status,
    Unread,
)

from . import running
from .running import HELD, process
from .sittings import CHECKLISTS

WORKER = process(7, **HELD)
LOG = "/var/log/nginx/access.log"


def status(mode: int, user: str, group: str, kind: Kind = Kind.FILE) -> Status:
    numbers = {"root": 0, "www-data": 33, "adm": 4, "web": 50}
    return Status(kind, mode, numbers[user], numbers[group], user, group, 9, "8:1")


def host(*processes: Any, log: Status, folder: Status | None = None) -> Any:
    made = running.snapshot(*(processes or (WORKER,)), files={LOG: "", "/var/log/syslog": ""}).host
    made.stats[LOG] = log
    made.stats["/var/log/nginx"] = folder or status(0o755, "root", "adm", Kind.FOLDER)
    made.answers[Accounts] = (
        Account("root", 0, 0, "/root", "/bin/bash"),
        Account("www-data", 33, 33, "/var/www", "/usr/sbin/nologin"),
    )
    made.answers[Groups] = (Group("www-data", 33, ()), Group("web", 50, ("www-data",)), Group("adm", 4, ()))
    return made


def finding(made: Any) -> Finding:
    entry = CHECKLISTS.get("log.service-logs")
    assert entry is not None
    return assess([entry], Snapshot(made), {}, CHECKLISTS.questions)[0]


def test_the_file_of_the_account_that_runs_the_service_is_in_its_hands() -> None:
    """Debian gives the logs of nginx to www-data when they are rotated."""
    found = finding(host(log=status(0o640, "www-data", "adm")))
    assert (found.result, found.running) == (Result.FAIL, "nginx.service")
    place = found.provenance[0]
    assert place.place == LOG
    assert "change it as www-data (www-data:adm 0640)" in place.text


@pytest.mark.parametrize(
    ("log", "word"),
    [
        (status(0o640, "root", "adm"), ""),
        (status(0o600, "root", "web"), ""),
        (status(0o640, "root", "web"), "read"),
        (status(0o660, "root", "web"), "change"),
    ],
)
def test_a_group_counts_by_its_rights(log: Status, word: str) -> None:
    found = finding(host(log=log))
    assert found.result is (Result.FAIL if word else Result.PASS)
    assert word in "".join(place.text for place in found.provenance)


def test_a_folder_that_its_group_writes_lets_it_remove_the_log() -> None:
    folder = status(0o775, "root", "web", Kind.FOLDER)
    found = finding(host(log=status(0o600, "root", "root"), folder=folder))
    assert found.result is Result.FAIL
    assert "remove" in found.provenance[0].text


def test_root_and_the_keepers_of_logs_are_not_judged() -> None:
    held = HELD | {"user": "syslog"}
    keeper = process(9, "rsyslog.service", **held)
    made = host(process(8, "cron.service"), keeper, log=status(0o640, "root", "adm"))
    assert finding(made).result is Result.PASS


def test_what_could_not_be_read_is_no_pass() -> None:
    made = host(log=status(0o640, "root", "adm"))
    made.files.clear()
    made.answers[Confinement] = Unread(Reason.DENIED)
    assert finding(made).result is Result.UNKNOWN
