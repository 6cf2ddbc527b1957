"""Names that differ by family: recorded hosts of each, and hosts of a family that is not known."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from hardentui.assess import assess
from hardentui.cli import main
from hardentui.model import Action, Finding, Result
from hardentui.operations import Refusal, ReloadUnit, ReplaceLine, SetMode, WriteFile
from hardentui.rehearsal import rehearse
from hardentui.resources import RESOURCES
from hardentui.session import Session
from hardentui.snapshot import Distribution, DistributionIs, Snapshot, UnitFile

from . import hosts, recorded
from .images import image
from .recorded import ANSWERS, DEBIAN, FACADE, HOSTS
from .sittings import CHECKLISTS

# Words that would be foreign to whoever administers the other family.
OF_DEBIAN = re.compile(
    r"\b(?:apt|apt-get|aptitude|dpkg|debconf|debian|ubuntu|unattended-upgrades|pam-auth-update|ufw)\b"
    r"|/etc/apt|common-auth|common-password|bash\.bashrc|(?<!\w)ssh\.service|%sudo\b",
    re.IGNORECASE,
)
OF_RHEL = re.compile(
    r"\b(?:dnf|yum|rpm|rhel|red ?hat|authselect|update-crypto-policies|firewalld)\b"
    r"|/etc/sysconfig|system-auth|/etc/bashrc|sshd\.service|%wheel\b",
    re.IGNORECASE,
)


def found(name: str, id_: str) -> Finding:
    finding = recorded.session(name).finding(id_)
    assert finding is not None, id_
    return finding


def shown(finding: Finding) -> str:
    """What a person sees of a finding: its sentence, its values, and where they were read."""
    seen = finding.observation
    sides = () if seen is None else (*((seen.running,) if seen.running else ()), *seen.boot)
    words = [finding.message]
    for side in sides:
        words += [side.by, *side.values.values(), *(f"{p.place} {p.text}" for p in side.provenance)]
    return "\n".join(words)


def applying_all(session: Session) -> Session:
    """Every failing recommendation that can be changed, decided at once."""
    for finding in session.findings:
        entry = finding.recommendation
        if finding.result is Result.FAIL and entry.target and not session.refusal(finding):
            rival = session.rival(entry)
            if not rival:
                session = session.decided(session.decision(finding, Action.APPLY))
    return session


# --- recorded hosts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTS)
def test_no_finding_ends_in_an_error(name: str) -> None:
    findings = recorded.session(name).findings
    assert not [f.recommendation.id for f in findings if f.result is Result.ERROR]
    assert sum(f.result in {Result.PASS, Result.FAIL} for f in findings) > 150


@pytest.mark.parametrize("name", HOSTS)
def test_a_recording_holds_nothing_of_the_machine_that_made_it(name: str) -> None:
    text = recorded.text(name)
    assert not re.search(r"\$(?:y|6|5|2b|1)\$|PRIVATE KEY|root@(?!lab\b)|lowerdir|/tmp/[^\"]*/tree-", text)
    document = json.loads(text)
    (kernel,) = [entry["answer"] for entry in document["answers"] if entry["question"] == ["KernelIs"]]
    assert kernel["hostname"] == "lab"


# What a host of each family is said to be; "" where the sentence is of no matter.
SAID: dict[str, dict[str, tuple[str, str]]] = {
    "packages.automatic-updates": {
        **dict.fromkeys(DEBIAN, ("pass", "/etc/apt/apt.conf.d/20auto-upgrades")),
        FACADE: ("fail", "not installed: dnf-automatic"),
    },
    "packages.trusted-sources": dict.fromkeys(HOSTS, ("pass", "")),
    "packages.lists-age": {
        **dict.fromkeys(DEBIAN, ("pass", "/var/lib/apt")),
        FACADE: ("pass", "/var/cache/dnf"),
    },
    "principle.keep-up-to-date": {
        **dict.fromkeys(DEBIAN, ("pass", "apt-get -s dist-upgrade")),
        FACADE: ("unknown", "dnf"),
    },
    "packages.running-kernel": {
        "debian12": ("pass", "vmlinuz-6.1.0"),
        "debian13": ("pass", "vmlinuz-6.12"),
        "ubuntu2404": ("pass", "vmlinuz-6.8.0"),
        "ubuntu2604": ("pass", "vmlinuz-7.0.0"),
        FACADE: ("pass", "vmlinuz-5.14.0-427.13.1.el9_4.x86_64"),
    },
    "choice.lifetime-maintainability": {
        "debian12": ("pass", "2028-06"),
        "debian13": ("pass", "2030-06"),
        "ubuntu2404": ("pass", "2029-0"),
        "ubuntu2604": ("pass", "2031-0"),
        FACADE: ("pass", "2032-05-31"),
    },
    "firewall.one-holder": {
        **dict.fromkeys(DEBIAN, ("fail", "none, expected nftables or firewalld or ufw or iptables")),
        FACADE: ("pass", "/usr/lib/firewalld/zones/public.xml"),
    },
    "users.administrators": dict.fromkeys(HOSTS, ("informational", "admin")),
    "users.sudo-all-commands": {
        **dict.fromkeys(DEBIAN, ("fail", "%sudo ALL=(ALL:ALL) ALL")),
        FACADE: ("fail", "%wheel ALL=(ALL) ALL"),
    },
    "users.password-hash": {
        **dict.fromkeys(DEBIAN, ("pass", "/etc/pam.d/common-password")),
        FACADE: ("pass", "/etc/pam.d/system-auth"),
    },
    "users.null-passwords": {
        **dict.fromkeys(DEBIAN, ("fail", "/etc/pam.d/common-auth")),
        FACADE: ("fail", "/etc/pam.d/password-auth"),
    },
    "files.passwords": dict.fromkeys(HOSTS, ("pass", "")),
    "files.setuid-foreign": dict.fromkeys(HOSTS, ("pass", "")),
    "mount.var.options-debian": {FACADE: ("notapplicable", "for the family Debian only")},
    "mount.var.options-rhel": dict.fromkeys(DEBIAN, ("notapplicable", "for the family RHEL only")),
    "ssh.root-login": dict.fromkeys(HOSTS, ("fail", "prohibit-password")),
    "sysctl.kernel-sysrq": {
        "debian12": ("fail", "438"),
        "ubuntu2404": ("fail", "/etc/sysctl.d/10-magic-sysrq.conf"),
        FACADE: ("fail", "/usr/lib/sysctl.d/50-default.conf"),
    },
    "users.sudo-group": {
        "ubuntu2404": ("informational", "/usr/bin/sudo"),
        "ubuntu2604": ("informational", "/usr/lib/cargo/bin/sudo"),
    },
    "users.sudo-use-pty": {
        **dict.fromkeys(("debian12", "debian13", "ubuntu2404"), ("pass", "/etc/sudoers")),
        "ubuntu2604": ("unknown", "sudo-rs"),
        FACADE: ("fail", "off, expected on"),
    },
    "users.unused": {
        **dict.fromkeys(("debian13", "ubuntu2604"), ("unknown", "no login is on record")),
    },
    "services.none-failed": {
        # The journal and the resolver of Ubuntu 26.04 do not start in the container that was recorded.
        **dict.fromkeys((name for name in HOSTS if name != "ubuntu2604"), ("pass", "")),
        "ubuntu2604": ("fail", "systemd-journald.service"),
    },
}
CASES = [(id_, name, *said) for id_, by_host in SAID.items() for name, said in by_host.items()]


@pytest.mark.parametrize(("id_", "name", "result", "words"), CASES)
def test_a_host_is_judged_by_the_names_of_its_family(id_: str, name: str, result: str, words: str) -> None:
    finding = found(name, id_)
    assert finding.result == result, shown(finding)
    assert words in shown(finding), shown(finding)


@pytest.mark.parametrize("name", HOSTS)
def test_nothing_of_the_other_family_is_said_of_a_host(name: str) -> None:
    foreign = OF_DEBIAN if name == FACADE else OF_RHEL
    session = recorded.session(name)
    for finding in session.findings:
        said = f"{shown(finding)}\n{session.refusal(finding)}"
        said = said.replace("expected nftables or firewalld or ufw or iptables", "")
        said = re.sub("for the family (Debian|RHEL) only", "", said)
        assert not foreign.search(said), f"{finding.recommendation.id}: {said}"


@pytest.mark.parametrize("name", HOSTS)
def test_a_change_names_the_files_and_units_of_the_family(name: str) -> None:
    session = applying_all(recorded.session(name))
    assert len(session.plan.decisions) > 25
    operations = session.compiled().operations
    foreign = OF_DEBIAN if name == FACADE else OF_RHEL
    for operation in operations:
        if isinstance(operation, WriteFile | ReplaceLine | SetMode):
            assert not foreign.search(operation.path), operation
    wanted = "sshd.service" if name == FACADE else "ssh.service"
    reloaded = {operation.unit for operation in operations if isinstance(operation, ReloadUnit)}
    assert reloaded & {"ssh.service", "sshd.service"} == {wanted}


@pytest.mark.parametrize("name", HOSTS)
def test_what_a_plan_applies_would_pass(name: str) -> None:
    session = applying_all(recorded.session(name))
    after = rehearse(session.snapshot, session.compiled())
    seen = assess(CHECKLISTS.recommendations, after, session.plan.answers, CHECKLISTS.questions)
    left = [
        f"{finding.recommendation.id}: {finding.message}"
        for finding in seen
        if finding.recommendation.id in session.plan.decisions
        and finding.result is not Result.PASS
        and finding.recommendation.subject != "/tmp"  # made at the next boot
    ]
    assert not left


TOOLS = {name: "authselect" if name == FACADE else "pam-auth-update" for name in HOSTS}


@pytest.mark.parametrize("name", HOSTS)
def test_who_may_not_be_changed_is_sent_to_the_tool_of_the_family(name: str) -> None:
    session = recorded.session(name)
    for id_ in ("users.lockout-attempts", "users.lockout-time"):
        assert TOOLS[name] in session.refusal(found(name, id_))
    policy = session.refusal(found(name, "ssh.macs"))
    assert ("update-crypto-policies" in policy) == (name == FACADE)


@pytest.mark.parametrize("name", HOSTS)
def test_plan_and_script_come_from_the_recording_alone(name: str, tmp_path: Path) -> None:
    answers = [word for pair in ANSWERS.items() for word in ("--answer", "=".join(pair))]
    plan, script = tmp_path / "plan.toml", tmp_path / "harden.sh"
    for words in (
        ("plan", "new", "-o", plan, "--apply", "failing", *answers),
        ("script", plan, "-o", script),
    ):
        assert main([str(word) for word in ("--recording", recorded.path(name), *words)]) == 0
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    foreign = OF_DEBIAN if name == FACADE else OF_RHEL
    lines = script.read_text(encoding="utf-8").partition("messages() {")[0].splitlines()
    steps = [line for line in lines if not line.lstrip().startswith(("#", "decision ", "by_hand "))]
    assert not [line for line in steps if foreign.search(line)]


# --- which family -------------------------------------------------------------------------------------

OS_RELEASES = {
    "ID=debian\nVERSION_ID=13\n": "debian",
    "ID=ubuntu\nID_LIKE=debian\n": "debian",
    "ID=elementary\nID_LIKE=ubuntu\n": "debian",
    "ID=linuxmint\nID_LIKE='ubuntu debian'\n": "debian",
    "ID=rhel\nID_LIKE=fedora\n": "rhel",
    'ID="rocky"\nID_LIKE="rhel centos fedora"\n': "rhel",
    'ID="almalinux"\nID_LIKE="rhel centos fedora"\n': "rhel",
    'ID="amzn"\nID_LIKE="fedora"\n': "rhel",
    'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n': "suse",
    "ID=alpine\n": "alpine",
    "ID=debianish\nID_LIKE=nothing\n": "debianish",
}


@pytest.mark.parametrize(("text", "family"), OS_RELEASES.items())
def test_a_distribution_belongs_to_the_family_that_it_says_it_is_like(
    tmp_path: Path, text: str, family: str
) -> None:
    system = Snapshot(image(tmp_path, {"/etc/os-release": text})).ask(DistributionIs())
    assert isinstance(system, Distribution)
    assert system.family == family


ALPINE = Distribution("alpine", "Alpine Linux v3.20", "3.20", "", "alpine", "")


def judged_on(distribution: Distribution, id_: str, **changes: object) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    host = hosts.server(distribution=distribution, **changes)
    (finding,) = assess([entry], hosts.snapshot(host), ANSWERS, CHECKLISTS.questions)
    return finding


UNCLEAR = (
    "users.umask",
    "users.idle-timeout",
    "ssh.root-login",
    "ssh.x11",
    "packages.automatic-updates",
    "packages.trusted-sources",
)


@pytest.mark.parametrize("id_", UNCLEAR)
def test_an_unknown_distribution_is_said_and_not_taken_for_debian(id_: str) -> None:
    assert judged_on(hosts.DEBIAN, id_).result in {Result.PASS, Result.FAIL}
    finding = judged_on(ALPINE, id_)
    assert finding.result is Result.UNKNOWN, shown(finding)
    assert re.search("Alpine|this distribution", finding.message), finding.message


@pytest.mark.parametrize("unit", ["nftables.service", "iptables.service", "netfilter-persistent.service"])
def test_the_file_of_a_firewall_is_not_guessed(unit: str) -> None:
    enabled = {"unit_files": (UnitFile(unit, "enabled"),)}
    finding = judged_on(ALPINE, "principle.filter-network-globally-and-locally", **enabled)
    assert finding.observation is not None
    (boot,) = finding.observation.boot
    assert boot.by in unit or boot.by == "iptables"
    assert boot.gap is not None
    assert "Alpine" in boot.gap.detail
    assert not boot.values


def test_without_a_known_unit_sshd_is_not_changed() -> None:
    finding = judged_on(ALPINE, "ssh.x11")
    assert finding.observation is not None
    entry = finding.recommendation
    change = RESOURCES[entry.resource].change(entry, finding.observation.facts, entry.target)
    assert isinstance(change, Refusal)
    assert "not known on this distribution" in change.reason


def test_an_image_without_os_release_says_so(tmp_path: Path) -> None:
    host = image(tmp_path, {"/etc/profile": "umask 077\n"})
    (tmp_path / "usr/lib/os-release").unlink()
    entry = CHECKLISTS.get("users.umask")
    assert entry is not None
    (finding,) = assess([entry], Snapshot(host), ANSWERS, CHECKLISTS.questions)
    assert finding.result is Result.UNKNOWN
    assert "/etc/os-release is not there" in finding.message
