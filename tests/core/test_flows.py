"""What applications need, against what listens and what is let through; and the policy that it comes to."""

from __future__ import annotations

import pytest

from hardentui.flows.draft import DECISION
from hardentui.flows.matrix import HERE, OTHERS, State, decides
from hardentui.model import Action
from hardentui.rehearsal import rehearse
from hardentui.resources.firewall.policy import parse
from hardentui.session import Session
from hardentui.snapshot import Connections, Interface, Interfaces, Reason, Snapshot, Socket, Unread

from . import hosts
from .applications import ADMIN, ANSWERS, CHECKLISTS, LDAP, SSH, draft, host, snapshot
from .test_firewall import chain, nft, port, rule

ACCEPT = {"accept": None}


def source(network: str) -> dict[str, object]:
    address, _slash, bits = network.partition("/")
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    right = {"prefix": {"addr": address, "len": int(bits)}} if bits else address
    return {"match": {"op": "==", "left": left, "right": right}}


SHUT = nft(chain())
TIGHT = nft(
    chain(),
    rule(source("10.0.0.0/24"), port(22), ACCEPT),
    rule(source("10.1.0.0/16"), port(8443), ACCEPT),
    rule(source("10.2.0.0/24"), port(5672), ACCEPT),
)


def states(made, id_: str) -> dict[str, State]:
    line = made.matrix.line(id_)
    assert line is not None, [one.id for one in made.matrix.lines]
    return {name: cell.state for name, cell in line.cells.items()}


# --- ports of this host -------------------------------------------------------------------------------


def test_without_a_firewall_everything_that_listens_is_too_open() -> None:
    seen = states(draft(snapshot()), "in tcp 22")
    assert seen["administrators"] is State.WANTED
    assert seen["canopsis-users"] is seen[OTHERS] is State.WIDE


def test_rules_that_fit_are_as_needed() -> None:
    made = draft(snapshot(TIGHT))
    assert states(made, "in tcp 22") == {
        "administrators": State.WANTED,
        "canopsis-users": State.SHUT,
        "canopsis-events": State.SHUT,
        OTHERS: State.SHUT,
    }


def test_wider_and_narrower_than_needed() -> None:
    made = draft(snapshot(TIGHT))
    # The rule lets a whole network in, of which one machine is an event source.
    assert states(made, "in tcp 5672")["canopsis-events"] is State.WANTED
    assert states(made, "in tcp 5672")[OTHERS] is State.PARTLY_WIDE
    # Events go by the API, too, and there the rule names the users only.
    assert states(made, "in tcp 8443")["canopsis-events"] is State.NARROW
    part = nft(chain(), rule(source("10.0.0.0/25"), port(22), ACCEPT))
    assert states(draft(snapshot(part)), "in tcp 22")["administrators"] is State.PARTLY


def test_a_port_that_is_open_and_nobody_listens() -> None:
    made = draft(snapshot(sockets=(SSH,)))
    assert states(made, "in tcp 8443")["canopsis-users"] is State.SILENT


def test_every_port_of_a_range_counts() -> None:
    """One that is open says nothing of the next one, whether somebody listens there or not."""
    added = "in tcp 9000-9001 from 10.7.0.7 site.range; out tcp 9000-9001 to 10.7.0.7 site.away"
    both = tuple(Socket("tcp", "0.0.0.0", number, "thing", 50 + number) for number in (9000, 9001))
    out = chain(name="output", hook="output", policy="drop")
    for opened in (9000, 9001):
        half = nft(chain(), rule(port(opened), ACCEPT), out, rule(port(opened), ACCEPT, name="output"))
        for sockets in ((SSH,), (SSH, *both)):
            made = draft(snapshot(half, sockets), flows_added=added)
            assert states(made, "in tcp 9000-9001")["added:site.range"] is State.PARTLY
            assert states(made, "out tcp 9000-9001 site.away")[HERE] is State.PARTLY


LONG = "in tcp 40000-40100 from 10.7.0.7 site.range; out tcp 40000-40100 to 10.7.0.7 site.away"


