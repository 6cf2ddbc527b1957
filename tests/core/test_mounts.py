"""What is mounted now and at boot: our reading against that of the programs that own the files."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from hardentui.host.live import parse_mountinfo
from hardentui.model import Role
from hardentui.operations import with_words
from hardentui.rehearsal import _with_options
from hardentui.resources.mount import boot
from hardentui.snapshot import Reason, Unread

from .hosts import DictHost, snapshot
from .rooted import in_namespaces, needs_namespaces

GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")
needs_generator = pytest.mark.skipif(not GENERATOR.exists(), reason="needs systemd-fstab-generator")
ONE_BY_ONE = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)

FSTABS = {
    "plain": "/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 /var ext4 nodev,nosuid 0 2\n",
    "tabs and blanks": "  /dev/sda2\t/var   ext4\tnodev\t0\t2  \n\n   \n",
    "comments": "# /dev/sda2 /var ext4 nodev 0 2\n  # /dev/sda3 /srv ext4 ro\n/dev/x /opt ext4 ro 0 2 # y\n",
    "noauto": "/dev/sda2 /boot ext4 noauto,nodev 0 2\n/dev/sda3 /srv ext4 nodev,noauto,auto\n",
    "automount": "/dev/sda2 /boot ext4 noauto,x-systemd.automount,nodev 0 2\n",
    "nofail": "/dev/sda2 /srv ext4 nofail,nodev 0 2\n",
    "twice": "/dev/sda2 /srv ext4 nodev 0 2\n/dev/sda3 /srv xfs ro 0 2\n",
    "slash at the end": "/dev/sda2 /srv/ ext4 nodev 0 2\n/dev/sda3 //opt ext4 ro 0 0\n",
    "escapes": "/dev/sda2 /a\\040b\\011c ext4 nodev 0 2\n/dev/sda3 /back\\134slash ext4 ro 0 0\n",
    "three fields": "/dev/sda2 /srv ext4\n",
    "no dump and pass": "/dev/sda2 /srv ext4 nodev\n",
    "swap and none": "/dev/sda2 none swap sw 0 0\n/dev/sda3 swap swap sw,pri=5 0 0\n/file none swap sw 0 0\n",
    "percent": "tmpfs /tmp tmpfs size=50%,nodev,noexec 0 0\n",
    "bind": "/srv/data /home none bind,nodev 0 0\n",
    "api": "proc /proc proc hidepid=2 0 0\nsysfs /sys sysfs ro 0 0\ntmpfs /dev/shm tmpfs noexec 0 0\n",
    "unusual names": "a /srv/a-b ext4 ro\nb /srv/.hidden ext4 ro\nc /srv/é ext4 ro\nd /srv/x:y_z ext4 ro\n",
    "other separators": "/dev/a /srv\x0cext4 ext4 ro\n/dev/b /a\u00a0b ext4 ro\n/dev/c /c\u2028/d ext4 ro\n",
    "no newline": "/dev/sda2 /srv ext4 ro",
}


def generated(text: str, folder: Path) -> dict[str, tuple[str, str, bool]]:
    """What systemd's own generator makes of an fstab, by unit: type, options, whether the boot mounts it."""
    for name in ("normal", "early", "late"):
        (folder / name).mkdir(exist_ok=True)
    fstab = folder / "fstab"
    fstab.write_text(text, encoding="utf-8")
    argv = (str(GENERATOR), *(str(folder / name) for name in ("normal", "early", "late")))
    subprocess.run(argv, check=False, capture_output=True, env={**os.environ, "SYSTEMD_FSTAB": str(fstab)})
    units = {}
    for path in (folder / "normal").glob("*.mount"):
        lines = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
        pulled = any(
            (folder / "normal" / f"local-fs.target.{how}" / name).is_symlink()
            for how in ("requires", "wants")
            for name in (path.name, f"{path.stem}.automount")
        )
        units[path.name] = (lines.get("Type", ""), lines.get("Options", "").replace("%%", "%"), pulled)
    return units


