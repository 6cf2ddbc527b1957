"""Packages: where they come from, what waits, what comes by itself; apt's configuration against apt."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardentui import resources
from hardentui.assess import assess
from hardentui.host import packages
from hardentui.model import Finding, Result
from hardentui.operations import ChangeSet, Refusal, WriteFile
from hardentui.rehearsal import rehearse, undo
from hardentui.resources.packages import apt_conf
from hardentui.snapshot import Kind, Package, Reason, Snapshot, Status, Unread, Update

from .hosts import ALMA, NOW, DictHost, snapshot
from .sittings import CHECKLISTS

SIMULATED = """NOTE: This is only a simulation!
Inst bash [5.2.15-2+b8] (5.2.15-2+b13 Debian:12.15/oldstable [amd64])
Inst libgcrypt20 [1.10.1-3] (1.10.1-3+d1 Debian:12.15/old, Debian-Security:12/old-security [amd64]) []
Inst linux-image-6.8.0-45-generic (6.8.0-45.45 Ubuntu:24.04/noble-security [amd64])
Inst libssl3 [3.0.2] (3.0.3 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])
Conf bash (5.2.15-2+b13 Debian:12.15/oldstable [amd64])
"""
UNATTENDED = (Package("unattended-upgrades", "2.9"),)
TIMERS = {
    f"/etc/systemd/system/timers.target.wants/{name}": f"/lib/systemd/system/{name}"
    for name in ("apt-daily.timer", "apt-daily-upgrade.timer")
}
ON = 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
CONF = "/etc/apt/apt.conf.d/20auto-upgrades"


def found(seen: Snapshot | DictHost, id_: str) -> Finding:
    seen = snapshot(seen) if isinstance(seen, DictHost) else seen
    return assess([CHECKLISTS.get(id_)], seen, {})[0]


def test_what_apt_would_do_is_read_with_its_security_updates():
    assert packages.parse_simulation(SIMULATED) == (
        Update("bash", "5.2.15-2+b8", "5.2.15-2+b13", security=False),
        Update("libgcrypt20", "1.10.1-3", "1.10.1-3+d1", security=True),
        Update("linux-image-6.8.0-45-generic", "", "6.8.0-45.45", security=True),
        Update("libssl3", "3.0.2", "3.0.3", security=True),
    )


def test_pending_updates_are_looked_for_on_demand_only():
    host = DictHost(updates=packages.parse_simulation(SIMULATED))
    assert found(host, "principle.keep-up-to-date").result is Result.NOTCHECKED
    seen = found(Snapshot(host, deep=True), "principle.keep-up-to-date")
    assert (seen.result, seen.running) == (Result.FAIL, "2")  # of what is installed
    assert "libssl3 3.0.2 → 3.0.3" in [place.text for place in seen.provenance]


def test_the_list_of_rpm_has_no_keys_in_it():
    text = "bash\t5.1.8-9.el9\ngpg-pubkey\tb86b3716-61e69f29\nsudo\t1.9.5p2-10\n"
    assert packages.parse_rpm(text) == (Package("bash", "5.1.8-9.el9"), Package("sudo", "1.9.5p2-10"))


def test_automatic_updates_want_the_package_its_settings_and_its_timers():
    host = DictHost({CONF: ON}, TIMERS, packages=UNATTENDED)
    assert found(host, "packages.automatic-updates").result is Result.PASS
    assert (
        "not installed"
        in found(DictHost({CONF: ON}, TIMERS, packages=()), "packages.automatic-updates").message
    )
    without = DictHost({CONF: ON}, packages=UNATTENDED)
    assert (
        found(without, "packages.automatic-updates").boot == "off: apt-daily.timer, apt-daily-upgrade.timer"
    )
    later = DictHost(
        {CONF: ON, "/etc/apt/apt.conf.d/30x": 'APT { Periodic { Unattended-Upgrade "0"; }; };'},
        TIMERS,
        packages=UNATTENDED,
    )
    assert found(later, "packages.automatic-updates").boot == "off: apt::periodic::unattended-upgrade"


@pytest.mark.parametrize("mask", ["/dev/null", "../../../dev/null", ""])
def test_a_masked_timer_starts_nothing(mask):
    path = "/etc/systemd/system/apt-daily-upgrade.timer"
    host = DictHost(
        {CONF: ON, **({} if mask else {path: ""})},
        {**TIMERS, **({path: mask} if mask else {})},
        packages=UNATTENDED,
    )
    assert found(host, "packages.automatic-updates").boot == "off: apt-daily-upgrade.timer"


def test_a_timer_that_cannot_be_seen_is_not_said_to_be_off():
    denied = {"/run/systemd/system/apt-daily.timer": Unread(Reason.DENIED)}
    host = DictHost({CONF: ON, **denied}, TIMERS, packages=UNATTENDED)
    seen = found(host, "packages.automatic-updates")
    assert seen.result is Result.UNKNOWN
    assert "/run/systemd/system/apt-daily.timer" in seen.message


def test_the_change_switches_them_on_and_the_rollback_off_again():
    host = DictHost({CONF: ON.replace("1", "0")}, TIMERS, packages=UNATTENDED)
    before = snapshot(host)
    seen = found(before, "packages.automatic-updates")
    assert seen.result is Result.FAIL
    kind = resources.RESOURCES["packages"]
    change = kind.change(seen.recommendation, seen.observation.facts, "on")
    (write,) = change
    assert isinstance(write, WriteFile)
    changes = ChangeSet(change, {})
    after = rehearse(before, changes)
    assert found(after, "packages.automatic-updates").result is Result.PASS
    assert found(undo(after, changes, before), "packages.automatic-updates").boot == seen.boot


def test_no_change_is_offered_that_would_not_hold():
    entry = CHECKLISTS.get("packages.automatic-updates")
    kind = resources.RESOURCES["packages"]
    bare = found(DictHost({}, packages=()), entry.id)
    assert isinstance(kind.change(entry, bare.observation.facts, "on"), Refusal)
    rival = DictHost(
        {"/etc/apt/apt.conf": 'APT::Periodic::Unattended-Upgrade "0";'}, TIMERS, packages=UNATTENDED
    )
    refusal = kind.change(entry, found(rival, entry.id).observation.facts, "on")
    assert isinstance(refusal, Refusal)
    assert "/etc/apt/apt.conf" in refusal.reason


def test_the_rhel_family_has_dnf_automatic():
    wants = {"/etc/systemd/system/timers.target.wants/dnf-automatic.timer": "/usr/lib/systemd/system/x.timer"}
    installed = (Package("dnf-automatic", "4.14"),)
    on = DictHost(
        {"/etc/dnf/automatic.conf": "[commands]\napply_updates = yes\n"},
        wants,
        distribution=ALMA,
        packages=installed,
    )
    assert found(on, "packages.automatic-updates").result is Result.PASS
    off = DictHost(
        {"/etc/dnf/automatic.conf": "[commands]\napply_updates = no\n"},
        wants,
        distribution=ALMA,
        packages=installed,
    )
    seen = found(off, "packages.automatic-updates")
    assert seen.boot == "off: apply_updates"
    kind = resources.RESOURCES["packages"]
    refusal = kind.change(seen.recommendation, seen.observation.facts, "on")
    assert isinstance(refusal, Refusal)
    assert "dnf-automatic" in refusal.reason  # and not that its package is lacking


@pytest.mark.parametrize(
    ("path", "text", "result"),
    [
        ("/etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\n", Result.PASS),
        ("/etc/apt/sources.list", "deb [arch=amd64 trusted=yes] http://x/ ./\n", Result.FAIL),
        ("/etc/apt/sources.list", "# deb [trusted=yes] http://x/ ./\n", Result.PASS),
        ("/etc/apt/sources.list.d/x.sources", "Types: deb\nURIs: http://x/\nTrusted: yes\n", Result.FAIL),
        (
            "/etc/apt/sources.list.d/x.sources",
            "Enabled: no\nTypes: deb\nURIs: http://x/\nTrusted: yes\n",
            Result.PASS,
        ),
        ("/etc/apt/sources.list.d/x.list.save", "deb [trusted=yes] http://x/ ./\n", Result.PASS),
        ("/etc/apt/apt.conf.d/90x", 'Acquire::AllowInsecureRepositories "true";', Result.FAIL),
    ],
)
def test_a_source_without_a_checked_signature_is_found(path, text, result):
    assert found(DictHost({path: text}), "packages.trusted-sources").result is result


def test_a_repository_of_dnf_without_gpgcheck_is_named():
    text = "[base]\nname=base\ngpgcheck=1\n[extra]\nenabled=1\ngpgcheck=0\n[old]\nenabled=0\ngpgcheck=0\n"
    seen = found(DictHost({"/etc/yum.repos.d/x.repo": text}, distribution=ALMA), "packages.trusted-sources")
    assert seen.result is Result.FAIL
    assert [place.text for place in seen.provenance] == ["[extra] gpgcheck=0"]


def test_the_age_of_the_lists_is_counted_in_whole_days():
    def aged(days: float) -> DictHost:
        status = Status(Kind.FOLDER, 0o755, 0, 0, "root", "root", 4096, "8:1", NOW - days * 86400)
        return DictHost({"/var/lib/apt/lists/x": ""}, stats={"/var/lib/apt/lists": status})

    assert found(aged(7.9), "packages.lists-age").result is Result.PASS
    assert found(aged(8.1), "packages.lists-age").running == "8"


def test_a_newer_kernel_that_waits_for_a_reboot_is_seen():
    old = DictHost(
        {"/boot/vmlinuz-6.1.0-9-amd64": "", "/boot/vmlinuz-6.1.0-28-amd64": ""}, release="6.1.0-9-amd64"
    )
    assert found(old, "packages.running-kernel").result is Result.FAIL
    new = DictHost({"/boot/vmlinuz-6.1.0-9-amd64": "", "/boot/vmlinuz-6.1.0-28-amd64": ""})
    assert found(new, "packages.running-kernel").result is Result.PASS


# --- apt's own reader ---------------------------------------------------------------------------------

CONFIGURATIONS = [
    ON,
    'APT { Periodic { Unattended-Upgrade "1"; Enable "0" }; };',
    '// APT::Periodic::Enable "0";\nAPT::Periodic::Enable "1"; # "2"\n/* APT::Periodic::Enable "3"; */',
    'APT::Periodic::Enable "0";\nAPT::Periodic::Enable "1";',
    'Unattended-Upgrade::Origins-Pattern {\n "origin=Debian";\n "x";\n};\nAPT::Periodic::Enable "1";',
    "APT::Periodic {\n  Enable 1;\n};\n#clear APT::Periodic::Enable;\n",
    'apt::periodic::ENABLE "yes";',
    'DPkg::Post-Invoke { "rm -f /x || true"; };\nAPT::Periodic::Enable "a;b{c}";',
]


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="apt is not here")
@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_apt_reads_a_configuration_as_we_do(text, tmp_path):
    check(text, tmp_path)


words = st.sampled_from(["APT", "Periodic", "Enable", "Unattended-Upgrade", "Acquire"])
values = st.sampled_from(['"0"', '"1"', '"yes"', '"a b"'])
simple = st.builds(
    lambda name, value: f"{'::'.join(name)} {value};", st.lists(words, min_size=1, max_size=3), values
)
nested = st.builds(
    lambda name, inner: f"{name} {{ {' '.join(inner)} }};", words, st.lists(simple, max_size=3)
)


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="apt is not here")
@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(simple, nested, st.just("// c"), st.just("/* x */")), max_size=6))
def test_apt_reads_generated_configurations_as_we_do(tmp_path_factory, lines):
    check("\n".join(lines) + "\n", tmp_path_factory.mktemp("apt"))


def check(text, folder):
    path = folder / "apt.conf"
    path.write_text(text)
    environment = {"APT_CONFIG": str(path), "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    empty = folder / "none"
    argv = ["apt-config", "-o", f"Dir::Etc::parts={empty}", "-o", f"Dir::Etc::main={empty}", "dump"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    theirs = {}
    for line in done.stdout.splitlines():
        name, _space, value = line.partition(" ")
        theirs[name.lower()] = value.strip('";')
    ours = apt_conf.parse(text)
    for name, value in ours.items():
        assert theirs.get(name) == value, name
    for name in ("apt::periodic::enable", "apt::periodic::unattended-upgrade", "acquire::enable"):
        assert ours.get(name, "") == theirs.get(name, ""), name
