"""The reader of the folders of logs, held against journald, gzip, du and the file system itself."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.host import logs
from hardentui.host.image import ImageHost
from hardentui.host.live import LiveHost, read_mounts
from hardentui.host.recording import RecordedHost, record
from hardentui.snapshot import LogFile, LogFiles, LogTree, Snapshot

# A journald of its own, from which nothing of this machine is reached: no kernel log, no audit, no network.
JOURNALD = """
set -eu
mount -t tmpfs none /run
mount -t tmpfs none /var/log
mount --bind /dev/null /dev/kmsg
mkdir -p /run/systemd/journal /var/log/journal
echo 0123456789abcdef0123456789abcdef > /run/machine-id
mount --bind /run/machine-id /etc/machine-id
/lib/systemd/systemd-journald &
until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
for number in $(seq 300); do echo "line $number"; done | systemd-cat -t probe
journalctl --flush
journalctl --sync
journalctl --rotate
echo "another" | systemd-cat -t probe
journalctl --sync
kill -STOP $!
journalctl --header --directory=/var/log/journal
cp -a --sparse=always /var/log/journal "$1"
kill -KILL $!
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_journald = pytest.mark.skipif(
    not Path("/lib/systemd/systemd-journald").exists(), reason="needs journald"
)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times without a zone are those of Greenwich."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def read(*folders: Path, **limits: float) -> LogTree:
    mounts = read_mounts()
    assert isinstance(mounts, tuple)
    return logs.read([str(folder) for folder in folders], mounts, **limits)


def by_name(tree: LogTree) -> dict[str, LogFile]:
    return {Path(one.path).name: one for one in tree.files}


# --- journals -------------------------------------------------------------------------------------------


