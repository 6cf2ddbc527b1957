"""Access control lists and capabilities of files, held against getfacl, setfacl, getcap and setcap."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.host.image import ImageHost
from hardentui.model import Finding
from hardentui.resources import acl, capabilities
from hardentui.snapshot import FileSurvey, Snapshot

from .sittings import CHECKLISTS

USERS = {1000: "alice", 1001: "photocopieur", 33: "www-data"}
GROUPS = {1000: "alice", 1010: "secretariat"}


def attribute(path: Path, name: str) -> str:
    return os.getxattr(path, f"system.posix_acl_{name}").hex()


def getfacl(path: Path, which: str) -> list[str]:
    """What getfacl prints of the access list (-a) or the default list (-d), ids as numbers."""
    done = subprocess.run(("getfacl", "-cpn", which, path), check=True, capture_output=True, text=True)
    return [re.sub(r"\t+", " ", line) for line in done.stdout.splitlines() if line]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder on a file system that keeps lists."""
    if shutil.which("setfacl") is None:
        pytest.skip("needs setfacl and getfacl (package acl)")
    folder = tmp_path / "shared"
    folder.mkdir()
    tried = subprocess.run(("setfacl", "-m", "u:1000:r", folder), check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"this file system keeps no lists: {tried.stderr.strip()}")
    subprocess.run(("setfacl", "-b", folder), check=True)
    return folder


@pytest.mark.parametrize("seed", range(40))
def test_lists_are_shown_as_getfacl_shows_them(shared: Path, seed: int) -> None:
    chance = random.Random(seed)
    words = [
        f"{kind}:{number}:{chance.randrange(8)}"
        for kind in ("u", "g")
        for number in chance.sample((1, 1000, 1001, 4242, 65534, 4294967294), chance.randrange(1, 4))
    ]
    words += [f"u::{chance.randrange(8)}", f"g::{chance.randrange(8)}", f"o::{chance.randrange(8)}"]
    if chance.random() < 0.7:
        words.append(f"m::{chance.randrange(8)}")
    subprocess.run(("setfacl", "-m", ",".join(words), shared), check=True)
    subprocess.run(("setfacl", "-d", "-m", ",".join(words), shared), check=True)
    entries = acl.parse(attribute(shared, "access"))
    assert list(acl.lines(entries, {}, {})) == getfacl(shared, "-a")
    entries = acl.parse(attribute(shared, "default"))
    shown = [line.removeprefix("default:") for line in acl.lines(entries, {}, {}, default=True)]
    assert shown == getfacl(shared, "-d")


def test_chmod_cuts_named_entries_and_the_cut_is_shown(shared: Path) -> None:
    """What the course warns of: the group bits of such a file are its mask."""
    subprocess.run(("setfacl", "-m", "u:1001:rwx", shared), check=True)
    shared.chmod(0o750)
    entries = acl.parse(attribute(shared, "access"))
    assert "user:photocopieur:rwx #effective:r-x" in acl.lines(entries, USERS, GROUPS)
    named = next(entry for entry in entries if entry.named)
    assert acl.letters(acl.effective(named, entries)) == "r-x"


