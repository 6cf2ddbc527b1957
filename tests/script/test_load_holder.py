"""ufw loads its own files for a policy: again for the next one, and as before when a later step fails."""

from __future__ import annotations

import shutil

import pytest
from plans import script, sha256, sysctl, write

from hardentui.comparison import Comparison, Operator
from hardentui.operations import LoadHolder

pytestmark = pytest.mark.skipif(shutil.which("iptables") is None, reason="needs iptables")

OWNER = "firewall.policy"
RULES = {"iptables": "/etc/ufw/user.rules", "ip6tables": "/etc/ufw/user6.rules"}
# The kernel takes no such number.
REFUSED = sysctl("net/ipv4/conf/all/arp_ignore", "0", "99999999999", Comparison(Operator.EQUAL, ("1",)))
# What the program of that name does, without the chains that are the same for everybody.
UFW_INIT = """#!/bin/sh
set -e
[ "$1" = force-reload ]
. /etc/default/ufw
for program in iptables ip6tables; do
    file=/etc/ufw/user.rules; [ $program = iptables ] || file=/etc/ufw/user6.rules
    $program -w -F
    $program -w -X
    $program-restore --noflush $file
    $program -w -P INPUT $DEFAULT_INPUT_POLICY
    $program -w -P OUTPUT $DEFAULT_OUTPUT_POLICY
    $program -w -P FORWARD $DEFAULT_FORWARD_POLICY
done
"""


def lines(version: str, *ports: int) -> tuple[str, ...]:
    chain = f"ufw{version}-user-input"
    rules = (f"-A {chain} -p tcp --dport {port} -j ACCEPT" for port in ports)
    return ("*filter", f":{chain} - [0:0]", *rules, "COMMIT")


@pytest.fixture
def held(box):
    """A host where ufw holds the firewall and lets SSH in."""
    (box.etc / "ufw").mkdir()
    (box.etc / "default").mkdir()
    (box.etc / "alternatives").mkdir()
    for program in ("iptables", "iptables-restore", "ip6tables", "ip6tables-restore"):
        (box.etc / "alternatives" / program).symlink_to("/usr/sbin/xtables-nft-multi")
    policies = (f'DEFAULT_{way}_POLICY="ACCEPT"\n' for way in ("INPUT", "OUTPUT", "FORWARD"))
    (box.etc / "default/ufw").write_text("".join(policies))
    for version, path in zip(("", "6"), RULES.values(), strict=True):
        (box.scratch / path[1:]).write_text("\n".join(lines(version, 22)) + "\n")
    box.sh("mount -t tmpfs -o mode=0755 box /usr/libexec && mkdir /usr/libexec/ufw")
    box.call("tee", "/usr/libexec/ufw/ufw-init", input=UFW_INIT)
    box.sh("chmod 0755 /usr/libexec/ufw/ufw-init && /usr/libexec/ufw/ufw-init force-reload")
    return box


def loaded(box) -> str:
    return box.sh("iptables -w -S && ip6tables -w -S")


def policy(box, *ports: int, also=()) -> str:
    """The script that lets these ports in, made for the files that stand there."""
    steps = [
        write(
            path,
            *lines(version, *ports),
            before=sha256(box.scratch / path[1:]),
            owner=OWNER,
            can_lock_out=True,
        )
        for version, path in zip(("", "6"), RULES.values(), strict=True)
    ]
    return script(*steps, LoadHolder(owners=(OWNER,), can_lock_out=True, holder="ufw"), *also)


def apply(box, text: str, expected: int = 0) -> str:
    box.install(text)
    return box.run("apply", "--without-guard", expected=expected)


def test_a_policy_is_loaded_and_goes_back(held):
    before, tree = loaded(held), held.tree()
    apply(held, policy(held, 22, 443))
    assert loaded(held).count("--dport 443") == 2
    held.run("rollback")
    assert (loaded(held), held.tree()) == (before, tree)


def test_what_a_later_step_fails_on_does_not_keep_the_policy(held):
    before, tree = loaded(held), held.tree()
    said = apply(held, policy(held, 22, 443, also=[REFUSED]), expected=1)
    assert "All is as it was before" in said
    assert (loaded(held), held.tree()) == (before, tree)


def test_rules_that_no_file_has_are_kept(held):
    held.sh("iptables -A ufw-user-input -p tcp --dport 8080 -j ACCEPT")
    before, tree = loaded(held), held.tree()
    apply(held, policy(held, 22, 443), expected=1)
    assert (loaded(held), held.tree()) == (before, tree)
