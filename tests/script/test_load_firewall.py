"""The table of a firewall policy: nft loads it whole, the other tables stay, and the way back is exact."""

from __future__ import annotations

import shutil

import pytest
from plans import plan, script

from hardentui.checklist import load, shipped_folder
from hardentui.hazards import PROBES
from hardentui.operations import ChangeSet, LoadFirewall
from hardentui.resources import check
from hardentui.resources.firewall.policy import applied, nftables, parse, place
from hardentui.script import render

pytestmark = pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")

ENTRY = load([shipped_folder()], check, PROBES).get("firewall.policy")
NARROW = "in drop\nout accept\nin tcp 22 from 10.0.0.0/24,2001:db8::/64 course.ssh"
WIDE = "in drop\nout drop\nin tcp 22,80 from any a.web\nout udp 53 to 10.0.0.53 course.dns"
# What others have loaded: a set with a time limit, a counter that counts, a chain that drops.
OTHERS = """
table inet f2b-table {
    set addr-set-sshd { type ipv4_addr; flags timeout; elements = { 192.0.2.66 timeout 1h } }
    chain f2b-chain {
        type filter hook input priority -1; policy accept;
        tcp dport 22 ip saddr @addr-set-sshd counter reject
    }
}
table ip nat { chain DOCKER { tcp dport 8080 dnat to 172.17.0.2:80; }; }
"""
FACTS = {"holder": "none", "nft": "present", "file": "absent", "unit": "absent", "loaded": "absent"}


def steps(policy: str, **facts: str) -> str:
    """The script of a plan whose only decision is this policy; no systemd starts the unit in the box."""
    change = applied.change(ENTRY, {**FACTS, **facts}, policy)
    assert isinstance(change, tuple), change
    return render(ChangeSet(change), plan(), {})


def loaded(box) -> str:
    """All rules, without what they counted."""
    return box.sh("nft --stateless list ruleset | sed 's/ expires [0-9a-z]*//'")


def table(box) -> str:
    return box.sh("nft --stateless list table inet hardentui")


@pytest.fixture
def walled(box):
    """A host with the rules of others, and a firewall unit that systemctl can enable."""
    box.sh(f"nft -f - <<'END'\n{OTHERS}\nEND")
    return box


def apply(box, text: str) -> str:
    box.install(text)
    return box.run("apply", "--without-guard")


def test_only_our_table_comes_and_goes(walled):
    before, tree = loaded(walled), walled.tree()
    said = apply(walled, steps(NARROW))
    assert "step 4: inet hardentui" in said
    assert "ip saddr @peers_1 tcp dport 22" in table(walled)
    walled.sh("nft delete table inet hardentui")
    others = loaded(walled)
    assert others == before
    walled.sh(f"nft -f {place.FILE}")
    walled.run("rollback")
    assert loaded(walled) == before
    assert walled.tree() == tree


def test_review_shows_the_rules_and_loads_nothing(walled):
    before = loaded(walled)
    walled.install(steps(NARROW))
    said = walled.run("review")
    assert "+#: in tcp 22 from 10.0.0.0/24,2001:db8::/64 course.ssh" in said
    assert f"nft checks {place.FILE} and loads it" in said
    assert loaded(walled) == before


def test_the_rules_of_an_earlier_plan_come_back(walled):
    """A second plan replaces the policy of the first, and its rollback brings the first one back."""
    apply(walled, steps(NARROW))
    walled.run("confirm", expected=None)
    first, tree = loaded(walled), walled.tree()
    facts = {
        "file": walled.sh(f"sha256sum < {place.FILE}").split()[0],
        "unit": walled.sh(f"sha256sum < {place.UNIT_FILE}").split()[0],
        "loaded": nftables.digest(parse(NARROW)),
    }
    apply(walled, steps(WIDE, **facts))
    assert "tcp dport { 22, 80 }" in table(walled)
    assert "peers_2" not in table(walled), "nothing of the first policy stays"
    walled.run("rollback")
    assert loaded(walled) == first
    assert walled.tree() == tree


def test_rules_that_others_change_are_seen_as_drift(walled):
    apply(walled, steps(NARROW))
    assert "drifted" not in walled.run("status", expected=None)
    walled.sh("nft add rule inet hardentui input tcp dport 23 accept")
    said = walled.run("status", expected=4)
    assert "inet hardentui" in said
    said = walled.run("rollback", expected=4)
    assert "--force 4" in said, "what others added is theirs until a person says otherwise"
    walled.run("rollback", "--force", "4")
    assert "hardentui" not in loaded(walled)


def test_a_table_that_was_emptied_is_drift_and_goes_back(walled):
    before, tree = loaded(walled), walled.tree()
    apply(walled, steps(NARROW))
    walled.sh("nft delete table inet hardentui")
    assert "inet hardentui" in walled.run("status", expected=4)
    walled.run("rollback")
    assert (loaded(walled), walled.tree()) == (before, tree)


def test_a_second_apply_has_nothing_to_do(walled):
    text = steps(NARROW)
    apply(walled, text)
    once = loaded(walled)
    walled.run("apply", "--without-guard")
    assert loaded(walled) == once


def test_a_table_that_nobody_planned_with_is_not_overwritten(walled):
    walled.sh("nft add table inet hardentui")
    before = loaded(walled)
    walled.install(steps(NARROW))
    assert "inet hardentui" in walled.run("apply", "--without-guard", expected=3)
    assert loaded(walled) == before


def test_rules_that_nft_refuses_change_nothing(walled):
    before, tree = loaded(walled), walled.tree()
    walled.install(
        script(
            *[step for step in applied.change(ENTRY, FACTS, NARROW) if not isinstance(step, LoadFirewall)][
                :1
            ],
            LoadFirewall(
                owners=("firewall.policy",),
                path="/etc/passwd",
                before="absent",
                after=nftables.digest(parse(NARROW)),
            ),
        )
    )
    assert "syntax error" in walled.run("apply", "--without-guard", expected=1)
    assert (loaded(walled), walled.tree()) == (before, tree)


def test_it_loads_without_the_names_of_ports_and_protocols(walled):
    """A small system has neither /etc/services nor /etc/protocols."""
    assert not (walled.etc / "services").exists()
    assert not (walled.etc / "protocols").exists()
    apply(walled, steps(WIDE))
    assert "course.dns" in table(walled)