def of_a_long_range(*statements: list[dict[str, object]]) -> tuple[State, State]:
    """What the matrix says of the range, in and out, where these are the rules for each way."""
    rules = [rule(*one, ACCEPT, name=name) for name in ("input", "output") for one in statements]
    made = draft(snapshot(nft(chain(), chain(hook="output"), *rules), (SSH,)), flows_added=LONG)
    inside = states(made, "in tcp 40000-40100")["added:site.range"]
    return inside, states(made, "out tcp 40000-40100 site.away")[HERE]


def between(low: int, high: int) -> dict[str, object]:
    return port({"range": [low, high]})


def test_a_long_range_is_looked_at_wherever_a_rule_begins_or_ends() -> None:
    whole, half, none = (State.SILENT, State.WANTED), (State.PARTLY,) * 2, (State.NARROW,) * 2
    assert of_a_long_range([between(40000, 40100)]) == whole
    assert of_a_long_range([between(40000, 40050)], [between(40051, 50000)]) == whole
    assert of_a_long_range([port(40000)], [port(40100)]) == half
    assert of_a_long_range([between(40000, 40049)], [between(40051, 40100)]) == half
    assert of_a_long_range([port(40050)]) == half
    assert of_a_long_range([port(39999)], [port(40101)]) == none


def test_a_long_range_whose_ports_are_asked_for_in_another_form_is_not_known() -> None:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    other = {"match": {"op": "!=", "left": left, "right": 40050}}
    assert of_a_long_range([other]) == (State.UNKNOWN, State.UNKNOWN)


def test_a_long_range_is_known_among_the_rules_that_iptables_writes() -> None:
    """ufw ships rules with matches of iptables' own, fail2ban and ufw write several ports into one."""
    protocol = {"meta": {"key": "l4proto"}}
    errors = [
        {"match": {"op": "==", "left": protocol, "right": "icmp"}},
        {"xt": {"type": "match", "name": "icmp"}},
    ]
    tcp = {"match": {"op": "==", "left": protocol, "right": "tcp"}}
    left = {"payload": {"protocol": "th", "field": "dport"}}
    several = [tcp, {"match": {"op": "==", "left": left, "right": {"set": [80, {"range": [40000, 40100]}]}}}]
    assert of_a_long_range(errors, several) == (State.SILENT, State.WANTED)
    few = [tcp, {"match": {"op": "==", "left": left, "right": {"set": [40000, 40100]}}}]
    assert of_a_long_range(errors, few) == (State.PARTLY, State.PARTLY)


def test_the_rule_that_decides_is_named_for_each_port_of_a_range_that_differs() -> None:
    seen = snapshot(nft(chain(), rule(port(40050), ACCEPT)), (SSH,))
    made = draft(seen, flows_added=LONG)
    line = made.matrix.line("in tcp 40000-40100")
    asking = next(one for one in made.matrix.columns if one.id == "added:site.range")
    shut, let_in = decides(seen, line, asking.bound).split("; ")
    assert shut.startswith("40000: inet filter input")
    assert "policy drop" in shut
    assert let_in.startswith("40050: inet filter input")
    assert "policy" not in let_in


def test_a_database_on_loopback_is_for_this_host_alone() -> None:
    made = draft(snapshot())
    line = made.matrix.line("in tcp 27017")
    assert line.cells[HERE].state is State.WANTED
    assert not line.differs
    assert not any("27017" in str(permit) for permit in made.policy.permits)


def test_a_listener_that_nothing_expects_stands_out() -> None:
    odd = Socket("tcp", "0.0.0.0", 4444, "nc", 66, "alice", "")
    line = draft(snapshot(sockets=(SSH, odd))).matrix.line("in tcp 4444")
    assert not line.needs
    assert line.differs
    assert line.cells[OTHERS].state is State.WIDE
    assert line.processes == "nc"


def test_sshd_on_another_port_is_the_one_that_is_meant() -> None:
    moved = Socket("tcp", "0.0.0.0", 2222, "sshd", 7, "root", "ssh.service")
    made = draft(snapshot(sockets=(moved,)))
    assert made.matrix.line("in tcp 2222").needs
    assert made.matrix.line("in tcp 22") is None
    assert any(str(permit).startswith("in tcp 2222 from 10.0.0.0/24") for permit in made.policy.permits)


