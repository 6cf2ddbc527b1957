"""Control groups: read from both versions of the file system, and shown as systemd made them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.host import cgroups
from hardentui.host.live import LiveHost
from hardentui.model import Result
from hardentui.snapshot import Confinement, ControlGroup, ControlGroups, Mount, Reason, Unread

from . import hosts
from .isolated import judged, of, texts

GIB = 1 << 30
SSH = ControlGroup(
    "/system.slice/ssh.service", "max", "max", str(12 << 20), "4915", "3", "max", "max", 7_500_000
)
WEB = ControlGroup(
    "/system.slice/nginx.service",
    str(GIB),
    "max",
    str(90 << 20),
    "200",
    "9",
    "50000 100000",
    "max",
    61_000_000,
)
TREE = (
    ControlGroup("/init.scope"),
    ControlGroup("/system.slice"),
    SSH,
    WEB,
    ControlGroup("/user.slice"),
    ControlGroup("/user.slice/user-1000.slice"),
    ControlGroup("/docker"),
)


def host(groups=TREE, **changes):
    return hosts.server(control_groups=groups, **changes)


def mount(path: str, fstype: str, options: str) -> Mount:
    return Mount(1, 0, "0:1", "/", path, "rw", fstype, fstype, options)


# --- views ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", [id_ for id_ in of("cgroups") if id_ != "cgroups.filesystem"])
def test_groups_that_cannot_be_read_are_not_shown_as_none(id_: str) -> None:
    assert judged(id_, host(Unread(Reason.DENIED))).result is Result.UNKNOWN
    assert judged(id_, host(())).result is Result.NOTAPPLICABLE
    assert judged(id_, hosts.server(name="image")).result is Result.NOTCHECKED


@given(st.text())
def test_no_name_of_a_group_breaks_a_view(name: str) -> None:
    strange = ControlGroup(f"/system.slice/{name}.service", name, name, name, name, name, name, name)
    for id_ in ("cgroups.system-slice", "cgroups.limits", "cgroups.supervise"):
        assert judged(id_, host((strange,))).result is not Result.ERROR


def test_services_without_a_limit_come_first_and_the_limits_of_the_others_are_told() -> None:
    finding = judged("cgroups.limits", host())
    assert finding.running == "1 of 2 services may take all the memory"
    assert list(texts(finding)) == ["ssh.service", "nginx.service"]
    assert texts(finding)["nginx.service"] == "MemoryMax=1024M, TasksMax=200, CPUQuota=50000 100000"


def test_a_service_whose_limit_cannot_be_read_is_a_gap() -> None:
    unread = ControlGroup("/system.slice/x.service", tasks_max="max")
    assert judged("cgroups.limits", host((*TREE, unread))).result is Result.UNKNOWN


def test_what_services_use_is_told_the_largest_first() -> None:
    finding = judged("cgroups.supervise", host())
    assert finding.running == "2 services, 102 MiB"
    assert list(texts(finding)) == ["nginx.service", "ssh.service"]
    assert texts(finding)["nginx.service"] == "90M, tasks 9, 61 s of processor"


def test_the_tree_shows_what_lies_in_each_slice_and_beside_them() -> None:
    finding = judged("cgroups.system-slice", host())
    assert texts(finding)["/system.slice"] == "ssh.service, nginx.service"
    assert texts(finding)["/user.slice"] == "user-1000.slice"
    assert texts(finding)["/"] == "init.scope, docker"


@pytest.mark.parametrize(
    ("mounts", "version", "result"),
    [
        ((mount("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate"),), "v2", Result.PASS),
        ((mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),), "v1", Result.INFORMATIONAL),
        (
            (
                mount("/sys/fs/cgroup/unified", "cgroup2", "rw"),
                mount("/sys/fs/cgroup/systemd", "cgroup", "rw,name=systemd"),
            ),
            "hybrid",
            Result.INFORMATIONAL,
        ),
        ((), "", Result.NOTAPPLICABLE),
        (Unread(Reason.DENIED), "", Result.UNKNOWN),
    ],
)
def test_the_version_is_that_of_the_mounts(mounts, version, result) -> None:
    finding = judged("cgroups.filesystem", hosts.server(mounts=mounts))
    assert (finding.running, finding.result) == (version, result)


# --- the reader -------------------------------------------------------------------------------------


def written(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_second_version_is_read_down_to_the_units_and_not_into_them(tmp_path: Path) -> None:
    written(
        tmp_path / "system.slice/ssh.service",
        memory__max="max\n",
        memory__current="4096\n",
        pids__max="4915\n",
        cpu__max="50000 100000\n",
        cpu__stat="usage_usec 1234\nuser_usec 1000\n",
        io__max="8:0 rbps=1048576 wbps=max\n",
    )
    written(tmp_path / "system.slice/docker.service/inner")
    found = cgroups.read((mount(str(tmp_path), "cgroup2", "rw"),))
    assert [one.path for one in found] == [
        "/system.slice",
        "/system.slice/docker.service",
        "/system.slice/ssh.service",
    ]
    ssh = found[-1]
    assert (ssh.memory_max, ssh.memory_current, ssh.tasks_max) == ("max", "4096", "4915")
    assert (ssh.cpu_max, ssh.cpu_usage) == ("50000 100000", 1234)
    assert ssh.io_max == "8:0 rbps=1048576 wbps=max"
    assert ssh.memory_high == ""  # there is no such file: not the same as no limit


def test_the_first_version_is_read_from_each_controller_and_its_largest_number_is_no_limit(
    tmp_path: Path,
) -> None:
    written(tmp_path / "systemd/system.slice/a.service")
    written(tmp_path / "memory/system.slice/a.service", memory__limit_in_bytes="9223372036854771712\n")
    written(tmp_path / "pids/system.slice/a.service", pids__max="33\n")
    written(tmp_path / "cpu/system.slice/a.service", cpu__cfs_quota_us="-1\n", cpuacct__usage="5000000\n")
    mounts = tuple(
        mount(str(tmp_path / name), "cgroup", f"rw,{options}")
        for name, options in {
            "systemd": "name=systemd",
            "memory": "memory",
            "pids": "pids",
            "cpu": "cpu,cpuacct",
        }.items()
    )
    service = cgroups.read(mounts)[-1]
    assert service.path == "/system.slice/a.service"
    assert (service.memory_max, service.tasks_max, service.cpu_max) == ("max", "33", "max")
    assert service.cpu_usage == 5000


def test_a_tree_without_end_is_not_read_to_the_end(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cgroups, "MOST", 3)
    for number in range(5):
        written(tmp_path / f"user.slice/{number}")
    answer = cgroups.read((mount(str(tmp_path), "cgroup2", "rw"),))
    assert isinstance(answer, Unread)
    assert answer.reason is Reason.TOO_LARGE


def test_no_mount_and_unread_mounts_are_answers_of_their_own() -> None:
    assert cgroups.read(()) == Unread(Reason.MISSING, "no control group file system is mounted")
    assert cgroups.read(Unread(Reason.DENIED)) == Unread(Reason.DENIED)


@pytest.mark.skipif(
    isinstance(LiveHost().answer(ControlGroups())[0], Unread), reason="no control groups here"
)
def test_our_own_process_lies_in_or_below_one_of_the_groups_of_this_host() -> None:
    found, _at = LiveHost().answer(ControlGroups())
    processes, _at = LiveHost().answer(Confinement())
    (own,) = [one.cgroup for one in processes if one.pid == os.getpid()]
    assert own == "/" or any(f"{own}/".startswith(f"{one.path}/") for one in found)
