"""The recommendations on running services: judged where strangers can reach them, and never passed unread."""

from __future__ import annotations

from typing import Any

import pytest

from hardentui import resources
from hardentui.assess import assess
from hardentui.model import Finding, Result
from hardentui.snapshot import ConfinedProcess, Output, Reason, Socket, Unread

from . import hosts
from .running import HELD, process, rated, snapshot
from .test_closed_loop import CHECKLISTS

ENTRIES = [entry for entry in CHECKLISTS.recommendations if entry.resource == "confinement"]
JUDGED = ["services.exposure", "services.no-new-privileges", "services.bounding-set", "services.own-files"]


def socket(unit: str, pid: int, address: str = "0.0.0.0") -> Socket:
    return Socket("tcp", address, 80 + pid, unit, pid, "root", f"{unit}.service")


def found(*processes: ConfinedProcess, **others: Any) -> dict[str, Finding]:
    others.setdefault("exposure", rated(nginx="9.6"))
    seen = assess(ENTRIES, snapshot(*processes, **others), {})
    return {finding.recommendation.id: finding for finding in seen}


def test_a_service_that_strangers_reach_and_nothing_holds_fails_everywhere() -> None:
    results = found(process(7), sockets=(socket("nginx", 7),))
    for id_ in (*JUDGED, "services.root-without-sandbox"):
        assert (results[id_].result, results[id_].running) == (Result.FAIL, "nginx.service"), id_


def test_a_service_that_is_held_passes_everywhere() -> None:
    results = found(process(7, **HELD), sockets=(socket("nginx", 7),), exposure=rated(nginx="2.9"))
    assert {results[id_].result for id_ in (*JUDGED, "services.root-without-sandbox")} == {Result.PASS}


@pytest.mark.parametrize(("rate", "result"), [("4.9", Result.PASS), ("5.0", Result.FAIL)])
def test_the_limit_of_the_exposure_is_that_of_the_checklist(rate: str, result: Result) -> None:
    seen = found(process(7), sockets=(socket("nginx", 7),), exposure=rated(nginx=rate))
    assert seen["services.exposure"].result is result


def test_a_worker_that_is_held_does_not_cover_for_its_parent() -> None:
    results = found(process(7), process(8, ppid=7, **HELD), sockets=(socket("nginx", 8),))
    assert {results[id_].result for id_ in JUDGED} == {Result.FAIL}


def test_a_service_for_this_host_alone_is_not_asked_to_be_held() -> None:
    results = found(process(7), sockets=(socket("nginx", 7, "127.0.0.1"),))
    assert {results[id_].result for id_ in JUDGED} == {Result.NOTAPPLICABLE}
    assert results["services.root-without-sandbox"].result is Result.FAIL


@pytest.mark.parametrize("unit", ["ssh", "sshd", "ssh@3-10.0.0.1:22-10.0.0.2:5", "user@0", "getty@tty1"])
def test_what_opens_sessions_is_shown_and_not_judged(unit: str) -> None:
    """NoNewPrivileges= on sshd would take sudo from everybody who logs in."""
    sessions = process(9, f"{unit}.service", name="sshd")
    results = found(sessions, sockets=(socket(unit, 9),), exposure=Output("[]"))
    for id_ in (*JUDGED, "services.root-without-sandbox"):
        assert results[id_].result is Result.PASS, id_
        (place,) = results[id_].provenance
        assert place.place == f"{unit}.service"
        assert "not judged" in place.text


DARK = ConfinedProcess(pid=7, unit="nginx.service", name="nginx", user="root", uid=0, euid=0)


def test_nothing_passes_that_could_not_be_read() -> None:
    results = found(DARK, sockets=(socket("nginx", 7),), exposure=Unread(Reason.TIMED_OUT))
    assert {results[id_].result for id_ in (*JUDGED, "services.root-without-sandbox")} == {Result.UNKNOWN}
    assert "nginx.service" in results["services.no-new-privileges"].message


def test_a_host_that_gives_no_exposure_is_not_said_to_deny_it() -> None:
    results = found(process(7), sockets=(socket("nginx", 7),), exposure=Unread(Reason.UNSUPPORTED, "no JSON"))
    assert results["services.exposure"].result is Result.UNKNOWN
    assert "cannot be asked here: exposure" in results["services.exposure"].message


def test_a_service_behind_a_socket_unit_is_reached_through_it() -> None:
    """Until it is asked for, systemd alone has the socket open."""
    held = Socket("tcp", "0.0.0.0", 631, "systemd", 1, "root", "nginx.socket")
    results = found(process(7), sockets=(held,))
    assert {results[id_].running for id_ in JUDGED} == {"nginx.service"}


def test_nothing_passes_while_it_is_hidden_who_listens() -> None:
    """An ordinary user sees the port and not the process: it may be the service that nothing holds."""
    results = found(process(7), sockets=(Socket("tcp", "0.0.0.0", 80, ""),))
    assert {results[id_].result for id_ in JUDGED} == {Result.UNKNOWN}


def test_a_failure_that_was_seen_stands_beside_what_is_hidden() -> None:
    dark = ConfinedProcess(pid=20, unit="app.service", name="app")
    results = found(process(7), dark, sockets=(socket("nginx", 7), socket("app", 20)))
    assert {results[id_].result for id_ in JUDGED} == {Result.FAIL}


def test_an_image_is_not_judged_and_a_host_without_services_is_not_asked() -> None:
    image = assess(ENTRIES, hosts.Snapshot(hosts.DictHost(name="image")), {})
    assert {finding.result for finding in image} == {Result.NOTCHECKED}
    assert {finding.result for finding in found().values()} == {Result.NOTAPPLICABLE}


@pytest.mark.parametrize(
    ("subject", "aspect"), [("exposure", ""), ("exposure", "11"), ("files", "5.0"), ("seccomp", "")]
)
def test_a_checklist_that_means_nothing_is_refused(subject: str, aspect: str) -> None:
    assert resources.check("confinement", subject, aspect)