def foreseen(text: str, paths: list[str]) -> dict[str, boot.BootMount | None]:
    seen = snapshot(DictHost({boot.FSTAB: text}))
    found = {}
    for path in paths:
        mount = boot.at_boot(seen, path)
        assert not isinstance(mount, Unread)
        found[boot.unit_name(path)] = mount
    return found


def compare(text: str, folder: Path) -> None:
    real = generated(text, folder)
    paths = sorted({entry.path for entry in boot.parse_fstab(text) if entry.path.startswith("/")})
    ours = {
        name: mount
        for name, mount in foreseen(
            text, [p for p in paths if p not in {"/proc", "/dev/shm", "/sys"}]
        ).items()
        if mount is not None
    }
    assert set(ours) == set(real)
    for name, mount in ours.items():
        fstype, options, pulled = real[name]
        assert (mount.fstype, mount.automatic) == (fstype, pulled), name
        assert set(mount.options) == set(boot.normalise(options)), name


@needs_generator
@pytest.mark.parametrize("name", FSTABS)
def test_we_foresee_the_units_that_systemd_makes_of_fstab(name: str, tmp_path: Path) -> None:
    compare(FSTABS[name], tmp_path)


_WORDS = st.sampled_from(
    [
        "defaults",
        "nodev",
        "nosuid",
        "noexec",
        "ro",
        "rw",
        "noauto",
        "auto",
        "nofail",
        "x-systemd.automount",
        "size=5%",
        "user",
        "exec",
    ]
)
_LINES = st.builds(
    " ".join,
    st.tuples(
        st.sampled_from(["/dev/sda2", "UUID=1234", "tmpfs", "LABEL=x", "#"]),
        st.sampled_from(["/srv", "/srv/", "/var/log", "/a\\040b", "/opt/x-y", "none"]),
        st.sampled_from(["ext4", "tmpfs", "xfs"]),
        st.lists(_WORDS, min_size=1, max_size=4).map(",".join),
        st.sampled_from(["0 0", "0 2", "", "0"]),
    ),
)


@needs_generator
@ONE_BY_ONE
@given(lines=st.lists(_LINES, max_size=5))
def test_we_foresee_the_units_of_generated_fstabs(lines: list[str], tmp_path_factory) -> None:
    compare("".join(f"{line}\n" for line in lines), tmp_path_factory.mktemp("fstab"))


@pytest.mark.parametrize("name", [name for name in FSTABS if name != "other separators"])
def test_we_read_the_lines_that_findmnt_reads(name: str, tmp_path: Path) -> None:
    table = tmp_path / "fstab"
    table.write_text(FSTABS[name], encoding="utf-8")
    argv = ("findmnt", "--tab-file", str(table), "-J", "-o", "SOURCE,TARGET,FSTYPE,OPTIONS")
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    real = json.loads(done.stdout)["filesystems"] if done.stdout else []
    ours = [
        (entry.source, entry.path, entry.fstype, entry.options) for entry in boot.parse_fstab(FSTABS[name])
    ]
    expected = [
        (
            item["source"],
            os.path.normpath(item["target"]).replace("//", "/"),
            item["fstype"],
            item["options"] or "defaults",
        )
        for item in real
    ]
    assert ours == expected


_NAMES = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=8
)


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    parts=st.lists(
        st.lists(_NAMES.filter(lambda n: n not in {".", ".."}), min_size=1, max_size=3),
        min_size=8,
        max_size=8,
    )
)
@example(parts=[["var", "log"], [".hidden"], ["a-b"], ["x.y", ".z"], ["é"], ["-"], [" "], ["a:b_c"]])
def test_unit_names_are_those_of_systemd_escape(parts: list[list[str]]) -> None:
    paths = ["/" + "/".join(names) for names in parts]
    done = subprocess.run(
        ("systemd-escape", "-p", "--suffix=mount", *paths), check=True, capture_output=True, text=True
    )
    assert " ".join(map(boot.unit_name, paths)) == done.stdout.rstrip("\n")


