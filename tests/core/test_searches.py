"""The walk over the files: what it finds is what find finds; it can be stopped; it says what it lacks."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hardentui.assess import assess
from hardentui.host import search, walker
from hardentui.host.filesystems import is_remote
from hardentui.host.image import ImageHost
from hardentui.host.live import read_mounts
from hardentui.host.recording import RecordedHost, record
from hardentui.model import Finding, Result
from hardentui.snapshot import (
    End,
    FileSurvey,
    Found,
    LeftOut,
    Mount,
    Search,
    Snapshot,
    Survey,
    Unread,
)

from . import hosts
from .rooted import in_namespaces, needs_namespaces
from .sittings import CHECKLISTS
from .test_grants import listed

REPOSITORY = Path(__file__).parent.parent.parent
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of others")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small system: passwd and group, and one of each thing that a rule picks."""
    root = tmp_path / "image"
    for name in (
        "etc",
        "tmp",
        "var/tmp",
        "usr/bin",
        "usr/share/doc",
        "srv/open",
        "srv/shared",
        "srv/fine",
        "dev",
    ):
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nphp:x:33:33::/:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nphp:x:33:\nssl-cert:x:110:\n")
    return root


def put(path: Path, mode: int, text: str = "x\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def walked(root: Path) -> Survey:
    survey = ImageHost(str(root)).walk().result(120)
    assert isinstance(survey, Survey)
    return survey


def paths(survey: Survey, rule: str) -> list[str]:
    return [found.path for found in survey.of(rule)]


def found_by_find(root: Path, *words: str) -> list[str]:
    """What find says of the same tree, relative to it."""
    done = subprocess.run(
        ("find", root, "-mindepth", "1", *words, "-print0"), check=True, capture_output=True
    )
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return sorted(name[len(str(root)) :] for name in names)


HOSTILE = (
    "a\nb",
    "-rf",
    "[/red]",
    os.fsdecode(b"\xff\xfe"),
    "\x1b]0;x\x07",
    "é",
    "$(touch x)",
    "tab\t",
    "x" * 255,
)


@root_only
def test_the_rules_find_what_find_finds(tree: Path) -> None:
    for number, name in enumerate(HOSTILE):
        put(tree / "srv/fine" / name, (0o4755, 0o2755, 0o666, 0o6711, 0o600)[number % 5])
    (tree / "srv/open").chmod(0o777)
    (tree / "srv/shared").chmod(0o1777)
    os.chown(tree / "srv/shared", 33, 33)
    (tree / "tmp").chmod(0o1777)
    put(tree / "tmp/tool", 0o755)
    put(tree / "var/tmp/deep/tool", 0o711)
    put(tree / "tmp/notes", 0o644)
    os.chown(put(tree / "srv/left", 0o600), 4242, 0)
    os.chown(put(tree / "srv/left2", 0o600), 0, 4242)
    (tree / "srv/link").symlink_to("/nowhere")
    os.lchown(tree / "srv/link", 4242, 4242)
    os.mkfifo(tree / "srv/pipe")
    (tree / "srv/pipe").chmod(0o606)
    os.mkfifo(tree / "srv/closed")
    (tree / "srv/closed").chmod(0o660)
    os.mknod(tree / "srv/disk", 0o060600, os.makedev(7, 0))
    os.mknod(tree / "dev/null", 0o020666, os.makedev(1, 3))  # an image may keep its own
    os.mknod(tree / "srv/whiteout", 0o020600, os.makedev(0, 0))
    survey = walked(tree)
    assert survey.end is End.COMPLETE
    assert survey.unread == ()
    assert paths(survey, "setuid") == found_by_find(tree, "-type", "f", "-perm", "/6000")
    assert len(paths(survey, "setuid")) == 6
    assert paths(survey, "open-file") == found_by_find(tree, "-type", "f", "-perm", "-0002")
    assert paths(survey, "open-folder") == found_by_find(
        tree, "-type", "d", "-perm", "-0002", "!", "-perm", "-1000"
    )
    assert paths(survey, "shared-folder") == ["/srv/shared"]
    assert paths(survey, "ownerless") == ["/srv/left", "/srv/left2", "/srv/link"]
    assert paths(survey, "temporary") == ["/tmp/tool", "/var/tmp/deep/tool"]
    assert paths(survey, "pipe") == ["/srv/pipe"]
    assert paths(survey, "device") == ["/srv/disk"]
    assert survey.files == len(found_by_find(tree, "!", "-type", "d"))
    assert survey.folders == len(found_by_find(tree, "-type", "d")) + 1
    found = next(one for one in survey.of("shared-folder"))
    assert (found.mode, found.user, found.group) == (0o1777, "php", "php")


KEY = "-----BEGIN PRIVATE KEY-----\nMIIsecretsecret\n"


@root_only
def test_private_keys_are_known_by_their_first_line_and_nothing_of_them_is_kept(tree: Path) -> None:
    put(tree / "etc/ssl/a.key", 0o644, KEY)
    put(tree / "etc/ssl/b.pem", 0o640, KEY.replace("PRIVATE", "RSA PRIVATE"))
    put(tree / "etc/ssl/c.pem", 0o644, "-----BEGIN CERTIFICATE-----\n" + KEY)  # its first line is no key's
    put(tree / "etc/ssl/closed.key", 0o600, KEY)
    put(tree / "root/.ssh/id_ed25519", 0o604, KEY.replace("PRIVATE", "OPENSSH PRIVATE"))
    put(tree / "etc/myapp/privkey.pem", 0o400, KEY)
    put(tree / "etc/notes.txt", 0o644, KEY)
    put(tree / "usr/lib/python3/test.key", 0o644, KEY)  # everyone can download it
    put(tree / "usr/local/etc/own.key", 0o644, KEY)
    (tree / "etc/ssl/link.key").symlink_to("/etc/ssl/closed.key")
    os.mkfifo(tree / "etc/ssl/pipe.key", 0o644)
    survey = walked(tree)
    assert paths(survey, "key") == [
        "/etc/ssl/a.key",
        "/etc/ssl/b.pem",
        "/root/.ssh/id_ed25519",
        "/usr/local/etc/own.key",
    ]
    snapshot = Snapshot(ImageHost(str(tree))).with_answers({FileSurvey(): survey}, 1.0)
    assert "secret" not in record(snapshot)


@root_only
def test_a_key_for_a_system_group_passes_and_one_for_a_group_of_people_fails(tree: Path) -> None:
    for name, group in (("service.key", 110), ("people.key", 1000), ("users.key", 100)):
        os.chown(put(tree / "etc/ssl" / name, 0o640, KEY), 0, group)
    finding = judged(walked(tree), "dac.example-private-key")
    assert finding.result is Result.FAIL
    assert {place.place for place in finding.provenance} >= {"/etc/ssl/people.key", "/etc/ssl/users.key"}
    assert "/etc/ssl/service.key" not in {place.place for place in finding.provenance}


@root_only
def test_a_key_that_a_list_opens_to_people_is_found_and_one_for_a_service_is_not(tree: Path) -> None:
    """The mode shows the mask alone: 0640 for all of these."""
    people, staff, php = ("user", 1001), ("group", 1000), ("user", 33)
    given = {
        "bob.key": ((people, 4),),
        "staff.key": ((staff, 4),),
        "write.key": ((php, 6),),
        "php.key": ((php, 4),),
        "cert.key": ((("group", 110), 4),),
        "refused.key": ((people, 0), (php, 4)),
    }
    for name, entries in given.items():
        path = put(tree / "etc/ssl" / name, 0o600, KEY)
        os.setxattr(path, "system.posix_acl_access", bytes.fromhex(listed(*entries, mask=6, group=0)))
    finding = judged(walked(tree), "dac.example-private-key")
    assert finding.result is Result.FAIL
    shown = {place.place: place.text for place in finding.provenance if place.place.startswith("/etc/ssl/")}
    assert set(shown) == {"/etc/ssl/bob.key", "/etc/ssl/staff.key", "/etc/ssl/write.key"}
    assert "user:1001:r--" in shown["/etc/ssl/bob.key"]


@root_only
def test_keys_do_not_pass_while_not_every_list_is_known(tree: Path) -> None:
    put(tree / "etc/ssl/closed.key", 0o600, KEY)
    closed = walked(tree)
    assert judged(closed, "dac.example-private-key").result is Result.PASS
    # No list opens what has no right in the place of the group.
    cut = dataclasses.replace(closed, counts=(*closed.counts, ("acl", 1)))
    assert judged(cut, "dac.example-private-key").result is Result.PASS
    os.chown(put(tree / "etc/ssl/service.key", 0o640, KEY), 0, 110)
    whole = walked(tree)
    assert judged(whole, "dac.example-private-key").result is Result.PASS
    cut = dataclasses.replace(whole, counts=(*whole.counts, ("acl", 1)))
    assert judged(cut, "dac.example-private-key").result is Result.UNKNOWN


@root_only
def test_access_times_stay_as_they_were(tree: Path) -> None:
    long_ago = (1_000_000_000, 1_000_000_000)
    key = put(tree / "etc/ssl/a.key", 0o644, KEY)
    for path in (key, key.parent, tree / "etc"):
        os.utime(path, long_ago)
    assert paths(walked(tree), "key") == ["/etc/ssl/a.key"]
    assert {int(path.stat().st_atime) for path in (key, key.parent, tree / "etc")} == {1_000_000_000}


def test_links_are_not_followed_out_of_the_image(tree: Path, tmp_path: Path) -> None:
    put(tmp_path / "outside/tool", 0o4755)
    (tree / "srv/out").symlink_to(tmp_path / "outside")
    (tree / "var/lib").symlink_to("/")  # /var/lib/dpkg leads to the image's own root
    survey = walked(tree)
    assert paths(survey, "setuid") == []
    assert survey.manager == ""


@root_only
def test_folders_that_cannot_be_read_are_counted_and_named(tree: Path) -> None:
    """Root without its power over files is like anybody else."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    closed = tree / "srv/closed"
    put(closed / "tool", 0o4755)
    os.chown(closed, 33, 33)
    closed.chmod(0o700)
    put(tree / "usr/bin/tool", 0o4755)
    program = (
        "import sys, json, dataclasses\n"
        "from hardentui.host.image import ImageHost\n"
        "print(json.dumps(dataclasses.asdict(ImageHost(sys.argv[1]).walk().result(60))))"
    )
    drop = "-dac_override,-dac_read_search"
    argv = ("setpriv", "--bounding-set", drop, "--inh-caps", drop, sys.executable, "-c", program, str(tree))
    done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    seen = json.loads(done.stdout)
    assert seen["end"] == "complete"
    assert seen["unread"] == ["/srv/closed"]
    assert seen["counts"] == [["setuid", 1]]


def test_a_stopped_walk_gives_what_it_found_and_says_that_it_was_stopped(tree: Path, monkeypatch) -> None:
    """Nobody reads what the program writes until the walk is stopped: more than a pipe holds is to come."""
    for number in range(walker.KEPT):
        put(tree / f"tmp/{number:0200}", 0o6777)
    begun, go = threading.Event(), threading.Event()
    take = search._Collected.take

    def held(collected, words) -> None:
        take(collected, words)
        if words[0] == "found":
            begun.set()
            assert go.wait(60)

    monkeypatch.setattr(search._Collected, "take", held)
    walk = ImageHost(str(tree)).walk()
    walk.start()
    assert begun.wait(60)
    assert walk.result(0) is None
    assert not walk.done
    walk.stop()
    go.set()
    survey = walk.result(60)
    assert isinstance(survey, Survey)
    assert survey.end is End.STOPPED
    assert 0 < survey.count("temporary") < walker.KEPT
    assert walk.done
    assert no_walker_left()


def no_walker_left() -> bool:
    """Whether no child of ours walks any more."""
    return not _walks(os.getpid())


def survey_of(**changes) -> Survey:
    whole = Survey(End.COMPLETE, (), (), (), 0, ("/",), (), 10, 100, 1.0, "dpkg")
    return dataclasses.replace(whole, **changes)


def test_a_walk_that_takes_too_long_ends_by_itself() -> None:
    """The whole machine cannot be walked in no time."""
    survey = search.Walk(read_mounts(), seconds=0.0).result(60)
    assert isinstance(survey, Survey)
    assert survey.end is End.TIMED_OUT
    assert no_walker_left()


def test_a_walk_whose_program_dies_is_broken_not_complete(tree: Path, monkeypatch) -> None:
    monkeypatch.setattr(search, "_PROGRAM", Path("/usr/bin/nothing-here"))
    assert isinstance(ImageHost(str(tree)).walk().result(60), Unread)
    dying = tree / "dying.py"
    dying.write_text(
        'import sys\nprint(\'["found", "setuid", "/x", 2541, 0, 0, "root", "root", ""]\')\nsys.exit(1)\n'
    )
    monkeypatch.setattr(search, "_PROGRAM", dying)
    survey = ImageHost(str(tree)).walk().result(60)
    assert survey.end is End.BROKEN
    assert paths(survey, "setuid") == ["/x"]
    assert live(survey, "files.setuid-foreign").result is Result.UNKNOWN  # owners are not known


def test_progress_rises_and_is_never_above_what_is_there(tree: Path) -> None:
    for number in range(2000):
        (tree / f"srv/{number}/below").mkdir(parents=True)
        (tree / f"srv/{number}/file").touch()
    walk = ImageHost(str(tree)).walk()
    assert walk.progress() == search.Progress()
    survey = walk.result(120)
    last = walk.progress()
    assert 0 < last.files <= survey.files
    assert last.found == 0
    assert search.Progress(folders=1, files=1, expected=0).share is None
    assert search.Progress(folders=10, files=10, expected=40).share == 50
    assert search.Progress(folders=10, files=90, expected=40).share == 99


def test_many_finds_are_counted_though_not_all_are_kept(tree: Path) -> None:
    for number in range(walker.KEPT + 7):
        put(tree / f"tmp/{number}", 0o755)
    survey = walked(tree)
    assert len(survey.of("temporary")) == walker.KEPT
    assert survey.count("temporary") == walker.KEPT + 7
    assert judged(survey, "mount.tmp.no-executables").boot == str(walker.KEPT + 7)


# --- which file systems ----------------------------------------------------------------------------


def mount(path: str, device: str = "8:1", root: str = "/", fstype: str = "ext4") -> Mount:
    return Mount(1, 0, device, root, path, "rw", fstype, "x", "rw")


def test_each_local_file_system_is_entered_once_and_the_others_are_named() -> None:
    areas = search.areas(
        (
            mount("/"),
            mount("/home", "8:2"),
            mount("/srv/bind", "8:1", "/data"),
            mount("/mnt/home", "8:2"),
            mount("/proc", "0:4", fstype="proc"),
            mount("/dev", "0:5", fstype="tmpfs"),
            mount("/dev/shm", "0:6", fstype="tmpfs"),
            mount("/sys/fs/cgroup", "0:9", fstype="tmpfs"),
            mount("/tmp", "0:30", fstype="tmpfs"),
            mount("/nfs", "0:40", fstype="nfs4"),
            mount("/snap/core/1", "7:1", fstype="squashfs"),
            mount("/var/lib/docker/overlay2/x/merged", "0:50", fstype="overlay"),
            mount("/data/btrfs", "0:60", "/@data", "btrfs"),
            mount("/data/home", "0:60", "/@home", "btrfs"),
        )
    )
    assert areas.starts == ("/", "/home", "/dev/shm", "/tmp", "/data/btrfs", "/data/home")
    assert areas.mixed == {"/data/btrfs", "/data/home"}
    assert areas.borders["/nfs"] == search.NETWORK
    assert areas.borders["/srv/bind"] == areas.borders["/mnt/home"] == search.TWICE
    assert areas.borders["/snap/core/1"] == search.IMAGE
    assert areas.borders["/dev"] == search.KERNEL
    assert areas.borders["/proc"] == areas.borders["/sys/fs/cgroup"] == search.KERNEL
    assert areas.borders["/var/lib/docker"] == search.CONTAINER


@pytest.mark.parametrize(
    ("fstype", "remote"),
    [
        *((name, True) for name in ("nfs", "nfs4", "cifs", "lustre", "fuse", "fuse.sshfs", "9p", "ceph")),
        *((name, False) for name in ("ext4", "fuseblk", "tmpfs", "nfsd", "fusectl", "autofs", "overlay")),
    ],
)
def test_what_stands_on_another_machine_is_told_by_its_type(fstype: str, remote: bool) -> None:
    assert is_remote(fstype) is remote


def test_a_bind_mount_inside_an_image_is_its_own_unless_it_shows_the_image_again() -> None:
    areas = search.areas(
        (
            mount("/"),
            mount("/mnt/image/data", "8:1", "/elsewhere"),
            mount("/mnt/image/twice", "8:1", "/mnt/image/etc"),
        ),
        "/mnt/image",
    )
    assert areas.starts == ("/mnt/image", "/mnt/image/data")
    assert areas.borders["/mnt/image/twice"] == search.TWICE


def test_mounted_file_systems_are_walked_once_and_kernels_and_containers_left_out(tmp_path: Path) -> None:
    needs_namespaces()
    seen = in_namespaces("namespace_walk.py", {"root": str(tmp_path), "path": sys.path})
    survey = seen["survey"]
    found = sorted(found["path"] for found in survey["found"] if found["rule"] == "setuid")
    assert found == ["/disk/inner/two", "/disk/one"]
    why = {one["path"]: one["why"] for one in survey["left_out"]}
    assert why["/again"] == why["/part"] == search.TWICE
    assert why["/kernel"] == search.KERNEL
    assert why["/var/lib/docker"] == search.CONTAINER
    assert why.get("/layer") == (search.CONTAINER if seen["overlay"] else None)


# --- whose they are --------------------------------------------------------------------------------


def test_owners_agree_with_dpkg_on_this_machine() -> None:
    if shutil.which("dpkg") is None or not Path("/var/lib/dpkg/info").is_dir():
        pytest.skip("needs a Debian system")
    wanted = {"/usr/bin/su", "/usr/bin/bash", "/usr/bin/passwd", "/usr/sbin/unix_chkpwd", "/usr/bin/true"}
    wanted = {path for path in wanted if Path(path).exists()} | {"/usr/bin/nobody-ships-this"}
    aliases = walker.Aliases(
        (f"/{top}", f"/usr/{top}") for top in ("bin", "sbin", "lib") if Path(f"/{top}").is_symlink()
    )
    owners = walker.dpkg_owners("/var/lib/dpkg", wanted, aliases)
    for path in wanted:
        said = {dpkg_says(name) for name in aliases.names(path)} - {""}
        assert owners.get(path, "") == (said.pop() if said else ""), path
    assert len(owners) >= 3


def dpkg_says(path: str, *options: str) -> str:
    done = subprocess.run(("dpkg", *options, "-S", path), check=False, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("diversion")]
    return lines[0].partition(":")[0] if lines else ""


def package(folder: Path, name: str, *files: str) -> Path:
    tree = folder / name
    (tree / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
    (tree / "DEBIAN/control").write_text(control)
    for file in files:
        put(tree / file.lstrip("/"), 0o4755)
    made = folder / f"{name}.deb"
    subprocess.run(("dpkg-deb", "--root-owner-group", "-b", tree, made), check=True, capture_output=True)
    return made


@root_only
def test_owners_through_diversions_overrides_and_the_merged_usr(tree: Path, tmp_path: Path) -> None:
    """Real packages, put into a root by the real dpkg."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg")
    (tree / "bin").symlink_to("usr/bin")
    admin = tree / "var/lib/dpkg"
    for name in ("info", "updates"):
        (admin / name).mkdir(parents=True)
    (admin / "status").touch()
    here = (f"--root={tree}", "--force-all")
    divert = ("dpkg-divert", f"--root={tree}", "--package", "rival", "--rename")
    subprocess.run(
        (*divert, "--divert", "/usr/bin/tool.distrib", "/usr/bin/tool"), check=True, capture_output=True
    )
    debs = [
        package(tmp_path, "first", "/usr/bin/tool", "/bin/old-place"),
        package(tmp_path, "rival", "/usr/bin/tool"),
    ]
    subprocess.run(("dpkg", *here, "-i", *debs), check=True, capture_output=True)
    override = ("dpkg-statoverride", f"--root={tree}", "--add", "root", "root", "2755", "/usr/bin/old-place")
    subprocess.run(override, check=True, capture_output=True)
    put(tree / "usr/bin/by-hand", 0o4755)
    survey = walked(tree)
    owners = {found.path: (found.package, found.recorded) for found in survey.of("setuid")}
    assert owners == {
        "/usr/bin/tool": ("rival", ""),
        "/usr/bin/tool.distrib": ("first", ""),
        "/usr/bin/old-place": ("first", "2755"),
        "/usr/bin/by-hand": ("", ""),
    }
    finding = judged(survey, "files.setuid-foreign")
    assert (finding.result, finding.boot) == (Result.FAIL, "1")