def test_an_sshd_on_loopback_is_not_the_one_that_is_meant() -> None:
    tunnel = Socket("tcp", "127.0.0.1", 2222, "sshd", 7, "root", "ssh.service")
    assert draft(snapshot(sockets=(SSH, tunnel))).matrix.line("in tcp 2222") is None


def test_the_socket_unit_of_ssh_counts_as_sshd() -> None:
    held = Socket("tcp", "0.0.0.0", 2222, "systemd", 1, "root", "ssh.socket")
    assert draft(snapshot(sockets=(held,))).matrix.line("in tcp 2222").needs


def test_a_rule_that_cannot_be_followed_leaves_it_unknown() -> None:
    rated = nft(chain(), rule({"limit": {"rate": 1, "per": "second"}}, port(22), ACCEPT))
    made = draft(snapshot(rated))
    assert states(made, "in tcp 22")["administrators"] is State.UNKNOWN
    assert made.matrix.line("in tcp 22").cells["administrators"].passage.why


def test_without_rights_to_read_the_rules_nothing_is_called_open_or_shut() -> None:
    made = draft(snapshot(Unread(Reason.DENIED, "needs root")))
    for line in made.matrix.lines:
        for name, cell in line.cells.items():
            assert name == HERE or cell.state in {State.UNKNOWN, State.UNBOUND}
    assert made.matrix.gaps


def test_a_published_port_is_open_past_the_rules_for_input() -> None:
    diverted = nft(
        {
            "chain": {
                "family": "ip",
                "table": "nat",
                "name": "PREROUTING",
                "type": "nat",
                "hook": "prerouting",
                "prio": -100,
                "policy": "accept",
            }
        },
        {
            "rule": {
                "family": "ip",
                "table": "nat",
                "chain": "PREROUTING",
                "expr": [port(8443), {"dnat": {"addr": "172.17.0.2", "port": 8443}}],
            }
        },
        chain(),
    )
    cell = draft(snapshot(diverted, sockets=(SSH,))).matrix.line("in tcp 8443").cells["canopsis-users"]
    assert cell.passage.published
    assert cell.state is State.WANTED


def test_the_rule_that_decides_is_named() -> None:
    made = draft(seen := snapshot(TIGHT))
    line = made.matrix.line("in tcp 22")
    admins = next(one for one in made.matrix.columns if one.id == "administrators")
    others = next(one for one in made.matrix.columns if one.id == OTHERS)
    assert decides(seen, line, admins.bound).startswith("inet filter input")
    assert "policy drop" in decides(seen, line, others.bound)


def test_users_everywhere_do_not_make_the_administrators_a_surprise() -> None:
    made = draft(snapshot(TIGHT), canopsis_users="any")
    # What only administrators reach is not open to all users because they are among them.
    assert states(made, "in tcp 22")["canopsis-users"] is State.SHUT


# --- machines that this host calls ----------------------------------------------------------------------


def test_connections_are_counted_on_their_flow() -> None:
    made = draft(snapshot(connections=(ADMIN, ADMIN, LDAP)), canopsis_ldap="10.0.0.9")
    assert made.matrix.line("in tcp 22").cells["administrators"].count == 2
    line = made.matrix.line("out tcp 389 canopsis.ldap")
    assert (line.cells[HERE].count, line.processes) == (1, "sssd")


def test_a_call_that_nothing_expects_stands_out() -> None:
    line = draft(snapshot(connections=(LDAP,))).matrix.line("out tcp 389 sssd")
    assert line.cells[HERE].state is State.WIDE
    assert line.peers == "10.0.0.9"


def test_a_closed_output_is_followed_and_names_what_it_lets_out() -> None:
    out = {"payload": {"protocol": "ip", "field": "daddr"}}
    one = {"match": {"op": "==", "left": out, "right": "10.0.0.9"}}
    shut = nft(chain(hook="output"), rule(one, port(389), ACCEPT, name="output"))
    made = draft(snapshot(shut), canopsis_ldap="10.0.0.9")
    assert states(made, "out tcp 389 canopsis.ldap")[HERE] is State.WANTED
    assert states(made, "out tcp 636 canopsis.ldap")[HERE] is State.NARROW
    both = draft(snapshot(shut), canopsis_ldap="10.0.0.8/31")
    assert states(both, "out tcp 389 canopsis.ldap")[HERE] is State.PARTLY


