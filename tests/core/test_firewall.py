"""The firewall of a host: what is loaded, what a boot loads, and the reasons where nothing can be said."""

from __future__ import annotations

import contextlib
import ipaddress
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.model import Drift, Finding, Gap, GapKind, Result
from hardentui.resources.firewall import boot, iptables, loaded, script, sources
from hardentui.resources.firewall.evaluate import Verdict, evaluate
from hardentui.resources.firewall.reach import Door, Reachability
from hardentui.resources.firewall.ruleset import Ruleset, Span, build, parse
from hardentui.resources.firewall.values import Packet
from hardentui.snapshot import (
    Command,
    Interface,
    Interfaces,
    KernelOption,
    Output,
    Reason,
    Snapshot,
    UnitFile,
    Unread,
)

from . import hosts
from .rulesets import UFW, UFW6
from .sittings import CHECKLISTS

INPUT = "principle.filter-network-globally-and-locally"
HOLDER = "firewall.one-holder"
NOTHING = json.dumps({"nftables": [{"metainfo": {"json_schema_version": 1}}]})
FACES = (Interface("lo", ("127.0.0.1", "::1")), Interface("eth0", ("192.0.2.7", "2001:db8::7")))


def chain(
    family: str = "inet", policy: str = "drop", hook: str = "input", **more: object
) -> dict[str, object]:
    given = {"family": family, "table": "filter", "name": hook, "type": "filter", "hook": hook, "prio": 0}
    return {"chain": {**given, "policy": policy, **more}}


def rule(*statements: object, family: str = "inet", name: str = "input") -> dict[str, object]:
    return {"rule": {"family": family, "table": "filter", "chain": name, "expr": list(statements)}}


def nft(*nodes: object) -> Output:
    return Output(json.dumps({"nftables": list(nodes)}))


def port(number: object) -> dict[str, object]:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": number}}


def host(
    rules: Output | Unread | None = None, enabled: tuple[str, ...] = (), **changes: object
) -> hosts.DictHost:
    given = {
        "commands": {loaded.NFT.argv: rules if rules is not None else Output(NOTHING)},
        "unit_files": tuple(UnitFile(f"{name}.service", "enabled") for name in enabled),
        **changes,
    }
    faces = given.pop("interfaces", FACES)
    made = hosts.server(**given)
    made.answers[Interfaces] = faces
    made.kernel["/proc/net/if_inet6"] = ""
    made.files["/boot/config-6.1.0-28-amd64"] = "CONFIG_NF_TABLES=m\n"
    return made


def finding(made: hosts.DictHost, id_: str = INPUT) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    return assess([entry], hosts.snapshot(made), {}, CHECKLISTS.questions)[0]


CLOSED = (
    "flush ruleset\ntable inet filter {\n\tchain input {\n"
    "\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n"
)
STOCK = (
    "#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n\tchain input {\n"
    "\t\ttype filter hook input priority filter;\n\t}\n\tchain forward {\n"
    "\t\ttype filter hook forward priority filter;\n\t}\n}\n"
)


# --- now --------------------------------------------------------------------------------------------


def test_no_rules_at_all_fail_for_both_versions() -> None:
    found = finding(host())
    assert found.result is Result.FAIL
    assert found.observation.running.values == {"IPv4": "accept", "IPv6": "accept"}


def test_rules_for_ipv4_alone_leave_ipv6_open() -> None:
    found = finding(host(nft(chain("ip"))))
    assert found.result is Result.FAIL
    assert found.observation.running.values == {"IPv4": "drop", "IPv6": "accept"}


def test_a_host_without_ipv6_is_judged_by_ipv4() -> None:
    made = host(nft(chain("ip")), ("nftables",), files={"/etc/nftables.conf": CLOSED.replace("inet", "ip")})
    made.kernel["/proc/sys/net/ipv6/conf/all/disable_ipv6"] = "1"
    assert finding(made).result is Result.PASS


def test_a_last_rule_that_rejects_is_as_good_as_a_policy() -> None:
    rules = nft(chain(policy="accept"), rule(port(22), {"accept": None}), rule({"reject": {"type": "icmpx"}}))
    assert finding(host(rules)).observation.running.values == {"IPv4": "drop", "IPv6": "drop"}


def test_one_open_interface_is_named() -> None:
    open_ = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth1"}}
    faces = (*FACES, Interface("eth1", ("198.51.100.7",)), Interface("docker0", ("172.17.0.1",)))
    made = host(nft(chain(), rule(open_, {"accept": None})), interfaces=faces)
    assert finding(made).observation.running.values["IPv4"] == "accept (eth1)"