SPEC = """\
Name: holder
Version: 1
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x
%files
%attr(4755,root,root) /usr/bin/given
%attr(0755,root,root) /usr/bin/plain
"""


@root_only
def test_owners_and_modes_agree_with_rpm(tmp_path: Path) -> None:
    if shutil.which("rpmbuild") is None:
        pytest.skip("needs rpm and rpmbuild (package rpm)")
    spec, build = tmp_path / "holder.spec", tmp_path / "buildroot"
    spec.write_text(SPEC)
    put(build / "usr/bin/given", 0o4755)
    put(build / "usr/bin/plain", 0o755)
    argv = (
        "rpmbuild",
        "-bb",
        "--define",
        f"_topdir {tmp_path / 'top'}",
        "--buildroot",
        build,
        "--noclean",
        spec,
    )
    kept = tmp_path / "kept"
    shutil.copytree(build, kept)
    spec.write_text(
        SPEC.replace("%files", f"%install\nmkdir -p %{{buildroot}}\ncp -a {kept}/. %{{buildroot}}/\n%files")
    )
    subprocess.run(argv, check=True, capture_output=True)
    (made,) = (tmp_path / "top/RPMS/noarch").glob("*.rpm")
    root = tmp_path / "root"
    root.mkdir()
    here = ("--root", str(root), "--dbpath", "/var/lib/rpm")
    subprocess.run(("rpm", *here, "-i", "--nodeps", "--noscripts", made), check=True, capture_output=True)
    assert search.rpm_owner("/usr/bin/given", here) == ("holder", "4755")
    assert search.rpm_owner("/usr/bin/plain", here) == ("holder", "0755")
    assert search.rpm_owner("/usr/bin/nobody-ships-this", here) == ("", "")


