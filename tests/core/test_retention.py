"""How long logs are kept: who rotates or ages a file, and what systemd-tmpfiles itself then deletes."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from hardentui.model import Fact, Finding, Gap, Result
from hardentui.operations import Refusal, WriteFile
from hardentui.resources import RESOURCES
from hardentui.resources.retention import Rotation, ages, rotation
from hardentui.session import Session
from hardentui.snapshot import Kind, Snapshot, Stat, Status, Unit, UnitFile, UnitFiles, Units

from . import hosts
from .audit import STARTS
from .hosts import NOW, DictHost, snapshot
from .sittings import CHECKLISTS, sitting

DAY = 86400
FOLDER = "/var/log/cryptosrv"
AGES = "e /var/log/cryptosrv - - - m:7d\n"


def session(host: DictHost, folder: str = FOLDER, days: str = "7") -> Session:
    return sitting(Snapshot(host), {"log-folder": folder, "log-retention-days": days})


def found(host: DictHost, id_: str, **others: str) -> Finding:
    finding = session(host, **others).finding(id_)
    assert finding is not None
    return finding


def kept(path: str, **files: str) -> Rotation | None:
    seen = rotation(snapshot(DictHost({"/etc/systemd/journald.conf": "", **files})), path)
    assert not isinstance(seen, Gap)
    return seen


# --- who keeps a file within bounds --------------------------------------------------------------------

LOGROTATE = {
    "/etc/logrotate.conf": "weekly\nrotate 4\ninclude /etc/logrotate.d\n",
    "/etc/logrotate.d/dated": "/var/log/cryptosrv/*.log /var/log/syslog {\n daily\n rotate 7\n}\n",
    "/etc/logrotate.d/ever": "/var/log/ever.log {\n rotate -1\n}\n",
}


@pytest.mark.parametrize(
    ("path", "files", "by", "days"),
    [
        ("/var/log/syslog", LOGROTATE, "logrotate", 8),
        ("/var/log/syslog.3.gz", LOGROTATE, "logrotate", 8),
        ("/var/log/other.log", LOGROTATE, None, None),
        (f"{FOLDER}/a-2026-11-21.log", LOGROTATE, "logrotate", None),  # its name is a new one each day
        (f"{FOLDER}/a-2026-11-21.log", {**LOGROTATE, "/etc/tmpfiles.d/a.conf": AGES}, "tmpfiles", 7),
        (f"{FOLDER}/sub/a.log", {"/etc/tmpfiles.d/a.conf": AGES}, "tmpfiles", 7),
        ("/var/log/cryptosrv2/a.log", {"/etc/tmpfiles.d/a.conf": AGES}, None, None),
        ("/var/log/journal/abc/system.journal", {}, "journald", None),
        (
            "/var/log/journal/abc/system.journal",
            {"/etc/systemd/journald.conf": "[Journal]\nMaxRetentionSec=1week\n"},
            "journald",
            7,
        ),
        (
            "/var/log/audit/audit.log.2",
            {"/etc/audit/auditd.conf": f"{STARTS}max_log_file_action = ROTATE\n"},
            "auditd",
            None,
        ),
    ],
)
def test_who_keeps_a_file_and_for_how_long(
    path: str, files: dict[str, str], by: str | None, days: float | None
) -> None:
    seen = kept(path, **files)
    assert (seen.by if seen else None, seen.days if seen else None) == (by, days)


def test_what_is_never_deleted_says_so() -> None:
    assert kept("/var/log/ever.log", **LOGROTATE).endless  # type: ignore[union-attr]
    assert kept(f"{FOLDER}/a-20261121.log", **LOGROTATE).endless  # type: ignore[union-attr]
    for text in ("max_log_file_action = keep_logs\n", "max_log_file_action = ROTATE\nnum_logs = 1\n"):
        assert kept("/var/log/audit/audit.log", **{"/etc/audit/auditd.conf": STARTS + text}).endless  # type: ignore[union-attr]
    text = "max_log_file_action = ROTATE\nnum_logs = 5\n"
    assert not kept("/var/log/audit/audit.log", **{"/etc/audit/auditd.conf": STARTS + text}).endless  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("mode", "gid", "su", "skipped"),
    [(0o755, 4, "", False), (0o775, 4, "", True), (0o775, 0, "", False), (0o777, 0, "", True),
     (0o775, 4, "su root adm\n", False)],
)  # fmt: skip
def test_logrotate_leaves_alone_what_lies_in_an_open_folder(
    mode: int, gid: int, su: str, skipped: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    log = folder / "a.log"
    log.write_text("x" * 4096)
    text = f"{su}{log} {{\n size 1k\n rotate 2\n}}\n"
    host = DictHost({"/etc/systemd/journald.conf": "", "/etc/logrotate.conf": text, str(log): ""})
    host.stats[str(folder)] = Status(Kind.FOLDER, mode, 0, gid, "root", "x", 4096, "8:5", NOW, NOW)
    seen = rotation(snapshot(host), str(log))
    assert bool(seen.endless) == skipped  # type: ignore[union-attr]
    if os.getuid() or shutil.which("logrotate") is None:
        return
    os.chown(folder, 0, gid)
    folder.chmod(mode)
    (tmp_path / "main").write_text(text)
    ran = subprocess.run(
        ("logrotate", "-d", "-s", tmp_path / "state", tmp_path / "main"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("skipping" in ran.stdout + ran.stderr) == skipped


def test_a_file_of_logrotate_that_others_may_write_is_ignored() -> None:
    host = large(hosts.server(), "/var/log/app.log")
    host.files["/etc/logrotate.d/app"] = "/var/log/app.log { daily }\n"
    assert found(host, "retention.files").result is Result.PASS
    host.stats["/etc/logrotate.d/app"] = Status(Kind.FILE, 0o664, 0, 4, "root", "adm", 9, "8:5", NOW, NOW)
    seen = found(host, "retention.files")
    assert seen.running == "/var/log/app.log"
    assert "/etc/logrotate.d/app" in [one.place for one in seen.provenance]


def large(host: DictHost, *paths: str) -> DictHost:
    host.files |= dict.fromkeys(paths, "")
    host.stats |= {
        path: Status(Kind.FILE, 0o640, 0, 4, "root", "adm", 3 << 20, "8:5", NOW, NOW) for path in paths
    }
    return host


def test_large_files_that_nobody_rotates_are_named() -> None:
    host = large(hosts.server(), "/var/log/app/debug.log", "/var/log/auth.log", "/var/log/lastlog")
    host.files["/var/log/small.log"] = ""
    seen = found(host, "retention.files")
    assert (seen.result, seen.running) == (Result.FAIL, "/var/log/app/debug.log")
    assert "logrotate" in next(one.text for one in seen.provenance if one.place == "/var/log/auth.log")
    assert found(hosts.server(), "retention.files").result is Result.PASS


def test_logrotate_needs_somebody_who_runs_it() -> None:
    def ran(timer: str, cron: str, job: str) -> str:
        host = hosts.server(files={"/etc/cron.daily/logrotate": job})
        host.answers[Units] = (Unit("logrotate.timer", "loaded", timer), Unit("cron.service", "loaded", cron))
        host.answers[UnitFiles] = (UnitFile("logrotate.timer", "disabled"),)
        return found(host, "retention.logrotate").running

    assert ran("active", "inactive", "") == "timer"
    assert ran("inactive", "active", "/usr/sbin/logrotate /etc/logrotate.conf\n") == "cron"
    assert ran("inactive", "active", "[ -d /run/systemd/system ] && exit 0\nlogrotate\n") == "no"
    assert ran("inactive", "inactive", "/usr/sbin/logrotate /etc/logrotate.conf\n") == "no"


def test_logrotate_that_is_masked_or_fails_is_not_run() -> None:
    def seen(state: str, active: str) -> Finding:
        host = hosts.server()
        units = (Unit("logrotate.timer", "loaded", "active"), Unit("logrotate.service", "loaded", active))
        host.answers[Units] = units
        host.answers[UnitFiles] = (
            UnitFile("logrotate.timer", "enabled"), UnitFile("logrotate.service", state)
        )  # fmt: skip
        return found(host, "retention.logrotate")

    assert seen("static", "inactive").result is Result.PASS
    assert (seen("masked", "inactive").running, seen("masked", "inactive").boot) == ("no", "no")
    assert seen("static", "failed").result is Result.FAIL
    assert "failed" in seen("static", "failed").running


# --- deleting by age ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "folder", ["/", "/var", "/var/log", "/etc/x", "/var/log/journal/x", "/var/log/audit"]
)
def test_a_folder_that_is_not_one_of_its_own_is_never_emptied(folder: str) -> None:
    entry = session(hosts.server(), folder="/var/log/x").entry("retention.dated")
    entry = dataclasses.replace(entry, subject=f"aged {folder}")
    facts: dict[str, Fact] = {"before": "absent", "rival": "", "version": 252}
    assert isinstance(RESOURCES["retention"].change(entry, facts, "7"), Refusal)


@pytest.mark.parametrize("target", ["0", "-1", "7d", "", "7\nr /etc"])
def test_a_number_of_days_that_is_none_is_refused(target: str) -> None:
    entry = session(hosts.server()).entry("retention.dated")
    facts: dict[str, Fact] = {"before": "absent", "rival": "", "version": 252}
    assert isinstance(RESOURCES["retention"].change(entry, facts, target), Refusal)


@pytest.mark.parametrize(
    ("files", "value"),
    [
        ({"/usr/lib/tmpfiles.d/a.conf": AGES}, "7"),
        ({"/usr/lib/tmpfiles.d/a.conf": AGES, "/etc/tmpfiles.d/a.conf": ""}, "no"),
        ({"/usr/lib/tmpfiles.d/a.conf": "e /var/log/*srv - - - 12h\n"}, "0.5"),
        ({"/usr/lib/tmpfiles.d/a.conf": "d /var/log 0755 - - 3d\n"}, "3"),
        ({"/usr/lib/tmpfiles.d/a.conf": f"d {FOLDER} 0750 root adm -\nd /var/log 0755 - - 3d\n"}, "no"),
        ({"/usr/lib/tmpfiles.d/a.conf": f"{AGES}x {FOLDER}\n"}, "no"),
        ({"/usr/lib/tmpfiles.d/a.conf": f"e! {FOLDER} - - - 3d\n"}, "no"),
    ],
)
def test_what_ages_a_folder(files: dict[str, str], value: str) -> None:
    assert found(hosts.server(files=files), "retention.dated").boot == value


@pytest.mark.parametrize("unit", ["systemd-tmpfiles-clean.timer", "systemd-tmpfiles-clean.service"])
def test_what_nobody_deletes_has_no_age(unit: str) -> None:
    host = hosts.server(files={"/etc/tmpfiles.d/a.conf": AGES})
    assert found(host, "retention.dated").result is Result.PASS
    host.answers[UnitFiles] = (*host.answers[UnitFiles], UnitFile(unit, "masked"))
    begun = session(host)
    finding = begun.finding("retention.dated")
    assert (finding.result, finding.running, finding.boot) == (Result.FAIL, "no", "no")
    assert unit in begun.refusal(finding)


def test_systemd_that_cannot_go_by_the_change_alone_is_not_used() -> None:
    entry = session(hosts.server()).entry("retention.dated")
    facts: dict[str, Fact] = {"before": "absent", "rival": "", "version": 239}
    assert isinstance(RESOURCES["retention"].change(entry, facts, "7"), Refusal)


# Lines of others beside ours; files below the root with their ages in days, and which of them go.
TREES = {
    "alone": "",
    "made by another": f"d {FOLDER} 0750 - - -\n",
    "a folder below of its own": f"d {FOLDER}/kept 0750 - - -\n",
    "left out": f"x {FOLDER}/kept\n",
}


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="needs systemd-tmpfiles")
@pytest.mark.parametrize("name", TREES)
def test_what_is_too_old_goes_and_nothing_else(name: str, tmp_path: Path) -> None:
    """The real systemd-tmpfiles, with the very file that a plan writes; our reader foretells each file."""
    if os.geteuid() != 0:
        pytest.skip("needs root: systemd-tmpfiles cleans what belongs to it")
    others = {"/usr/lib/tmpfiles.d/zz-other.conf": TREES[name]} if TREES[name] else {}
    begun = session(hosts.server(files=others))
    finding = begun.finding("retention.dated")
    entry = begun.entry("retention.dated")
    (write,) = RESOURCES["retention"].change(entry, {**finding.observation.facts, "rival": ""}, "7")
    assert isinstance(write, WriteFile)
    texts = {write.path: write.content, **others}
    ages_of = {
        f"{FOLDER}/cryptopy-2026-11-20.log": 1,
        f"{FOLDER}/cryptopy-2026-11-15.log": 6.9,
        f"{FOLDER}/cryptopy-2026-11-13.log": 7.2,
        f"{FOLDER}/.hidden": 30,
        f"{FOLDER}/sub/old.log": 30,
        f"{FOLDER}/sub/new.log": 2,
        f"{FOLDER}/kept/old.log": 30,
        "/var/log/old.log": 30,
        "/var/log/cryptosrv2/old.log": 30,
    }
    lay_out(tmp_path, texts, ages_of)
    before = {path for path in ages_of if (tmp_path / path[1:]).exists()}
    assert before == set(ages_of)
    argv = ["systemd-tmpfiles", f"--root={tmp_path}", "--clean"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    gone = {path for path in ages_of if not (tmp_path / path[1:]).exists()}
    seen = snapshot(DictHost(texts))
    foretold = set()
    for path, days in ages_of.items():
        age = ages.age_of(seen, path)
        assert not isinstance(age, Gap)
        if age is not None and days > age.days:
            foretold.add(path)
    assert gone == foretold
    assert f"{FOLDER}/cryptopy-2026-11-13.log" in gone
    assert not any(not path.startswith(f"{FOLDER}/") for path in gone)


def lay_out(root: Path, texts: dict[str, str], ages_of: dict[str, float]) -> None:
    (root / "etc").mkdir()
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", root / "etc" / name)
    for path, text in texts.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).write_text(text)
    for path, days in ages_of.items():
        place = root / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("a line\n")
        os.utime(place, (time.time(), time.time() - days * DAY))  # read just now, changed long ago


def test_the_large_files_are_asked_for_once_each() -> None:
    host = large(hosts.server(), "/var/log/app/debug.log")
    seen = Snapshot(host)
    entry = CHECKLISTS.get("retention.files")
    RESOURCES["retention"].observe(seen, entry)
    asked = [one for one in host.asked if one == Stat("/var/log/app/debug.log")]
    assert len(asked) == 1