def test_the_root_has_a_name_of_its_own() -> None:
    done = subprocess.run(
        ("systemd-escape", "-p", "--suffix=mount", "/"), check=True, capture_output=True, text=True
    )
    assert boot.unit_name("/") == done.stdout.strip()


# --- units ----------------------------------------------------------------------------------------

ETC, RUN, LIB = "/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system"
UNIT = "[Mount]\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\nOptions={}\n"
WANTED = {f"{ETC}/local-fs.target.wants/tmp.mount": f"{LIB}/tmp.mount"}
LINE = "tmpfs /tmp tmpfs nodev 0 0\n"


def at_boot(
    files: dict[str, str], links: dict[str, str] | None = None, path: str = "/tmp"
) -> boot.BootMount | None:
    found = boot.at_boot(snapshot(DictHost(files, links)), path)
    assert not isinstance(found, Unread)
    return found


def test_a_unit_that_nothing_starts_mounts_nothing() -> None:
    """Debian 12 ships tmp.mount in a folder of its own, RHEL in the load path; both leave it off."""
    assert at_boot({f"{LIB}/tmp.mount": UNIT.format("nodev")}) is None


def test_an_enabled_unit_mounts() -> None:
    found = at_boot({f"{LIB}/tmp.mount": UNIT.format("nodev,nosuid,size=50%%")}, WANTED)
    assert found is not None
    assert found.automatic
    assert found.options == ("nodev", "nosuid", "size=50%")


def test_a_unit_in_etc_beats_fstab_and_fstab_one_in_usr() -> None:
    """The generator's folder lies between the two (systemd.unit(5))."""
    above = at_boot({boot.FSTAB: LINE, f"{ETC}/tmp.mount": UNIT.format("noexec")})
    below = at_boot({boot.FSTAB: LINE, f"{LIB}/tmp.mount": UNIT.format("noexec")})
    assert above is not None
    assert below is not None
    assert above.options == ("noexec",)
    assert below.options == ("nodev",)
    assert [p.place for p in above.provenance if p.role is Role.BEATEN] == [boot.FSTAB]
    assert [p.place for p in below.provenance if p.role is Role.WINS] == [boot.FSTAB]


def test_a_masked_unit_mounts_nothing_whatever_fstab_says() -> None:
    assert at_boot({boot.FSTAB: LINE}, {f"{ETC}/tmp.mount": "/dev/null"}) is None


def test_a_mask_below_fstab_is_no_mask() -> None:
    found = at_boot({boot.FSTAB: LINE}, {f"{LIB}/tmp.mount": "/dev/null"})
    assert found is not None
    assert found.options == ("nodev",)


def test_a_drop_in_replaces_the_options_of_a_line_of_fstab() -> None:
    found = at_boot({boot.FSTAB: LINE, f"{ETC}/tmp.mount.d/zz.conf": "[Mount]\nOptions=noexec\n"})
    assert found is not None
    assert found.options == ("noexec",)
    assert found.fstab is None  # editing the line would change nothing


def test_drop_ins_count_by_name_and_etc_hides_usr() -> None:
    files = {
        f"{LIB}/tmp.mount": UNIT.format("nodev"),
        f"{LIB}/tmp.mount.d/10.conf": "[Mount]\nOptions=ro\n",
        f"{ETC}/tmp.mount.d/10.conf": "[Mount]\n",
        f"{RUN}/tmp.mount.d/05.conf": "[Mount]\nOptions=noexec\n",
    }
    found = at_boot(files, WANTED)
    assert found is not None
    assert found.options == ("noexec",)


def test_a_unit_that_the_generator_made_before_an_edit_does_not_count() -> None:
    """Until daemon-reload it shows the fstab of before; the next boot reads the file."""
    stale = "[Unit]\nSourcePath=/etc/fstab\n" + UNIT.format("noexec")
    found = at_boot({boot.FSTAB: LINE, "/run/systemd/generator/tmp.mount": stale})
    assert found is not None
    assert found.options == ("nodev",)
    gone = at_boot({boot.FSTAB: "", "/run/systemd/generator/tmp.mount": stale})
    assert gone is None


