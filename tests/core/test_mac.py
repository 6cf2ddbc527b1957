"""SELinux and AppArmor: readers held against what the real programs wrote, and what is said of a host."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.host import selinux as host_selinux
from hardentui.host.selinux import parse_denials, parse_relabelling, read_policy
from hardentui.model import Finding, Recommendation, Result
from hardentui.operations import Refusal, SetSelinuxMode
from hardentui.resources import RESOURCES
from hardentui.resources.mac import apparmor, lsm, selinux
from hardentui.snapshot import (
    ConfinedProcess,
    Confinement,
    Denial,
    Denials,
    FileLabel,
    Mislabelled,
    Package,
    PolicyIs,
    Process,
    Reason,
    SecurityPolicy,
    Snapshot,
    Socket,
    Sockets,
    Unread,
    WrongLabels,
)

from . import hosts, mac
from .sittings import CHECKLISTS

POLICIES = Path(__file__).parent / "policies"
LOGINS = "apparmor.logins"
CHAPTER = next(c for c in CHECKLISTS.chapters if c.id == "selinux")
ENTRIES: Mapping[str, Recommendation] = {entry.id: entry for entry in CHAPTER.recommendations}

# What a Debian 12 with selinux-policy-default in permissive mode wrote while it started: the kernel's log
# (journalctl --boot --dmesg --output=cat), and then auditd's.
KERNEL_LOG = """\
audit: type=1403 audit(1795274663.900:2): auid=4294967295 ses=4294967295 lsm=selinux res=1
audit: type=1400 audit(1795274664.204:3): avc:  denied  { search } for  pid=194 comm="systemd-sysuser" \
name="var" dev="vda1" ino=18332 scontext=system_u:system_r:systemd_sysusers_t:s0 \
tcontext=system_u:object_r:unlabeled_t:s0 tclass=dir permissive=1
audit: type=1400 audit(1795274665.092:6): avc:  denied  { read } for  pid=199 comm="systemd-udevd" \
name="nr_open" dev="proc" ino=1483 scontext=system_u:system_r:udev_t:s0 \
tcontext=system_u:object_r:sysctl_fs_t:s0 tclass=file permissive=1
"""
AUDIT_LOG = """\
type=AVC msg=audit(1795274677.832:40): avc:  denied  { checkpoint_restore } for  pid=282 comm="agetty" \
capability=40  scontext=system_u:system_r:getty_t:s0 tcontext=system_u:system_r:getty_t:s0 \
tclass=capability2 permissive=1
type=AVC msg=audit(1795274677.832:40): avc:  denied  { checkpoint_restore } for  pid=282 comm="agetty" \
capability=40  scontext=system_u:system_r:getty_t:s0 tcontext=system_u:system_r:getty_t:s0 \
tclass=capability2 permissive=1
"""
APPARMOR_LOG = """\
audit: type=1400 audit(1795274700.1:50): apparmor="ALLOWED" operation="open" profile="ping" \
name="/etc/x y" pid=700 comm="ping" requested_mask="r" denied_mask="r" fsuid=0 ouid=0
audit: type=1400 audit(1795274701.1:51): apparmor="DENIED" operation="open" profile="/usr/sbin/ntpd" \
name=2F6574632F6120622E63 pid=701 comm="ntpd" requested_mask="w" denied_mask="w" fsuid=0 ouid=0
audit: type=1400 audit(1795274702.1:52): apparmor="STATUS" operation="profile_load" name="ping"
"""


def finding(id_: str, host: hosts.DictHost) -> Finding:
    (found,) = assess([ENTRIES[id_]], Snapshot(host, deep=True), {})
    return found


def permissive() -> hosts.DictHost:
    return hosts.rhel()


def refusal(id_: str, host: hosts.DictHost) -> str:
    seen = finding(id_, host)
    assert seen.observation is not None
    entry = ENTRIES[id_]
    change = RESOURCES[entry.resource].change(entry, seen.observation.facts, entry.target)
    return change.reason if isinstance(change, Refusal) else ""


# --- readers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [24, 30, 33])
def test_a_compiled_policy_is_read_as_it_was_written(version: int) -> None:
    """Its source, house.conf, says: two booleans, a permissive domain, three types, levels."""
    seen = read_policy(str(POLICIES / f"house.{version}"))
    assert seen == SecurityPolicy(
        version, True, 3, (("open_door", False), ("open_window", True)), ("window_t",)
    )


@given(st.integers(0, 1143), st.binary(max_size=8))
def test_a_damaged_policy_is_said_to_be_one(at: int, noise: bytes) -> None:
    whole = (POLICIES / "house.33").read_bytes()
    damaged = whole[:at] + noise
    try:
        seen = host_selinux.parse_policy(damaged)
    except (ValueError, host_selinux.struct.error):
        return
    assert isinstance(seen, SecurityPolicy)  # the end of a policy says nothing that we ask for


def test_no_policy_is_no_empty_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.33"
    path.write_bytes(b"")
    assert isinstance(read_policy(str(path)), Unread)
    assert read_policy(str(tmp_path / "none")) == Unread(Reason.MISSING)


def test_denials_are_those_of_the_logs_each_counted_once() -> None:
    found = parse_denials([KERNEL_LOG, AUDIT_LOG])
    assert set(found) == {
        Denial("selinux", "systemd_sysusers_t", "dir search", "unlabeled_t", False, 1),
        Denial("selinux", "udev_t", "file read", "sysctl_fs_t", False, 1),
        Denial("selinux", "getty_t", "capability2 checkpoint_restore", "getty_t", False, 1),
    }


def test_a_kernel_s_log_without_a_line_is_one_that_was_not_read(tmp_path: Path, monkeypatch) -> None:
    """That is what journalctl --quiet prints for an ordinary user, and in most containers."""
    monkeypatch.setattr(host_selinux, "AUDIT_LOG", str(tmp_path / "audit.log"))
    assert isinstance(host_selinux.read_denials(lambda _argv: ""), Unread)
    assert host_selinux.read_denials(lambda _argv: "Linux version 6.1\n") == ()


def test_a_typed_command_line_is_no_context() -> None:
    record = (
        "type=USER_AVC msg=audit(1795274677.900:41): pid=1 uid=0 msg='avc:  denied  { start } for "
        'cmdline="x scontext=u:r:false_t:s0 tcontext=u:r:false_t:s0 tclass=file" '
        "scontext=u:r:user_t:s0 tcontext=u:object_r:unit_t:s0 tclass=service permissive=0'\n"
    )
    assert parse_denials([record]) == (Denial("selinux", "user_t", "service start", "unit_t", True, 1),)


def test_denials_of_before_the_start_are_left_out() -> None:
    assert [one.subject for one in parse_denials([KERNEL_LOG, AUDIT_LOG], since=1795274670)] == ["getty_t"]


def test_what_apparmor_noted_and_what_it_denied_are_told_apart() -> None:
    noted, denied = sorted(parse_denials([APPARMOR_LOG]), key=lambda one: one.enforced)
    assert noted == Denial("apparmor", "ping", "open r", "/etc/x y", False, 1)
    assert denied == Denial("apparmor", "/usr/sbin/ntpd", "open w", "/etc/a b.c", True, 1)


@given(st.lists(st.text(max_size=40), max_size=4))
def test_no_name_in_a_log_can_end_the_reading(names: list[str]) -> None:
    lines = [
        f'type=AVC msg=audit(1795274677.8:{n}): apparmor="DENIED" profile="{name}" name={name}'
        for n, name in enumerate(names)
    ]
    assert len(parse_denials(lines)) <= len(names)


def test_wrong_labels_are_those_that_restorecon_would_change() -> None:
    """The lines are of restorecon -n -v (policycoreutils 3.4)."""
    said = (
        "Would relabel /etc/motd from system_u:object_r:tmp_t:s0 to system_u:object_r:etc_t:s0\n"
        "Would relabel /srv/a from b from <no context> to system_u:object_r:var_t:s0\n"
    )
    assert parse_relabelling(said) == (
        Mislabelled("/etc/motd", "system_u:object_r:tmp_t:s0", "system_u:object_r:etc_t:s0"),
        Mislabelled("/srv/a from b", "", "system_u:object_r:var_t:s0"),
    )


CONFIGS = (
    "SELINUX=enforcing\nSELINUXTYPE=targeted\n",
    "# SELINUX=disabled\nSELINUX=permissive\nSELINUX=enforcing\nSELINUXTYPE=default\nSELINUXTYPE=mls\n",
    " SELINUX=enforcing\n  SELINUXTYPE=minimum  \n",
    "SELINUX=Permissive # for now\n",
    "SELINUX= disabled\n",
    "SELINUX=off\nSELINUX=enforcing\n",
    "SELINUXTYPE=\n",
)


@pytest.mark.parametrize("text", CONFIGS)
def test_the_configuration_is_read_as_libselinux_reads_it(text: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, for a root directory of its own")
    try:
        ctypes.CDLL("libselinux.so.1")
    except OSError:
        pytest.skip("needs libselinux")
    (tmp_path / "etc/selinux").mkdir(parents=True)
    (tmp_path / "etc/selinux/config").write_text(text)
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:  # the library reads /etc/selinux: it must find ours there, and nobody else's
            library = ctypes.CDLL("libselinux.so.1")
            os.chroot(tmp_path)
            mode, kind = ctypes.c_int(-9), ctypes.c_char_p()
            failed = library.selinux_getenforcemode(ctypes.byref(mode))
            library.selinux_reset_config()
            library.selinux_getpolicytype(ctypes.byref(kind))
            os.write(writer, f"{-9 if failed else mode.value} {(kind.value or b'').decode()}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    said, _space, kind = os.read(reader, 100).decode().partition(" ")
    os.close(reader)
    os.close(writer)
    ours = selinux.parse_config(text)
    assert ours.mode == {"1": "enforcing", "0": "permissive", "-1": "disabled"}.get(said, "")
    assert ours.policy == kind


# --- AppArmor's files -------------------------------------------------------------------------------------


def test_profiles_are_called_as_the_kernel_calls_them() -> None:
    text = "\n".join(mac.PROFILES.values())
    profiles = list(apparmor.parse("/etc/apparmor.d/x", text))
    assert [one.name for one in profiles] == [
        "ping",
        "dnsmasq",
        "dnsmasq//libvirt_leaseshelper",
        "/usr/sbin/ntpd",
    ]
    assert [one.name for one in apparmor.complaining(tuple(profiles))] == ["ping", "dnsmasq"]


@pytest.mark.parametrize(
    "found",
    [
        "profile ping /bin/ping flags=(complain)\n{\n}\n",
        "profile ping /bin/ping\n  (complain) {\n}\n",
        Unread(Reason.FAILED, "Input/output error"),
    ],
)
def test_a_file_whose_profiles_are_not_all_seen_makes_nothing_pass(found: str | Unread) -> None:
    host = mac.with_apparmor(hosts.server())
    host.files |= dict.fromkeys(mac.PROFILES, "profile x /x {\n}\n")
    host.kernel["/sys/kernel/security/apparmor/profiles"] = "x (enforce)"
    assert finding("apparmor.enforced", host).result is Result.PASS
    host.files["/etc/apparmor.d/bin.ping"] = found
    assert finding("apparmor.enforced", host).result is Result.UNKNOWN


def test_loaded_profiles_are_those_of_aa_status() -> None:
    """Both recorded at once on a Debian 12 with apparmor-profiles: the kernel's list, aa-status --json."""
    host = hosts.server()
    host.kernel["/sys/kernel/security/apparmor/profiles"] = (POLICIES / "apparmor-profiles.txt").read_text()
    said = json.loads((POLICIES / "aa-status.json").read_text())["profiles"]
    assert apparmor.loaded(hosts.snapshot(host)) == said
    assert finding("apparmor.profiles", host).message == "24 profiles, 21 complain, 3 enforce"


