"""What listens, for whom, and from where it is reached: the resource, and the table of the command."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hardentui import hazards, i18n
from hardentui.assess import assess
from hardentui.checklist import load, shipped_folder
from hardentui.export import ports as export
from hardentui.host.live import LiveHost
from hardentui.model import Finding, Gap, Result
from hardentui.resources import check
from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.reach import Reach
from hardentui.resources.listeners import Listener, listeners, scope_of
from hardentui.snapshot import (
    Interface,
    Interfaces,
    Output,
    Privileges,
    PrivilegesAre,
    Reason,
    Snapshot,
    Socket,
    Sockets,
    Unit,
    Units,
    Unread,
)

from . import hosts
from .test_firewall import FACES, NOTHING, chain, nft, port, rule

CHECKLISTS = load([shipped_folder()], check, hazards.PROBES)
HERE = {"process": "daemon", "pid": 7, "user": "daemon", "unit": "daemon.service"}


def host(*sockets: Socket, rules: Output | Unread | None = None, uid: int = 0) -> hosts.DictHost:
    made = hosts.server(sockets=sockets, commands={loaded.NFT.argv: rules or Output(NOTHING)})
    made.answers[Interfaces] = FACES
    made.answers[PrivilegesAre] = Privileges(uid, "alice", "")
    made.kernel["/proc/sys/net/ipv6/bindv6only"] = "0"
    return made


def seen(made: hosts.DictHost) -> tuple[Listener, ...]:
    found = listeners(hosts.snapshot(made))
    assert not isinstance(found, Gap)
    return found


def finding(made: hosts.DictHost, id_: str, **answers: str) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    return assess([entry], hosts.snapshot(made), answers, CHECKLISTS.questions)[0]


def tcp(address: str = "0.0.0.0", number: int = 80, **changes: object) -> Socket:
    family = "tcp6" if ":" in address else "tcp"
    return Socket(family, address, number, **{**HERE, **changes})


SSH_ONLY = nft(chain(), rule(port(22), {"accept": None}))


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("127.0.0.1", "loopback"),
        ("127.0.0.53", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("0.0.0.0", "any"),
        ("::", "any"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.1.1", "link-local"),
        ("10.0.0.1", "private"),
        ("fd00::1", "private"),
        ("224.0.0.251", "multicast"),
        ("8.8.8.8", "public"),
    ],
)
def test_the_scope_of_an_address(address: str, scope: str) -> None:
    assert scope_of(address) == scope


def test_loopback_is_reached_by_nobody_else_whatever_the_rules_say() -> None:
    (one,) = seen(host(tcp("127.0.0.1")))
    assert (one.exposed, one.reachable()) == (False, "loopback only")


def test_without_rules_everybody_gets_in_and_with_them_whom_they_name() -> None:
    near = {
        "match": {
            "op": "==",
            "left": {"payload": {"protocol": "ip", "field": "saddr"}},
            "right": {"prefix": {"addr": "10.0.0.0", "len": 8}},
        }
    }
    rules = nft(chain(), rule(port(22), {"accept": None}), rule(near, port(80), {"accept": None}))
    three = (tcp(number=22), tcp(number=80), tcp(number=443))
    assert [one.reachable() for one in seen(host(*three))] == ["any"] * 3
    assert [one.reachable() for one in seen(host(*three, rules=rules))] == ["any", "10.0.0.0/8", "nobody"]


def test_a_few_who_are_shut_out_are_named() -> None:
    ban = {
        "match": {
            "op": "==",
            "left": {"payload": {"protocol": "ip", "field": "saddr"}},
            "right": {"set": ["198.51.100.1", "198.51.100.2"]},
        }
    }
    rules = nft(chain(policy="accept"), rule(ban, {"drop": None}))
    (one,) = seen(host(tcp(), rules=rules))
    assert one.reachable() == "any, but 198.51.100.1, 198.51.100.2"


def test_a_socket_for_both_versions_is_open_where_either_is() -> None:
    rules = nft(chain("ip"))
    (one,) = seen(host(tcp("::", 22), rules=rules))
    assert one.dual
    assert one.reachable() == "eth0 IPv4: nobody; eth0 IPv6: any"


def test_beside_a_socket_for_ipv4_one_for_ipv6_is_for_that_alone() -> None:
    four, six = seen(host(tcp("0.0.0.0", 22), tcp("::", 22)))
    assert (four.dual, six.dual) == (False, False)


def test_an_address_of_one_interface_is_reached_by_that_one() -> None:
    made = host(tcp("10.1.0.1"))
    made.answers[Interfaces] = (*FACES, Interface("eth1", ("10.1.0.1",)))
    (one,) = seen(made)
    assert one.interfaces == ("eth1",)


def test_a_published_port_of_a_container_is_diverted() -> None:
    dnat = {"dnat": {"family": "ip", "addr": "172.17.0.2", "port": 80}}
    rules = nft(
        chain(),
        chain(hook="prerouting", type="nat", prio=-100, policy="accept"),
        rule(port(8080), dnat, name="prerouting"),
    )
    (one,) = seen(host(tcp(number=8080, process="docker-proxy"), rules=rules))
    assert one.reachable() == "diverted to 172.17.0.2:80"


def test_a_port_to_which_others_are_redirected_is_not_closed_for_sure() -> None:
    """Who asks for port 80 comes to 8080, though the rules shut 8080 itself."""
    redirect = rule(port(80), {"redirect": {"port": 8080}}, name="prerouting")
    nat = chain(hook="prerouting", type="nat", prio=-100, policy="accept")
    (one,) = seen(host(tcp(number=8080), rules=nft(chain(), nat, redirect)))
    assert one.reachable() == "unknown: inet filter prerouting #1 (redirect)"


def test_rules_without_end_are_given_up_and_said() -> None:
    # Rules about other ports alone would cost nothing, and those about no port are followed once for all.
    name, port = {"meta": {"key": "iifname"}}, {"payload": {"protocol": "th", "field": "dport"}}
    flood = [
        rule(
            {"match": {"op": "!=", "left": port, "right": 1}},
            {"match": {"op": "==", "left": name, "right": f"tun{n}"}},
            {"drop": None},
        )
        for n in range(5000)
    ]
    sockets = [tcp(number=10_000 + n) for n in range(200)]
    last = seen(host(*sockets, rules=nft(chain(), *flood)))[-1]
    assert last.reachable() == "unknown: too many rules to follow"


def test_rules_that_cannot_be_read_leave_it_open_who_gets_in() -> None:
    (one,) = seen(host(tcp(), rules=Unread(Reason.DENIED, "needs root")))
    assert one.reachable().startswith("unknown")


@pytest.fixture
def french() -> Iterator[None]:
    i18n.use("fr")
    yield
    i18n.use("en")


@pytest.mark.usefixtures("french")
def test_why_nobody_knows_is_said_in_the_language_in_use() -> None:
    (one,) = seen(host(tcp(), rules=Unread(Reason.NOT_RECORDED)))
    assert one.reachable(Reach.show).startswith("inconnu : absent de cet enregistrement")
    assert one.reachable() == "unknown: not recorded: nft"  # what a plan keeps


def test_a_rule_that_cannot_be_followed_is_shown() -> None:
    rules = nft(chain(), rule({"limit": {"rate": 3, "per": "minute"}}, port(80), {"accept": None}))
    (one,) = seen(host(tcp(), rules=rules))
    assert one.reachable() == "unknown: inet filter input #1 (limit)"


def test_a_socket_of_systemd_is_named_by_its_unit() -> None:
    made = host(tcp("::", 9090, process="systemd", pid=1, user="root", unit="init.scope"))
    made.answers[Units] = (Unit("cockpit.socket", "loaded", "active", listens=("[::]:9090 (Stream)",)),)
    (one,) = seen(made)
    assert one.unit == "cockpit.socket"


# --- the recommendations ------------------------------------------------------------------------------


def test_the_view_lists_what_is_exposed_and_from_where() -> None:
    found = finding(
        host(tcp(number=22, process="sshd"), tcp("127.0.0.1", 25), rules=SSH_ONLY),
        "principle.enable-expose-only-needed",
    )
    assert found.result is Result.INFORMATIONAL
    assert found.running == "tcp 0.0.0.0:22 sshd from any"


def test_a_list_that_grew_is_another_list() -> None:
    """What was attested to, or waived, was the shorter one: its decision is bound to what was seen."""
    first = finding(host(tcp(number=22, process="sshd")), "principle.enable-expose-only-needed")
    more = host(tcp(number=22, process="sshd"), tcp(number=4444, process="nc"))
    second = finding(more, "principle.enable-expose-only-needed")
    assert first.running != second.running
    assert "nc" in second.running


@pytest.mark.parametrize(
    ("id_", "wrong", "right"),
    [
        ("listeners.databases-local", tcp(number=5432, process="postgres"), tcp("127.0.0.1", 5432)),
        ("listeners.databases-local", tcp("10.0.0.1", 6379), tcp("::1", 6379)),
        (
            "listeners.databases-local",
            Socket("udp", "0.0.0.0", 11211, "memcached"),
            Socket("udp", "0.0.0.0", 5432, "x"),
        ),
        ("listeners.legacy-none", tcp(number=23), tcp(number=22)),
        (
            "listeners.legacy-none",
            Socket("udp6", "::", 111, "rpcbind"),
            Socket("udp", "127.0.0.1", 111, "rpcbind"),
        ),
        ("listeners.mail-loopback", tcp(number=25), tcp("127.0.0.1", 25)),
    ],
)
def test_what_is_exposed_and_should_not_be(id_: str, wrong: Socket, right: Socket) -> None:
    answers = {"mail-server": "no"}
    assert finding(host(wrong), id_, **answers).result is Result.FAIL
    assert finding(host(right), id_, **answers).result is Result.PASS
    assert wrong.process in finding(host(wrong), id_, **answers).message


def test_a_mail_server_may_listen_and_nobody_is_asked_where_no_mail_comes() -> None:
    assert (
        finding(host(tcp(number=25)), "listeners.mail-loopback", **{"mail-server": "yes"}).result
        is Result.NOTAPPLICABLE
    )
    assert finding(host(), "listeners.mail-loopback", **{"mail-server": "no"}).result is Result.PASS


@pytest.mark.parametrize(
    "id_", ["principle.enable-expose-only-needed", "listeners.databases-local", "listeners.legacy-none"]
)
def test_sockets_that_cannot_be_read_are_not_none(id_: str) -> None:
    made = host()
    made.answers[Sockets] = Unread(Reason.DENIED, "needs root")
    found = finding(made, id_)
    assert found.result is (Result.NOTCHECKED if found.recommendation.attest else Result.UNKNOWN)
    assert "root" in found.message
    image = hosts.server(name="image")
    assert finding(image, id_).result is Result.NOTCHECKED


ALIASES = "# aliases\npostmaster: root\nroot: {}\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (ALIASES.format("admin@example.org"), "admin@example.org"),
        (ALIASES.format("alice") + "alice:\n  team@example.org\n", "team@example.org"),
        ("postmaster: root\n", "none"),
        (ALIASES.format("postmaster"), "none"),
        (ALIASES.format("\\root"), "none"),
        (ALIASES.format("/dev/null"), "none"),
        ("#root: admin\n", "none"),
        ("Root : admin\n", "admin"),
    ],
)
def test_where_the_mail_of_root_ends(text: str, value: str) -> None:
    found = finding(hosts.server(files={"/etc/aliases": text}), "mail.root-alias")
    assert found.boot == value
    assert found.result is (Result.FAIL if value == "none" else Result.PASS)


# --- the command ----------------------------------------------------------------------------------------


def table(made: hosts.DictHost, width: int = 200) -> list[str]:
    shown = export.table(hosts.snapshot(made), width)
    assert not isinstance(shown, Gap)
    return list(shown)


def test_the_table_has_a_line_for_each_socket() -> None:
    head, ssh, web = table(
        host(
            tcp(number=22, process="sshd", user="root", unit="ssh.service"), tcp("127.0.0.1"), rules=SSH_ONLY
        )
    )
    assert head.split()[:4] == ["proto", "address", "port", "scope"]
    assert ssh.split() == ["tcp", "0.0.0.0", "22", "any", "address", "sshd", "root", "ssh.service", "any"]
    assert web.endswith("loopback only")


def test_without_root_what_is_hidden_is_said() -> None:
    hidden = tcp(number=22, process="", pid=0, user="", unit="")
    found = finding(host(hidden, uid=1000), "principle.enable-expose-only-needed")
    assert "hidden" in found.provenance[0].text
    lines = table(host(hidden, uid=1000, rules=Unread(Reason.DENIED, "needs root")))
    assert "hidden" in lines[1]
    assert any("sudo" in line for line in lines)
    assert any("could not be read" in line for line in lines)
    document = json.loads(str(export.document(hosts.snapshot(host(hidden, uid=1000)))))
    assert document["processes-hidden"] is True


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_table_is_as_wide_as_the_terminal_and_says_all_of_who_gets_in(language: str, width: int) -> None:
    i18n.use(language)
    rules = nft(chain(), rule({"limit": {"rate": 3, "per": "minute"}}, port(80), {"accept": None}))
    web = tcp(number=80, process="nginx", unit="nginx.service", user="www-data")
    made = host(web, tcp("192.0.2.1", 22), uid=1000, rules=rules)
    lines = table(made, width)
    assert max(map(len, lines)) <= width
    told = " ".join(" ".join(lines).split())
    for one in seen(made):
        assert all(word in told for word in one.reachable(Reach.show).split())
    heads = {"en": ("scope", "unit"), "fr": ("portée", "unité")}[language]
    for head in heads:  # as a column, or among those that had no room
        assert any(head in line for line in lines)


def test_a_hostile_name_cannot_draw() -> None:
    evil = tcp(process="x\x1b[2J\u202e", unit="y\nz.service")
    assert all(line.isprintable() for line in table(host(evil)))
    assert len(table(host(evil))) == 2
    assert "\x1b" not in str(export.document(hosts.snapshot(host(evil))))


def test_sockets_of_this_machine_are_seen_with_their_process() -> None:
    """The real question on the real kernel: our own sockets, and not those that only send."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waiting,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending,
    ):
        waiting.bind(("127.0.0.1", 0))
        sending.connect(("127.0.0.1", 9))
        found = Snapshot(LiveHost()).ask(Sockets())
        assert not isinstance(found, Unread)
        ours = {(one.protocol, one.port): one for one in found if one.pid == os.getpid()}
        assert set(ours) == {("tcp", server.getsockname()[1]), ("udp", waiting.getsockname()[1])}
        assert all(one.process and one.user for one in ours.values())


def test_the_command_prints_the_table_and_json() -> None:
    argv = [sys.executable, "-m", "hardentui", "ports"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = str(server.getsockname()[1])
        text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        assert any(line.split()[2] == number for line in text.splitlines())
        document = json.loads(
            subprocess.run([*argv, "--json"], check=True, capture_output=True, text=True).stdout
        )
        mine = next(one for one in document["listeners"] if str(one["port"]) == number)
        assert mine["reachable"][0]["from"] == "loopback only"