def test_a_line_for_proc_says_all_of_its_flags_and_none_leaves_what_systemd_gave_it() -> None:
    found = at_boot({boot.FSTAB: "proc /proc proc defaults,hidepid=2,gid=4 0 0\n"}, path="/proc")
    assert found is not None
    # systemd-remount-fs takes the flags from the line alone: nosuid and the others are gone after a boot.
    assert set(found.options) == {"hidepid=2", "gid=4"}
    bare = at_boot({}, path="/proc")
    assert bare is not None
    assert set(bare.options) == {"nosuid", "nodev", "noexec"}


def test_a_denied_fstab_is_no_empty_fstab() -> None:
    found = boot.at_boot(snapshot(DictHost({boot.FSTAB: Unread(Reason.DENIED)})), "/tmp")
    assert found == Unread(Reason.DENIED)


# --- remounts -------------------------------------------------------------------------------------

FLAGS = ("nosuid", "nodev", "noexec", "suid", "dev", "exec", "ro", "rw")


def test_a_remount_shows_in_mountinfo_what_the_rehearsal_says() -> None:
    needs_namespaces()
    pairs = [list(pair) for pair in itertools.permutations(FLAGS, 2)]
    cases = [{"fstype": "tmpfs", "first": "rw,size=64k", "remounts": pair} for pair in pairs]
    cases += [
        {
            "fstype": "tmpfs",
            "first": "ro,nosuid,nodev,size=64k",
            "remounts": ["nosuid,nodev,noexec", "exec,suid,dev"],
        },
        {"fstype": "tmpfs", "first": "rw,noatime", "remounts": ["nosuid,noexec,ro", "rw"]},
        {
            "fstype": "proc",
            "first": "nosuid,nodev,noexec",
            "remounts": ["hidepid=2,gid=4", "hidepid=0,gid=0"],
        },
        {
            "fstype": "proc",
            "first": "hidepid=1,gid=5",
            "remounts": ["hidepid=2,gid=4", "hidepid=1,gid=5", "hidepid=invisible"],
        },
    ]
    for case, lines in zip(cases, in_namespaces("namespace_mounts.py", cases), strict=True):
        mounts = [parse_mountinfo(line)[0] for line in lines]
        for before, after, words in zip(mounts[:-1], mounts[1:], case["remounts"], strict=True):
            foreseen = _with_options(before, words.split(","))
            assert set(foreseen.options.split(",")) == set(after.options.split(",")), (case, words)
            assert _plain(foreseen.super_options) == _plain(after.super_options), (case, words)


def _plain(words: str) -> set[str]:
    return {word for word in words.split(",") if word}


# --- words ----------------------------------------------------------------------------------------

_OPTION = st.sampled_from(
    [
        "defaults",
        "ro",
        "rw",
        "nodev",
        "dev",
        "nosuid",
        "suid",
        "noexec",
        "exec",
        "noatime",
        "size=5%",
        "size=9%",
        "x-a=b",
        "errors=remount-ro",
    ]
)


@given(
    had=st.lists(_OPTION, max_size=6),
    wanted=st.lists(
        st.sampled_from(["nodev", "nosuid", "noexec", "ro", "hidepid=2"]), min_size=1, unique=True
    ),
)
def test_words_that_are_added_are_in_force_and_the_others_stay(had: list[str], wanted: list[str]) -> None:
    before, after = boot.normalise(",".join(had)), boot.normalise(with_words(",".join(had), wanted))
    assert set(wanted) <= set(after)
    assert {word for word in before if boot.OPPOSITE.get(word) not in wanted} <= set(after)


@given(st.lists(_OPTION, max_size=8))
def test_options_in_force_hold_no_word_and_its_opposite(had: list[str]) -> None:
    words = boot.normalise(",".join(had))
    assert not {boot.OPPOSITE[word] for word in words if word in boot.OPPOSITE} & set(words)
    assert boot.normalise(",".join(words)) == words
