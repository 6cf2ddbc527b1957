"""The exposure that is foretold, held against systemd-analyze itself: it is the one that is followed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardentui.resources.capabilities import NAMES
from hardentui.resources.sandbox.exposure import exposure, predicate, shown
from hardentui.resources.sandbox.settings import DEFAULTS, FOLLOWED, NAMESPACES, Line, call_sets, settled

ANALYZE = shutil.which("systemd-analyze")
CALLS = call_sets()
# Offline, systemd-analyze does not see that a setting brings mounts of its own; the manager's account does.
OWN_MOUNTS = ("PrivateMounts", "yes")


def is_followed() -> bool:
    if ANALYZE is None:
        return False
    said = subprocess.run([ANALYZE, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[1] == str(FOLLOWED)


real = pytest.mark.skipif(not is_followed(), reason=f"systemd-analyze {FOLLOWED} is not here")


def said_by_systemd(folder: Path, lines: Iterable[Line]) -> str:
    """The exposure that systemd-analyze gives a service with these lines, and its word."""
    unit = [line for line in lines if line[0] == "DefaultDependencies"]
    service = [line for line in lines if line[0] != "DefaultDependencies"]
    text = (
        "[Unit]\n" + "".join(f"{name}={value}\n" for name, value in unit) + "[Service]\nExecStart=/bin/true\n"
    )
    path = folder / "tried.service"
    path.write_text(text + "".join(f"{name}={value}\n" for name, value in service))
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for tried.service: (\S+ \w+)", done.stdout)
    assert found, done.stdout[-300:] + done.stderr
    return found[1]


def foretold(lines: Iterable[Line]) -> str:
    tenths = exposure(settled(DEFAULTS, lines, CALLS), CALLS)
    return f"{shown(tenths)} {predicate(tenths)}"


def subset(names: Iterable[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=6, unique=True).map(" ".join)


def maybe_all_but(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda sign, text: sign + text, st.sampled_from(["", "~"]), words)


BOOLEANS = (
    *("DynamicUser", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateDevices"),
    *("PrivateNetwork", "PrivateTmp", "PrivateUsers", "ProtectClock", "ProtectControlGroups", "Delegate"),
    *("ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "RemoveIPC"),
    *("RestrictRealtime", "RestrictSUIDSGID", "DefaultDependencies"),
)
FAMILIES = ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_BLUETOOTH", "AF_VSOCK")
VALUES: dict[str, st.SearchStrategy[str]] = {
    **dict.fromkeys(BOOLEANS, st.sampled_from(["yes", "no", "true", "0", "On"])),
    "ProtectSystem": st.sampled_from(["yes", "no", "full", "strict", "true"]),
    "ProtectHome": st.sampled_from(["yes", "no", "read-only", "tmpfs"]),
    "ProtectProc": st.sampled_from(["default", "noaccess", "invisible", "ptraceable"]),
    "ProcSubset": st.sampled_from(["all", "pid"]),
    "KeyringMode": st.sampled_from(["inherit", "private", "shared"]),
    "NotifyAccess": st.sampled_from(["none", "main", "all"]),
    "DevicePolicy": st.sampled_from(["auto", "closed", "strict"]),
    "DeviceAllow": st.sampled_from(["", "/dev/null rw", "char-rtc r", "/dev/kmsg r"]),
    "User": st.sampled_from(["", "root", "0", "nobody", "www-data"]),
    "SupplementaryGroups": st.sampled_from(["", "adm", "adm tty"]),
    "UMask": st.sampled_from(["0077", "077", "0027", "0022", "0002", "0000", "0037"]),
    "RootDirectory": st.sampled_from(["/", "/srv/jail"]),
    "CapabilityBoundingSet": st.one_of(
        st.sampled_from(["", "~"]), maybe_all_but(subset(map(str.upper, NAMES)))
    ),
    "AmbientCapabilities": st.one_of(st.just(""), subset(map(str.upper, NAMES))),
    "RestrictNamespaces": st.one_of(st.sampled_from(["", "yes", "no"]), maybe_all_but(subset(NAMESPACES))),
    "RestrictAddressFamilies": st.one_of(st.sampled_from(["", "none"]), maybe_all_but(subset(FAMILIES))),
    "SystemCallArchitectures": st.sampled_from(["", "native", "x86", "native x86"]),
    "SystemCallFilter": st.one_of(
        st.just(""),
        maybe_all_but(subset([*(name for name in CALLS if name != "@default"), "ptrace", "mount", "chown"])),
    ),
    "IPAddressDeny": st.sampled_from(["", "any", "10.0.0.0/8", "localhost"]),
    "IPAddressAllow": st.sampled_from(["", "localhost", "127.0.0.0/8", "10.0.0.0/8", "link-local"]),
}


def line(name: str) -> st.SearchStrategy[Line]:
    return st.tuples(st.just(name), VALUES[name])


@real
@given(st.lists(st.sampled_from(sorted(VALUES)).flatmap(line), max_size=25))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_settings_are_weighed_as_systemd_weighs_them(tmp_path: Path, lines: list[Line]) -> None:
    assert foretold([OWN_MOUNTS, *lines]) == said_by_systemd(tmp_path, [OWN_MOUNTS, *lines])


UNITS = sorted(Path("/usr/lib/systemd/system").glob("systemd-*.service"))


@real
def test_the_units_of_this_machine_are_weighed_as_systemd_weighs_them(tmp_path: Path) -> None:
    """What stands in real units, some of it written in ways that nobody would think of."""
    seen = 0
    for path in UNITS:
        text = path.read_text().replace("\\\n", " ")
        lines = [
            (name, value)
            for name, equals, value in (each.partition("=") for each in text.splitlines())
            if equals and name in VALUES
        ]
        if not lines:
            continue
        seen += 1
        assert foretold([OWN_MOUNTS, *lines]) == said_by_systemd(tmp_path, [OWN_MOUNTS, *lines]), path
    assert seen >= 10


@real
def test_the_sets_of_system_calls_are_those_of_systemd() -> None:
    said = subprocess.run([str(ANALYZE), "syscall-filter"], capture_output=True, text=True, check=True).stdout
    theirs = call_sets(said)
    assert {name: theirs[name] for name in CALLS} == dict(CALLS)


def test_a_setting_taken_back_leaves_nothing() -> None:
    lines = [("SystemCallFilter", "@system-service"), ("SystemCallFilter", ""), ("CapabilityBoundingSet", "")]
    made = settled(DEFAULTS, lines, CALLS)
    assert made["SystemCallFilter"] == "~"
    assert made["CapabilityBoundingSet"] == ""
