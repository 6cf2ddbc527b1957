"""The workbench: what a directive would break for a service as it is seen, and the drop-in in the plan."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.changeset import change_of, compile_plan
from hardentui.host.recording import RecordedHost, record
from hardentui.host.services import parse_settings, use
from hardentui.model import Action, Gap, GapKind
from hardentui.operations import Refusal, ReloadManager, RestartUnit, WriteFile
from hardentui.plan import PlanFile, render
from hardentui.rehearsal import rehearse, undo
from hardentui.resources import RESOURCES, unit_files
from hardentui.resources.capabilities import NAMES
from hardentui.resources.sandbox.bench import Bench
from hardentui.resources.sandbox.directives import BY_NAME, DIRECTIVES, lines, parse, read_dropin, write
from hardentui.resources.sandbox.evidence import VERSION
from hardentui.resources.sandbox.judge import recommended, verdicts
from hardentui.resources.sandbox.settings import DEFAULTS
from hardentui.resources.sandbox.verdict import Effect
from hardentui.resources.unit_files import assignments, dropin
from hardentui.session import Session
from hardentui.snapshot import (
    ConfinedProcess,
    ControlGroup,
    Folder,
    Mount,
    Output,
    Reason,
    ServiceSettings,
    ServiceUse,
    Snapshot,
    Socket,
    Unit,
    Units,
    Unread,
)

from . import hosts
from .sittings import CHECKLISTS

WEB = "web.service"
ALL = (1 << len(NAMES)) - 1
UNIT = "[Unit]\nDescription=web\n[Service]\nExecStart=/usr/sbin/web\nPIDFile=/run/web.pid\n"
SETTINGS = {
    **DEFAULTS,
    "Id": WEB,
    "ActiveState": "active",
    "LoadState": "loaded",
    "PIDFile": "/run/web.pid",
    "ReadWritePaths": "",
}
USE = ServiceUse(
    processes=2,
    unread=0,
    written=("/var/log/web/access.log",),
    devices=("/dev/null rw",),
    families=("AF_INET", "AF_UNIX"),
    libraries=("libc.so.6",),
    programs=("/usr/sbin/web",),
)
PROCESSES = (
    ConfinedProcess(10, 1, WEB, "web", "root", 0, 0, False, 0, 0, ALL, ALL, ALL, 0, {"mnt": "mnt:[1]"}, "/"),
    ConfinedProcess(11, 10, WEB, "web", "www", 33, 33, False, 0, 0, 0, 0, ALL, 0, {"mnt": "mnt:[1]"}, "/"),
)
LISTENS = (Socket("tcp", "0.0.0.0", 80, "web", 10, "root", WEB),)


def host(**changes: object) -> hosts.DictHost:
    """A web server that runs as root and as www, listens on port 80 and writes its log."""
    given = {
        "sandbox_settings": (ServiceSettings(WEB, SETTINGS),),
        "uses": {WEB: USE},
        "confinement": PROCESSES,
        "sockets": LISTENS,
        "files": {f"/usr/lib/systemd/system/{WEB}": UNIT, "/var/lib/web/data": "x"},
        "commands": {VERSION.argv: Output("systemd 252 (252.39-1~deb12u2)\n")},
        **changes,
    }
    return hosts.DictHost(**given)


def bench(made: hosts.DictHost | None = None, chosen: dict[str, str] | None = None) -> Bench:
    opened = Bench.open(hosts.snapshot(made or host()), "web", chosen)
    assert isinstance(opened, Bench)
    return opened


def used(**changes: object) -> hosts.DictHost:
    return host(uses={WEB: dataclasses.replace(USE, **changes)})


def verdict(made: hosts.DictHost, name: str, value: str, **beside: str) -> tuple[Effect, str]:
    found = bench(made, {name: value, **beside}).verdicts[name]
    return found.effect, found.why


# --- what would break --------------------------------------------------------------------------------


BROKEN = [
    ("CapabilityBoundingSet", "CAP_SETUID CAP_SETGID CAP_KILL", {}, "port 80"),
    ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE", {}, "root, www"),
    ("CapabilityBoundingSet", "~CAP_NET_BIND_SERVICE", {}, "port 80"),
    ("ProtectSystem", "strict", {}, "/var/log/web/access.log"),
    ("ProtectSystem", "full", {"written": ("/etc/web/state",)}, "/etc/web/state"),
    ("MemoryDenyWriteExecute", "yes", {"executable_memory": ("",)}, "writable and executable"),
    ("PrivateDevices", "yes", {"devices": ("/dev/sda r",)}, "/dev/sda r"),
    ("DevicePolicy", "closed", {"devices": ("/dev/sda r",)}, "/dev/sda r"),
    ("ProtectKernelLogs", "yes", {"read": ("/proc/kmsg",)}, "/proc/kmsg"),
    ("ProtectKernelTunables", "yes", {"written": ("/proc/sys/net/ipv4/ip_forward",)}, "ip_forward"),
    ("ProtectControlGroups", "yes", {"written": ("/sys/fs/cgroup/x/cpu.max",)}, "cpu.max"),
    ("ProtectHome", "yes", {"read": ("/home/ann/site/index.html",)}, "/home/ann/site"),
    ("ProtectHome", "read-only", {"written": ("/home/ann/spool",)}, "/home/ann/spool"),
    ("RestrictAddressFamilies", "AF_UNIX", {}, "AF_INET"),
    ("RestrictAddressFamilies", "~AF_INET", {}, "AF_INET"),
    ("RestrictRealtime", "yes", {"scheduled": ("fifo",)}, "fifo"),
    ("SystemCallArchitectures", "native", {"foreign": ("/opt/old/prog",)}, "/opt/old/prog"),
    ("SystemCallFilter", "@system-service ~@privileged", {}, "change accounts"),
    ("PrivateNetwork", "yes", {}, "AF_INET"),
    ("IPAddressDeny", "any", {}, "AF_INET"),
    ("PrivateUsers", "yes", {}, "port 80"),
    ("NoExecPaths", "/usr/sbin", {}, "/usr/sbin/web"),
    ("ProtectProc", "invisible", {"read": ("/proc/4242/stat",)}, "/proc/4242/stat"),
    ("NoNewPrivileges", "yes", {"libraries": ("libpam.so.0.85.1",)}, "libpam"),
]


@pytest.mark.parametrize(("name", "value", "seen", "sign"), BROKEN)
def test_what_would_break_is_said_with_what_shows_it(
    name: str, value: str, seen: dict[str, object], sign: str
) -> None:
    effect, why = verdict(used(**seen), name, value)
    assert effect is Effect.BREAKS
    assert sign in why


@pytest.mark.parametrize(("name", "value", "seen", "sign"), BROKEN)
def test_the_same_directive_is_not_blamed_where_nothing_shows_it(
    name: str, value: str, seen: dict[str, object], sign: str
) -> None:
    """A warning that always comes is none."""
    quiet = {"families": ("AF_UNIX",), "written": (), "programs": ("/opt/web",)}
    processes = tuple(dataclasses.replace(one, user="www", uid=33, euid=33) for one in PROCESSES)
    plain = {**SETTINGS, "PIDFile": ""}
    made = host(
        uses={WEB: dataclasses.replace(USE, **quiet)},
        confinement=processes,
        sockets=(),
        sandbox_settings=(ServiceSettings(WEB, plain),),
        files={f"/usr/lib/systemd/system/{WEB}": UNIT},
    )
    assert verdict(made, name, value)[0] is not Effect.BREAKS


def test_a_written_path_is_kept_by_what_is_needed_beside() -> None:
    found = bench(chosen={"ProtectSystem": "strict"}).completed()
    assert found.verdicts["ProtectSystem"].effect is Effect.SAFE
    kept = found.chosen["ReadWritePaths"].split()
    assert kept == ["-/run", "-/var/lib/web", "-/var/log/web"], (
        "the log, the file of its number, its own folder"
    )


def test_ports_that_systemd_opens_for_it_need_no_capability() -> None:
    handed = Unit("web.socket", "loaded", "active", listens=("[::]:80 (Stream)",))
    effect, _why = verdict(host(units=(handed,)), "CapabilityBoundingSet", "CAP_SETUID CAP_SETGID CAP_KILL")
    assert effect is not Effect.BREAKS


def test_what_is_mounted_over_proc_is_not_in_a_new_one() -> None:
    """A container gives a file for /proc/kmsg, which a fresh /proc does not have."""
    over = Mount(9, 1, "0:9", "/x", "/proc/kmsg", "rw", "tmpfs", "tmpfs", "rw")
    made = {"uses": {WEB: dataclasses.replace(USE, read=("/proc/kmsg",))}}
    assert verdict(host(**made, mounts=(over,)), "ProtectProc", "invisible")[0] is Effect.BREAKS
    assert verdict(host(**made), "ProtectProc", "invisible")[0] is not Effect.BREAKS


def test_what_runs_through_a_setuid_program_needs_new_privileges() -> None:
    low, high = PROCESSES[1], dataclasses.replace(PROCESSES[0], pid=12, ppid=11, name="sudo")
    effect, why = verdict(host(confinement=(low, high)), "NoNewPrivileges", "yes")
    assert (effect, "sudo (12)" in why) == (Effect.BREAKS, True)


def test_sessions_in_other_units_are_seen() -> None:
    session = ConfinedProcess(90, 10, "session-1.scope", "bash", "ann", 1000, 1000)
    effect, why = verdict(host(confinement=(*PROCESSES, session)), "ProtectHome", "yes")
    assert (effect, "bash (90)" in why) == (Effect.BREAKS, True)


def test_nothing_is_safe_where_not_everything_was_read() -> None:
    for made in (used(unread=1), host(uses={WEB: Unread(Reason.DENIED)}, confinement=())):
        for name, value in (
            ("RestrictRealtime", "yes"),
            ("MemoryDenyWriteExecute", "yes"),
            ("ProtectHome", "yes"),
        ):
            assert verdict(made, name, value)[0] is Effect.UNKNOWN


def test_a_service_that_nobody_called_yet_is_not_said_to_be_hidden() -> None:
    idle = host(uses={WEB: Unread(Reason.MISSING, WEB)}, confinement=(), sockets=())
    assert verdict(idle, "RestrictRealtime", "yes")[1] == "its processes are not seen: it does not run"
    idle.answers[Units] = (Unit("web.socket", "loaded", "active", listens=("[::]:80 (Stream)",)),)
    assert "systemd listens for it (web.socket)" in verdict(idle, "RestrictRealtime", "yes")[1]


def test_a_directive_that_the_host_does_not_know_is_not_proposed() -> None:
    old = host(commands={VERSION.argv: Output("systemd 239 (239-82.el8)\n")})
    assert verdict(old, "ProtectClock", "yes")[0] is Effect.LACKING
    assert "ProtectClock" not in bench(old).proposing(only_safe=False).chosen
    assert "PrivateTmp" in bench(old).proposing(only_safe=False).chosen


@pytest.mark.parametrize(
    ("version", "name", "newest", "instead"),
    [
        (231, "ProtectSystem", "strict", "full"),
        (237, "ProtectHome", "tmpfs", "yes"),
        (248, "RestrictAddressFamilies", "none", "AF_INET"),
        (238, "SystemCallFilter", "@system-service ~@privileged @resources", ""),
    ],
)
def test_a_value_that_the_host_does_not_know_is_not_proposed(
    version: int, name: str, newest: str, instead: str
) -> None:
    """systemd leaves out a value that it does not know, with a warning: the service would run free."""
    old = host(commands={VERSION.argv: Output(f"systemd {version} ({version}-1)\n")})
    new = host(commands={VERSION.argv: Output(f"systemd {version + 1} ({version + 1}-1)\n")})
    effect, why = verdict(old, name, newest)
    assert (effect, f"systemd {version + 1} brought this value" in why) == (Effect.LACKING, True)
    assert verdict(new, name, newest)[0] is not Effect.LACKING
    for only_safe in (True, False):
        chosen = bench(old).proposing(only_safe=only_safe).chosen.get(name, "")
        assert BY_NAME[name].known_since(chosen) <= version
    assert next(row for row in bench(old).rows if row.directive.name == name).proposed.startswith(instead)


GROUP = ControlGroup(
    "/system.slice/web.service",
    memory_max="max",
    memory_current=str(100 * 1024 * 1024),
    tasks_max="4915",
    tasks_current="5",
)
IN_GROUP = tuple(dataclasses.replace(one, cgroup=f"{GROUP.path}/workers") for one in PROCESSES)


def limited(**changes: object) -> hosts.DictHost:
    """The same web server with 100 MiB of memory and five tasks in use, counted in the group of its unit."""
    return host(confinement=IN_GROUP, control_groups=(dataclasses.replace(GROUP, **changes),))


@pytest.mark.parametrize(
    ("name", "value", "effect", "sign"),
    [
        ("MemoryMax", "100M", Effect.BREAKS, "uses 100M of memory now: the limit would stop it at once"),
        ("MemoryMax", "1K", Effect.BREAKS, "at once"),
        ("MemoryMax", "120M", Effect.BREAKS, "near the limit"),
        ("MemoryMax", "1G", Effect.UNKNOWN, "under load is not seen"),
        ("MemoryMax", "infinity", Effect.SAFE, "no limit"),
        ("TasksMax", "5", Effect.BREAKS, "5 processes and threads now: the limit would stop it at once"),
        ("TasksMax", "6", Effect.BREAKS, "near the limit"),
        ("TasksMax", "50", Effect.UNKNOWN, "under load is not seen"),
    ],
)
def test_a_limit_is_held_against_what_the_service_uses_now(
    name: str, value: str, effect: Effect, sign: str
) -> None:
    found, why = verdict(limited(), name, value)
    assert (found, sign in why) == (effect, True), why


def test_a_limit_is_proposed_with_room_and_counts_in_no_exposure() -> None:
    opened = bench(limited())
    proposed = opened.proposing(only_safe=False)
    assert (proposed.chosen["MemoryMax"], proposed.chosen["TasksMax"]) == ("320M", "64")
    assert "MemoryMax" not in opened.proposing(only_safe=True).chosen, "load is not seen"
    bare = opened.setting("MemoryMax", "320M").setting("TasksMax", "64")
    assert bare.after == bare.before
    assert "MemoryMax=320M\nTasksMax=64\n" in bare.dropin
    now = {row.directive.name: row.current for row in opened.rows}
    assert (now["MemoryMax"], now["TasksMax"]) == ("infinity", "4915")


def test_no_limit_is_proposed_where_the_use_is_not_known_or_held_as_low_already() -> None:
    dark = (host(), limited(memory_current="", tasks_current=""))
    for made in (*dark, limited(memory_max=str(200 * 1024 * 1024), tasks_max="20")):
        assert not {"MemoryMax", "TasksMax"} & set(bench(made).proposing(only_safe=False).chosen)
    for made in dark:
        assert "could not be read" in verdict(made, "MemoryMax", "1M")[1]


PATHS = st.sampled_from(["/etc/x", "/var/lib/web/y", "/home/a", "/proc/kmsg", "/run/z", "/tmp/t", "/sys/k"])
USES = st.builds(
    ServiceUse,
    processes=st.just(2),
    unread=st.sampled_from([0, 0, 1]),
    written=st.lists(PATHS, max_size=4).map(tuple),
    read=st.lists(PATHS, max_size=4).map(tuple),
    devices=st.lists(st.sampled_from(["/dev/null rw", "/dev/kmsg r", "/dev/sda rw"]), max_size=2).map(tuple),
    families=st.lists(st.sampled_from(["AF_UNIX", "AF_INET", "AF_NETLINK", "AF_PACKET"]), max_size=3).map(
        tuple
    ),
    other_sockets=st.sampled_from([0, 0, 2]),
    executable_memory=st.sampled_from([(), ("",)]),
    libraries=st.sampled_from([(), ("libpam.so.0",), ("libluajit-5.1.so.2",)]),
    scheduled=st.sampled_from([(), ("rr",)]),
    programs=st.sampled_from([("/usr/bin/x",), ("/home/a/x",)]),
    foreign=st.sampled_from([(), ("/opt/old",)]),
)


@given(USES, st.booleans())
def test_what_is_proposed_breaks_nothing_that_is_seen(seen: ServiceUse, only_safe: bool) -> None:
    opened = bench(host(uses={WEB: seen}))
    chosen = recommended(opened.seen, 252, only_safe=only_safe)
    found = verdicts(chosen, opened.seen, 252)
    wanted = {Effect.SAFE} if only_safe else {Effect.SAFE, Effect.UNKNOWN}
    assert {one.effect for one in found.values()} <= wanted, found


# --- the text of a choice -------------------------------------------------------------------------


@given(st.text())
def test_text_that_anybody_wrote_is_a_choice_or_refused(text: str) -> None:
    try:
        chosen = parse(text)
    except ValueError:
        return  # any other error would end the program
    assert parse(write(chosen)) == chosen


VALUES = st.sampled_from([d for d in DIRECTIVES if d.choices]).flatmap(
    lambda d: st.tuples(st.just(d.name), st.sampled_from([*d.choices, d.recommended or d.choices[-1]]))
)


@given(st.lists(VALUES).map(dict))
def test_a_drop_in_of_ours_is_read_as_it_was_chosen(chosen: dict[str, str]) -> None:
    kept = {name: value for name, value in chosen.items() if value}
    assert read_dropin(lines(kept)) == kept


@given(st.text())
def test_a_plan_edited_by_hand_brings_nothing_strange_into_the_script(text: str) -> None:
    entry = CHECKLISTS.get(f"sandbox.service:{WEB}")
    change = RESOURCES["sandbox"].change(entry, {}, f"PrivateTmp=yes\nReadWritePaths={text}")
    if isinstance(change, Refusal):
        assert change.reason
    else:
        content = change[0].content
        assert all(
            line.split("=")[0] in {"", "[Service]", "PrivateTmp", "ReadWritePaths"} or line.startswith("# ")
            for line in content.splitlines()
        )


# --- into the plan, and back ----------------------------------------------------------------------


def decided(made: hosts.DictHost, target: str) -> Session:
    session = Session.begin(CHECKLISTS, hosts.snapshot(made)).seeing(f"sandbox.service:{WEB}")
    found = session.finding(f"sandbox.service:{WEB}")
    return session.decided(session.decision(found, Action.APPLY, target=target))


def test_a_choice_becomes_one_file_one_reload_one_restart() -> None:
    opened = bench().proposing(only_safe=False)
    session = decided(host(), write(opened.chosen))
    write_file, reload, restart = session.compiled().operations
    assert isinstance(write_file, WriteFile)
    assert write_file.path == "/etc/systemd/system/web.service.d/99-zz-hardentui.conf"
    assert "CapabilityBoundingSet=\nCapabilityBoundingSet=CAP_" in write_file.content, (
        "reset before it is set"
    )
    assert isinstance(reload, ReloadManager)
    assert isinstance(restart, RestartUnit)
    assert not session.compiled().can_lock_out


def test_the_rehearsal_shows_the_exposure_after_it_and_before_it_again() -> None:
    opened = bench().proposing(only_safe=False)
    session = decided(host(), write(opened.chosen))
    id_ = f"sandbox.service:{WEB}"
    before = session.finding(id_)
    assert (before.running, before.boot) == ("9.6", "9.6")
    (after,) = [found for found in session.rehearsed() if found.recommendation.id == id_]
    said = f"{opened.after / 10:.1f}"
    assert (after.running, after.boot) == (said, said)
    assert opened.after < 30
    changed = rehearse(session.snapshot, session.compiled())
    back = session.with_snapshot(undo(changed, session.compiled(), session.snapshot)).finding(id_)
    assert (back.running, back.boot) == ("9.6", "9.6")


def test_a_later_choice_starts_from_what_the_drop_in_holds() -> None:
    first = bench().proposing(only_safe=False)
    text = "".join(f"{name}={value}\n" for name, value in lines(first.chosen))
    made = host(
        files={
            f"/usr/lib/systemd/system/{WEB}": UNIT,
            dropin(WEB): f"[Service]\n{text}",
            "/var/lib/web/d": "x",
        }
    )
    made.answers.update(rehearsed_settings(made))
    again = bench(made)
    assert again.chosen == first.chosen
    assert again.proposing(only_safe=False).chosen == first.chosen
    assert again.after == again.before == first.after
    assert again.choosing({}).after == first.before, "without it, all is as before"


def rehearsed_settings(made: hosts.DictHost) -> dict[type, object]:
    from hardentui.resources.sandbox import after_restart

    return {type(question): answer for question, answer in after_restart(hosts.snapshot(made), WEB).items()}


def test_a_plan_keeps_the_choice_line_by_line(tmp_path: Path) -> None:
    session = decided(host(), "NoNewPrivileges=yes\nProtectSystem=full")
    path = tmp_path / "plan.toml"
    path.write_text(render(session.plan))
    assert "\nProtectSystem=full" in path.read_text()
    read = PlanFile.read(path).plan
    assert read.decisions == session.plan.decisions
    assert compile_plan(read, CHECKLISTS).operations == session.compiled().operations


def test_the_words_proposed_and_safe_stand_for_what_was_seen() -> None:
    opened = bench()
    for word, only_safe in (("proposed", False), ("safe", True)):
        session = decided(host(), word)
        content = session.compiled().operations[0].content
        assert all(
            f"{name}={value}" in content
            for name, value in lines(opened.proposing(only_safe=only_safe).chosen)
        )


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        ("systemd-logind.service", "confined by those who make it"),
        ("dbus.service", "confined by those who make it"),
        ("a b.service", "not the name of a service"),
        ("../x.service", "not the name of a service"),
        ("x.service\nroot", "not the name of a service"),
        ("web.socket", "not the name of a service"),
    ],
)
def test_services_that_are_left_alone(unit: str, why: str) -> None:
    entry = CHECKLISTS.get(f"sandbox.service:{unit}")
    change = RESOURCES["sandbox"].change(entry, {}, "PrivateTmp=yes")
    assert isinstance(change, Refusal)
    assert why in change.reason


def test_the_way_in_arms_the_guard() -> None:
    entry = CHECKLISTS.get("sandbox.service:ssh.service")
    change = RESOURCES["sandbox"].change(entry, {}, "LockPersonality=yes")
    assert any(step.can_lock_out for step in change if isinstance(step, RestartUnit))


def test_the_pattern_itself_is_about_no_service() -> None:
    session = Session.begin(CHECKLISTS, hosts.snapshot(host()))
    found = session.finding("sandbox.service")
    assert found.observation.running.values == {WEB: "9.6"}
    assert isinstance(change_of(found.recommendation, session.decision(found, Action.APPLY)), Refusal)


def test_a_task_that_ended_is_no_service_that_runs() -> None:
    ended = ServiceSettings("fsck.service", {**SETTINGS, "Id": "fsck.service", "Type": "oneshot"})
    both = (ServiceSettings(WEB, SETTINGS), ended)
    for processes in (PROCESSES, Unread(Reason.NOT_RECORDED)):
        session = Session.begin(
            CHECKLISTS, hosts.snapshot(host(sandbox_settings=both, confinement=processes))
        )
        assert session.finding("sandbox.service").observation.running.values == {WEB: "9.6"}


# --- where it comes from --------------------------------------------------------------------------


def test_an_image_is_judged_by_its_files() -> None:
    made = host(
        name="image", sandbox_settings=Unread(Reason.UNSUPPORTED), uses={}, confinement=(), sockets=()
    )
    opened = bench(made)
    assert opened.before == 96
    assert "/run/web.pid" in opened.seen.written, "its file says so"
    assert opened.setting("RestrictRealtime", "yes").verdicts["RestrictRealtime"].effect is Effect.UNKNOWN


def test_a_line_goes_on_past_a_comment_and_a_comment_does_not() -> None:
    text = "[Service]\nUser=\\\n# said \\\n ann\n; UMask=0000 \\\nPrivateTmp=yes\n[Install]\nUMask=0077\n"
    assert [(name, value.split()) for name, value in assignments(text)] == [
        ("User", ["ann"]),
        ("PrivateTmp", ["yes"]),
    ]


def test_a_folder_of_drop_ins_that_cannot_be_read_is_not_an_empty_one() -> None:
    made = host()
    assert isinstance(unit_files.read(Snapshot(made), WEB), unit_files.UnitText)
    made.given[Folder("/etc/systemd/system/web.service.d")] = Unread(Reason.DENIED)
    assert unit_files.read(Snapshot(made), WEB) == Gap(GapKind.DENIED, "/etc/systemd/system/web.service.d")


def test_an_unknown_service_is_no_service() -> None:
    assert isinstance(Bench.open(hosts.snapshot(host()), "nothing"), Gap)


def test_a_recording_holds_what_the_workbench_asks(tmp_path: Path) -> None:
    snapshot = hosts.snapshot(host())
    first = Bench.open(snapshot, "web").proposing(only_safe=False)
    path = tmp_path / "host.json"
    path.write_text(record(snapshot))
    again = Bench.open(Snapshot(RecordedHost(path)), "web").proposing(only_safe=False)
    assert (again.chosen, again.before, again.after) == (first.chosen, first.before, first.after)


def test_blocks_of_systemctl_are_services() -> None:
    text = (
        "Id=a.service\nLoadState=loaded\nDeviceAllow=/dev/a r\nDeviceAllow=/dev/b rw\n\n"
        "Id=b.service\nLoadState=not-found\n"
    )
    (one,) = parse_settings(text)
    assert (one.unit, one.settings["DeviceAllow"]) == ("a.service", "/dev/a r\n/dev/b rw")


CHILD = """
import mmap, os, socket, sys
held = [open(sys.argv[1], "a"), open("/dev/zero", "rb"), socket.socket(socket.AF_UNIX), open("/etc/passwd")]
held[2].bind(sys.argv[1] + ".socket")
held.append(mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
held.append(socket.create_server(("127.0.0.1", 0)))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A program that holds one of each, and a folder like /proc with nothing but it."""
    log = tmp_path / "log"
    argv = [sys.executable, "-c", CHILD, str(log)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        proc = tmp_path / "proc"
        proc.mkdir()
        (proc / str(process.pid)).symlink_to(f"/proc/{process.pid}")
        yield process, proc
        process.stdin.close()


def test_what_a_program_holds_is_seen(child: tuple[subprocess.Popen[str], Path]) -> None:
    _process, proc = child
    seen = use("any.service", lambda _group: "any.service", str(proc))
    assert isinstance(seen, ServiceUse)
    assert (seen.processes, seen.unread) == (1, 0)
    assert str(proc.parent / "log") in seen.written
    assert "/etc/passwd" in seen.read
    assert "/dev/zero r" in seen.devices
    assert {"AF_UNIX", "AF_INET"} <= set(seen.families)
    assert seen.executable_memory
    assert seen.programs == (os.path.realpath(sys.executable),)
    assert seen.foreign == ()


def test_a_service_without_a_process_is_missing(child: tuple[subprocess.Popen[str], Path]) -> None:
    _process, proc = child
    assert use("other.service", lambda _group: "any.service", str(proc)) == Unread(
        Reason.MISSING, "other.service"
    )
