"""The matrix of services: what holds each, told of the least held of its processes, and what is not known."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui import i18n
from hardentui.export import services as export
from hardentui.export import services_json
from hardentui.model import Gap, GapKind
from hardentui.resources.confinement.exposure import SECURITY, parse
from hardentui.resources.confinement.matrix import Door, Facet, Matrix, Service, matrix
from hardentui.snapshot import (
    NAMESPACES,
    ConfinedProcess,
    Confinement,
    ControlGroup,
    Cost,
    Reason,
    Snapshot,
    Socket,
    Unit,
    Unread,
)
from hardentui.visible import visible

from . import hosts
from .running import ALL, FIRST, HELD, process, rated, snapshot


def seen(*processes: ConfinedProcess, **others: Any) -> Matrix:
    found = matrix(snapshot(*processes, **others))
    assert isinstance(found, Matrix)
    return found


def only(*processes: ConfinedProcess, **others: Any) -> Service:
    (one,) = seen(*processes, **others).services
    return one


# --- one row ----------------------------------------------------------------------------------------


def test_a_service_that_nothing_holds_has_every_door_open() -> None:
    one = only(process(7))
    assert set(one.doors.values()) == {True}
    assert (one.seccomp, one.filtered, one.bounded, one.open_doors) == (0, False, False, 5)
    assert set(one.own.values()) == {False}


def test_a_service_that_all_holds_has_every_door_shut() -> None:
    one = only(process(7, **HELD))
    assert set(one.doors.values()) == {False}
    assert [kind for kind, own in one.own.items() if own] == ["mnt"]
    assert one.known


@pytest.mark.parametrize(
    ("weaker", "facet", "door"),
    [
        ({"euid": 0, "user": "root"}, Facet.USER, Door.ROOT),
        ({"no_new_privs": False}, Facet.NO_NEW_PRIVS, Door.PRIVILEGES),
        ({"seccomp": 0, "seccomp_filters": 0}, Facet.SECCOMP, Door.SYSCALLS),
        ({"cap_bounding": ALL}, Facet.BOUNDING, Door.CAPABILITIES),
        ({"namespaces": FIRST.namespaces}, Facet.NAMESPACES, Door.FILES),
    ],
)
def test_the_least_held_process_speaks_for_its_service(weaker: dict, facet: Facet, door: Door) -> None:
    """A session of sshd beside its well held parent: what the session may, an intruder may."""
    one = only(process(7, **HELD), process(8, ppid=7, **HELD | weaker))
    assert [each for each, is_open in one.doors.items() if is_open] == [door]
    assert one.differing == {facet}
    assert "<>" in export.count(one)
    assert any("differ" in detail.text for detail in export.details(one))


def test_in_a_container_only_what_goes_further_counts() -> None:
    """There the first process is filtered and bounded itself, and all others by it."""
    inside = dataclasses.replace(FIRST, seccomp=2, seccomp_filters=5, cap_bounding=0xFF)
    alike = {"seccomp": 2, "cap_bounding": 0xFF}
    same = only(process(7, seccomp_filters=5, **alike), first=inside)
    assert (same.filtered, same.bounded) == (False, False)
    assert export.seccomp(same) == "as pid 1"
    further = only(process(7, seccomp=2, seccomp_filters=6, cap_bounding=0x0F), first=inside)
    assert (further.filtered, further.bounded) == (True, True)
    old_kernel = dataclasses.replace(inside, seccomp_filters=None)
    assert only(process(7, seccomp_filters=None, **alike), first=old_kernel).filtered is None


def test_a_root_directory_of_its_own_shuts_the_door_to_the_files() -> None:
    assert only(process(7, root="/var/lib/jail")).doors[Door.FILES] is False


def test_a_namespace_that_the_kernel_does_not_know_is_not_missing() -> None:
    """Kernels before 5.6 have no time namespaces."""
    first = dataclasses.replace(FIRST, namespaces={"mnt": "mnt:[1]", "net": "net:[2]"})
    one = only(process(7, namespaces={"mnt": "mnt:[9]", "net": "net:[2]"}), first=first)
    assert one.own == {"mnt": True, "net": False}
    assert one.known


def test_the_main_process_is_the_one_that_systemd_names() -> None:
    both = (process(7), process(8, ppid=7, name="worker"))
    assert only(*both).main.pid == 7
    named = only(*both, units=(Unit("nginx.service", "loaded", "active", pid=8),))
    assert named.main.pid == 8


def test_a_group_below_its_unit_has_the_limits_of_the_unit() -> None:
    group = ControlGroup("/system.slice/nginx.service", memory_max="536870912", tasks_max="max")
    one = only(process(7, cgroup="/system.slice/nginx.service/workers"), control_groups=(group,))
    assert (export.memory(one), export.tasks(one), export.cpu(one)) == ("512M", "none", "?")


def test_where_it_listens_is_told_and_who_can_reach_it() -> None:
    sockets = (
        Socket("tcp", "0.0.0.0", 80, "nginx", 7, "root", "nginx.service"),
        Socket("tcp6", "::", 80, "nginx", 7, "root", "nginx.service"),
        Socket("tcp", "127.0.0.1", 8080, "nginx", 7, "root", "nginx.service"),
        Socket("udp", "192.0.2.1", 443, "nginx", 7, "root", "nginx.service"),
        Socket("tcp", "0.0.0.0", 22, "sshd", 9, "root", "ssh.service"),
    )
    one = only(process(7), sockets=sockets)
    assert export.ears(one) == "80 (8080) udp443"
    assert {heard.socket.port for heard in one.exposed} == {80, 443}


# --- what is not known ------------------------------------------------------------------------------

DARK = ConfinedProcess(pid=7, unit="nginx.service", name="nginx", cgroup="/system.slice/nginx.service")


def test_what_could_not_be_read_is_neither_open_nor_shut() -> None:
    one = only(DARK)
    assert set(one.doors.values()) == set(one.own.values()) == {None}
    assert (one.open_doors, one.known) == (0, False)
    texts = [column.cell(one) for column in export.COLUMNS if column.heading in {"NNP", "Seccomp", "User"}]
    assert texts == ["?", "?", "?"]
    assert "Not all could be read of 1." in export.summary(Matrix((one,), ()))
    told = {detail.label: detail.text for detail in export.details(one)}
    assert "not known" in told["Open doors"]
    assert told["Namespaces"] == "not known: " + ", ".join(NAMESPACES)


def test_one_process_that_is_not_held_settles_what_the_others_hide() -> None:
    assert only(DARK, process(8, ppid=7)).doors[Door.PRIVILEGES] is True
    assert only(DARK, process(8, ppid=7)).seccomp == 0
    beside_a_held_one = only(DARK, process(8, ppid=7, **HELD))
    assert beside_a_held_one.doors[Door.PRIVILEGES] is beside_a_held_one.seccomp is None


def test_without_the_first_process_nothing_is_called_own() -> None:
    found = seen(process(7, **HELD), first=None)
    (one,) = found.services
    assert set(one.own.values()) == {None}
    assert (one.bounded, one.filtered) == (None, None)
    assert any(gap.kind is GapKind.DENIED for gap in found.gaps)


def test_sockets_without_an_owner_leave_it_open_who_listens() -> None:
    found = seen(process(7), sockets=(Socket("tcp", "0.0.0.0", 80, ""),))
    assert export.ears(found.services[0]) == "?"
    assert any("80" in gap.detail for gap in found.gaps)


@pytest.mark.parametrize("pid", [1, 0])  # 0: who holds the socket is hidden from an ordinary account
def test_what_systemd_listens_for_is_no_hidden_process(pid: int) -> None:
    held = Socket("tcp", "127.0.0.1", 631, "systemd" if pid else "", pid, "root" if pid else "")
    cups = Unit("cups.socket", "loaded", "active", listens=("127.0.0.1:631 (Stream)",))
    idle = seen(process(7), sockets=(held,), units=(cups,))
    assert idle.waiting == {"cups.socket": (631,)}
    assert not any("631" in gap.detail for gap in idle.gaps)
    assert export.ears(idle.services[0]) == "-"
    text = " ".join(" ".join(export.table(idle, 80)).split())
    assert "Not running; systemd listens, and starts them at the first call: cups.socket (631)." in text
    called = seen(process(8, unit="cups.service"), sockets=(held,), units=(cups,))
    assert not called.waiting
    assert export.ears(called.services[0]) == "(631)"


def test_what_is_lacking_for_the_whole_matrix_is_said() -> None:
    answers = {"exposure": Unread(Reason.FAILED, "unrecognized option '--json=short'")}
    found = seen(process(7), sockets=Unread(Reason.DENIED), control_groups=Unread(Reason.MISSING), **answers)
    lines = "\n".join(export.unread(found, 200))
    for word in ("unrecognized option", "listening sockets", "control groups"):
        assert word in lines
    assert export.exposure(found.services[0]) == "?"


def test_an_image_has_no_matrix_and_neither_has_a_recording_of_before() -> None:
    image = Snapshot(hosts.DictHost(name="image"))
    assert getattr(matrix(image), "kind", None) is GapKind.UNSUPPORTED
    before = snapshot().with_answers({Confinement(): Unread(Reason.NOT_RECORDED)}, hosts.NOW)
    assert isinstance(matrix(before), Gap)


# --- the order, and exposure --------------------------------------------------------------------------


def test_the_most_exposed_stand_first_and_those_without_a_figure_by_their_open_doors() -> None:
    units = [process(n, f"{name}.service") for n, name in enumerate(("a", "b", "c"), 7)]
    held = process(20, "d.service", **HELD)
    found = seen(*units, held, exposure=rated(b="2.1", c="9.6"))
    assert [export.name(one) for one in found.services] == ["c", "b", "a", "d"]
    assert [export.exposure(one) for one in found.services] == ["9.6", "2.1", "?", "?"]


def test_the_detail_says_when_the_exposure_was_read() -> None:
    """It is asked less often than the rest, so beside a service just restarted it may be older."""
    (detail,) = [
        each for each in export.details(only(process(7), exposure=rated(nginx="9.6"))) if "9.6" in each.text
    ]
    assert "2026-11-21" in detail.text


def test_a_tick_does_not_ask_again_what_takes_seconds() -> None:
    """systemd-analyze asks systemd of each service: with hundreds that is work for seconds."""
    first = snapshot(process(7), exposure=rated(nginx="9.6"))
    matrix(first)
    first.host.asked.clear()
    matrix(first.refreshed(Cost.TICK, Cost.CHANGE))
    assert Confinement() in first.host.asked
    assert SECURITY not in first.host.asked


def test_exposure_is_read_as_systemd_252_prints_it() -> None:
    text = (
        '[{"unit":"cron.service","exposure":"9.6","predicate":"UNSAFE","happy":"\\ud83d\\ude28"},'
        '{"unit":"systemd-logind.service","exposure":"2.8","predicate":"OK","happy":"x"}]'
    )
    assert parse(text) == {"cron.service": 9.6, "systemd-logind.service": 2.8}


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["unit", "exposure"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(_JSON.map(json.dumps) | st.text(max_size=20))
def test_no_output_breaks_the_reader_of_exposures(text: str) -> None:
    found = parse(text)
    assert isinstance(found, Unread) or all(0 <= rate < 100 for rate in found.values())


# --- what the host says is data -----------------------------------------------------------------------

_HOSTILE = st.text(st.characters(codec="utf-8"), max_size=12)


@given(name=_HOSTILE, label=_HOSTILE, root=_HOSTILE, user=_HOSTILE)
def test_no_name_draws_on_the_terminal_or_breaks_the_table(
    name: str, label: str, root: str, user: str
) -> None:
    hostile = process(7, f"x{name}.service", name=name, label=label, root=root, user=user)
    found = seen(hostile)
    for line in (*export.table(found, 120), *export.text(found.services[0], 80)):
        assert visible(line) == line
        assert len(line) <= 120
    (one,) = json.loads(services_json.document(found, found.services, 0.0))["services"]
    assert one["unit"] == f"x{name}.service"


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_no_line_is_wider_than_the_terminal(width: int, language: str) -> None:
    many = [process(n, f"service-with-a-long-name-{n}.service", **HELD) for n in range(7, 17)]
    i18n.use(language)
    try:
        found = seen(*many)
        lines = [*export.table(found, width), *export.text(found.services[0], width)]
    finally:
        i18n.use("en")
    assert max(len(line) for line in lines) <= width
    assert sum("service-with-a-long-name" in line for line in lines) >= 10


def test_the_document_says_null_for_what_is_not_known() -> None:
    found = seen(DARK)
    (one,) = json.loads(services_json.document(found, found.services, 12.0))["services"]
    assert one["no-new-privileges"] is one["seccomp"] is one["capabilities-bounding"] is None
    assert set(one["open-doors"].values()) == {None}