def test_what_cannot_be_evaluated_is_unknown_and_shows_the_rule() -> None:
    found = finding(host(nft(chain(), rule({"queue": {"num": 1}}))))
    assert found.result is Result.FAIL  # nothing loads it at boot
    assert found.observation.running.gap.kind is GapKind.UNMODELLED
    assert "inet filter input #1 (queue)" in found.observation.running.gap.detail


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Unread(Reason.DENIED, "needs root"), GapKind.DENIED),
        (Unread(Reason.UNSUPPORTED, "nft is not installed"), GapKind.UNSUPPORTED),
        (Unread(Reason.TIMED_OUT, "nft, after 10 s"), GapKind.TIMED_OUT),
        (Unread(Reason.TOO_LARGE, "9000000 bytes from nft"), GapKind.TOO_LARGE),
        (Output("garbage"), GapKind.FAILED),
    ],
)
def test_rules_that_cannot_be_read_are_never_no_rules(answer: Output | Unread, kind: GapKind) -> None:
    made = host(answer, ("nftables",), files={"/etc/nftables.conf": CLOSED})
    found = finding(made)
    assert found.result is Result.UNKNOWN
    assert found.observation.running.gap.kind is kind
    assert not found.observation.running.values


def test_a_kernel_without_nf_tables_holds_no_rules_of_it() -> None:
    made = host(Unread(Reason.FAILED, "nft ended with 1: Protocol not supported"))
    made.files["/boot/config-6.1.0-28-amd64"] = "CONFIG_X=y\n"
    assert hosts.snapshot(made).ask(KernelOption("CONFIG_NF_TABLES")) == "n"
    assert finding(made).observation.running.values == {"IPv4": "accept", "IPv6": "accept"}


def test_legacy_tables_count_too() -> None:
    text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n"
    made = host(nft(chain("ip6")))
    made.kernel["/proc/net/ip_tables_names"] = "filter\n"
    made.commands[("iptables-legacy-save",)] = Output(text)
    assert finding(made).observation.running.values == {"IPv4": "drop", "IPv6": "drop"}
    assert finding(made, HOLDER).running == "iptables-legacy,nftables"


def test_legacy_tables_that_cannot_be_shown_make_all_unknown() -> None:
    made = host(nft(chain()), ("nftables",), files={"/etc/nftables.conf": CLOSED})
    made.kernel["/proc/net/ip_tables_names"] = "filter\n"
    found = finding(made)
    assert found.result is Result.UNKNOWN
    assert "iptables" in found.message


def test_rules_of_ufw_are_read_in_the_words_of_iptables() -> None:
    """nft shows of iptables' own matches nothing but a name."""
    foreign = {"xt": {"type": "match", "name": "conntrack"}}
    node = chain("ip", name="INPUT"), rule(foreign, {"accept": None}, family="ip", name="INPUT")
    made = host(nft(*node))
    snapshot = hosts.snapshot(made)
    assert loaded.read(snapshot).rules.foreign_tables
    made.commands[("iptables-nft-save",)] = Output(UFW)
    rules = loaded.read(hosts.snapshot(made)).rules
    assert ("ip", "filter", "before") in rules.chains
    packet = Packet("eth0", ipaddress.ip_address("203.0.113.1"), ipaddress.ip_address("192.0.2.7"), "tcp", 22)
    assert evaluate(rules, packet).verdicts == {Verdict.ACCEPT}


# --- at boot ----------------------------------------------------------------------------------------


def ends(made: hosts.DictHost) -> dict[str, dict[str, str]]:
    found = boot.holders(hosts.snapshot(made))
    assert not isinstance(found, Gap)
    return {holder.name: dict(holder.reading.values) for holder in found}


def test_loaded_and_not_enabled_is_lost_at_reboot() -> None:
    found = finding(host(nft(chain())))
    assert (found.result, found.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)


def test_enabled_and_not_loaded_is_not_yet() -> None:
    found = finding(host(None, ("nftables",), files={"/etc/nftables.conf": CLOSED}))
    assert (found.result, found.drift) == (Result.FAIL, Drift.NOT_YET)


def test_closed_now_and_at_boot_passes() -> None:
    assert (
        finding(host(nft(chain()), ("nftables",), files={"/etc/nftables.conf": CLOSED})).result is Result.PASS
    )


