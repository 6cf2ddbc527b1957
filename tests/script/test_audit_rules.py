"""The rules of the audit are loaded from their folder, in its order, without being locked; and back."""

from __future__ import annotations

import os

import pytest
from plans import script, write

from hardentui.operations import LoadAuditRules

OWNER = ("audit.logins",)
OURS = "/etc/audit/rules.d/70-hardentui.rules"
RULE = "-a always,exit -F arch=b64 -F path=/etc/shadow -F perm=wa -F key=identity"
# Stands where auditctl does: what it was last given to load stays in /var/lib/loaded.
AUDITCTL = """#!/bin/bash
case $1 in
    -s) printf 'enabled %s\\npid 1\\n' "$(cat /var/lib/enabled)" ;;
    -R)
        if grep -q broken "$2"; then echo 'There was an error in line 2' >&2; exit 1; fi
        cp "$2" /var/lib/loaded
        ;;
esac
"""


@pytest.fixture
def audited(box):
    """A host with rules of its own, an audit that is on, and an auditctl that writes down what it loads."""
    for name, text in {"bin/auditctl": AUDITCTL, "enabled": "1\n"}.items():
        path = box.scratch / "lib" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    rules = box.scratch / "etc/audit/rules.d"
    rules.mkdir(parents=True)
    (rules / "9-first.rules").write_text("## theirs\n-D\n-b 8192\n\n-w /etc/hosts -p wa\n")
    (rules / "99-last.rules").write_text(" -e 2 \n")
    # The script has a PATH of its own; the box's /usr is this machine's, so the tool comes by a mount.
    box.sh("touch /run/auditctl; mkdir -p /var/lib/up /var/lib/work")
    box.sh(
        "mount -t tmpfs box /var/lib/up; mkdir /var/lib/up/u /var/lib/up/w; "
        "mount -t overlay -o lowerdir=/usr/sbin,upperdir=/var/lib/up/u,workdir=/var/lib/up/w box /usr/sbin"
    )
    box.sh("cp /var/lib/bin/auditctl /usr/sbin/auditctl; chmod 755 /usr/sbin/auditctl")
    return box


def loaded(box) -> list[str]:
    path = box.scratch / "lib/loaded"
    return path.read_text().splitlines() if path.exists() else []


def steps(rule: str = RULE) -> str:
    return script(write(OURS, rule), LoadAuditRules(owners=OWNER))


def test_all_files_are_loaded_in_order_and_nothing_is_locked(audited):
    audited.install(steps())
    before = audited.tree()
    assert "the kernel audits by the rules" in audited.run("review")
    assert loaded(audited) == []
    audited.run("apply")
    assert loaded(audited) == ["-D", "-b 8192", "-w /etc/hosts -p wa", RULE, "-e 1"]
    audited.run("rollback")
    assert loaded(audited) == ["-D", "-b 8192", "-w /etc/hosts -p wa", "-e 1"]
    assert audited.tree() == before


def test_where_the_rules_are_locked_the_files_count_from_the_next_boot_on(audited):
    (audited.scratch / "lib/enabled").write_text("2\n")
    audited.install(steps())
    before = audited.tree()
    assert "locked" in audited.run("apply")
    assert loaded(audited) == []
    assert "locked" in audited.run("rollback")
    assert audited.tree() == before


def test_rules_that_the_kernel_refuses_are_taken_back(audited):
    audited.install(steps("-a broken"))
    before = audited.tree()
    said = audited.run("apply", expected=1)
    assert "There was an error in line 2" in said
    assert audited.tree() == before
    assert loaded(audited) == ["-D", "-b 8192", "-w /etc/hosts -p wa", "-e 1"]


def test_an_audit_that_does_not_answer_fails_the_step(audited):
    (audited.scratch / "lib/enabled").write_text("?\n")
    audited.install(steps())
    before = audited.tree()
    assert "the kernel does not audit" in audited.run("apply", expected=None)
    assert audited.tree() == before


@pytest.mark.parametrize("lock", ["-e2", "\t-e\t2", "--loginuid-immutable"])
def test_what_cannot_be_taken_back_before_a_reboot_is_not_loaded(audited, lock):
    (audited.scratch / "etc/audit/rules.d/99-last.rules").write_text(f"{lock}\n")
    audited.install(steps())
    audited.run("apply")
    assert RULE in loaded(audited)
    assert not any("2" in line.split("-e")[-1] or "immutable" in line for line in loaded(audited)[4:])


def test_what_is_no_file_among_the_rules_holds_nobody_up(audited):
    os.mkfifo(audited.scratch / "etc/audit/rules.d/50-pipe.rules")
    audited.install(steps())
    assert audited.call("timeout", "20", "bash", "/root/harden.sh", "apply").returncode == 0
    assert RULE in loaded(audited)