def test_the_lists_exercise_of_the_course_works_as_its_text_says(shared: Path) -> None:
    """The commands of the section, run; the copier may put files there and read none."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    (section,) = [s for c in CHECKLISTS.chapters for s in c.sections if s.id == "acl"]
    for folder in (shared, *shared.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)
    commands = [line.strip() for line in section.text.en.splitlines() if line.startswith("    ")]
    kept = [line for line in commands if line.split()[0] in {"mkdir", "chmod", "setfacl"}]
    assert len(kept) == 4
    for line in kept:
        here = line.replace("/srv/partage", str(shared)).replace("photocopieur", "4242")
        subprocess.run(here.split(), check=True)
    scans = shared / "Secrétariat/Numérisation"

    def as_copier(*argv: object) -> int:
        words = ("setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups", *map(str, argv))
        return subprocess.run(words, check=False, capture_output=True).returncode

    assert as_copier("sh", "-c", 'echo page > "$1"', "sh", scans / "scan") == 0
    assert as_copier("ls", scans) != 0
    subprocess.run(("setfacl", "-m", "u:4242:-w-", scans), check=True)
    assert as_copier("sh", "-c", 'echo page > "$1"', "sh", scans / "scan2") != 0  # the erratum's point
    printed = acl.lines(acl.parse(attribute(shared / "Secrétariat", "access")), {4242: "photocopieur"}, {})
    assert "\n".join(f"    {line}" for line in printed) in section.text.en
    assert "-w- " not in section.text.en
    assert "-w-\n" not in section.text.en


def finding(root: Path, id_: str) -> Finding:
    host = ImageHost(str(root))
    snapshot = Snapshot(host).with_answers({FileSurvey(): host.walk().result(60)}, 1.0)
    (entry,) = [entry for entry in CHECKLISTS.recommendations if entry.id == id_]
    return assess([entry], snapshot, {})[0]


def test_a_scan_shows_every_object_with_a_list_by_the_names_of_its_host(shared: Path) -> None:
    (shared / "etc").mkdir()
    (shared / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nphotocopieur:x:4242:4242::/:/bin/false\n")
    (shared / "etc/group").write_text("root:x:0:\nsecretariat:x:4243:\n")
    scans = shared / "srv/[scans]\n"
    scans.mkdir(parents=True)
    subprocess.run(("setfacl", "-m", "u:4242:-wx,g:4243:rwx,m::rx", scans), check=True)
    subprocess.run(("setfacl", "-d", "-m", "u:4242:r", scans), check=True)
    found = finding(shared, "acl.extended")
    (place,) = [place for place in found.provenance if "scans" in place.place]
    assert place.place == "/srv/[scans]\n"
    assert "user:photocopieur:-wx #effective:--x" in place.text
    assert "group:secretariat:rwx #effective:r-x" in place.text
    assert "default:user:photocopieur:r--" in place.text
    assert found.boot == "1 objects"


@given(st.binary(max_size=60))
def test_no_attribute_breaks_the_readers(data: bytes) -> None:
    for read in (acl.parse, capabilities.of_file):
        with contextlib.suppress(ValueError):
            read(data.hex())


SETS = (
    "cap_net_raw=ep",
    "cap_net_admin,cap_net_raw=eip",
    "cap_net_raw=p",
    "cap_sys_admin=ei",
    "cap_chown,cap_checkpoint_restore=ep",
    "cap_setuid=i",
)


@pytest.mark.parametrize("text", SETS)
def test_file_capabilities_are_shown_as_getcap_shows_them(tmp_path: Path, text: str) -> None:
    if shutil.which("setcap") is None or os.geteuid() != 0:
        pytest.skip("needs root, and setcap and getcap (package libcap2-bin)")
    program = tmp_path / "program"
    shutil.copy("/bin/true", program)
    subprocess.run(("setcap", text, program), check=True)
    printed = subprocess.run(("getcap", program), check=True, capture_output=True, text=True).stdout
    _mask, shown = capabilities.of_file(os.getxattr(program, "security.capability").hex())
    assert f"{program} {shown}\n" == printed


def test_the_mask_of_a_process_is_named_as_capsh_names_it() -> None:
    if shutil.which("capsh") is None:
        pytest.skip("needs capsh (package libcap2-bin)")
    every = (1 << len(capabilities.NAMES)) - 1
    done = subprocess.run(("capsh", f"--decode={every:x}"), check=True, capture_output=True, text=True)
    assert done.stdout.strip().partition("=")[2].split(",") == list(capabilities.names(every))
    assert capabilities.names(1 << 63) == ("63",)


def test_a_capability_that_is_as_good_as_root_is_called_so(tmp_path: Path) -> None:
    if shutil.which("setcap") is None or os.geteuid() != 0:
        pytest.skip("needs root and setcap (package libcap2-bin)")
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    given = {"tool": "cap_sys_admin=ep", "ping": "cap_net_raw=ep", "newuidmap": "cap_setuid=ep"}
    for name, text in given.items():
        shutil.copy("/bin/true", root / "usr/bin" / name)
        subprocess.run(("setcap", text, root / "usr/bin" / name), check=True)
    found = finding(root, "capabilities.linux")
    texts = {place.place: place.text for place in found.provenance}
    assert "as good as root: cap_sys_admin" in texts["/usr/bin/tool"]
    assert "as good as root" not in texts["/usr/bin/ping"]
    assert "as good as root" not in texts["/usr/bin/newuidmap"]  # it checks /etc/subuid
    assert found.boot == "3 programs, 1 as good as root"