# --- what is made of it ----------------------------------------------------------------------------


def judged(survey: Survey | Unread, id_: str, **changes) -> Finding:
    host = hosts.server(survey=survey, name=changes.pop("name", "image"), **changes)
    (entry,) = [entry for entry in CHECKLISTS.recommendations if entry.id == id_]
    return assess([entry], Snapshot(host, deep=True), {})[0]


def live(survey: Survey | Unread, id_: str) -> Finding:
    return judged(survey, id_, name="live")


def one(rule: str, path: str = "/srv/x", mode: int = 0o4755, **more) -> Found:
    return Found(rule, path, mode, 0, 0, "root", "root", **more)


COUNTED = {
    "files.open-files": "open-file",
    "files.open-folders": "open-folder",
    "files.shared-folders": "shared-folder",
    "files.ownerless": "ownerless",
    "files.pipes": "pipe",
    "mount.nodev-explained": "device",
    "mount.tmp.no-executables": "temporary",
    "files.setuid-foreign": "setuid",
}


@pytest.mark.parametrize("id_", COUNTED)
@pytest.mark.parametrize("lack", ["stopped", "timed out", "broken", "unread"])
def test_nothing_found_by_a_walk_that_is_not_whole_is_no_pass(id_: str, lack: str) -> None:
    assert live(survey_of(), id_).result is Result.PASS
    unread = {"unread": ("/",), "unread_count": 1}
    partial = survey_of(**unread) if lack == "unread" else survey_of(end=End(lack))
    if lack == "unread" and id_ == "mount.tmp.no-executables":
        partial = survey_of(unread=("/tmp/closed",), unread_count=1)
    assert live(partial, id_).result is Result.UNKNOWN
    rule = COUNTED[id_]
    found = dataclasses.replace(partial, found=(one(rule),), counts=((rule, 1),))
    finding = live(found, id_)
    assert finding.result in {Result.FAIL, Result.INFORMATIONAL}
    assert finding.running == "≥ 1"
    assert finding.message.startswith("≥ 1")