def test_a_person_can_be_given_a_profile_where_pam_apparmor_is() -> None:
    host = mac.with_apparmor(hosts.server())
    host.files["/etc/pam.d/su"] = "session required pam_unix.so\n"
    assert (finding(LOGINS, host).result, finding(LOGINS, host).running) == (Result.INFORMATIONAL, "absent")
    host.packages = (*host.packages, Package("libpam-apparmor", "3.0.8-3"))
    assert (finding(LOGINS, host).result, finding(LOGINS, host).running) == (Result.PASS, "installed")
    host.files["/etc/pam.d/su"] += "session optional pam_apparmor.so order=user,group,default\n"
    assert (finding(LOGINS, host).result, finding(LOGINS, host).running) == (Result.PASS, "asked")
    without = mac.with_selinux(hosts.server(), "permissive")
    assert finding(LOGINS, without).result is Result.NOTAPPLICABLE


def test_only_the_flag_complain_goes() -> None:
    assert apparmor.without_complain(mac.PING) == "profile ping /{usr/,}bin/{,iputils-}ping {"
    assert (
        apparmor.without_complain(mac.DNSMASQ)
        == "profile dnsmasq /usr/{bin,sbin}/dnsmasq flags=(attach_disconnected) {"
    )


@pytest.mark.parametrize(
    ("pattern", "path", "taken"),
    [
        ("/{usr/,}bin/{,iputils-}ping", "/usr/bin/ping", True),
        ("/{usr/,}bin/{,iputils-}ping", "/bin/iputils-ping", True),
        ("/usr/sbin/php-fpm*", "/usr/sbin/php-fpm8.2", True),
        ("/usr/sbin/php-fpm*", "/usr/sbin/php-fpm/x", False),
        ("/opt/**", "/opt/a/b", True),
        ("/usr/bin/[a-c]x", "/usr/bin/bx", True),
        ("/usr/bin/[z-a]x", "/usr/bin/bx", False),
        ("/usr/bin/a.b", "/usr/bin/aXb", False),
        ("@{exec_path}", "/usr/bin/x", False),
    ],
)
def test_a_profile_takes_the_programs_of_its_pattern(pattern: str, path: str, taken: bool) -> None:
    assert apparmor.attaches(pattern, path) is taken


