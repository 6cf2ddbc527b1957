"""journald: where the journal is, what its files make of it, and what a change of ours writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from hardentui.changeset import compile_plan
from hardentui.model import Action, Fact, Finding, GapKind, Result
from hardentui.operations import Refusal, RestartUnit, WriteFile
from hardentui.rehearsal import rehearse
from hardentui.resources import RESOURCES, journal
from hardentui.session import Session
from hardentui.snapshot import Kind, Mount, Mounts, Processes, Snapshot, Status, Unit

from . import hosts, journals, syslogs
from .hosts import NOW, DictHost
from .images import image
from .sittings import CHECKLISTS, sitting

ON_DISK = f"/var/log/journal/{journals.MACHINE}/system.journal"
IN_MEMORY = f"/run/log/journal/{journals.MACHINE}/system.journal"
CONF = "/etc/systemd/journald.conf"
DAY = 86400


def found(host: DictHost, id_: str, **answers: str) -> Finding:
    given = {question.replace("_", "-"): answer for question, answer in answers.items()}
    finding = sitting(Snapshot(host), given).finding(id_)
    assert finding is not None
    return finding


def written(path: str, modified: float) -> dict[str, Status]:
    return {
        path: Status(Kind.FILE, 0o640, 0, 101, "root", "systemd-journal", 8 << 20, "8:5", modified, modified)
    }


def persistent(**files: str) -> DictHost:
    """A server whose journal is on disk, and was written to a minute ago."""
    host = hosts.server(files={"/var/log/journal/README": "", ON_DISK: "", **files})
    del host.files[IN_MEMORY]
    host.stats |= written(ON_DISK, NOW - 60)
    return host


def test_a_journal_on_disk_that_is_written_passes() -> None:
    seen = found(persistent(), "journal.storage")
    assert (seen.result, seen.running, seen.boot) == (Result.PASS, "persistent", "persistent")
    assert ON_DISK in [place.place for place in seen.provenance]


def test_the_folder_alone_is_not_yet_a_journal_on_disk() -> None:
    """Made while journald runs, it is used only after a start: Storage=auto looks for it then."""
    host = hosts.server(files={"/var/log/journal/README": ""})
    seen = found(host, "journal.storage")
    assert (seen.result, seen.running, seen.boot) == (Result.FAIL, "volatile", "persistent")
    assert seen.drift is not None


def test_a_file_that_nobody_writes_to_is_no_proof() -> None:
    host = persistent()
    host.stats |= written(ON_DISK, NOW - 3 * DAY)  # journald started an hour ago
    seen = found(host, "journal.storage")
    assert (seen.result, seen.running) == (Result.UNKNOWN, "")


def test_on_a_tmpfs_nothing_is_persistent() -> None:
    host = persistent()
    memory = Mount(99, 21, "0:44", "/", "/var/log", "rw", "tmpfs", "tmpfs", "rw")
    host.answers[Mounts] = (*(m for m in host.answers[Mounts] if m.path != "/var/log"), memory)
    host.files["/etc/fstab"] = "tmpfs /var/log tmpfs defaults 0 0\n"
    seen = found(host, "journal.storage")
    assert (seen.result, seen.running, seen.boot) == (Result.FAIL, "volatile", "volatile")


def test_over_a_root_that_keeps_nothing_nothing_is_persistent() -> None:
    """As overlayroot and live systems have it: what is written goes to a tmpfs, which no fstab names."""
    host = persistent(**{"/etc/fstab": ""})
    memory = Mount(90, 1, "0:50", "/", "/media/root-rw", "rw", "tmpfs", "tmpfs", "rw")
    over = "rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/work"
    root = Mount(91, 1, "0:51", "/", "/", "rw", "overlay", "overlayroot", over)
    host.answers[Mounts] = (memory, root)
    seen = found(host, "journal.storage")
    assert (seen.running, seen.boot) == ("volatile", "volatile")
    host.answers[Mounts] = (root,)  # of a container, whose upper layer is its host's
    assert found(host, "journal.storage").running == "persistent"


def test_without_the_daemon_nothing_is_kept_now() -> None:
    host = persistent()
    host.answers[Processes] = tuple(one for one in host.answers[Processes] if one.name != "systemd-journald")
    seen = found(host, "journal.storage")
    assert (seen.result, seen.running, seen.boot) == (Result.FAIL, "none", "persistent")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (CONF, "[Journal]\nMaxLevelStore=info\n"),
        ("/run/systemd/journald.conf.d/x.conf", "[Journal]\nMaxLevelStore=info\n"),
    ],
)
def test_a_daemon_older_than_its_files_is_not_judged_by_them(path: str, text: str) -> None:
    host = persistent()
    host.files[path] = text
    host.stats[path] = Status(Kind.FILE, 0o644, 0, 0, "root", "root", 30, "8:1", NOW - 60, NOW - 60)
    seen = found(host, "journal.level")
    assert seen.result is Result.UNKNOWN
    assert seen.observation.running.gap.kind is GapKind.STALE
    assert path in seen.message
    assert seen.boot == "info"


def test_a_drop_in_that_went_away_is_noticed_too() -> None:
    host = persistent()
    folder = "/etc/systemd/journald.conf.d"
    host.files[f"{folder}/a.conf"] = "[Journal]\n"
    host.stats[folder] = Status(Kind.FOLDER, 0o755, 0, 0, "root", "root", 4096, "8:1", NOW - 60, NOW - 60)
    seen = found(host, "journal.level")
    assert seen.observation.running.gap.kind is GapKind.STALE


def test_the_kernel_command_line_beats_the_files() -> None:
    host = persistent(**{CONF: "[Journal]\nMaxLevelStore=debug\n#Audit=no\n"})
    host.kernel["/proc/cmdline"] = "root=/dev/sda1 systemd.journald.max-level-store=err"
    seen = found(host, "journal.level")
    assert (seen.result, seen.running, seen.boot) == (Result.FAIL, "err", "debug")


def test_a_word_of_the_boot_loader_is_not_beaten_by_a_file_of_ours() -> None:
    host = persistent()
    host.files["/boot/grub/grub.cfg"] = "linux /vmlinuz root=/dev/sda1 systemd.journald.max_level_store=err\n"
    seen = found(host, "journal.level")
    assert (seen.result, seen.boot) == (Result.FAIL, "err")
    refused = change("journal.level", seen.observation.facts, "debug")
    assert isinstance(refused, Refusal)
    assert "grub.cfg" in refused.reason


# --- auditing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("[Journal]\n#Audit=no\n", "no", Result.FAIL),
        ("[Journal]\n#Audit=yes\n", "yes", Result.PASS),
        ("[Journal]\n#Audit=no\nAudit=\n", "keep", Result.PASS),
        ("[Journal]\n#Audit=yes\nAudit=off\n", "no", Result.FAIL),
        ("[Journal]\n", "", Result.UNKNOWN),
    ],
)
def test_what_a_start_does_to_auditing(text: str, value: str, result: Result) -> None:
    seen = found(persistent(**{CONF: text}), "journal.audit")
    assert (seen.result, seen.boot) == (result, value)


def change(id_: str, facts: Mapping[str, Fact], target: str):
    entry = CHECKLISTS.get(id_)
    return RESOURCES[entry.resource].change(entry, facts, target)


FACTS: Mapping[str, Fact] = {"before": "absent", "rival": "", "audit": "no"}


@pytest.mark.parametrize(("audit", "line"), [("no", "Audit="), ("keep", "Audit="), ("yes", "Audit=yes")])
def test_every_change_keeps_auditing_as_it_is(audit: str, line: str) -> None:
    for id_, target in (
        ("journal.storage", "persistent"),
        ("journal.level", "info"),
        ("journal.audit", "keep"),
    ):
        write, restart, *_more = change(id_, {**FACTS, "audit": audit}, target)
        assert isinstance(write, WriteFile)
        assert isinstance(restart, RestartUnit)
        assert write.content.splitlines()[-1] == line


def test_without_knowing_what_a_start_does_nothing_is_restarted() -> None:
    refused = change("journal.storage", {**FACTS, "audit": ""}, "persistent")
    assert isinstance(refused, Refusal)


@pytest.mark.parametrize(
    ("id_", "target"),
    [
        ("journal.storage", "volatile"),
        ("journal.storage", "persistent\nStorage=none"),
        ("journal.level", "debug; reboot"),
        ("journal.level", ""),
    ],
)
def test_a_target_of_a_plan_that_was_edited_is_refused(id_: str, target: str) -> None:
    assert isinstance(change(id_, FACTS, target), Refusal)


def test_a_file_that_systemd_gives_up_is_a_rival() -> None:
    """Its head is broken, so that it and all that sort after it, ours too, are not read."""
    broken = {"/etc/systemd/journald.conf.d/10-a.conf": "[Journal\n"}
    seen = found(hosts.server(files=broken), "journal.storage")
    refused = change("journal.storage", seen.observation.facts, "persistent")
    assert isinstance(refused, Refusal)
    assert "10-a.conf" in refused.reason


def test_a_drop_in_that_sorts_after_ours_is_a_rival() -> None:
    later = {"/usr/lib/systemd/journald.conf.d/99-zzz.conf": "[Journal]\nStorage=none\n"}
    seen = found(hosts.server(files=later), "journal.storage")
    assert isinstance(change("journal.storage", seen.observation.facts, "persistent"), Refusal)


def test_an_earlier_plan_s_lines_stay_and_each_setting_stands_once() -> None:
    session = Session.begin(CHECKLISTS, Snapshot(hosts.rivals()))
    session = session.decided(session.decision(session.finding("journal.level"), Action.APPLY))
    first = session.with_snapshot(rehearse(session.snapshot, session.compiled()))
    first = dataclasses.replace(first, plan=dataclasses.replace(first.plan, decisions=(), files={}))
    again = first.decided(first.decision(first.finding("journal.storage"), Action.APPLY))
    (write,) = [one for one in compile_plan(again.plan, CHECKLISTS).operations if isinstance(one, WriteFile)]
    lines = [line for line in write.content.splitlines() if not line.startswith("#")]
    assert sorted(lines) == sorted(["[Journal]", "MaxLevelStore=debug", "Storage=persistent", "Audit=yes"])
    assert lines[0] == "[Journal]"


# --- the copy for rsyslog ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "main", "value"),
    [
        ("ForwardToSyslog=yes", syslogs.DEBIAN, "forwarded"),
        ("ForwardToSyslog=no", syslogs.DEBIAN, "none"),
        ("ForwardToSyslog=no", syslogs.RHEL, "imjournal"),
        ("ForwardToSyslog=yes", syslogs.DEBIAN.replace("imuxsock", "imtcp"), "none"),
        ("ForwardToSyslog=yes", syslogs.DEBIAN.replace('"imuxsock"', '"imuxsock" SysSock.Use="off"'), "none"),
        ("ForwardToSyslog=yes", "$OmitLocalLogging on\n" + syslogs.DEBIAN, "none"),
        ("ForwardToSyslog=yes\nMaxLevelSyslog=info", syslogs.DEBIAN, "forwarded"),
        ("ForwardToSyslog=yes\nMaxLevelSyslog=err", syslogs.DEBIAN, "forwarded, from err up"),
    ],
)
def test_rsyslog_gets_what_journald_gets(forward: str, main: str, value: str) -> None:
    host = persistent(**{CONF: f"[Journal]\n#Audit=no\n{forward}\n"})
    host.files[syslogs.MAIN] = main
    seen = found(host, "journal.forward")
    assert (seen.running, seen.boot) == (value, value)
    assert (seen.result is Result.PASS) == (value in {"forwarded", "imjournal"})


def test_what_journald_holds_back_from_rsyslog_no_file_of_ours_brings() -> None:
    host = persistent(**{CONF: "[Journal]\n#Audit=no\nForwardToSyslog=no\nMaxLevelSyslog=err\n"})
    session = Session.begin(CHECKLISTS, Snapshot(host))
    assert f"{CONF}:4" in session.refusal(session.finding("journal.forward"))


def test_a_socket_that_rsyslog_does_not_read_is_not_fed() -> None:
    assert isinstance(change("journal.forward", {**FACTS, "reads": False}, "forwarded"), Refusal)
    write, _restart = change("journal.forward", {**FACTS, "reads": True}, "forwarded")
    assert "ForwardToSyslog=yes" in write.content.splitlines()


# --- the rest -----------------------------------------------------------------------------------------


def test_others_learn_what_is_kept_and_passed_on() -> None:
    kept = journal.keeps(Snapshot(persistent(**{CONF: "[Journal]\n#Audit=no\nForwardToSyslog=no\n"})))
    assert kept == journal.Kept("persistent", "persistent", "no", "no", "debug", "debug", "no")


def test_retention_is_in_days() -> None:
    host = persistent(**{CONF: "[Journal]\n#Audit=no\nMaxRetentionSec=2week\n"})
    seen = found(host, "retention.journal", log_retention_days="7")
    assert (seen.result, seen.boot) == (Result.INFORMATIONAL, "14")
    assert found(host, "retention.journal", log_retention_days="14").result is Result.PASS


def test_a_seal_needs_a_key() -> None:
    host = persistent()
    assert found(host, "journal.seal").boot == "no key"
    host.files[f"/var/log/journal/{journals.MACHINE}/fss"] = ""
    assert found(host, "journal.seal").result is Result.PASS


def test_journals_that_stand_apart_are_named() -> None:
    units = (
        Unit("systemd-journald@noise.service", "loaded", "active"),
        Unit("a.service", "loaded", "active"),
    )
    seen = found(hosts.server(units=units), "journal.namespaces")
    assert seen.running == "noise"


@pytest.mark.parametrize(("name", "result"), [("web01", Result.PASS), ("localhost.localdomain", Result.FAIL)])
def test_a_host_has_a_name_of_its_own(name: str, result: Result) -> None:
    host = persistent(**{"/etc/hostname": f"# a name\n{name}\n"})
    assert found(host, "records.host-name").result is result


def test_an_image_has_no_running_side(tmp_path) -> None:
    host = image(tmp_path, {"/var/log/journal/README": ""})
    session = Session.begin(CHECKLISTS, Snapshot(host))
    seen = session.finding("journal.storage")
    assert (seen.running, seen.boot, seen.result) == ("", "persistent", Result.PASS)