def test_a_folder_that_does_not_matter_to_a_rule_does_not_keep_it_from_passing() -> None:
    survey = survey_of(unread=("/home/alice",), unread_count=1)
    assert live(survey, "mount.tmp.no-executables").result is Result.PASS
    assert live(survey, "files.ownerless").result is Result.UNKNOWN
    assert "/home/alice" in live(survey, "files.ownerless").message


def test_a_search_that_nobody_asked_for_is_not_checked() -> None:
    (entry,) = [entry for entry in CHECKLISTS.recommendations if entry.id == "files.ownerless"]
    host = hosts.server(survey=survey_of())
    assert assess([entry], Snapshot(host), {})[0].result is Result.NOTCHECKED
    assert not any(isinstance(question, FileSurvey) for question in host.asked)
    done = Snapshot(host).with_answers({FileSurvey(): survey_of()}, 1.0)
    assert assess([entry], done, {})[0].result is Result.PASS


def test_without_known_packages_no_program_is_called_foreign_and_none_is_cleared() -> None:
    survey = survey_of(found=(one("setuid"),), counts=(("setuid", 1),), manager="")
    assert live(survey, "files.setuid-foreign").result is Result.UNKNOWN
    assert judged(survey, "files.setuid-foreign").result is Result.NOTCHECKED
    assert live(survey, "setuid.binaries").running == "1 programs, 1 as root"