def test_names_of_machines_open_the_way_out_to_all_and_that_is_said() -> None:
    made = draft(snapshot())
    assert "out tcp 443 to any canopsis.install-packages" in made.text.splitlines()
    assert any("nexus.canopsis.net" in trouble for trouble in made.troubles)


def test_time_and_logs_are_added_where_this_host_uses_them() -> None:
    assert not any("123" in line for line in draft(snapshot()).text.splitlines())
    from hardentui.snapshot import Unit

    running = snapshot(units=(Unit("chrony.service", "loaded", "active"),))
    assert "out udp 123 to any course.ntp" in draft(running).text.splitlines()


def test_the_relay_of_logs_is_where_rsyslog_sends_them() -> None:
    assert "course.relp" not in draft(snapshot()).text
    made = host()
    made.files["/etc/rsyslog.d/90-relay.conf"] = (
        'module(load="omrelp")\n*.* action(type="omrelp" target="10.0.0.40" port="20514" tls="on")\n'
    )
    assert "out tcp 20514 to 10.0.0.40 course.relp" in draft(hosts.snapshot(made)).text.splitlines()


def test_resolvers_are_those_of_the_host_but_not_its_own_stub() -> None:
    stub = host(files={"/etc/resolv.conf": "nameserver 127.0.0.53\n"})
    assert "course.dns" not in draft(hosts.snapshot(stub)).text
    real = host(files={"/etc/resolv.conf": "nameserver 192.0.2.53\nnameserver 2001:db8::53\n"})
    assert "out udp 53 to 192.0.2.53,2001:db8::53 course.dns" in draft(hosts.snapshot(real)).text


# --- who is who ------------------------------------------------------------------------------------------


def test_nobody_is_let_in_who_was_not_named() -> None:
    made = draft(snapshot(), canopsis_users="")
    assert "users-web" not in made.text
    assert any("users-web" in trouble for trouble in made.troubles)
    assert states(made, "in tcp 8443")["canopsis-users"] is State.UNBOUND


def test_a_list_of_networks_needs_no_blank_behind_its_commas() -> None:
    made = draft(snapshot(), administrators=ANSWERS["administrators"].replace(", ", ","))
    assert made.text == draft(snapshot()).text
    assert "course.ssh" in made.text


def test_an_answer_that_fits_no_question_is_said() -> None:
    made = draft(snapshot(), canopsis_roles="canopsis, web")
    assert made.matrix.bindings.applications[0].roles == frozenset()
    assert any(trouble.startswith("canopsis-roles: 'web' is not known") for trouble in made.troubles)


def test_names_are_refused_on_the_way_in() -> None:
    made = draft(snapshot(), canopsis_users="pc.example.org")
    assert "users-web" not in made.text
    assert any("pc.example.org" in trouble for trouble in made.troubles)


def test_a_role_is_seen_by_an_own_address() -> None:
    made = draft(snapshot(), canopsis_roles="", canopsis_canopsis="192.0.2.7")
    assert made.matrix.bindings.applications[0].roles == {"canopsis"}


def test_a_part_that_anybody_may_have_is_not_this_host() -> None:
    answers = {"applications": "roboconf", "roboconf-roles": "messaging", "roboconf-agents": "any"}
    made = draft(snapshot(), **answers)
    assert made.matrix.bindings.applications[0].roles == {"messaging"}


def test_a_name_is_no_own_address() -> None:
    made = draft(snapshot(), canopsis_roles="", canopsis_mongodb="db.example.org")
    assert made.matrix.bindings.applications[0].roles == frozenset()
    assert any("what this host is" in trouble for trouble in made.troubles)