@given(st.text(max_size=30))
def test_no_pattern_ends_the_reading(pattern: str) -> None:
    apparmor.attaches(pattern, "/usr/bin/x")


def test_programs_beside_their_profile_are_named() -> None:
    host = hosts.server(processes=(Process(7, "ping", "root", "/usr/bin/ping", ""),))
    host.answers[Confinement] = (ConfinedProcess(7, name="ping", label="unconfined", label_read=True),)
    seen = finding("apparmor.beside-profile", host)
    assert (seen.result, seen.running) == (Result.FAIL, "ping")
    host.answers[Confinement] = (ConfinedProcess(7, name="ping", label="ping (complain)", label_read=True),)
    assert finding("apparmor.beside-profile", host).result is Result.PASS
    host.answers[Confinement] = (ConfinedProcess(7, name="ping"),)
    assert finding("apparmor.beside-profile", host).result is Result.UNKNOWN


# --- what is said of a host -------------------------------------------------------------------------------


def test_either_module_satisfies() -> None:
    host = hosts.server()
    host.kernel["/sys/kernel/security/apparmor/profiles"] = "ping (enforce)"
    seen = finding("mac.enforces", host)
    assert seen.drift is not None, "no start loads the profiles"
    host.answers[hosts.UnitFiles] = tuple(
        hosts.UnitFile(one.name, "enabled") for one in host.answers[hosts.UnitFiles]
    )
    assert finding("mac.enforces", host).result is Result.PASS
    enforcing = mac.with_selinux(hosts.server(), "enforcing")
    assert finding("mac.enforces", enforcing).result is Result.PASS
    assert finding("mac.enforces", permissive()).result is Result.FAIL


