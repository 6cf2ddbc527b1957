"""The system as a whole: its support, its packages, its graphical side, its place in the network."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import nothing, one, wrong_subject
from hardentui.snapshot import Clock, DistributionIs, KernelFile, Link, Packages, Reason, Snapshot, Unread

# End of security support, long-term support included where it is free of charge; as published on this day:
SUPPORT_TABLE_OF = "2026-11-21"
SUPPORT_ENDS: Mapping[tuple[str, str], str] = {
    ("debian", "11"): "2026-08-31",
    ("debian", "12"): "2028-06-30",
    ("debian", "13"): "2030-06-30",
    ("ubuntu", "22.04"): "2027-04-30",
    ("ubuntu", "24.04"): "2029-05-31",
    ("ubuntu", "26.04"): "2031-05-31",
    ("rhel", "8"): "2029-05-31",
    ("rhel", "9"): "2032-05-31",
    ("rhel", "10"): "2035-05-31",
    ("almalinux", "8"): "2029-05-31",
    ("almalinux", "9"): "2032-05-31",
    ("almalinux", "10"): "2035-05-31",
    ("rocky", "8"): "2029-05-31",
    ("rocky", "9"): "2032-05-31",
    ("rocky", "10"): "2035-05-31",
}
_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system")
_IPV6 = ("/proc/net/if_inet6", "/proc/net/ipv6_route")  # missing where the kernel has no IPv6
_RTF_ADDRCONF = 0x00040000  # a route learned from a router advertisement (linux/ipv6_route.h)
_PERMANENT = 0x80  # an address that nothing gave for a time (linux/if_addr.h, IFA_F_PERMANENT)


class System:
    """The resource "system"."""

    name = "system"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        reading, of_boot = _SUBJECTS[entry.subject]
        seen = reading(snapshot)
        if of_boot:
            return Observation(None, (seen,), seen_at=snapshot.taken_at)
        return Observation(seen, seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("only a person can change this"))


def _end_of_support(snapshot: Snapshot) -> Reading:
    seen = snapshot.ask(DistributionIs())
    if isinstance(seen, Unread):
        return nothing(seen, "/etc/os-release")
    version = seen.version if (seen.id, seen.version) in SUPPORT_ENDS else seen.version.partition(".")[0]
    end = seen.support_end or SUPPORT_ENDS.get((seen.id, version), "")
    try:
        last = date.fromisoformat(end)
    except ValueError:
        return Reading(
            gap=Gap(GapKind.UNTOLD, _("no end of support is known for {name}").format(name=seen.name))
        )
    now = snapshot.ask(Clock())
    if isinstance(now, Unread):
        return nothing(now, _("clock"))
    today = datetime.fromtimestamp(now, UTC).date()
    months = (last.year - today.year) * 12 + last.month - today.month - (last.day < today.day)
    place = "/etc/os-release" if seen.support_end else _("table of {day}").format(day=SUPPORT_TABLE_OF)
    return one(str(months), place, f"{seen.name}: {end}")


def _display_manager(snapshot: Snapshot) -> Reading:
    target = ""
    for folder in _UNITS:
        link = snapshot.ask(Link(f"{folder}/default.target"))
        if isinstance(link, str):
            target = link.rpartition("/")[2]
            break
        if link.reason is not Reason.MISSING:
            return nothing(link, f"{folder}/default.target")
    place = Provenance("default.target", text=target)
    if target and target != "graphical.target":
        return Reading({"": "none"}, provenance=(place,))
    manager = snapshot.ask(Link("/etc/systemd/system/display-manager.service"))
    if isinstance(manager, Unread) and manager.reason is not Reason.MISSING:
        return nothing(manager, "display-manager.service")
    name = manager.rpartition("/")[2] if isinstance(manager, str) else "none"
    return Reading({"": name}, provenance=(place, Provenance("display-manager.service", text=name)))


def _packages(snapshot: Snapshot) -> Reading:
    installed = snapshot.ask(Packages())
    if isinstance(installed, Unread):
        return nothing(installed, _("list of packages"))
    return one(str(len(installed)), _("list of packages"))


def _network_scope(snapshot: Snapshot) -> Reading:
    if not snapshot.live:
        return Reading(gap=Gap(GapKind.UNSUPPORTED, _("an image does not run")))
    forward = snapshot.ask(KernelFile("/proc/sys/net/ipv4/ip_forward"))
    if isinstance(forward, Unread):
        return nothing(forward, "/proc/sys/net/ipv4/ip_forward")
    for place in ("/proc/sys/net/ipv6/conf/all/forwarding", *_IPV6):
        unread = snapshot.ask(KernelFile(place))
        if isinstance(unread, Unread) and unread.reason is not Reason.MISSING:
            return nothing(unread, place)
    forward6 = snapshot.ask(KernelFile("/proc/sys/net/ipv6/conf/all/forwarding"))
    routing = "yes" if "1" in {forward, forward6} else "no"
    state, places = ipv6_state(snapshot)
    return Reading({"": f"routing={routing},ipv6={state}"}, provenance=(Provenance("/proc/sys/net"), *places))


def ipv6_state(snapshot: Snapshot) -> tuple[str, tuple[Provenance, ...]]:
    """How IPv6 is used: "none", "static" or "autoconfigured", and the lines that say so."""
    addresses = snapshot.ask(KernelFile("/proc/net/if_inet6"))
    if isinstance(addresses, Unread):
        return "none", ()
    state = "none"
    places = []
    for line in addresses.splitlines():
        fields = line.split()
        if len(fields) != 6:  # noqa: PLR2004 - proc_net(5)
            continue
        address = ipaddress.IPv6Address(int(fields[0], 16))
        if address.is_link_local or address.is_loopback:
            continue
        given = not int(fields[4], 16) & _PERMANENT
        state = "autoconfigured" if given or state == "autoconfigured" else "static"
        places.append(Provenance("/proc/net/if_inet6", text=f"{fields[5]} {address}"))
    routes = snapshot.ask(KernelFile("/proc/net/ipv6_route"))
    for line in "" if isinstance(routes, Unread) else routes.splitlines():
        fields = line.split()
        if len(fields) == 10 and fields[1] == "00" and int(fields[8], 16) & _RTF_ADDRCONF:  # noqa: PLR2004 - as above
            state = "autoconfigured"
            places.append(Provenance("/proc/net/ipv6_route", text=f"{fields[9]} default"))
    return state, tuple(places)


_SUBJECTS: Mapping[str, tuple[Callable[[Snapshot], Reading], bool]] = {
    "display-manager": (_display_manager, True),
    "end-of-support": (_end_of_support, True),
    "network-scope": (_network_scope, False),
    "packages": (_packages, True),
}