def test_the_database_host_lets_the_application_in_and_calls_nobody() -> None:
    made = draft(snapshot(), canopsis_roles="mongodb", canopsis_canopsis="10.3.0.4")
    assert "in tcp 27017 from 10.3.0.4 canopsis.mongodb" in made.text.splitlines()
    assert "canopsis.ldap" not in made.text
    # It listens on loopback: the application cannot reach it, whatever the firewall says.
    assert states(made, "in tcp 27017")["canopsis-canopsis"] is State.NARROW


def test_the_members_of_a_cluster_are_each_others_peers() -> None:
    answers = {"applications": "roboconf", "roboconf-roles": "messaging"}
    made = draft(snapshot(), **answers, roboconf_messaging="192.0.2.7, 10.4.0.1, 10.4.0.2")
    lines = made.text.splitlines()
    assert "in tcp 4369,25672 from 10.4.0.1,10.4.0.2 roboconf.nodes" in lines
    assert "out tcp 4369,25672 to 10.4.0.1,10.4.0.2 roboconf.nodes" in lines


@pytest.mark.parametrize(
    ("version", "ports"), [("before-4.5", "80"), ("packages", "8080,8443"), ("docker", "80,443")]
)
def test_ports_follow_the_version(version: str, ports: str) -> None:
    made = draft(snapshot(), canopsis_version=version)
    assert any(str(permit).startswith(f"in tcp {ports} from 10.1.0.0/16") for permit in made.policy.permits)
    assert ("canopsis.influxdb" in {need.name for need in made.matrix.needs}) == (version == "before-4.5")


def test_the_misprinted_ports_of_redis_are_nowhere_proposed() -> None:
    made = draft(snapshot(), canopsis_redis="10.5.0.1")
    assert "out tcp 6379,26379 to 10.5.0.1 canopsis.redis" in made.text.splitlines()
    assert "6739" not in made.text


def test_an_unknown_application_is_said() -> None:
    made = draft(snapshot(), applications="canopsis, gitlab")
    assert any("gitlab" in trouble for trouble in made.troubles)


# --- the policy and what it would cut --------------------------------------------------------------------


def test_the_proposed_policy_is_one_that_can_be_read() -> None:
    made = draft(snapshot())
    assert parse(made.text) == made.policy
    assert made.text.startswith("in drop\nout drop\n")
    assert "out accept" in draft(snapshot(), outgoing="all").text


def test_what_a_person_adds_is_in_the_policy_and_in_the_matrix() -> None:
    two = "in tcp 10050 from 10.0.0.7 site.zabbix; out tcp 25 to any site.mail"
    made = draft(snapshot(), flows_added=two)
    assert "in tcp 10050 from 10.0.0.7 site.zabbix" in made.text.splitlines()
    assert made.matrix.line("in tcp 10050").needs[0].name == "site.zabbix"


def test_a_line_that_is_no_permit_is_said_and_left_out() -> None:
    made = draft(snapshot(), flows_added="in tcp 99999 from 10.0.0.7 site.far")
    assert "site.far" not in made.text
    assert any("99999" in trouble for trouble in made.troubles)


def test_open_connections_that_it_would_cut_are_named_until_somebody_says_why() -> None:
    made = draft(snapshot(connections=(ADMIN, LDAP)))
    assert [str(one) for one in made.unsaid] == ["out tcp 389 10.0.0.9"]
    said = made.acknowledging(made.unsaid[0], "the directory moves next week")
    assert said.unsaid == ()
    assert "cut out tcp 389 10.0.0.9: the directory moves next week" in said.text
    with pytest.raises(ValueError, match="reason"):
        made.acknowledging(made.unsaid[0], "")


def test_an_administrator_outside_the_named_networks_would_be_cut() -> None:
    from dataclasses import replace

    made = draft(snapshot(connections=(replace(ADMIN, peer="203.0.113.9"),)))
    assert [str(one) for one in made.unsaid] == ["in tcp 22 203.0.113.9"]


def test_what_was_acknowledged_stays_when_the_answers_move() -> None:
    seen = snapshot(connections=(LDAP,))
    first = draft(seen)
    first = first.acknowledging(first.unsaid[0], "goes away")
    assert draft(seen, decided=first.text, canopsis_users="10.9.0.0/16").unsaid == ()


