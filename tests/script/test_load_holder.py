"""The rules of ufw: its files are loaded whenever they change, and nothing that only runs is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from plans import decision, plan, sha256, sysctl

from hardentui.checklist import load, shipped_folder
from hardentui.comparison import Comparison, Operator
from hardentui.hazards import PROBES
from hardentui.operations import ChangeSet, Operation
from hardentui.resources import check
from hardentui.resources.firewall.policy import applied, ufw, ufw_around
from hardentui.script import render

pytestmark = pytest.mark.skipif(
    shutil.which("iptables-nft", path="/usr/sbin") is None, reason="needs iptables"
)

ENTRY = load([shipped_folder()], check, PROBES).get("firewall.policy")
FIRST = "in drop\nout accept\nin tcp 22 from 10.0.0.0/24,2001:db8::/64 course.ssh"
SECOND = "in drop\nout accept\nin tcp 22,8080 from any course.ssh"
DEFAULTS = """IPV6=yes
DEFAULT_INPUT_POLICY="DROP"
DEFAULT_OUTPUT_POLICY="ACCEPT"
DEFAULT_FORWARD_POLICY="DROP"
"""
BEFORE = """*filter
:{own}-before-input - [0:0]
-A {own}-before-input -i lo -j ACCEPT
-A {own}-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""
# Loads the files as the program that ufw brings does, which is not installed here.
UFW_INIT = """#!/bin/sh
set -e
. /etc/default/ufw
for six in '' 6; do
    [ -z "$six" ] || [ -e /proc/sys/net/ipv6 ] || continue
    own=ufw$six tables=ip${six}tables
    {
        printf '%s\\n' '*filter' ":INPUT $DEFAULT_INPUT_POLICY" ":FORWARD $DEFAULT_FORWARD_POLICY"
        printf '%s\\n' ":OUTPUT $DEFAULT_OUTPUT_POLICY" ":$own-user-input -" ":$own-user-output -"
        printf '%s\\n' ":$own-before-input -" ":$own-after-input -" COMMIT
    } | $tables-restore -n
    $tables -C INPUT -j "$own-before-input" 2>/dev/null || $tables -A INPUT -j "$own-before-input"
    for place in before after user; do $tables-restore -n < "/etc/ufw/$place$six.rules"; done
    $tables -A "$own-before-input" -j "$own-user-input"
done
"""


@pytest.fixture
def held(box):
    """A host whose firewall ufw holds, with no rules of people."""
    files = {"default/ufw": DEFAULTS, "ufw/ufw.conf": "ENABLED=yes\nLOGLEVEL=low\n"}
    settings = ufw.Settings(("DROP", "ACCEPT", "DROP"), "low")
    for version, paths in ufw_around.FILES.items():
        before, after = (path.removeprefix("/etc/") for path in paths)
        files[before] = BEFORE.format(own=ufw_around.PREFIX[version])
        files[after] = "*filter\nCOMMIT\n"
        rules = ufw.render(version, (), settings)
        files[ufw.RULES[version].removeprefix("/etc/")] = "".join(f"{line}\n" for line in rules)
    for name, text in files.items():
        path = box.etc / name
        path.parent.mkdir(exist_ok=True, mode=0o755)
        path.write_text(text)
        path.chmod(0o644)
    (box.etc / "alternatives").mkdir()
    for name in ("iptables", "ip6tables"):
        for end in ("", "-restore", "-save"):
            (box.etc / f"alternatives/{name}{end}").symlink_to(f"/usr/sbin/{name}-nft{end}")
    (box.scratch / "root/ufw-init").write_text(UFW_INIT)
    (box.scratch / "root/ufw-init").chmod(0o755)
    box.sh("mount -t tmpfs -o mode=0755 box /usr/libexec && mkdir /usr/libexec/ufw")
    box.sh("cp /root/ufw-init /usr/libexec/ufw/ && /usr/libexec/ufw/ufw-init")
    return box


def steps(box, policy: str, *also: Operation) -> str:
    """The script of a plan whose only decision is this policy, as the host is; ``also`` comes behind it."""
    facts = {f"ufw.rules{version}": sha256(file(box, path)) for version, path in ufw.RULES.items()}
    facts |= {"holder": "ufw", "ufw.obstacle": "", "ufw.routed": "DROP", "ufw.level": "LOGLEVEL=low"}
    facts |= {"ufw.input": 'DEFAULT_INPUT_POLICY="DROP"', "ufw.output": 'DEFAULT_OUTPUT_POLICY="ACCEPT"'}
    change = applied.change(ENTRY, facts, policy)
    assert isinstance(change, tuple), change
    return render(ChangeSet((*change, *also)), plan(decision(ENTRY.id)), {})