@pytest.mark.parametrize(
    ("text", "four", "six"),
    [
        (STOCK, "accept", "accept"),
        (CLOSED, "drop", "drop"),
        (CLOSED.replace("inet", "ip6"), "accept", "drop"),
        (
            "add table ip f\nadd chain ip f i { type filter hook input priority 0; policy drop; }\n",
            "drop",
            "accept",
        ),
        (
            STOCK.replace(
                "priority filter;\n",
                "priority filter; policy accept;\n\t\ttcp dport { 22,\n80 } accept\n\t\tcounter drop\n",
                1,
            ),
            "drop",
            "drop",
        ),
        (CLOSED.replace("policy drop;", "policy drop;\n\t\tcounter accept"), "accept", "accept"),
        ("define end = drop\n" + CLOSED.replace("policy drop", "policy $end"), "drop", "drop"),
        (CLOSED.replace("policy drop;", "policy drop; iif lo accept; tcp dport 22 accept"), "drop", "drop"),
        (CLOSED + "flush ruleset\n", "accept", "accept"),
        (CLOSED + "delete table inet filter\n", "accept", "accept"),
        (
            STOCK + 'add rule inet filter input log prefix "x" reject with icmpx admin-prohibited\n',
            "drop",
            "drop",
        ),
        (
            STOCK.replace("chain forward", "chain last { drop; }\n\tchain forward").replace(
                "filter;\n\t}", "filter;\n\t\tjump last\n\t}", 1
            ),
            "drop",
            "drop",
        ),
        ("# chain input { type filter hook input priority 0; policy drop; }\n", "accept", "accept"),
        ('include "/etc/nftables.d/*.nft"\n', "drop", "drop"),
    ],
)
def test_an_nftables_script_ends_as_it_says(text: str, four: str, six: str) -> None:
    files = {"/etc/nftables.conf": text, "/etc/nftables.d/b.nft": CLOSED, "/etc/nftables.d/a.nft": STOCK}
    assert ends(host(None, ("nftables",), files=files)) == {"nftables": {"IPv4": four, "IPv6": six}}


@pytest.mark.parametrize(
    "text",
    [
        CLOSED.replace("policy drop", "policy $end"),
        CLOSED.replace("policy drop;", "policy drop; tcp dport >= 1024 accept"),
        CLOSED.replace("policy drop;", "policy drop; ip saddr { $near, 10.0.0.1 } accept"),
        CLOSED.replace("policy drop;", 'policy drop; iifname "eth0" accept'),
        'include "rules.nft"\n',
        "define a = x x\n" + "define a = $a $a\n" * 40,
        'include "/etc/gone.nft"\n',
        "table inet f {\n",
    ],
)
def test_a_script_that_cannot_be_followed_is_unknown(text: str) -> None:
    found = finding(host(nft(chain()), ("nftables",), files={"/etc/nftables.conf": text}))
    assert found.result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("switch", "policy", "ipv6", "expected"),
    [
        ("yes", '"DROP"', "yes", {"ufw": {"IPv4": "drop", "IPv6": "drop"}}),
        ("yes", '"REJECT"', "no", {"ufw": {"IPv4": "drop", "IPv6": "drop"}}),
        ("yes", '"ACCEPT"', "no", {"ufw": {"IPv4": "accept", "IPv6": "drop"}}),
        ("no", '"DROP"', "yes", {}),
    ],
)
def test_ufw(switch: str, policy: str, ipv6: str, expected: dict[str, dict[str, str]]) -> None:
    files = {
        "/etc/ufw/ufw.conf": f"# /etc/ufw/ufw.conf\nENABLED={switch}\nLOGLEVEL=low\n",
        "/etc/default/ufw": f"IPV6={ipv6}\nDEFAULT_INPUT_POLICY={policy}\n",
    }
    assert ends(host(None, ("ufw",), files=files)) == expected


ZONE = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<zone{target}><short>Z</short><service name="ssh"/>{more}</zone>\n'
)


def zone(target: str = "", more: str = "") -> str:
    return ZONE.format(target=f' target="{target}"' if target else "", more=more)


@pytest.mark.parametrize(
    ("default", "zones", "value"),
    [
        ("public", {}, "drop"),
        ("trusted", {}, "accept"),
        ("drop", {}, "drop"),
        ("public", {"/etc/firewalld/zones/public.xml": zone("ACCEPT")}, "accept"),
        (
            "public",
            {"/etc/firewalld/zones/trusted.xml": zone("ACCEPT", '<interface name="eth1"/>')},
            "accept (trusted)",
        ),
    ],
)
def test_firewalld(default: str, zones: dict[str, str], value: str) -> None:
    shipped = {"public": zone(), "drop": zone("DROP"), "trusted": zone("ACCEPT")}
    files = {f"/usr/lib/firewalld/zones/{name}.xml": text for name, text in shipped.items()}
    files |= {"/etc/firewalld/firewalld.conf": f"# comment\nDefaultZone={default}\n", **zones}
    assert ends(host(None, ("firewalld",), files=files)) == {"firewalld": {"IPv4": value, "IPv6": value}}


