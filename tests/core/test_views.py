"""The three views of a host, live, image, recording: no traceback, nothing outside, nothing lost."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.host import files
from hardentui.host.image import ImageHost
from hardentui.host.live import LiveHost, parse_mountinfo
from hardentui.host.recording import RecordedHost, RecordingError, record
from hardentui.model import Result
from hardentui.snapshot import (
    QUESTIONS,
    Account,
    Accounts,
    BootId,
    Clock,
    Command,
    ConfinedProcess,
    Confinement,
    Connection,
    Connections,
    ControlGroup,
    ControlGroups,
    Cost,
    Denial,
    Denials,
    Distribution,
    DistributionIs,
    End,
    Entry,
    File,
    FileLabel,
    FileSurvey,
    Folder,
    Found,
    Group,
    Groups,
    Interface,
    Interfaces,
    Kernel,
    KernelFile,
    KernelIs,
    KernelOption,
    Kind,
    LastLogin,
    LastLogins,
    LeftOut,
    Link,
    LogFile,
    LogFiles,
    Login,
    Logins,
    LogTree,
    Mislabelled,
    Mount,
    Mounts,
    NisEntries,
    Openings,
    OpeningsOf,
    Output,
    Package,
    Packages,
    Password,
    Passwords,
    PolicyIs,
    Privileges,
    PrivilegesAre,
    Process,
    Processes,
    Reason,
    SandboxSettings,
    Search,
    SecurityPolicy,
    ServiceSettings,
    ServiceUse,
    SlowCommand,
    Snapshot,
    Socket,
    Sockets,
    SpaceUsed,
    Stat,
    Status,
    Survey,
    Unit,
    UnitFile,
    UnitFiles,
    Units,
    Unread,
    Update,
    Updates,
    Usage,
    UseOf,
    WrongLabels,
)

from . import hosts
from .test_closed_loop import CHECKLISTS, FIRST

EVERY = CHECKLISTS.recommendations


def scan(host) -> tuple:
    return assess(EVERY, Snapshot(host), FIRST, CHECKLISTS.questions)


# --- image ----------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A system image with everything that can go wrong in one, beside a secret that lies outside."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.conf").write_text("kernel.kptr_restrict = 2\n")
    root = tmp_path / "root"
    for folder in (
        "etc/sysctl.d",
        "usr/lib/sysctl.d",
        "run/sysctl.d",
        "etc/systemd/system",
        "real",
        "var/lib/dpkg",
    ):
        (root / folder).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    return root


def test_an_absolute_link_is_followed_inside_the_image(tree: Path) -> None:
    (tree / "real" / "sysctl.conf").write_text("kernel.dmesg_restrict = 1\n")
    (tree / "etc" / "sysctl.conf").symlink_to("/real/sysctl.conf")
    answer, _at = ImageHost(str(tree)).answer(File("/etc/sysctl.conf"))
    assert answer == "kernel.dmesg_restrict = 1\n"


@pytest.mark.parametrize(
    "target",
    [
        "{outside}",
        "../../../outside/secret.conf",
        "/../../outside/secret.conf",
        "../../../../../../../../{outside}",
    ],
)
def test_no_link_leads_out_of_the_image(tree: Path, target: str) -> None:
    secret = tree.parent / "outside" / "secret.conf"
    (tree / "etc" / "sysctl.d" / "10.conf").symlink_to(target.format(outside=secret))
    (tree / "way").symlink_to(str(tree.parent / "outside"))
    host = ImageHost(str(tree))
    for question in (
        File("/etc/sysctl.d/10.conf"),
        File("/way/secret.conf"),
        Folder("/way"),
        File("/../outside/secret.conf"),
    ):
        assert isinstance(host.answer(question)[0], Unread)
    assert Snapshot(host).ask(Stat("/../outside")) == Unread(Reason.MISSING)


def test_loops_fifos_huge_files_and_junk_are_answers(tree: Path) -> None:
    folder = tree / "etc" / "sysctl.d"
    (folder / "loop.conf").symlink_to("loop.conf")
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    os.mkfifo(folder / "pipe.conf")
    with (folder / "huge.conf").open("wb") as file:
        file.truncate(files.SIZE_LIMIT + 1)
    (folder / "junk.conf").write_bytes(bytes(range(256)) * 4)
    (folder / "folder.conf").mkdir()
    (folder / "\udcff\n[bold].conf").write_text("kernel.dmesg_restrict=0\n")
    host = ImageHost(str(tree))
    seen = {
        name: host.answer(File(f"/etc/sysctl.d/{name}"))[0]
        for name in ("loop.conf", "a", "pipe.conf", "huge.conf", "junk.conf", "folder.conf")
    }
    assert {name: answer.reason for name, answer in seen.items() if isinstance(answer, Unread)} == {
        "loop.conf": Reason.FAILED,
        "a": Reason.FAILED,
        "pipe.conf": Reason.FAILED,
        "huge.conf": Reason.TOO_LARGE,
        "folder.conf": Reason.FAILED,
    }
    assert seen["junk.conf"].encode("utf-8", "surrogateescape") == bytes(range(256)) * 4
    assert Result.ERROR not in {finding.result for finding in scan(host)}


def test_an_image_is_judged_by_its_boot_and_says_so(tree: Path) -> None:
    (tree / "etc" / "sysctl.d" / "10.conf").write_text("kernel.dmesg_restrict = 1\n")
    found = {f.recommendation.subject: f for f in scan(ImageHost(str(tree)))}
    seen = found["kernel.dmesg_restrict"]
    assert (seen.result, seen.running, seen.boot) == (Result.PASS, "", "1")
    assert "boot" in seen.message
    (tree / "etc" / "sysctl.d" / "20.conf").write_text("kernel.dmesg_restrict = 0\n")
    found = {f.recommendation.subject: f for f in scan(ImageHost(str(tree)))}
    assert found["kernel.dmesg_restrict"].result is Result.FAIL


def test_the_mounts_of_an_image_are_those_of_its_fstab(tree: Path) -> None:
    (tree / "etc" / "fstab").write_text(
        "UUID=1 / ext4 defaults 0 1\nUUID=2 /var/log ext4 nodev,nosuid,noexec 0 2\n"
    )
    found = {f.recommendation.id: f for f in scan(ImageHost(str(tree)))}
    assert found["mount.var-log.options"].result is Result.PASS
    assert found["mount.var-log.separate"].result is Result.PASS
    assert found["mount.home.separate"].result is Result.FAIL


@pytest.mark.parametrize("make", [lambda p: p, lambda p: p / "not-there", lambda p: p.joinpath("file")])
def test_an_empty_root_gives_a_result_for_everything_and_no_pass_of_what_is_not_there(
    tmp_path: Path, make
) -> None:
    (tmp_path / "file").write_text("x")
    root = make(tmp_path) if make(tmp_path) != tmp_path else tmp_path / "empty"
    if root.name == "empty":
        root.mkdir()
    found = scan(ImageHost(str(root)))
    assert len(found) == len(EVERY)
    assert Result.ERROR not in {f.result for f in found}
    assert not [f.recommendation.id for f in found if not f.message and f.result is not Result.INFORMATIONAL]


def test_nothing_of_the_machine_itself_shows_in_an_image(tree: Path) -> None:
    """What is asked of this machine instead of the image would be a lie about the image."""
    touched: list[str] = []
    watching = [True]

    def watch(event: str, arguments: tuple) -> None:
        if watching[0] and event in {"open", "os.scandir", "os.listdir"} and isinstance(arguments[0], str):
            touched.append(arguments[0])

    scan(ImageHost(str(tree)))  # imports once
    sys.addaudithook(watch)
    scan(ImageHost(str(tree)))
    watching[0] = False
    known = (
        str(tree),
        str(Path(sys.prefix)),
        str(Path(sys.base_prefix)),
        "/work",
        "/etc/nsswitch",
        "/etc/passwd",
        "/dev/null",
        "/proc/self/mountinfo",  # where other file systems begin below the image
    )
    assert touched
    assert not [path for path in touched if not path.startswith(known)]


# --- live -----------------------------------------------------------------------------------------


def test_this_very_machine_gives_a_result_for_everything() -> None:
    found = scan(LiveHost())
    assert {f.recommendation.id: f.message for f in found if f.result is Result.ERROR} == {}
    assert not [f.recommendation.id for f in found if not f.message and f.result is not Result.INFORMATIONAL]


def test_each_question_is_asked_of_the_host_once() -> None:
    host = hosts.server()
    snapshot = Snapshot(host)
    assess(EVERY, snapshot, FIRST, CHECKLISTS.questions)
    assess(EVERY, snapshot, FIRST, CHECKLISTS.questions)
    assert len(host.asked) == len(set(host.asked))


def test_a_refresh_asks_again_only_what_moves_by_itself() -> None:
    host = hosts.server()
    snapshot = Snapshot(host)
    assess(EVERY, snapshot, FIRST, CHECKLISTS.questions)
    host.asked.clear()
    host.kernel["/proc/sys/kernel/dmesg_restrict"] = "1"
    fresh = snapshot.refreshed(Cost.TICK)
    found = {f.recommendation.subject: f for f in assess(EVERY, fresh, FIRST, CHECKLISTS.questions)}
    assert found["kernel.dmesg_restrict"].running == "1"
    assert host.asked
    assert {question.cost for question in host.asked} == {Cost.TICK}


def test_a_search_waits_until_it_is_asked_for() -> None:
    question = Search("device", ("/",))
    assert Snapshot(hosts.server()).ask(question) == Unread(Reason.ON_DEMAND)
    assert Snapshot(hosts.server(), deep=True).ask(question) == ()


@given(st.text())
def test_no_mountinfo_breaks_the_reader(text: str) -> None:
    parse_mountinfo(text)


@given(
    st.lists(st.text(st.sampled_from("0123456789 -:/,abcrw\\04\n"), max_size=40), max_size=8).map("\n".join)
)
def test_no_near_mountinfo_breaks_the_reader(text: str) -> None:
    parse_mountinfo(text)


def test_a_line_that_is_no_mount_is_left_out() -> None:
    assert parse_mountinfo("x y 8:1 / /a rw - ext4 /dev/sda1 rw\n1 2 8:1 / /b rw - ext4\n") == ()


def test_a_mount_point_with_a_blank_is_read_as_it_is() -> None:
    (mount,) = parse_mountinfo(
        "36 35 98:0 / /mnt/a\\040b rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue\n"
    )
    assert (mount.path, mount.words) == ("/mnt/a b", ("rw", "noatime", "errors=continue"))


# --- recording ------------------------------------------------------------------------------------

STRAY = b"caf\xe9 \xff\x00 \xe2\x80".decode("utf-8", "surrogateescape")
ANSWERS = {
    File("/etc/x"): STRAY,
    File("/etc/y"): Unread(Reason.TOO_LARGE, "> 4194304 bytes"),
    KernelFile("/proc/sys/net/ipv4/ip_local_port_range"): "32768\t60999",
    Folder(f"/etc/{STRAY}"): (Entry(STRAY, Kind.FIFO), Entry("b", Kind.LINK)),
    Folder("/empty"): (),
    Link("/etc/z"): STRAY,
    Stat("/boot"): Status(Kind.FOLDER, 0o700, 0, 0, "root", "root", 4096, "8:1"),
    SpaceUsed("/var/log"): Usage(41, 7, 1 << 60, 0),
    Command(("lsblk", "--json"), needs_root=True): Output(STRAY),
    SlowCommand(("systemd-analyze", "security")): Output(STRAY),
    Search("device", ("/", "/var")): (f"/tmp/{STRAY}",),
    FileSurvey(): Survey(
        End.STOPPED,
        (Found("setuid", f"/srv/{STRAY}", 0o4755, 0, 7, "root", "", "", "p", "4755"),),
        (("setuid", 1),),
        (f"/root/{STRAY}",),
        1,
        ("/",),
        (LeftOut("/nfs", "network"),),
        3,
        4,
        0.5,
        "dpkg",
    ),
    LogFiles(("/var/log",)): LogTree(
        (LogFile(f"/var/log/{STRAY}", 10, 4096, -1, 0.0, 1795245751.5),),
        (LeftOut("/var/log/far", "network"),),
        (f"/var/log/{STRAY}",),
        1,
        "time",
    ),
    Mounts(): (Mount(1, 0, "8:1", "/", "/a b", "rw", "ext4", "/dev/sda1", "rw,x=y"),),
    Sockets(): (Socket("unix", f"/run/{STRAY}", 0, ""), Socket("tcp6", "::1", 25, "exim4")),
    Connections(): (Connection("tcp", "::1", 25, "2001:db8::1", 40001, STRAY, 7, f"{STRAY}.service"),),
    Units(): (Unit("a.socket", "loaded", "active", listens=("[::]:22 (Stream)",), needed_by=("b.service",)),),
    Updates(): (Update(STRAY, STRAY, STRAY, security=True),),
    UnitFiles(): (UnitFile(f"{STRAY}.service", "enabled"),),
    Processes(): (Process(1, "systemd", "root", "/usr/lib/systemd/systemd", "init.scope"),),
    SandboxSettings(): (
        ServiceSettings(f"{STRAY}.service", {"User": STRAY, "DeviceAllow": "/dev/a r\n/dev/b rw"}),
    ),
    OpeningsOf("/srv"): Openings(7, True, (STRAY,), 12.5),
    UseOf("ssh.service"): ServiceUse(
        2, 1, (f"/srv/{STRAY}",), families=("AF_UNIX",), executable_memory=("",)
    ),
    Confinement(): (ConfinedProcess(7, name=STRAY, namespaces={"mnt": "mnt:[1]"}, seccomp=2),),
    ControlGroups(): (ControlGroup(f"/system.slice/{STRAY}", "max", cpu_usage=7), ControlGroup("/x")),
    FileLabel("/etc/shadow"): "system_u:object_r:shadow_t:s0",
    PolicyIs("/sys/fs/selinux/policy"): SecurityPolicy(
        33, True, 4711, (("b", True), (STRAY, False)), ("x_t",)
    ),
    Denials(): (Denial("selinux", "sshd_t", "file read", STRAY, False, 3),),
    WrongLabels(): (Mislabelled(f"/srv/{STRAY}", "", "system_u:object_r:var_t:s0"),),
    Interfaces(): (Interface("eth0.100", ("192.0.2.1", "2001:db8::1")), Interface("none", ())),
    Accounts(): (Account("root", 0, 0, "/root", "/bin/bash"),),
    Passwords(): (Password("root", "yescrypt", False, True, 20228, 0, 99999, 7, -1, -1),),
    NisEntries(): ("passwd: +@team",),
    LastLogins(): (LastLogin("root", 1795245751, "/var/log/lastlog"),),
    Logins(): (Login("root", "tty1", "", 1795245751),),
    Groups(): (Group("adm", 4, ("alice", "bob")), Group("empty", 5, ())),
    DistributionIs(): Distribution("debian", "Debian", "12", "bookworm", "debian", ""),
    PrivilegesAre(): Privileges(1000, "alice", "2001:db8::7"),
    KernelIs(): Kernel("web01", "6.1.0", "x86_64"),
    Packages(): (Package("base-files", "12.4+deb12u5"),),
    KernelOption("CONFIG_X"): "n",
    Clock(): 1795245751.25,
    BootId(): "b0071d",
}


class _Answers:
    name, label = "live", "answers"

    def answer(self, question):
        return ANSWERS[question], 12.5


def test_every_kind_of_question_and_answer_survives_a_recording(tmp_path: Path) -> None:
    assert {type(question) for question in ANSWERS} == set(QUESTIONS.values())
    snapshot = Snapshot(_Answers(), deep=True)
    for question in ANSWERS:
        snapshot.ask(question)
    path = tmp_path / "host.json"
    path.write_text(record(snapshot), encoding="utf-8")
    replayed = Snapshot(RecordedHost(path))
    for question, answer in ANSWERS.items():
        assert replayed.ask_timed(question) == (answer, 12.5)
    assert record(replayed).replace('"recording"', '"live"') == record(snapshot)


@settings(max_examples=50)
@given(st.binary())
def test_no_byte_is_lost_in_a_recording(tmp_path_factory, data: bytes) -> None:
    host = hosts.DictHost({"/x": data.decode("utf-8", "surrogateescape")})
    snapshot = Snapshot(host)
    snapshot.ask(File("/x"))
    path = tmp_path_factory.mktemp("recording") / "host.json"
    path.write_text(record(snapshot), encoding="utf-8")
    assert Snapshot(RecordedHost(path)).ask(File("/x")).encode("utf-8", "surrogateescape") == data


@pytest.mark.parametrize("make", [hosts.server, hosts.two_interfaces, hosts.rivals, hosts.rhel])
def test_a_replayed_host_gives_the_same_findings(make, tmp_path: Path) -> None:
    snapshot = Snapshot(make(), deep=True)
    found = assess(EVERY, snapshot, FIRST, CHECKLISTS.questions)
    path = tmp_path / "host.json"
    path.write_text(record(snapshot), encoding="utf-8")
    assert assess(EVERY, Snapshot(RecordedHost(path)), FIRST, CHECKLISTS.questions) == found


def test_what_was_not_recorded_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    path.write_text(record(Snapshot(hosts.server())), encoding="utf-8")
    assert Snapshot(RecordedHost(path)).ask(File("/etc/fstab")) == Unread(Reason.NOT_RECORDED)
    found = scan(RecordedHost(path))
    assert not {f.result for f in found} & {Result.PASS, Result.FAIL, Result.ERROR}


GOOD = {"hardentui-recording": 1, "host": "live", "answers": []}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        json.dumps(GOOD | {"hardentui-recording": 2}),
        json.dumps({"hardentui-recording": 1}),
        json.dumps(GOOD | {"answers": 7}),
        json.dumps(GOOD | {"answers": [{}]}),
        json.dumps(GOOD | {"answers": [7]}),
        json.dumps(GOOD | {"answers": [{"question": [], "answer": "", "at": 0}]}),
        json.dumps(GOOD | {"answers": [{"question": ["Nothing"], "answer": "", "at": 0}]}),
        json.dumps(GOOD | {"answers": [{"question": ["File"], "answer": "", "at": 0}]}),
        json.dumps(GOOD | {"answers": [{"question": ["File", "/x"], "answer": {"is": "os"}, "at": 0}]}),
        json.dumps(
            GOOD
            | {
                "answers": [
                    {"question": ["File", "/x"], "answer": {"is": "Unread", "reason": "odd"}, "at": 0}
                ]
            }
        ),
        json.dumps(GOOD | {"answers": [{"question": ["File", {"is": "Usage"}], "answer": "", "at": 0}]}),
        json.dumps(GOOD | {"answers": [{"question": ["File", "/x"], "answer": "", "at": "soon"}]}),
        '{"hardentui-recording": 1, "answers": [' + "[" * 100_000,
    ],
)
def test_a_broken_recording_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(RecordingError, match=r"broken\.json"):
        RecordedHost(path)


def test_a_recording_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.json", "bytes.json", "."):
        with pytest.raises(RecordingError):
            RecordedHost(tmp_path / name)