def test_families_are_told_apart() -> None:
    from dataclasses import replace

    six = replace(ADMIN, peer="2001:db8:b::1", address="2001:db8::7")
    assert len(draft(snapshot(connections=(six,))).unsaid) == 1
    inside = replace(ADMIN, peer="2001:db8:a::1", address="2001:db8::7")
    assert draft(snapshot(connections=(inside,))).unsaid == ()


def test_a_second_reason_takes_the_place_of_the_first() -> None:
    made = draft(snapshot(connections=(LDAP,)))
    contact = made.unsaid[0]
    made = made.acknowledging(contact, "first").acknowledging(contact, "second")
    assert [cut.reason for cut in made.policy.cuts] == ["second"]


def test_an_image_shows_what_is_needed_and_says_that_it_does_not_run() -> None:
    made = draft(hosts.snapshot(host(name="image")))
    assert made.matrix.gaps
    assert "in tcp 22 from" in made.text


def test_a_recording_without_connections_says_so() -> None:
    made_host = host()
    made_host.answers[Connections] = Unread(Reason.NOT_RECORDED)
    made = draft(hosts.snapshot(made_host))
    assert len(made.matrix.gaps) == 1
    assert made.matrix.line("in tcp 22")


def test_two_networks_on_two_interfaces() -> None:
    by_eth1 = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth1"}}
    two = host(nft(chain(), rule(by_eth1, ACCEPT)))
    two.answers[Interfaces] = (Interface("eth0", ("192.0.2.7",)), Interface("eth1", ("10.0.0.1",)))
    assert states(draft(hosts.snapshot(two)), "in tcp 22")["administrators"] is State.PARTLY


# --- the loop: what is proposed, once it is loaded ------------------------------------------------------


def rehearsed(decided: str) -> Snapshot:
    """The host of Canopsis with a policy applied, in memory."""
    seen = snapshot(connections=(ADMIN,), files={"/usr/sbin/nft": "a program"})
    session = Session.begin(CHECKLISTS, seen)
    found = session.finding(DECISION)
    session = session.decided(session.decision(found, Action.APPLY, target=decided))
    return rehearse(seen, session.compiled())


def test_with_its_own_policy_loaded_nothing_is_wider_or_narrower_than_needed() -> None:
    known = {"canopsis_snmp": "10.2.0.6", "canopsis_ldap": "10.0.0.9", "canopsis_redis": "10.5.0.1"}
    known["canopsis_postgresql"] = "10.5.0.2"
    before = draft(snapshot(connections=(ADMIN,)), **known)
    assert before.matrix.differing
    after = draft(rehearsed(before.text), **known)
    differing = {line.id: states(after, line.id) for line in after.matrix.lines if line.differs}
    assert set(differing) == {"out udp 53 course.dns", "out tcp 53 course.dns-tcp"}  # nobody said who
    assert states(after, "in tcp 22")["administrators"] is State.WANTED
    assert states(after, "in tcp 22")[OTHERS] is State.SHUT
    assert states(after, "out tcp 389 canopsis.ldap")[HERE] is State.WANTED
    assert after.policy == before.policy


def test_a_policy_that_cuts_what_is_open_makes_no_step() -> None:
    seen = snapshot(connections=(ADMIN,), files={"/usr/sbin/nft": "a program"})
    session = Session.begin(CHECKLISTS, seen)
    found = session.finding(DECISION)
    elsewhere = "in drop\nout drop\nin tcp 22 from 192.0.2.1 a.ssh"
    for target, refused in (
        (elsewhere, True),
        ("in drop\nout drop\nin tcp 22 from 10.0.0.17 a.ssh", False),
        (f"{elsewhere}\ncut in tcp 22 10.0.0.17: the console is at hand", False),
        (f"{elsewhere}\ncut in tcp 22 any: the console is at hand", False),
        (f"{elsewhere}\ncut in tcp 22 10.0.0.18: the console is at hand", True),
    ):
        made = session.decided(session.decision(found, Action.APPLY, target=target)).compiled()
        assert (DECISION in made.refused) is refused, target
        assert not refused or "in tcp 22 10.0.0.17" in made.refused[DECISION]