def test_a_zone_that_cannot_be_read_is_unknown() -> None:
    files = {
        "/etc/firewalld/firewalld.conf": "DefaultZone=public\n",
        "/etc/firewalld/zones/public.xml": "<zone",
    }
    found = finding(host(nft(chain()), ("firewalld",), files=files))
    assert found.result is Result.UNKNOWN


def test_saved_rules_of_iptables() -> None:
    files = {"/etc/iptables/rules.v4": UFW, "/etc/iptables/rules.v6": UFW6}
    assert ends(host(None, ("netfilter-persistent",), files=files)) == {
        "iptables": {"IPv4": "drop", "IPv6": "drop"}
    }
    files = {"/etc/iptables/rules.v4": UFW}
    assert ends(host(None, ("netfilter-persistent",), files=files)) == {
        "iptables": {"IPv4": "drop", "IPv6": "accept"}
    }


def test_two_that_load_rules_at_boot_are_both_judged() -> None:
    """The stock script of Debian empties what ufw loaded, if it comes second."""
    files = {
        "/etc/nftables.conf": STOCK,
        "/etc/ufw/ufw.conf": "ENABLED=yes\n",
        "/etc/default/ufw": 'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\n',
    }
    made = host(nft(chain()), ("nftables", "ufw"), files=files)
    assert finding(made).result is Result.FAIL
    assert finding(made, HOLDER).boot == "nftables,ufw"
    assert finding(made, HOLDER).result is Result.FAIL


@pytest.mark.parametrize(
    ("files", "enabled"),
    [({}, ("shorewall",)), ({"/etc/rc.local": "#!/bin/sh\niptables-restore < /root/rules\n"}, ())],
)
def test_what_loads_rules_in_a_way_of_its_own_is_unknown(
    files: dict[str, str], enabled: tuple[str, ...]
) -> None:
    assert finding(host(nft(chain()), enabled, files=files)).result is Result.UNKNOWN


def test_an_image_is_judged_by_what_it_will_load() -> None:
    made = host(None, ("nftables",), files={"/etc/nftables.conf": CLOSED}, name="image")
    found = finding(made)
    assert found.result is Result.PASS
    assert found.observation.running is None
    assert not any(isinstance(question, Command) for question in made.asked)


# --- hostile and odd texts --------------------------------------------------------------------------


@given(st.text(max_size=300))
def test_no_text_of_a_script_breaks_the_reader(text: str) -> None:
    made = hosts.DictHost({"/x": text})
    try:
        chains = script.read(Snapshot(made), "/x")
        for one in chains.values():
            assert script.ends(chains, one) in {"accept", "drop"}
    except script.UnclearError as error:
        assert str(error)  # noqa: PT017 - either is right


@given(
    st.lists(
        st.sampled_from(
            [
                *CLOSED.replace("\n", " \n ").split(" "),
                "add",
                "rule",
                "delete",
                "chain",
                "include",
                "ip",
                '"/x"',
            ]
        ),
        max_size=40,
    )
)
def test_no_order_of_words_breaks_the_reader(words: list[str]) -> None:
    with contextlib.suppress(script.UnclearError):
        script.read(Snapshot(hosts.DictHost({"/x": " ".join(words)})), "/x")


