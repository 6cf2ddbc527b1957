"""Rulesets as administrators and programs write them, for tests that load them for real."""

# ruff: noqa: E501 - rules stand as they are written
from __future__ import annotations

HEAD = "table inet filter {\n chain input {\n  type filter hook input priority filter; policy drop;\n"
TAIL = "\n }\n}\n"


def inet(*rules: str) -> str:
    return HEAD + "\n".join(rules) + TAIL


NFT = {
    "nothing": "",
    "stock-debian": "table inet filter {\n chain input { type filter hook input priority filter; }\n"
    " chain forward { type filter hook forward priority filter; }\n}\n",
    "policy-drop": inet(),
    "port": inet("tcp dport 22 accept"),
    "state-and-ports": inet(
        "ct state vmap { established : accept, related : accept, invalid : drop }",
        'iifname "lo" accept',
        "tcp dport { 22, 80-90, 443 } accept",
    ),
    "new-only": inet("ct state new tcp dport 22 accept", "ct state established,related accept"),
    "not-new": inet("ct state != new accept", "ct state { established, related } accept"),
    "source": inet("ip saddr 10.0.0.0/24 tcp dport 22 accept", "ip6 saddr fd00:a::2 tcp dport 22 accept"),
    "not-source": inet(
        "ip saddr != 10.0.0.2 tcp dport 22 accept", "ip6 saddr != { fd00:a::3, fd00:b::/64 } accept"
    ),
    "sets": "table inet filter {\n"
    " set ban { type ipv4_addr; flags interval, timeout; elements = { 192.0.2.0/24 timeout 1h, 10.0.0.3 } }\n"
    " set doors { type inet_service; flags interval; elements = { 22, 80-90 } }\n"
    " chain input { type filter hook input priority filter; policy drop;\n"
    "  ip saddr @ban drop\n  tcp dport @doors accept\n }\n}\n",
    "concatenation": "table inet filter {\n"
    " set pairs { type ipv4_addr . inet_service; flags interval;\n"
    "  elements = { 10.0.0.2 . 22, 10.0.0.0/31 . 80-90, 192.0.2.0/24 . 443 } }\n"
    " chain input { type filter hook input priority filter; policy drop;\n"
    "  ip saddr . tcp dport @pairs accept\n  meta l4proto . th dport { udp . 53, tcp . 443 } accept\n }\n}\n",
    "verdict-map": "table inet filter {\n map doors { type inet_service : verdict; elements = { 22 : accept, 80 : jump web, 443 : goto web } }\n"
    " chain web { ip saddr 10.0.0.2 accept\n ip6 saddr fd00:a::2 return\n }\n"
    " chain input { type filter hook input priority filter; policy accept;\n"
    "  tcp dport vmap @doors\n  tcp dport 80-90 drop\n  meta l4proto udp drop\n }\n}\n",
    "jump-and-return": "table inet filter {\n chain admins { ip saddr 10.0.0.3 return\n tcp dport 22 accept\n }\n"
    " chain input { type filter hook input priority filter; policy drop;\n  jump admins\n  tcp dport 80 accept\n }\n}\n",
    "goto-does-not-come-back": "table inet filter {\n chain side { tcp dport 22 accept\n }\n"
    " chain input { type filter hook input priority filter; policy drop;\n"
    "  ip saddr 10.0.0.2 goto side\n  tcp dport 80 accept\n }\n}\n",
    "two-base-chains": "table inet one {\n chain input { type filter hook input priority -10; policy accept; tcp dport 22 drop; }\n}\n"
    "table inet two {\n chain input { type filter hook input priority 10; policy accept; tcp dport 22 accept; udp dport 53 drop; }\n}\n",
    "accept-is-not-the-end": "table ip early {\n chain input { type filter hook input priority -150; policy accept; tcp dport 22 accept; }\n}\n"
    "table inet late {\n chain input { type filter hook input priority 0; policy drop; tcp dport 80 accept; }\n}\n",
    "ipv4-only": "table ip filter {\n chain input { type filter hook input priority filter; policy drop; tcp dport 22 accept; }\n}\n",
    "ipv6-only": "table ip6 filter {\n chain input { type filter hook input priority filter; policy drop; ip6 saddr fd00:a::/64 tcp dport 22 accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }\n}\n",
    "interfaces": inet(
        'iifname "b*" tcp dport 22 accept',
        'iif "a0" tcp dport 80 accept',
        'iifname != "a0" udp dport 53 accept',
    ),
    "marks": "table inet filter {\n chain pre { type filter hook prerouting priority mangle; ip saddr 10.0.0.2 meta mark set 0x11; }\n"
    " chain input { type filter hook input priority filter; policy drop;\n  meta mark & 0x0f == 0x01 tcp dport 22 accept\n  meta mark != 0 tcp dport 80 accept\n }\n}\n",
    "raw-drop": "table inet raw {\n chain pre { type filter hook prerouting priority raw; udp dport 53 drop; ip saddr 10.0.0.3 notrack; }\n"
    " chain input { type filter hook input priority 0; policy accept; ct state untracked drop; }\n}\n",
    "redirect": "table inet nat {\n chain pre { type nat hook prerouting priority dstnat; tcp dport 8080 redirect to :80; }\n}\n"
    + inet("tcp dport { 22, 80 } accept"),
    "dnat-away": "table ip nat {\n chain pre { type nat hook prerouting priority dstnat; ip daddr 10.0.0.1 tcp dport 443 dnat to 10.0.1.2:443; }\n}\n",
    "reject-at-the-end": "table inet filter {\n chain input { type filter hook input priority filter; policy accept;\n"
    "  ct state established,related accept\n  tcp dport 22 accept\n  meta l4proto tcp reject with tcp reset\n  reject with icmpx admin-prohibited\n }\n}\n",
    "tcp-flags": inet(
        "ct state established accept",
        "tcp flags & (fin | syn | rst | ack) == syn tcp dport 22 accept",
        "tcp flags != syn tcp dport 80 accept",
        "tcp flags syn tcp dport 443 accept",
    ),
    "ordering": inet("tcp dport >= 1024 accept", "tcp dport < 23 accept", "udp dport != 53 accept"),
    "fib": inet(
        "fib daddr type != local drop",
        "fib saddr . iif oif missing drop",
        "fib daddr type broadcast accept",
        "tcp dport 22 accept",
    ),
    "families": inet(
        "meta nfproto ipv6 tcp dport 22 accept",
        "meta nfproto ipv4 udp dport 53 accept",
        "ip protocol icmp accept",
        "ip6 nexthdr tcp tcp dport 80 accept",
        "meta protocol ip tcp dport 443 accept",
    ),
    "counters-and-logs": inet(
        'counter log prefix "in " level info',
        'meta l4proto { tcp, udp } th dport 53 counter accept comment "names"',
        "ct mark set 0x1",
        "ct mark 0x1 tcp dport 22 accept",
    ),
    "address-map": "table inet filter {\n chain input { type filter hook input priority filter; policy drop;\n"
    "  ip saddr vmap { 10.0.0.2 : accept, 10.0.0.0/31 : drop, 192.0.2.0/24 : continue }\n  ip daddr 10.0.0.1 tcp dport 22 accept\n }\n}\n",
    "firewalld-like": """
table inet firewalld {
 chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept; jump mangle_PREROUTING_ZONES; }
 chain mangle_PREROUTING_ZONES { iifname "b0" goto mangle_PRE_trusted
  goto mangle_PRE_public
 }
 chain mangle_PRE_public { jump mangle_PRE_public_allow
 }
 chain mangle_PRE_public_allow { }
 chain mangle_PRE_trusted { }
 chain filter_PREROUTING { type filter hook prerouting priority filter + 10; policy accept;
  icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
  meta nfproto ipv6 fib saddr . mark . iif oif missing drop
 }
 chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
  ct state { established, related } accept
  ct status dnat accept
  iifname "lo" accept
  ct state invalid drop
  jump filter_INPUT_ZONES
  reject with icmpx admin-prohibited
 }
 chain filter_INPUT_ZONES {
  ip saddr 192.0.2.0/24 goto filter_IN_drop
  iifname "b0" goto filter_IN_trusted
  iifname "a0" goto filter_IN_public
  goto filter_IN_public
 }
 chain filter_IN_drop { drop
 }
 chain filter_IN_trusted { accept
 }
 chain filter_IN_public { jump filter_IN_public_pre
  jump filter_IN_public_deny
  jump filter_IN_public_allow
  meta l4proto { icmp, ipv6-icmp } accept
 }
 chain filter_IN_public_pre { }
 chain filter_IN_public_deny { ip saddr 10.0.0.3 tcp dport 22 reject
 }
 chain filter_IN_public_allow { tcp dport 22 accept
  ip6 daddr fe80::/64 udp dport 546 accept
  udp dport 53 accept
 }
}
""",
    "fail2ban-like": "table inet f2b-table {\n set addr-set-sshd { type ipv4_addr; elements = { 10.0.0.3, 192.0.2.9 } }\n"
    " chain f2b-chain { type filter hook input priority filter - 1; policy accept; tcp dport { 22 } ip saddr @addr-set-sshd reject; }\n}\n"
    + inet("tcp dport { 22, 80 } accept"),
}
# Rulesets that leave something open: what really happened must be among what is said to be possible.
OPEN = {
    "ingress": "table netdev early {\n chain in { type filter hook ingress device a0 priority 0; policy accept; ip saddr 10.0.0.3 drop; tcp dport 443 drop; }\n}\n",
    "limited": inet("tcp dport 22 limit rate 100/second accept", "tcp dport 80 accept"),
    "over-limit": inet("tcp dport 22 limit rate over 1000/second drop", "tcp dport { 22, 80 } accept"),
    "meter": inet("tcp dport 22 meter m { ip saddr limit rate 50/second } accept"),
    "source-port": inet("udp sport 53 accept", "udp dport 53 accept"),
    "time": inet('tcp dport 22 meta hour "00:00"-"23:59" accept'),
    "queue": inet("tcp dport 22 ct count over 100 reject", "tcp dport 22 accept"),
}
UFW = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:before - [0:0]
:not-local - [0:0]
:logging - [0:0]
:user - [0:0]
:limit-accept - [0:0]
:limit - [0:0]
:after - [0:0]
-A INPUT -j before
-A INPUT -j after
-A before -i lo -j ACCEPT
-A before -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A before -m conntrack --ctstate INVALID -j logging
-A before -m conntrack --ctstate INVALID -j DROP
-A before -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A before -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A before -j not-local
-A before -j user
-A not-local -m addrtype --dst-type LOCAL -j RETURN
-A not-local -m addrtype --dst-type MULTICAST -j RETURN
-A not-local -m limit --limit 3/min --limit-burst 10 -j logging
-A not-local -j DROP
-A logging -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
-A user -p tcp -m tcp --dport 22 -j ACCEPT
-A user -s 10.0.0.0/30 -p tcp -m multiport --dports 80,443 -m comment --comment "web, from 'near'" -j ACCEPT
-A user ! -s 10.0.0.2/32 -i b+ -p udp -m udp --dport 50:60 -j ACCEPT
-A user -p tcp -m tcp --dport 2222 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT
-A user -s 192.0.2.9/32 -j REJECT --reject-with icmp-port-unreachable
-A after -p tcp -m tcp --dport 85 -j REJECT --reject-with tcp-reset
COMMIT
"""
UFW6 = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m rt --rt-type 0 -j DROP
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -s fd00:a::/127 -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p udp -m udp --dport 53 -j ACCEPT
COMMIT
"""
DOCKER = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.1.2:80
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""
MARKED = """*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -s 10.0.0.3/32 -j MARK --set-xmark 0x2/0xff
-A PREROUTING -s 192.0.2.0/24 -j MARK --set-xmark 0x5/0xffffffff
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p udp -m udp --dport 53 -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
-A INPUT -m mark --mark 0x2/0xff -j DROP
-A INPUT -m mark --mark 0x5 -j REJECT --reject-with icmp-port-unreachable
-A INPUT -m conntrack --ctstate UNTRACKED -j DROP
COMMIT
"""
IPTABLES = {
    "ufw-like": (UFW, UFW6),
    "docker-like": (DOCKER, ""),
    "marks": (MARKED, ""),
}
