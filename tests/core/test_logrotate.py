"""The rules of logrotate: our reader against ``logrotate -d`` itself, on configurations in a folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.model import Gap
from hardentui.resources.retention import logrotate
from hardentui.resources.retention.logrotate import FOREVER, Rules

from .hosts import DictHost, snapshot

LOGS = ("a.log", "b.log", "c.log", "sub/d.log", ".hidden.log", "with space.log", "app.1.log")
# Texts of the main file; LOG stands for the folder of the logs, CONF for that of the configuration.
CASES = {
    "a block": "LOG/a.log {\n  daily\n  rotate 7\n}\n",
    "for all": "weekly\nrotate 4\nLOG/a.log {\n}\nLOG/b.log {\n rotate 2\n}\nmonthly\nLOG/c.log {}",
    "by default": "LOG/a.log {\n missingok\n}\n",
    "the last word counts": "LOG/a.log { daily weekly\n rotate 3\n}\nLOG/b.log { weekly\n size 3M }\n",
    "sizes": "LOG/a.log { \nsize 100k\n}\nLOG/b.log {\n size=2M\n}\nLOG/c.log {\n size 512\n}\n",
    "a size that is none": "LOG/a.log {\n size 1.5M\n}\nLOG/b.log { daily }\n",
    "several files": "LOG/a.log LOG/b.log\n\n  LOG/c.log\n{\n  monthly\n  rotate 12\n}\n",
    "quotes": "\"LOG/with space.log\" 'LOG/a.log' {\n yearly\n rotate 1\n}\n",
    "wildcards": "LOG/*.log {\n daily\n rotate 5\n}\nLOG/*/*.log {\n weekly\n}\n",
    "sets": "LOG/[ab].log {\n hourly\n rotate 24\n}\n",
    "hidden": "LOG/.*.log {\n daily\n rotate 1\n}\n",
    "for ever": "LOG/a.log {\n monthly\n rotate -1\n}\n",
    "numbers in other bases": "LOG/a.log {\n daily\n rotate 010\n}\nLOG/b.log {\n daily\n rotate 0x10\n}\n",
    "a number that is none": "LOG/a.log {\n rotate four\n}\nLOG/b.log {\n rotate -2\n}\nLOG/c.log { }",
    "a comment behind a number": "LOG/a.log {\n daily\n rotate 4 # weeks\n}\nLOG/b.log { daily }\n",
    "a comment behind a word": "LOG/a.log {\n daily # each day\n rotate 4\n# }\n}\n",
    "a comment behind a week": "LOG/a.log {\n weekly # each\n rotate 4\n}\n",
    "a brace behind a number": "LOG/a.log { daily\n rotate 2 }\nLOG/b.log {\n}\nLOG/c.log { daily }\n",
    "a brace behind a week": "LOG/a.log { daily }\nLOG/b.log { weekly }\nLOG/c.log { daily }\n",
    "a bad number for all": "rotate x\nLOG/a.log { daily }\n",
    "scripts": "LOG/a.log {\n postrotate\n  echo /x { }\n  rotate 9\n endscript\n daily\n rotate 3\n}\n",
    "a script without its end": "LOG/a.log { daily }\nLOG/b.log {\n daily\n postrotate\n echo }\n}\n",
    "words that nobody knows": "nonsense x\nLOG/a.log {\n whatever 3\n daily\n}\n",
    "a file name within": "LOG/a.log {\n daily\n LOG/b.log\n}\nLOG/c.log { daily }\n",
    "text behind the end": "LOG/a.log { daily } LOG/b.log { daily }\nLOG/c.log { monthly }\n",
    "no end": "LOG/a.log { daily }\nLOG/b.log {\n weekly\n rotate 8\n",
    "braces in a name": "LOG/{a,b}.log {\n daily\n}\nLOG/c.log { daily }\n",
    "no blank before": "LOG/a.log{\n daily\n rotate 3\n}\nLOG/b.log {daily}\nLOG/c.log {\n}\n",
    "several of one line": "LOG/a.log { daily missingok compress rotate 3\n}\n",
    "the same file twice": "LOG/b.log {\n monthly\n}\nLOG/b.log {\n daily\n}\n",
    "week days": "LOG/a.log {\n weekly 3\n rotate 2\n}\nLOG/b.log {\n weekly 9\n}\n",
    "a missing include": "include CONF/nothing\nLOG/a.log { daily }\n",
    "a folder is included": "rotate 2\ninclude CONF/d\nLOG/c.log { daily }\n",
    "a file is included": "include CONF/d/one\nLOG/c.log { daily }\n",
    "other endings": "tabooext + .off\ninclude CONF/d\n",
}
INCLUDED = {
    "one": "weekly\nLOG/a.log {\n rotate 6\n}\n",
    "two.off": "LOG/b.log {\n daily\n}\n",
    "three.dpkg-old": "LOG/sub/d.log {\n daily\n}\n",
    "four~": "LOG/sub/d.log {\n daily\n}\n",
}


def lay_out(folder: Path, text: str) -> Path:
    """The configuration; logrotate takes no file that others than its owner may write."""
    for name in LOGS:
        path = folder / "log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a line\n")
    conf = folder / "conf"
    (conf / "d").mkdir(parents=True)
    places = {"LOG": str(folder / "log"), "CONF": str(conf)}

    def put(path: Path, content: str) -> None:
        for word, place in places.items():
            content = content.replace(word, place)
        path.write_text(content)
        path.chmod(0o644)

    for name, content in INCLUDED.items():
        put(conf / "d" / name, content)
    put(conf / "main", text)
    return conf / "main"


def really(main: Path, folder: Path) -> dict[str, str]:
    """How logrotate would rotate each log, in its own words."""
    done = subprocess.run(
        ["logrotate", "-d", "-s", str(folder / "state"), str(main)],
        check=False,
        capture_output=True,
        text=True,
    )
    found = {}
    for part in (done.stdout + done.stderr).split("rotating pattern: ")[1:]:
        for line in part.splitlines():
            if line.startswith("considering log "):
                found[line.removeprefix("considering log ")] = words_of(part)
    return found


def words_of(text: str) -> str:
    """'rotating pattern: X  after 1 days (7 rotations)' in our words."""
    every = re.search(r" (?:after (\d+) days|(\d+) bytes|(hourly|weekly|monthly|yearly)) ", text)
    assert every is not None, text
    days = {"1": "daily"}.get(every[1] or "", "")
    count = re.search(r"\((?:(\d+) rotations|no old logs will be kept)\)", text)
    kept = FOREVER if count is None else int(count[1] or 0)
    return f"{days or every[3] or f'size {every[2]}'}, rotate {kept}"


def read(main: Path) -> Rules:
    files = {str(path): path.read_text() for path in main.parent.rglob("*") if path.is_file()}
    rules = logrotate.read(snapshot(DictHost(files)), str(main))
    assert isinstance(rules, Rules)
    return rules


def predicted(main: Path, folder: Path) -> dict[str, str]:
    rules = read(main)
    found = {}
    for name in LOGS:
        path = str(folder / "log" / name)
        rule = next((one for one in rules.rules if one.matches(path)), None)
        if rule is not None:
            found[path] = ", ".join(rule.settings.words().split(", ")[:2])
    return found


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="needs logrotate")
@pytest.mark.parametrize("name", CASES)
def test_every_configuration_is_read_as_logrotate_reads_it(name: str, tmp_path: Path) -> None:
    main = lay_out(tmp_path, CASES[name])
    assert predicted(main, tmp_path) == really(main, tmp_path)


@given(st.text(alphabet="/*{}#\"' =\nabdeiklnorstuwyz019", max_size=200))
def test_any_text_is_read_without_harm(text: str) -> None:
    rules = logrotate.read(snapshot(DictHost({logrotate.MAIN: text})))
    assert isinstance(rules, Rules)
    for rule in rules.rules:
        rule.matches("/var/log/syslog")
        rule.is_old("/var/log/syslog.1")


def test_what_cannot_be_read_is_said() -> None:
    assert isinstance(logrotate.read(snapshot(DictHost({}))), Gap)


RSYSLOG = """\
/var/log/syslog
/var/log/mail.log
{
\trotate 4
\tweekly
\tmissingok
\tpostrotate
\t\t/usr/lib/rsyslog/rsyslog-rotate
\tendscript
}
/var/log/dated/*.log { daily
 rotate 7
 maxage 3
 olddir /var/log/old
}
"""


@pytest.mark.parametrize(
    ("path", "days"),
    [
        ("/var/log/syslog", 35),
        ("/var/log/syslog.1", 35),
        ("/var/log/syslog.2.gz", 35),
        ("/var/log/mail.log-20261121.xz", 35),
        ("/var/log/dated/x.log", 4),
        ("/var/log/old/x.log.3", 4),
        ("/var/log/dated/sub/x.log", None),
        ("/var/log/kern.log", None),
        ("/var/log/syslog.old", None),
    ],
)
def test_how_long_a_file_is_kept(path: str, days: float | None) -> None:
    rules = logrotate.read(snapshot(DictHost({logrotate.MAIN: RSYSLOG})))
    assert isinstance(rules, Rules)
    rule = rules.rule_for(path)
    assert (rule.settings.days if rule else None) == days
