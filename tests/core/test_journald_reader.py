"""The settings of journald: our reader against the daemon itself, started on each configuration."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.model import Gap
from hardentui.resources import systemd_conf
from hardentui.resources.journal import settings
from hardentui.snapshot import Kind, Package, Snapshot, Stat, Unread

from .hosts import DictHost, snapshot
from .rooted import in_namespaces, needs_namespaces

ETC, RUN, LOCAL, LIB = (f"{folder}/journald.conf" for folder in systemd_conf.FOLDERS)
DAEMON = Path("/lib/systemd/systemd-journald")


@dataclass
class Case:
    """A configuration: files by path, links by path, folders without files."""

    files: dict[str, str]
    links: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


def main(text: str, **dropins: str) -> Case:
    """A main file with this text in its section, and drop-ins in /etc by name (without their ending)."""
    files = {f"{ETC}.d/{name}.conf": f"[Journal]\n{line}\n" for name, line in dropins.items()}
    return Case({ETC: f"[Journal]\n{text}\n", **files})


CASES = {
    "nothing": Case({}),
    "main file": main("RuntimeMaxUse=20M\nForwardToSyslog=no\nMaxLevelStore=warning"),
    "drop-in wins": main("RuntimeMaxUse=20M", a="RuntimeMaxUse=21M", b="RuntimeMaxUse=22M"),
    "last one wins": main("Storage=persistent\nStorage=volatile\nSeal=no\nCompress=no\nCompress="),
    "by name across folders": Case(
        {
            f"{ETC}.d/20-b.conf": "[Journal]\nRuntimeMaxUse=22M\n",
            f"{RUN}.d/30-c.conf": "[Journal]\nRuntimeMaxUse=23M\n",
            f"{LIB}.d/10-a.conf": "[Journal]\nRuntimeMaxUse=21M\nMaxLevelStore=4\n",
            f"{LOCAL}.d/25-l.conf": "[Journal]\nForwardToSyslog=0\n",
        }
    ),
    "same name in two folders": Case(
        {
            f"{ETC}.d/10-a.conf": "[Journal]\nMaxLevelStore=err\n",
            f"{LIB}.d/10-a.conf": "[Journal]\nRuntimeMaxUse=21M\n",
            f"{RUN}.d/10-a.conf": "[Journal]\nRuntimeMaxUse=23M\n",
        }
    ),
    "masked by a link": Case(
        {f"{LIB}.d/10-a.conf": "[Journal]\nRuntimeMaxUse=21M\nForwardToSyslog=no\n"},
        {f"{ETC}.d/10-a.conf": "/dev/null"},
    ),
    "masked by an empty file": Case(
        {f"{LIB}.d/10-a.conf": "[Journal]\nStorage=persistent\n", f"{RUN}.d/10-a.conf": ""}
    ),
    "a link that leads nowhere": Case(
        {f"{LIB}.d/10-a.conf": "[Journal]\nStorage=persistent\n"}, {f"{ETC}.d/10-a.conf": "gone.conf"}
    ),
    "a link to a file": Case(
        {"/etc/systemd/shared": "[Journal]\nStorage=persistent\n"}, {f"{ETC}.d/10-a.conf": "../shared"}
    ),
    "other endings": Case(
        {f"{ETC}.d/a.conf.bak": "[Journal]\nStorage=none\n", f"{ETC}.d/.b.conf": "[Journal]\nSeal=no\n"}
    ),
    "comments and blanks": main("  RuntimeMaxUse =  24M  \n; RuntimeMaxUse=25M\n  # RuntimeMaxUse=26M\n\n"),
    "lines that go on": main(
        "MaxLevelStore=\\\n# between\n   no\\\n\nRuntimeMaxUse= \\\n 27M\nStorage=vol\\\natile"
    ),
    "escaped backslash": main("TTYPath=a\\\\\nRuntimeMaxUse=28M"),
    "goes on at the end": Case({ETC: "[Journal]\nRuntimeMaxUse=29M\\"}),
    "other sections": Case(
        {ETC: "RuntimeMaxUse=20M\n[journal]\nRuntimeMaxUse=21M\n[Journal]\nSeal=no\n[X-y]\nStorage=none\n"}
    ),
    "a section again": Case({ETC: "[Journal]\nSeal=no\n[Other]\nStorage=none\n [Journal] \nSeal=yes\n"}),
    "a head that is not closed": Case(
        {
            ETC: "[Journal]\nRuntimeMaxUse=20M\n",
            f"{ETC}.d/a.conf": "[Journal]\nRuntimeMaxUse=21M\n[Journal\nRuntimeMaxUse=22M\n",
            f"{ETC}.d/b.conf": "[Journal]\nRuntimeMaxUse=23M\n",
        }
    ),
    "a main file that is broken": Case(
        {ETC: "[Journal\n", f"{ETC}.d/b.conf": "[Journal]\nStorage=persistent\n"}
    ),
    "byte order mark": Case({ETC: "\ufeff[Journal]\nRuntimeMaxUse=24M\n"}),
    "values that are ignored": main(
        "Storage=volatile\nStorage=\nStorage=Persistent\nSeal=no\nSeal=maybe\nRuntimeMaxUse=20M\n"
        "RuntimeMaxUse=\nRuntimeMaxUse=abc\nRuntimeMaxUse=30m\nMaxLevelStore=crit\nMaxLevelStore=8\n"
        "MaxLevelStore=INFO\nForwardToSyslog=no\nForwardToSyslog=\nnonsense\nruntimemaxuse=23M\n=22M"
    ),
    "truth values": main("Seal=ON\nForwardToSyslog=F\nCompress=No"),
    "numbers of levels": main("MaxLevelStore=2"),
    "sizes": main("RuntimeMaxUse=20.5M"),
    "a size of several parts": main("RuntimeMaxUse=1G 512M"),
    "parts in the wrong order": main("RuntimeMaxUse=21M\nRuntimeMaxUse=512M 1G"),
    "bytes": main("RuntimeMaxUse=33554432"),
    "nothing is stored": main("Storage=none"),
    "persistent": main("Storage=persistent"),
    "auto with its folder": Case({ETC: "[Journal]\nStorage=auto\n"}, folders=["/var/log/journal"]),
    "auto without it": main("Storage=auto"),
    "volatile beside the folder": Case({ETC: "[Journal]\nStorage=volatile\n"}, folders=["/var/log/journal"]),
    "auditing is left": main("Audit="),
    "auditing on": main("Audit=yes", a="Seal=no"),
    "auditing off, then left": main("Audit=no", a="Audit="),
    "keep, which this version does not know": main("Audit=yes\nAudit=keep"),
    "files that are not read": Case(
        {RUN: "[Journal]\nRuntimeMaxUse=20M\n", LIB: "[Journal]\nStorage=persistent\n"}
    ),
}
# What Debian 12 builds into its journald, as its own file says; here that file is what the case writes.
BUILT = {"ForwardToSyslog": "yes", "Audit": "no"}
FIXED = {"RuntimeMaxUse": "max_use", "Seal": "seal", "Compress": "compress"}


def installed_version() -> str:
    shown = subprocess.run(["journalctl", "--version"], check=True, capture_output=True, text=True).stdout
    return shown.split()[1]


def host(case: Case) -> Snapshot:
    packages = (Package("systemd", installed_version()),)
    return snapshot(DictHost(case.files, case.links, folders=case.folders, packages=packages))


def value(seen: Snapshot, files: systemd_conf.Configuration, name: str) -> str:
    found = settings.effective(seen, files, name)
    return BUILT[name] if isinstance(found, Gap) else found.value


def predicted(case: Case) -> dict[str, Any]:
    seen = host(case)
    files = settings.configuration(seen)
    assert not isinstance(files, Gap)
    level = settings.LEVELS.index(value(seen, files, "MaxLevelStore"))
    storage = value(seen, files, "Storage")
    if storage == "auto":
        there = seen.ask(Stat("/var/log/journal"))
        storage = "volatile" if isinstance(there, Unread) or there.kind is not Kind.FOLDER else "persistent"
    return {
        "storage": storage,
        "levels": [] if storage == "none" else list(range(level + 1)),
        "forward": value(seen, files, "ForwardToSyslog") == "yes",
        "audit": value(seen, files, "Audit"),
        "max_use": value(seen, files, "RuntimeMaxUse") if storage == "volatile" else "",
        "compress": value(seen, files, "Compress"),
    }


def seen_of(answer: dict[str, Any]) -> dict[str, Any]:
    """What the daemon showed, in our words: it writes 20.0M for 20M, and a default as a number."""
    use = answer.get("max_use", "") if answer["storage"] == "volatile" else ""
    use = use.replace(".0", "")
    return {key: answer[key] for key in ("storage", "levels", "forward", "audit")} | {
        "max_use": use,
        "compress": answer.get("compress", "yes"),
    }


def test_every_configuration_is_read_as_the_daemon_reads_it() -> None:
    needs_namespaces("setpriv", "journalctl")
    if not DAEMON.exists():
        pytest.skip(f"needs {DAEMON}")
    if installed_version() != "252":
        pytest.skip("the built-in defaults that are expected here are those of Debian 12")
    job = [{"files": c.files, "links": c.links, "folders": c.folders} for c in CASES.values()]
    answers = in_namespaces("namespace_journald.py", job)
    by_default = seen_of(answers[list(CASES).index("nothing")])["max_use"]
    for (name, case), answer in zip(CASES.items(), answers, strict=True):
        expected, really = predicted(case), seen_of(answer)
        if expected["max_use"].endswith("at most"):  # what the file systems of the test machine give
            expected["max_use"] = by_default
        if expected["storage"] == "none":
            expected["forward"] = really["forward"]  # nothing tells when the last message was dealt with
        assert really == expected, name


@given(st.text(max_size=200))
def test_any_text_is_read_without_harm(text: str) -> None:
    case = Case({ETC: text, f"{ETC}.d/a.conf": f"[Journal]\n{text}\n"})
    seen = snapshot(DictHost(case.files))
    files = settings.configuration(seen)
    assert isinstance(files, systemd_conf.Configuration)
    for name in settings.OPTIONS:
        found = settings.effective(seen, files, name)
        assert isinstance(found, Gap) or found.value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7day", 604800),
        ("1month", 2629800),
        ("1h 30min", 5400),
        ("90", 90),
        ("1.5s", 1.5),
        ("infinity", float("inf")),
        ("", None),
        ("7 lunes", None),
        ("day", None),
    ],
)
def test_spans_of_time(text: str, seconds: float | None) -> None:
    assert systemd_conf.seconds(text) == seconds


def test_later_versions_look_for_the_main_file_elsewhere_too() -> None:
    texts = {LIB: "[Journal]\nStorage=none\n", RUN: "[Journal]\nStorage=persistent\n"}
    for version, files in (("252.39-1", ()), ("257.9-1", (RUN,)), ("259", (RUN,))):
        seen = snapshot(DictHost(texts, packages=(Package("systemd", version),)))
        found = settings.configuration(seen)
        assert isinstance(found, systemd_conf.Configuration)
        assert found.files == files


def test_what_was_built_in_is_read_in_the_comments_of_the_distribution() -> None:
    seen = snapshot(DictHost({ETC: "[Journal]\n#Audit=no\n#ForwardToSyslog=yes\n"}))
    files = settings.configuration(seen)
    assert isinstance(files, systemd_conf.Configuration)
    assert value(seen, files, "Audit") == "no"
    bare = snapshot(DictHost({}))
    assert isinstance(settings.effective(bare, systemd_conf.Configuration((), (), ()), "Audit"), Gap)