def test_one_module_asks_nothing_of_a_host_with_the_other() -> None:
    for id_, entry in ENTRIES.items():
        if entry.resource == "apparmor":
            assert finding(id_, permissive()).result is Result.NOTAPPLICABLE, id_
        if entry.resource == "selinux" and entry.subject != "debugging-tools":
            assert finding(id_, hosts.server()).result is Result.NOTAPPLICABLE, id_


def test_a_policy_that_is_not_loaded_passes_nothing() -> None:
    """With SELinux off its booleans and domains hold nobody back, whatever the files say."""
    found = {id_: finding(id_, hosts.rivals()) for id_, e in ENTRIES.items() if e.resource == "selinux"}
    passed = {id_ for id_, one in found.items() if one.result is Result.PASS}
    assert passed == {"selinux.debugging-tools"}


def test_the_boot_loader_can_choose_otherwise_than_the_file() -> None:
    host = mac.with_selinux(hosts.server(), "enforcing")
    assert finding("selinux.enforcing", host).result is Result.PASS
    host.files["/boot/grub/grub.cfg"] = mac.GRUB.format(words=" security=selinux enforcing=0")
    seen = finding("selinux.enforcing", host)
    assert (seen.running, seen.boot) == ("enforcing", "permissive")
    host.files["/boot/grub/grub.cfg"] = mac.GRUB.format(words=" security=apparmor")
    assert finding("selinux.enforcing", host).boot == "disabled"
    host.files["/boot/grub/grub.cfg"] = mac.GRUB.format(words=" security=selinux selinux=0")
    assert finding("selinux.enforcing", host).boot == "disabled"
    del host.files["/boot/grub/grub.cfg"]
    assert finding("selinux.enforcing", host).result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("words", "module"),
    [
        ("", "apparmor"),  # the order that Debian builds in
        ("security=selinux", "selinux"),
        ("apparmor=0", "selinux"),
        ("lsm=yama,selinux,apparmor", "selinux"),
        ("lsm=yama security=apparmor", ""),
        ("security=none", ""),
    ],
)
def test_a_start_runs_the_module_that_its_words_choose(words: str, module: str) -> None:
    host = hosts.server()
    host.kernel["/proc/cmdline"] = "ro lsm=elsewhere"
    order = "landlock,lockdown,yama,loadpin,safesetid,integrity,apparmor,selinux,smack,tomoyo,bpf"
    host.files["/boot/config-6.1.0-28-amd64"] = f"CONFIG_LSM={order}\n"
    host.files["/boot/grub/grub.cfg"] = mac.GRUB.format(words=f" {words}")
    starts = lsm.starts(hosts.snapshot(host))
    assert isinstance(starts, tuple)
    assert [start.module for start in starts] == [module]