def test_a_bit_that_rpm_did_not_give_is_foreign_and_one_that_it_gave_is_not() -> None:
    given = one("setuid", "/usr/bin/su", package="util-linux", recorded="4755")
    added = one("setuid", "/usr/bin/vim", package="vim", recorded="0755")
    survey = survey_of(found=(given, added), counts=(("setuid", 2),), manager="rpm")
    finding = live(survey, "files.setuid-foreign")
    assert (finding.result, finding.running) == (Result.FAIL, "1")
    assert finding.provenance[0].place == "/usr/bin/vim"
    alone = dataclasses.replace(survey, found=(given,), counts=(("setuid", 1),))
    assert live(alone, "files.setuid-foreign").result is Result.PASS


def test_the_list_says_on_which_programs_logins_depend() -> None:
    found = tuple(one("setuid", f"/usr/bin/{name}", package="p") for name in ("su", "sudo", "chfn", "odd"))
    finding = live(survey_of(found=found, counts=(("setuid", 4),)), "setuid.binaries")
    texts = {place.place.rpartition("/")[2]: place.text for place in finding.provenance}
    assert "logins depend" in texts["su"]
    assert "logins depend" in texts["sudo"]
    assert "do without" in texts["chfn"]
    assert "not among the usual" in texts["odd"]
    assert finding.recommendation.target == ""  # no script takes the bit away