def file(box, path: str) -> Path:
    return box.etc / path.removeprefix("/etc/")


def loaded(box) -> str:
    return box.sh("iptables -S && ip6tables -S")


def apply(box, policy: str, name: str = "harden.sh") -> str:
    script = box.install(steps(box, policy), name)
    box.run("apply", "--without-guard", script=script)
    return script


def test_a_second_policy_is_loaded_and_its_rollback_loads_the_first(held) -> None:
    untouched, tree = loaded(held), held.tree()
    first = apply(held, FIRST)
    held.run("confirm", script=first)
    once, once_tree = loaded(held), held.tree()
    assert "-A ufw-user-input -s 10.0.0.0/24 -p tcp" in once

    second = apply(held, SECOND, "second.sh")
    assert "--dports 22,8080" in loaded(held)
    assert "10.0.0.0/24" not in loaded(held)
    held.run("rollback", script=second)
    assert (loaded(held), held.tree()) == (once, once_tree)
    held.run("rollback", script=first)
    assert (loaded(held), held.tree()) == (untouched, tree)


def test_a_review_says_that_the_second_policy_is_loaded(held) -> None:
    held.run("confirm", script=apply(held, FIRST))
    said = held.run("review", script=held.install(steps(held, SECOND), "second.sh"))
    assert "ufw loads these files" in said
    assert "Steps can lock you out" in said


def test_a_later_step_that_fails_takes_the_policy_along(held) -> None:
    """The files go back first: then they no longer say what is loaded."""
    untouched, tree = loaded(held), held.tree()
    refused = sysctl("net/ipv4/conf/all/arp_ignore", "0", "99999999999", Comparison(Operator.EQUAL, ("1",)))
    held.install(steps(held, FIRST, refused))
    assert "All is as it was before" in held.run("apply", "--without-guard", expected=1)
    assert (loaded(held), held.tree()) == (untouched, tree)


def test_the_same_policy_once_more_is_not_loaded_again(held) -> None:
    held.run("confirm", script=apply(held, FIRST))
    again = held.install(steps(held, FIRST) + "# another script\n", "again.sh")
    assert "nothing to do" in held.run("apply", "--without-guard", script=again)


def test_a_policy_whose_files_somebody_put_back_unloaded_is_not_taken_for_made(held) -> None:
    """Both sets of rules were left by runs of ours; the files are those of one, what runs is the other's."""
    held.run("confirm", script=apply(held, FIRST))
    kept = {path: file(held, path).read_text() for path in ufw.RULES.values()}
    held.run("confirm", script=apply(held, SECOND, "second.sh"))
    for path, text in kept.items():
        file(held, path).write_text(text)
    third = held.install(steps(held, FIRST) + "# another script\n", "third.sh")
    said = held.run("apply", "--without-guard", script=third, expected=1)
    assert "is not what its files say" in said


@pytest.mark.parametrize("rule", ["ufw-before-input -s 192.0.2.1 -j DROP", "ufw-user-input -j ACCEPT"])
def test_what_only_runs_is_not_lost(held, rule: str) -> None:
    held.sh(f"iptables -I {rule}")
    before = loaded(held)
    held.install(steps(held, FIRST))
    assert "is not what its files say" in held.run("apply", "--without-guard", expected=1)
    assert loaded(held) == before


def test_what_lets_packets_in_around_people_is_drift(held) -> None:
    before = loaded(held)
    apply(held, FIRST)
    assert "changed" not in held.run("status", expected=4)
    held.sh("iptables -I ufw-before-input -j ACCEPT")
    assert "changed" in held.run("status", expected=4)
    assert "--force 3" in held.run("rollback", expected=4), "what others added is theirs"
    held.run("rollback", "--force", "3")
    assert loaded(held) == before


def test_a_ban_in_front_of_the_rules_is_no_drift(held) -> None:
    """No load of ufw's files moves it, so a rollback does not wait for it either."""
    before = loaded(held)
    apply(held, FIRST)
    held.sh("iptables -N f2b && iptables -A f2b -s 192.0.2.1 -j REJECT && iptables -I INPUT -j f2b")
    held.run("rollback")
    held.sh("iptables -D INPUT -j f2b && iptables -F f2b && iptables -X f2b")
    assert loaded(held) == before


def test_a_kernel_without_ipv6_has_none_of_its_rules(held) -> None:
    held.sh("ip6tables -F; ip6tables -X; mount -t tmpfs none /proc/sys/net")
    apply(held, FIRST)
    assert "ufw6" not in held.sh("ip6tables -S")
    assert "-s 10.0.0.0/24 -p tcp" in held.sh("iptables -S")
    held.run("rollback")