def test_booleans_are_judged_under_the_name_that_the_policy_has() -> None:
    host = permissive()
    assert finding("selinux.boolean-execmem", host).result is Result.FAIL
    assert finding("selinux.boolean-execheap", host).result is Result.PASS
    assert finding("selinux.boolean-insmod", host).result is Result.NOTAPPLICABLE
    turned = SecurityPolicy(33, True, 1, (("deny_execmem", True),), ("httpd_t",))
    host.given[PolicyIs("/sys/fs/selinux/policy")] = turned
    assert finding("selinux.boolean-execmem", host).drift is not None, "setsebool without -P"
    assert finding("selinux.permissive-domains", host).running == "httpd_t"


def test_contexts_are_shown_field_by_field() -> None:
    host = permissive()
    host.answers[Confinement] = mac.SERVICES
    seen = finding("mac.selinux-contexts", host)
    assert seen.message == "1 of 3 services confined"
    texts = {place.place: place.text for place in seen.provenance}
    assert "user system_u, role system_r, domain sshd_t, level s0-s0:c0.c1023" in texts["sshd.service"]


def test_listeners_that_nothing_holds_are_named() -> None:
    host = permissive()
    host.answers[Confinement] = mac.SERVICES
    host.answers[Sockets] = (
        Socket("tcp", "0.0.0.0", 22, "sshd", 900),
        Socket("tcp", "::", 8080, "thing", 901),
        Socket("tcp", "127.0.0.1", 9000, "thing", 901),
    )
    seen = finding("mac.listeners", host)
    assert (seen.result, seen.running) == (Result.FAIL, "thing")
    host.answers[Sockets] = (Socket("tcp", "0.0.0.0", 22, "", 0),)
    assert finding("mac.listeners", host).result is Result.UNKNOWN
    host.answers[Sockets] = (Socket("tcp6", "::ffff:127.0.0.1", 9000, "thing", 901),)
    assert finding("mac.listeners", host).result is Result.PASS, "for this host alone"
    host.answers[Sockets] = (Socket("tcp", "0.0.0.0", 8080, "systemd", 1, "root", "thing.socket"),)
    assert finding("mac.listeners", host).running == "thing", "systemd holds the socket for it"