def test_what_was_left_out_is_said() -> None:
    survey = survey_of(left_out=(LeftOut("/nfs", "network"), LeftOut("/proc", "kernel")))
    texts = [place.text for place in live(survey, "files.ownerless").provenance]
    assert any("/nfs (network)" in text for text in texts)
    assert not any("/proc" in text for text in texts)


def test_a_survey_survives_a_recording_of_a_host_and_of_an_image(tmp_path: Path) -> None:
    survey = survey_of(
        end=End.STOPPED,
        found=(one("setuid", os.fsdecode(b"/\xff\n"), package="p"),),
        counts=(("setuid", 1),),
        left_out=(LeftOut("/nfs", "network"),),
    )
    for name in ("live", "image"):
        snapshot = Snapshot(hosts.server(name=name)).with_answers({FileSurvey(): survey}, 12.5)
        path = tmp_path / "host.json"
        path.write_text(record(snapshot), encoding="utf-8")
        assert Snapshot(RecordedHost(path)).ask_timed(FileSurvey()) == (survey, 12.5)


def test_a_recording_of_before_still_answers_with_its_own_searches(tmp_path: Path) -> None:
    host = hosts.server()
    old = {
        Search("executable", ("/tmp", "/var/tmp")): ("/tmp/a", "/tmp/b"),
        Search("device", tuple(m.path for m in hosts.mounts() if m.fstype == "ext4")): (),
    }
    snapshot = Snapshot(host).with_answers(old, 1.0)
    snapshot.ask(hosts.Mounts())
    path = tmp_path / "host.json"
    path.write_text(record(snapshot), encoding="utf-8")
    replayed = Snapshot(RecordedHost(path))
    findings = {f.recommendation.id: f for f in assess(CHECKLISTS.recommendations, replayed, {})}
    assert findings["mount.tmp.no-executables"].running == "2"
    assert findings["mount.nodev-explained"].result is Result.PASS
    assert findings["files.ownerless"].result is Result.UNKNOWN


