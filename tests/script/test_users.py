"""What is decided about sudo, passwords and logins: applied for real, seen again as right, and taken back."""

from __future__ import annotations

import shutil

import pytest
from core.sittings import CHECKLISTS

from hardentui.assess import assess
from hardentui.host.image import ImageHost
from hardentui.model import Action, Result
from hardentui.script import render
from hardentui.session import Session
from hardentui.snapshot import Snapshot

RESOURCES = {"accounts", "login", "pam", "sudoers"}
SUDOERS = """\
Defaults\tenv_reset, !use_pty
root\tALL=(ALL:ALL) ALL
%sudo\tALL=(ALL:ALL) EXEC: ALL
@includedir /etc/sudoers.d
"""
FILES = {
    "os-release": "ID=debian\nVERSION_ID=12\nNAME=Debian\n",
    "sudoers": SUDOERS,
    "sudoers.d/README": "# nothing\n",
    "pam.d/passwd": "password requisite pam_pwquality.so retry=3\npassword required pam_unix.so yescrypt\n",
    "pam.d/login": "auth required pam_faillock.so preauth\nauth sufficient pam_unix.so\n"
    "auth required pam_faillock.so authfail\nsession optional pam_umask.so\n",
    "security/pwquality.conf": "# minlen = 8\nminclass = 1\n",
    "security/faillock.conf": "# deny = 3\ndeny = 10",  # no line end at its end
    "login.defs": "UMASK\t\t022\nENCRYPT_METHOD MD5\nPASS_MAX_DAYS\t99999\n",
    "profile": "umask 022\n",
    "profile.d/a.sh": "TMOUT=3600\n",
}


@pytest.mark.skipif(shutil.which("visudo") is None, reason="needs visudo (package sudo)")
def test_every_change_about_users_is_made_seen_and_taken_back(box) -> None:
    for name, text in FILES.items():
        path = box.etc / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o440 if name.startswith("sudoers") and "README" not in name else 0o644)
    before = box.tree()
    session = Session.begin(CHECKLISTS, Snapshot(ImageHost(str(box.scratch))))
    chosen = []
    for entry in CHECKLISTS.recommendations:
        finding = session.finding(entry.id)
        if entry.resource in RESOURCES and entry.target and not session.refusal(finding):
            session = session.decided(session.decision(finding, Action.APPLY))
            chosen.append(entry)
    assert len(chosen) >= 14
    box.install(render(session.compiled(), session.plan, CHECKLISTS))
    box.run("apply", "--without-guard")
    found = assess(chosen, Snapshot(ImageHost(str(box.scratch))), {}, CHECKLISTS.questions)
    assert {f.recommendation.id: f.message for f in found if f.result is not Result.PASS} == {}
    assert effective(box) >= {"use_pty", "ignore_dot", "noexec", "requiretty", "umask=0077"}
    assert box.sh("visudo -c -f /etc/sudoers >/dev/null && echo fine") == "fine"
    box.run("rollback")
    assert box.tree() == before


def effective(box) -> set[str]:
    """The settings for all that count in the end, as sudo's own cvtsudoers reads the files."""
    last: dict[str, str] = {}
    for line in box.sh("cvtsudoers -f sudoers -e /etc/sudoers").splitlines():
        if line.startswith("Defaults "):
            for word in line.removeprefix("Defaults ").split(","):
                last[word.strip().lstrip("!").partition("=")[0]] = word.strip()
    return set(last.values())
