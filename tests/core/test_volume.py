"""The volume of logs: sources behind files, paces, forecasts, and who is warned."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.model import Gap, GapKind, Recommendation, Result
from hardentui.operations import Change, Refusal, WriteFile
from hardentui.resources.volume import Volume, words
from hardentui.resources.volume.consequences import when_full
from hardentui.resources.volume.forecast import FAR, FOLDERS, LogSystem, Volumes, volumes
from hardentui.resources.volume.pace import BACK, DAY, HOUR, Window, pace, together
from hardentui.resources.volume.samples import Samples
from hardentui.resources.volume.sources import name_of, sources
from hardentui.snapshot import (
    File,
    Folder,
    LogFile,
    LogTree,
    Mounts,
    Question,
    Reason,
    Snapshot,
    SpaceUsed,
    Unit,
    UnitFile,
    UnitFiles,
    Units,
    Unread,
    Usage,
)

from . import growth, hosts
from .audit import STARTS
from .growth import MIB
from .hosts import NOW
from .sittings import CHECKLISTS

GIB = 1 << 30


def host(tree: LogTree | Unread = growth.BUSY, *, free: int = 2 * GIB, **files: str) -> hosts.DictHost:
    made = hosts.server(logs=tree)
    made.files |= files
    made.given[SpaceUsed("/var/log")] = Usage(41, 7, 4 * GIB, free, 200 * MIB, 262144, 243000)
    made.given[SpaceUsed("/var/log/audit")] = Usage(11, 1, GIB, 900 * MIB, 50 * MIB, 65536, 65500)
    return made


def found(on: hosts.DictHost) -> Volumes:
    seen = volumes(Snapshot(on))
    assert isinstance(seen, Volumes)
    return seen


def system(on: hosts.DictHost, path: str = "/var/log") -> LogSystem:
    one = found(on).system(path)
    assert one is not None
    return one


# --- sources --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/var/log/syslog", "/var/log/syslog"),
        ("/var/log/syslog.1", "/var/log/syslog"),
        ("/var/log/syslog.12.gz", "/var/log/syslog"),
        ("/var/log/nginx/access.log-20261121.gz", "/var/log/nginx/access.log"),
        ("/var/log/nginx/access.log-20261121-1795245751.gz", "/var/log/nginx/access.log"),
        ("/var/log/audit/audit.log.3", "/var/log/audit/audit.log"),
        ("/var/log/remote/web01/2026-11-21.log", "/var/log/remote/web01/*.log"),
        ("/var/log/remote/web01/2026/11/21/ssh.log", "/var/log/remote/web01/*/ssh.log"),
        ("/var/log/cryptosrv/cryptopy-2026-11-21", "/var/log/cryptosrv/cryptopy"),
        (f"{growth.MACHINE}/user-1000@00ab.journal~", "/var/log/journal"),
        (f"{growth.MACHINE}.web/system.journal", "/var/log/journal.web"),
        ("/var/log/postgresql/postgresql-15-main.log", "/var/log/postgresql/postgresql-15-main.log"),
        ("/var/log/boot.log.old", "/var/log/boot.log"),
        ("/var/log/.1", "/var/log/.1"),
    ],
)
def test_generations_of_a_log_are_that_log(path: str, name: str) -> None:
    assert name_of(path) == name


@given(st.text(min_size=1).filter(lambda text: "/" not in text))
def test_no_name_of_a_file_is_too_strange_for_a_source(name: str) -> None:
    path = f"/var/log/{name}"
    assert name_of(path).startswith("/var/log")
    (one,) = sources([LogFile(path, 1, 4096, 1, 0.0, NOW)], NOW)
    assert one.files[0].path == path


def test_a_rotated_log_packs_to_what_its_packed_generations_show() -> None:
    (one,) = sources(growth.rotated("/var/log/syslog", 10 * MIB, 9, packed=0.1), NOW)
    assert len(one.files) == 10
    assert one.pace is not None
    assert one.pace.mean == pytest.approx(10 * MIB, rel=0.02)
    assert 0.1 < one.shrinks_to < 0.5


def test_a_packed_file_that_does_not_say_its_size_is_not_reckoned_with() -> None:
    files = growth.rotated("/var/log/syslog", 10 * MIB, 9)
    unknown = [dataclasses.replace(one, content=-1) if one.path.endswith(".gz") else one for one in files]
    (one,) = sources(unknown, NOW)
    assert one.pace is not None
    assert one.pace.mean == pytest.approx(10 * MIB, rel=0.02)


def test_of_a_log_without_a_time_nothing_is_said() -> None:
    (one,) = sources([LogFile("/var/log/btmp", MIB, MIB, MIB, 0.0, NOW - HOUR)], NOW)
    assert one.pace is None


@pytest.mark.parametrize("name", ["lastlog", "faillog"])
def test_a_table_of_accounts_does_not_grow(name: str) -> None:
    (one,) = sources([LogFile(f"/var/log/{name}", 300 * MIB, 4096, 300 * MIB, 0.0, NOW)], NOW)
    assert one.pace is not None
    assert one.pace.high == 0


def test_a_log_that_nobody_wrote_to_for_a_month_stands_still() -> None:
    (one,) = sources([growth.file("/var/log/old.log", 500 * MIB, 400, 31)], NOW)
    assert one.pace is not None
    assert one.pace.high == 0


# --- paces ----------------------------------------------------------------------------------------------


def test_less_than_an_hour_is_no_pace() -> None:
    assert pace([Window(MIB, NOW - HOUR + 1, NOW)], NOW) is None
    assert pace([], NOW) is None


def test_from_hours_the_range_is_from_what_came_to_what_would_come() -> None:
    seen = pace([Window(6 * MIB, NOW - 6 * HOUR, NOW)], NOW)
    assert seen is not None
    assert seen.thin
    assert seen.low == 6 * MIB
    assert seen.high == pytest.approx(24 * MIB)


def test_a_loud_week_is_the_high_end() -> None:
    quiet = [Window(MIB, NOW - (day + 1) * DAY, NOW - day * DAY) for day in range(7, 28)]
    loud = [Window(8 * MIB, NOW - (day + 1) * DAY, NOW - day * DAY) for day in range(7)]
    seen = pace([*quiet, *loud], NOW)
    assert seen is not None
    assert (seen.low, seen.high) == (pytest.approx(MIB), pytest.approx(8 * MIB))
    assert MIB < seen.mean < 8 * MIB


def test_what_is_older_than_a_month_does_not_count() -> None:
    seen = pace([Window(100 * MIB, NOW - 400 * DAY, NOW - 40 * DAY), Window(MIB, NOW - BACK, NOW)], NOW)
    assert seen is not None
    assert seen.mean == pytest.approx(MIB / 30)


WINDOWS = st.lists(
    st.builds(
        lambda size, start, span: Window(size, NOW - start, NOW - start + min(span, start)),
        st.integers(0, 1 << 50),
        st.floats(0, 100 * DAY),
        st.floats(0, 100 * DAY),
    ),
    max_size=12,
)


@given(WINDOWS)
def test_a_pace_is_a_range_with_its_mean_inside(windows: list[Window]) -> None:
    seen = pace(windows, NOW)
    if seen is None:
        return
    assert 0 <= seen.low <= seen.mean * 1.000001
    assert seen.mean <= seen.high * 1.000001
    assert seen.seconds >= HOUR
    whole = together([seen, seen])
    assert whole is not None
    assert math.isclose(whole.mean, 2 * seen.mean)
    assert words.daily(seen)


# --- forecasts ------------------------------------------------------------------------------------------


def one_log(daily: int, days: int = 20) -> LogTree:
    files = (
        growth.file(f"/var/log/app/app-2026-10-{day + 1:02d}.log", daily, days - day, days - day - 1)
        for day in range(days)
    )
    return growth.tree(*files)


def test_a_log_without_a_limit_fills_what_is_free() -> None:
    one = system(host(one_log(10 * MIB), free=1000 * MIB))
    assert one.days == (100, 100)


def test_a_rotated_log_that_nobody_keeps_is_reckoned_at_what_it_packs_to() -> None:
    raw = system(host(one_log(10 * MIB), free=1000 * MIB)).days
    packed = system(
        host(growth.tree(*growth.rotated("/var/log/app.log", 10 * MIB, 20)), free=1000 * MIB)
    ).days
    assert raw is not None
    assert packed is not None
    assert packed[0] > 3 * raw[0]


def test_the_journal_stops_at_its_limit() -> None:
    """journald takes a tenth of the file system by itself: less than is free, so it never fills it."""
    one = system(host(growth.tree(*growth.journal(24 * MIB, 10)), free=2 * GIB))
    assert one.days == (FAR, FAR)
    (kept,) = one.logs
    assert kept.limit.size == 4 * GIB // 10
    assert kept.holds == (17, 17)


def test_the_journals_own_setting_wins_over_its_share() -> None:
    own = {"/etc/systemd/journald.conf.d/90-size.conf": "[Journal]\nSystemMaxUse=1G\nSystemKeepFree=1G\n"}
    (kept,) = system(host(growth.tree(*growth.journal(24 * MIB, 10)), free=2 * GIB, **own)).logs
    assert kept.limit.size == GIB


def test_the_journal_leaves_room_for_others() -> None:
    """Of 700 MiB free, 15 % of 4 GiB stay free: it may only take the rest."""
    (kept,) = system(host(growth.tree(*growth.journal(24 * MIB, 4)), free=700 * MIB)).logs
    assert kept.limit.size == 4 * 24 * MIB + 700 * MIB - 4 * GIB * 15 // 100


AUDITD = f"{STARTS}max_log_file = 8\nnum_logs = 5\nmax_log_file_action = {{}}\n"


@pytest.mark.parametrize(("action", "full", "size"), [("ROTATE", FAR, 40 * MIB), ("keep_logs", 450, None)])
def test_the_audit_log_is_bounded_where_auditd_rotates(action: str, full: int, size: int | None) -> None:
    one = system(host(**{"/etc/audit/auditd.conf": AUDITD.format(action)}), "/var/log/audit")
    assert one.days is not None
    assert one.days[1] == full
    assert one.logs[0].limit.size == size


ROTATED = "/var/log/app.log {{\n {}\n}}\n"


@pytest.mark.parametrize(
    ("rule", "full"),
    [
        ("weekly\n rotate 3", FAR),  # 28 days of 10 MiB: less than is free
        ("daily\n rotate 365", 150),  # a year of it: more
        ("weekly\n rotate -1", 150),  # and nothing is ever deleted
        ("size 20M\n rotate 4", FAR),
    ],
)
def test_what_logrotate_takes_away_does_not_fill_the_disk(rule: str, full: int) -> None:
    tree = growth.tree(*growth.rotated("/var/log/app.log", 10 * MIB, 3, packed=1.0))
    rules = {"/etc/logrotate.conf": "weekly\n", "/etc/logrotate.d/app": ROTATED.format(rule)}
    main = {"/etc/logrotate.conf": "include /etc/logrotate.d\n" + rules["/etc/logrotate.conf"]}
    one = system(host(tree, free=1500 * MIB, **{**rules, **main}))
    assert one.days is not None
    assert one.days[0] == full


def test_less_than_an_hour_of_logs_gives_no_day() -> None:
    fresh = growth.tree(growth.file("/var/log/syslog", MIB, 1 / 48, 0))
    seen = Volume().observe(Snapshot(host(fresh)), entry("days-until-full"))
    assert seen.running is not None
    assert not seen.running.values
    assert seen.running.gap == Gap(GapKind.UNTOLD, "/var/log: less than an hour of logs")


def test_a_large_log_of_unknown_pace_makes_a_forecast_unknown() -> None:
    tree = growth.tree(*one_log(MIB).files, LogFile("/var/log/btmp", GIB, GIB, GIB, 0.0, NOW - HOUR))
    seen = Volume().observe(Snapshot(host(tree)), entry("days-until-full"))
    assert seen.running is not None
    assert seen.running.gap is not None
    assert "/var/log/btmp" in seen.running.gap.detail


def test_on_an_image_sizes_and_paces_stand_but_no_days() -> None:
    image = hosts.server(logs=one_log(10 * MIB), name="image", mounts=Unread(Reason.UNSUPPORTED))
    image.given[SpaceUsed("/")] = Unread(Reason.UNSUPPORTED, "an image does not run")
    one = system(image, "/")
    assert one.pace is not None
    assert one.pace.mean == pytest.approx(10 * MIB)
    assert one.days is None


def test_a_folder_that_could_not_be_read_is_said() -> None:
    tree = dataclasses.replace(one_log(MIB), unread=("/var/log/private",), unread_count=1)
    gaps = found(host(tree)).gaps
    assert gaps[0].kind is GapKind.DENIED
    assert "/var/log/private" in gaps[0].detail


def test_a_walk_that_was_cut_short_is_said() -> None:
    gaps = found(host(dataclasses.replace(one_log(MIB), cut="files"))).gaps
    assert [gap.kind for gap in gaps] == [GapKind.INCOMPLETE]


def test_what_was_not_recorded_is_a_gap_and_no_zero() -> None:
    seen = volumes(Snapshot(host(Unread(Reason.NOT_RECORDED))))
    assert isinstance(seen, Gap)
    assert seen.kind is GapKind.NOT_RECORDED


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(1, 40))
def test_more_room_never_means_fewer_days(daily: int, free: int, days: int) -> None:
    tree = one_log(daily, min(days, 30))
    less, more = (system(host(tree, free=size)).days for size in (free, 2 * free + 1))
    assert less is not None
    assert more is not None
    assert less[0] <= more[0]
    assert less[0] <= less[1]


# --- when it is full ------------------------------------------------------------------------------------


def consequences(on: hosts.DictHost, path: str = "/var/log") -> str:
    return "\n".join(when_full(Snapshot(on), system(on, path)))


def test_a_file_system_for_logs_alone_takes_nobody_along() -> None:
    assert "/var/log is for logs alone" in consequences(host())
    shared = hosts.server(
        logs=one_log(MIB), mounts=tuple(m for m in hosts.mounts() if m.path in {"/", "/var"})
    )
    assert "every service that writes there fails" in consequences(shared, "/var")


def test_auditd_may_halt_the_machine() -> None:
    conf = AUDITD.format("rotate") + "space_left_action = SYSLOG\ndisk_full_action = HALT\n"
    said = consequences(host(**{"/etc/audit/auditd.conf": conf}), "/var/log/audit")
    assert "less than 75 MiB are free: a warning is logged" in said
    assert "when it is full: the machine is shut down" in said


def test_what_rsyslogd_sends_elsewhere_is_not_lost() -> None:
    alone = {"/etc/rsyslog.conf": "auth,authpriv.* /var/log/auth.log\n"}
    sent = {"/etc/rsyslog.conf": "auth,authpriv.* /var/log/auth.log\n*.* @@log01:514\n"}
    assert "these lines are lost" in consequences(host(**alone))
    assert "still goes there" in consequences(host(**sent))


# --- while someone looks --------------------------------------------------------------------------------


class Moving(hosts.DictHost):
    """A host whose clock and logs move."""

    now = NOW

    def answer(self, question):
        answer, _at = super().answer(question)
        return answer, self.now


def test_what_comes_while_someone_looks_is_measured() -> None:
    small, large = (growth.tree(growth.file("/var/log/syslog", size, 1, 0)) for size in (MIB, 3 * MIB))
    on = Moving(logs=small)
    first = Samples().grown(Snapshot(on))
    assert first.measured("/var/log/syslog") is None
    on.given[FOLDERS] = large
    on.now = NOW + 60
    second = first.grown(Snapshot(on))
    assert second.measured("/var/log/syslog") == (NOW, NOW + 60, 2 * MIB)
    assert second.grown(Snapshot(on)) is second
    on.given[FOLDERS] = small  # rotated away: less is no growth
    on.now = NOW + 120
    assert second.grown(Snapshot(on)).measured("/var/log/syslog") == (NOW, NOW + 120, 0)


# --- entries --------------------------------------------------------------------------------------------


def entry(subject: str) -> Recommendation:
    return next(
        one for one in CHECKLISTS.recommendations if one.resource == "volume" and one.subject == subject
    )


def test_the_days_that_a_limit_lasts_are_told_log_by_log() -> None:
    seen = Volume().observe(Snapshot(host()), entry("holds")).running
    assert seen is not None
    assert seen.values == {"/var/log/journal": "17"}


class Denying:
    """A host that answers one question less."""

    name, label = "live", "this host"

    def __init__(self, host: hosts.DictHost, question: Question[Any]) -> None:
        self._host, self._question = host, question

    def answer(self, question: Question[Any]) -> tuple[Any, float]:
        return (Unread(Reason.DENIED), NOW) if question == self._question else self._host.answer(question)


def judged(on: Any, subject: str, days: int = 10) -> Result:
    (found,) = assess([entry(subject)], Snapshot(on), {"log-retention-days": str(days)}, CHECKLISTS.questions)
    return found.result


@pytest.mark.parametrize(
    ("subject", "question"),
    [
        ("days-until-full", FOLDERS),
        ("days-until-full", Mounts()),
        ("days-until-full", SpaceUsed("/var/log")),
        ("holds", FOLDERS),
        ("holds", File("/etc/systemd/journald.conf")),
        ("holds", File("/etc/audit/auditd.conf")),
    ],
)
def test_nothing_passes_without_what_it_stands_on(subject: str, question: Question[Any]) -> None:
    assert judged(host(), subject) is Result.PASS
    assert judged(Denying(host(), question), subject) is Result.UNKNOWN


def test_what_limits_a_log_being_unread_is_no_failure() -> None:
    """Rotation may keep it: that nobody may look is no reason to say that it fills the disk."""
    assert judged(host(one_log(10 * MIB), free=1000 * MIB), "days-until-full", 200) is Result.FAIL
    unread = Denying(host(one_log(10 * MIB), free=1000 * MIB), Folder("/etc/tmpfiles.d"))
    assert judged(unread, "days-until-full", 200) is Result.UNKNOWN


def test_fewer_days_than_logs_must_be_kept_is_a_failure() -> None:
    assert judged(host(), "days-until-full", 90) is Result.PASS
    assert judged(host(), "days-until-full", 400) is Result.FAIL
    assert judged(host(), "holds", 17) is Result.PASS
    assert judged(host(), "holds", 18) is Result.FAIL


# --- the timer ------------------------------------------------------------------------------------------


def units(paths: object, target: str = "80") -> Change:
    facts: dict[str, Any] = {"paths": paths, "service": "absent", "timer": "absent"}
    return Volume().change(entry("supervision"), facts, target)


@pytest.mark.parametrize(
    "path",
    [
        "/var/log x",
        "/var/$(id)",
        "/var/%h",
        "/var/log'",
        "/var/../etc",
        "var/log",
        "/var/log\n[Service]",
        "/",
        "/-x",
        "",
    ],
)
def test_a_path_that_could_be_read_as_anything_else_is_refused(path: str) -> None:
    assert isinstance(units(("/var/log", path)), Refusal)


@pytest.mark.parametrize("target", ["8", "100", "80; id", "", "08", "-1", "80\n"])
def test_only_a_share_is_a_threshold(target: str) -> None:
    assert isinstance(units(("/var/log",), target), Refusal)


def test_a_plan_without_file_systems_is_refused() -> None:
    assert isinstance(units(()), Refusal)
    assert isinstance(units("/var/log"), Refusal)
    assert isinstance(units(tuple(f"/srv/log{number}" for number in range(40))), Refusal)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_whatever_a_plan_says_the_service_runs_our_words_on_plain_paths(paths: list[str]) -> None:
    made = units(tuple(paths))
    if isinstance(made, Refusal):
        return
    service = next(step for step in made if isinstance(step, WriteFile) and step.path.endswith(".service"))
    last = next(line for line in service.content.splitlines() if line.startswith("    done'"))
    assert last == f"    done' 80 {' '.join(paths)}"
    assert all(re.fullmatch(r"[A-Za-z0-9/._-]+", path) for path in paths)


def test_another_threshold_in_our_file_is_seen_and_judged() -> None:
    on = host()
    made = units(("/var/log", "/var/log/audit"), "95")
    assert not isinstance(made, Refusal)
    service = next(step for step in made if isinstance(step, WriteFile) and step.path.endswith(".service"))
    on.files[service.path] = service.content
    on.answers[Units] = (Unit("hardentui-log-space.timer", "loaded", "active"),)
    on.answers[UnitFiles] = (UnitFile("hardentui-log-space.timer", "enabled"),)
    seen = Volume().observe(Snapshot(on), entry("supervision"))
    assert seen.running is not None
    assert seen.running.values == {"/var/log": "95", "/var/log/audit": "95"}
    assert judged(on, "supervision") is Result.FAIL
    on.answers[UnitFiles] = ()
    assert Volume().observe(Snapshot(on), entry("supervision")).boot[0].values["/var/log"] == "none"


def test_where_an_agent_of_a_monitoring_runs_a_person_is_asked() -> None:
    on = host()
    on.answers[Units] = (Unit("zabbix-agent2.service", "loaded", "active"),)
    on.answers[UnitFiles] = (UnitFile("zabbix-agent2.service", "enabled"),)
    assert judged(on, "supervision") is Result.NOTCHECKED