@needs_root
@needs_journald
def test_a_journals_header_says_what_journalctl_says(tmp_path: Path) -> None:
    words = ["unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    made = subprocess.run(
        [*words, "bash", "-c", JOURNALD, "sh", tmp_path / "journal"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    said = {}
    for block in made.stdout.split("File path: ")[1:]:
        path, *lines = block.splitlines()
        said[Path(path).name] = dict(line.split(": ", 1) for line in lines if ": " in line)
    seen = by_name(read(tmp_path))
    assert set(seen) == set(said)
    assert len(seen) == 2  # the one that is written, and the one before the rotation
    for name, fields in said.items():
        one = seen[name]
        for value, key in ((one.first, "Head realtime timestamp"), (one.last, "Tail realtime timestamp")):
            hexadecimal = re.search(r"\(([0-9a-f]+)\)", fields[key])
            assert hexadecimal is not None
            assert value == pytest.approx(int(hexadecimal[1], 16) / 1e6, abs=1e-5)
        # All entries stand before the end of the last object, which begins where the content ends.
        assert 0 < one.content <= one.size
        assert one.size == int(fields["Header size"]) + int(fields["Arena size"])


@given(st.binary(max_size=400))
def test_no_bytes_are_taken_for_a_journal_that_are_none(data: bytes) -> None:
    content, first, last = logs.journal_header(b"LPKSHHRH" + data, 5.0)
    if content >= 0:
        assert 0 < first <= last
    else:
        assert (first, last) == (0.0, 5.0)


# --- text -----------------------------------------------------------------------------------------------

MOMENT = datetime(2026, 11, 20, 6, 25, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "line",
    [
        b"2026-11-20T06:25:01.123456+00:00 web01 cron[1]: x",
        b"2026-11-20T07:25:01+0100 web01 cron[1]: x",
        b"2026-11-20T06:25:01Z web01 cron[1]: x",
        b"2026-11-20 06:25:01 startup archives unpack",
        b"Nov 20 06:25:01 web01 CRON[1]: x",
        b"type=DAEMON_START msg=audit(1795155901.123:4): op=start",
        b'192.0.2.1 - - [20/Nov/2026:07:25:01 +0100] "GET / HTTP/1.1" 200',
        b"\nStart-Date: 2026-11-20  06:25:01\nCommandline: apt",
    ],
)
def test_the_first_line_tells_when_a_log_began(line: bytes, utc: None) -> None:
    assert logs.first_time(line, MOMENT + 3600) == MOMENT


def test_a_date_without_a_year_is_the_last_that_fits(utc: None) -> None:
    new_year = datetime(2027, 1, 2, tzinfo=UTC).timestamp()
    assert (
        logs.first_time(b"Dec 31 23:59:59 web01 x", new_year)
        == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    )
    assert logs.first_time(b"Feb 29 00:00:00 web01 x", new_year) == 0.0


def test_a_line_of_the_future_says_nothing() -> None:
    assert logs.first_time(b"2099-01-01T00:00:00Z x", MOMENT) == 0.0


@given(st.binary(max_size=600), st.floats(0, 4e9))
def test_no_first_line_ends_the_reader(line: bytes, changed: float) -> None:
    assert 0.0 <= logs.first_time(line, changed) <= changed + 1


# --- trees ----------------------------------------------------------------------------------------------


def test_generations_are_found_with_their_unpacked_sizes(tmp_path: Path) -> None:
    text = b"2026-11-20T06:25:01Z a line\n" * 5000
    (tmp_path / "syslog").write_bytes(text)
    with gzip.open(tmp_path / "syslog.2.gz", "wb") as packed:
        packed.write(text)
    (tmp_path / "syslog.3.xz").write_bytes(b"\xfd7zXZ\x00" + bytes(100))
    seen = by_name(read(tmp_path))
    assert seen["syslog"].content == len(text)
    assert seen["syslog.2.gz"].content == len(text)
    assert seen["syslog.2.gz"].size < len(text) / 10
    assert seen["syslog.2.gz"].first == seen["syslog"].first == MOMENT
    assert seen["syslog.3.xz"].content == -1


def test_what_the_files_take_is_what_du_says(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log").write_bytes(b"x" * 100_000)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(50_000_000)
    said = subprocess.run(
        ["du", "-ab", "--apparent-size", tmp_path], capture_output=True, text=True, check=True
    )
    sizes = {line.split("\t")[1]: int(line.split("\t")[0]) for line in said.stdout.splitlines()}
    taken = subprocess.run(["du", "-a", "-B1", tmp_path], capture_output=True, text=True, check=True)
    disks = {line.split("\t")[1]: int(line.split("\t")[0]) for line in taken.stdout.splitlines()}
    for one in read(tmp_path).files:
        assert (one.size, one.disk) == (sizes[one.path], disks[one.path])


@given(
    name=st.binary(min_size=1, max_size=60).filter(
        lambda raw: not {0, 47} & set(raw) and raw not in {b".", b".."}
    )
)
def test_a_hostile_name_is_read_recorded_and_replayed(
    name: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    with open(os.fsencode(folder) + b"/" + name, "wb") as file:  # noqa: PTH123 - bytes that are no text
        file.write(b"x")
    question = LogFiles((str(folder),))
    asked = Snapshot(LiveHost())
    tree = asked.ask(question)
    assert isinstance(tree, LogTree)
    (one,) = tree.files
    assert os.fsencode(one.path) == os.fsencode(folder) + b"/" + name
    (folder / ".." / f"{folder.name}.json").write_text(record(asked))
    replayed = Snapshot(RecordedHost(folder / ".." / f"{folder.name}.json")).ask(question)
    assert replayed == tree
    shutil.rmtree(folder)


def test_links_and_pipes_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "real.log").write_text("x")
    (tmp_path / "link.log").symlink_to("/etc/shadow")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.log")
    os.mkfifo(tmp_path / "pipe.journal")
    assert [Path(one.path).name for one in read(tmp_path).files] == ["real.log"]


def test_the_access_time_stays(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("2026-11-20T06:25:01Z x")
    os.utime(log, (1, MOMENT + 5))
    (one,) = read(tmp_path).files
    assert one.first == MOMENT
    assert log.stat().st_atime == 1


def test_a_walk_ends_at_its_limits(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.log").touch()
    cut = read(tmp_path, count=10)
    assert (cut.cut, len(cut.files)) == (logs.COUNT, 10)
    assert read(tmp_path, seconds=-1.0).cut == logs.TIME
    assert read(tmp_path).cut == ""


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == LogTree(())


def test_folders_inside_each_other_are_walked_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.log").touch()
    assert len(read(tmp_path, tmp_path / "in").files) == 1


def test_an_image_shows_its_own_paths(tmp_path: Path) -> None:
    (tmp_path / "data/logs").mkdir(parents=True)
    (tmp_path / "data/logs/syslog").write_text("x")
    (tmp_path / "var").mkdir()
    (tmp_path / "var/log").symlink_to("/data/logs")
    tree = Snapshot(ImageHost(str(tmp_path))).ask(LogFiles(("/var/log", "/run/log/journal")))
    assert isinstance(tree, LogTree)
    assert [one.path for one in tree.files] == ["/data/logs/syslog"]


@needs_root
def test_another_file_system_below_is_walked_and_a_network_one_is_not(tmp_path: Path) -> None:
    """A tmpfs stands for a disk; a fuse of another machine is told by its type before it is touched."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from dataclasses import replace
from hardentui.host import logs
from hardentui.host.live import read_mounts
root = {str(tmp_path)!r}
mounts = [replace(m, fstype="nfs4") if m.path == root + "/far" else m for m in read_mounts()]
tree = logs.read([root], mounts)
print([one.path for one in tree.files], [(one.path, one.why) for one in tree.left_out])
"""
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
    mounts = "; ".join(
        f"mount -t tmpfs none {tmp_path}/{name}; touch {tmp_path}/{name}/x.log" for name in ("near", "far")
    )
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-ec", f'{mounts}; exec "$0" "$@"', sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"['{tmp_path}/near/x.log'] [('{tmp_path}/far', 'network')]"