def test_labels_are_searched_on_demand_only() -> None:
    host = permissive()
    (unsearched,) = assess([ENTRIES["selinux.labels"]], hosts.snapshot(host), {})
    assert unsearched.result is Result.NOTCHECKED
    host.given[WrongLabels()] = (Mislabelled("/etc/motd", "a:b:tmp_t:s0", "a:b:etc_t:s0"),)
    assert finding("selinux.labels", host).result is Result.FAIL
    host.given[WrongLabels()] = ()
    assert finding("selinux.labels", host).result is Result.PASS


def test_denials_are_a_hazard_of_enforcing() -> None:
    host = permissive()
    assert not finding("selinux.enforcing", host).hazards
    host.given[Denials()] = parse_denials([KERNEL_LOG, AUDIT_LOG])
    (hazard,) = finding("selinux.enforcing", host).hazards
    assert "udev_t 1" in hazard.text
    host.given[Denials()] = Unread(Reason.DENIED)
    (hazard,) = finding("selinux.enforcing", host).hazards
    assert "could not be read" in hazard.text


# --- the way to enforcing ---------------------------------------------------------------------------------


def test_enforcing_waits_for_every_step_before_it() -> None:
    assert not refusal("selinux.enforcing", permissive())
    assert "does not run" in refusal("selinux.enforcing", hosts.rivals())
    host = permissive()
    host.files["/.autorelabel"] = ""
    assert "/.autorelabel waits" in refusal("selinux.enforcing", host)
    host = permissive()
    host.given[FileLabel("/etc/shadow")] = "system_u:object_r:unlabeled_t:s0"
    assert "/etc/shadow has no label" in refusal("selinux.enforcing", host)
    host = permissive()
    host.files["/etc/selinux/config"] = mac.CONFIG.format(mode="disabled")
    assert "would switch SELinux off" in refusal("selinux.enforcing", host)
    host = permissive()
    host.files["/boot/grub2/grub.cfg"] = mac.GRUB.format(words=" security=selinux enforcing=0")
    assert "enforcing=0" in refusal("selinux.enforcing", host)


def test_a_policy_whose_file_gives_no_mode_is_permissive() -> None:
    """As libselinux loads it at the start: an error in the file switches nothing off."""
    host = mac.with_selinux(hosts.server(), "permissive")
    host.files["/etc/selinux/config"] = "SELINUX=enforcnig\nSELINUXTYPE=targeted\n"
    assert finding("selinux.enforcing", host).boot == "permissive"
    assert finding("selinux.not-disabled", host).result is Result.PASS
    assert not refusal("selinux.enforcing", host)


def test_permissive_needs_a_policy_to_load() -> None:
    assert not refusal("selinux.not-disabled", hosts.rivals())
    host = hosts.rivals()
    del host.files["/etc/selinux/targeted/policy/policy.33"]
    assert "no compiled policy" in refusal("selinux.not-disabled", host)
    host = hosts.rivals()
    host.files["/boot/grub/grub.cfg"] = mac.GRUB.format(words=" security=apparmor")
    assert "boot loader" in refusal("selinux.not-disabled", host)


@pytest.mark.parametrize("facts", [{}, {"running": "permissive", "mode": "permissive", "line": "a\nb"}])
def test_facts_that_somebody_edited_bring_nothing_dangerous(facts: dict[str, str]) -> None:
    entry = ENTRIES["selinux.enforcing"]
    with pytest.raises(ValueError, match="printable") if facts else pytest.raises(AssertionError):
        change = RESOURCES["selinux"].change(entry, facts, "enforcing")
        assert not isinstance(change, Refusal)


@pytest.mark.parametrize("mode", ["disabled", "", "1"])
def test_no_operation_switches_selinux_off(mode: str) -> None:
    with pytest.raises(ValueError, match="mode of a running SELinux"):
        SetSelinuxMode(owners=("x",), before="permissive", after=mode)


def test_a_target_of_a_plan_that_would_switch_selinux_off_is_refused() -> None:
    entry = ENTRIES["selinux.not-disabled"]
    facts = finding("selinux.not-disabled", hosts.rivals()).observation.facts
    assert isinstance(RESOURCES["selinux"].change(entry, facts, "disabled"), Refusal)


def test_the_force_complain_links_are_left_to_a_person() -> None:
    host = hosts.server(links={"/etc/apparmor.d/force-complain/usr.sbin.ntpd": "../usr.sbin.ntpd"})
    assert "force-complain" in refusal("apparmor.enforced", host)