@given(st.text(max_size=200))
def test_only_value_errors_come_out_of_foreign_texts(text: str) -> None:
    for read in (
        parse,
        lambda t: iptables.translate(t, "ip"),
        lambda t: iptables.translate(f"*filter\n-A INPUT {t}\n", "ip"),
    ):
        with contextlib.suppress(ValueError):
            read(text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "chain",
                        "rule",
                        "set",
                        "map",
                        "expr",
                        "elem",
                        "family",
                        "table",
                        "name",
                        "match",
                        "left",
                        "right",
                        "op",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_breaks_the_reader(node: object) -> None:
    with contextlib.suppress(ValueError):
        parse(json.dumps({"nftables": [node]}))


# --- sources ------------------------------------------------------------------------------------------


def ruleset(*right: object) -> Ruleset:
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    rules = [rule({"match": {"op": "==", "left": left, "right": one}}, {"accept": None}) for one in right]
    return build([chain(), *rules])


ADDRESS = st.integers(0x01000000, 0xDFFFFFFF).map(ipaddress.IPv4Address)


@given(st.lists(st.tuples(ADDRESS, st.integers(8, 32)), max_size=6), ADDRESS)
def test_classes_cover_every_source_once_and_treat_it_like_their_sample(
    prefixes: list[tuple[ipaddress.IPv4Address, int]], address: ipaddress.IPv4Address
) -> None:
    rules = ruleset(*({"prefix": {"addr": str(one), "len": length}} for one, length in prefixes))
    found = sources.classes(rules, 4)
    assert found is not None
    holding = [one for one in found if any(span.low <= int(address) <= span.high for span in one.spans)]
    assert len(holding) == (0 if address.is_loopback else 1)
    if holding:
        packets = (
            Packet("eth0", one, ipaddress.ip_address("192.0.2.7"), "tcp", 22)
            for one in (address, holding[0].sample)
        )
        first, second = (evaluate(rules, packet).verdicts for packet in packets)
        assert first == second


def test_many_addresses_in_a_set_are_few_classes() -> None:
    """A list of ten thousand banned addresses costs one class, not ten thousand."""
    banned = [str(ipaddress.IPv4Address(0x0A000000 + 2 * n)) for n in range(10_000)]
    rules = build([chain(), {"set": {"family": "inet", "table": "filter", "name": "ban", "elem": banned}}])
    found = sources.classes(rules, 4)
    assert found is not None
    assert len(found) == 2


def test_networks_are_as_few_as_can_be() -> None:
    spans = [Span(4, 0x0A000000, 0x0A0000FF), Span(4, 0x0A000100, 0x0A0001FF)]
    assert [str(one) for one in sources.networks(spans)] == ["10.0.0.0/23"]


# --- what may happen one way or the other ---------------------------------------------------------------

SOMETIMES = {"limit": {"rate": 3, "per": "minute"}}
MARK = {"meta": {"key": "mark"}}


def marked(number: int) -> dict[str, object]:
    return {"match": {"op": "==", "left": MARK, "right": number}}


def verdicts(*nodes: object) -> set[str]:
    packet = Packet("eth0", ipaddress.ip_address("203.0.113.1"), ipaddress.ip_address("192.0.2.7"), "tcp", 22)
    return {one.value for one in evaluate(build(nodes), packet).verdicts}


def early(*statements: object) -> dict[str, object]:
    return rule(*statements, name="prerouting")


PREROUTING = chain(hook="prerouting", prio=-150, policy="accept")


def test_a_mark_that_only_some_packets_get_is_not_known() -> None:
    """The packet may have left the first chain before the mark was set, or not."""
    setting = {"mangle": {"key": MARK, "value": 5}}
    late = chain(policy="accept"), rule(marked(5), {"drop": None})
    assert verdicts(PREROUTING, early(setting), *late) == {"drop"}
    assert verdicts(PREROUTING, early(SOMETIMES, {"accept": None}), early(setting), *late) == {
        "accept",
        "drop",
    }
    assert verdicts(PREROUTING, early(SOMETIMES, {"return": None}), early(setting), *late) == {
        "accept",
        "drop",
    }
    assert verdicts(PREROUTING, early(SOMETIMES, setting), *late) == {"accept", "drop"}
    leaving = early(SOMETIMES, {"accept": None}), early(setting), early({"accept": None})
    assert verdicts(PREROUTING, *leaving, *late) == {"accept", "drop"}


def test_before_connections_are_looked_up_their_state_is_not_known() -> None:
    new = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}
    raw = chain(hook="prerouting", prio=-300, policy="accept")
    assert verdicts(raw, early(new, {"drop": None}), chain(policy="accept")) == {"accept", "drop"}


def test_where_both_ways_end_alike_there_is_no_doubt() -> None:
    assert verdicts(chain(), rule(SOMETIMES, port(22), {"drop": None})) == {"drop"}


def test_rules_in_a_form_that_nobody_knows_are_not_guessed_at() -> None:
    assert verdicts(chain(), rule({"jump": {}})) == {"accept", "drop"}
    assert verdicts(chain(), rule({"newfangled": 1})) == {"accept", "drop"}
    assert verdicts(chain(), rule({"jump": {"target": "gone"}})) == {"accept", "drop"}


def test_a_log_with_a_prefix_is_no_address() -> None:
    """What a rule writes before its lines in the log says nothing about who may come in."""
    log = rule({"log": {"prefix": "dropped: "}}, {"drop": None})
    assert Reachability(build([chain(), log])).of(
        "tcp", 22, [Door("eth0", ipaddress.ip_address("192.0.2.7"))]
    )