# --- on this very machine --------------------------------------------------------------------------


def test_ctrl_c_during_a_deep_scan_ends_the_search_and_prints_the_rest() -> None:
    """As at the keyboard: one SIGINT, once the walk is there."""
    argv = (sys.executable, "-m", "hardentui", "scan", "--deep", "--chapter", "sandboxing")
    running = subprocess.Popen(
        argv,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    deadline = time.monotonic() + 60
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while time.monotonic() < deadline and running.poll() is None and not _walks(running.pid):
        pass
    assert children.exists() or running.poll() is not None
    running.send_signal(2)
    out, err = running.communicate(timeout=60)
    assert "files.ownerless" in out, err
    assert "Traceback" not in err
    assert running.returncode in {0, 1, 3}


def test_a_walk_does_not_outlive_the_program_that_asked_for_it() -> None:
    """Even killed outright: the next line finds nobody who reads it."""
    program = (
        "import threading\nfrom hardentui.host.live import LiveHost\nwalk = LiveHost().walk()\nwalk.start()\n"
        "while not walk.progress().folders: pass\nprint('up', flush=True)\nthreading.Event().wait()"
    )
    asking = subprocess.Popen((sys.executable, "-c", program), cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert asking.stdout.readline() == b"up\n"
    (walking,) = _walkers(asking.pid) or (0,)
    asking.kill()
    asking.wait()
    asking.stdout.close()
    deadline = time.monotonic() + 60
    while walking and time.monotonic() < deadline and _is_walker(walking):
        pass
    assert not _is_walker(walking)


def _walks(pid: int) -> bool:
    """Whether a thread of this process has started the walk."""
    return bool(_walkers(pid))


def _walkers(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split() if _is_walker(int(child))]
    return found


def _is_walker(pid: int) -> bool:
    try:
        return b"walker.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_walk_serves_all_rules_though_sockets_and_dead_links_lie_about(tree: Path) -> None:
    held = socket.socket(socket.AF_UNIX)
    held.bind(str(tree / "tmp/s"))
    (tree / "tmp/dead").symlink_to("/gone")
    survey = walked(tree)
    held.close()
    assert survey.end is End.COMPLETE
    assert survey.unread_count == 0
