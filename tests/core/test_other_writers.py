"""Who else writes at boot, and what hides what: masks, drop-ins of many units, ZFS, containers, ufw."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hardentui.model import Drift, Result
from hardentui.operations import ReplaceLine, WriteFile
from hardentui.rehearsal import rehearse, undo
from hardentui.resources.mount import boot
from hardentui.session import Session
from hardentui.snapshot import File, Folder, Reason, Unread

from . import hosts
from .test_closed_loop import CHECKLISTS, decided
from .test_judgement import DMESG, KPTR, LOCAL, find, judge
from .test_mounts import ETC, LIB, LINE, RUN, UNIT, WANTED, at_boot

NULLS = ["/dev/null", "../../../dev/null"]
WANTS = "/etc/systemd/system/multi-user.target.wants"
SOCKETS = "/etc/systemd/system/sockets.target.wants"
FORWARD = find("net.ipv4.ip_forward")
DUMPABLE = find("fs.suid_dumpable")


def enabled(host: hosts.DictHost, unit: str, folder: str = WANTS) -> hosts.DictHost:
    host.links[f"{folder}/{unit}"] = f"/usr/lib/systemd/system/{unit}"
    return host


# --- services -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    [
        "k3s-agent.service",
        "rke2-server.service",
        "rke2-agent.service",
        "crio.service",
        "snap.docker.dockerd.service",
        "snap.lxd.daemon.service",
        "libvirtd.socket",
        "virtnetworkd.socket",
    ],
)
def test_more_services_leave_forwarding_unknown(unit: str) -> None:
    host = hosts.with_kernel(hosts.server(), {"net/ipv4/ip_forward": "0"})
    assert judge(host, FORWARD).result is Result.PASS
    found = judge(enabled(host, unit, SOCKETS if unit.endswith("socket") else WANTS), FORWARD)
    assert found.result is Result.UNKNOWN
    assert unit in found.message


@pytest.mark.parametrize("unit", ["NetworkManager.service", "systemd-networkd.service"])
def test_what_brings_links_up_leaves_a_disabled_ipv6_unknown(unit: str) -> None:
    key = "net.ipv6.conf.all.disable_ipv6"
    off = {f"net/ipv6/conf/{name}/disable_ipv6": "1" for name in ("all", "default", "lo", "eth0")}
    host = hosts.with_kernel(hosts.server(files={LOCAL: f"{key} = 1\n"}), off)
    entry = "sysctl.net-ipv6-conf-all-disable-ipv6"
    assert judge(host, entry, {"ipv6": "unused"}).result is Result.PASS
    found = judge(enabled(host, unit), entry, {"ipv6": "unused"})
    assert found.result is Result.UNKNOWN
    assert unit in found.message


@pytest.mark.parametrize(("setting", "result"), [("enabled=1", Result.UNKNOWN), ("enabled=0", Result.PASS)])
def test_apport_writes_what_a_crash_leaves(setting: str, result: Result) -> None:
    host = hosts.with_kernel(hosts.server(files={LOCAL: "fs.suid_dumpable = 0\n"}), {"fs/suid_dumpable": "0"})
    assert judge(host, DUMPABLE).result is Result.PASS
    host.files |= {"/usr/share/apport/apport": "", "/etc/default/apport": f"# x\n{setting}\n"}
    assert judge(host, DUMPABLE).result is result


# --- ufw ------------------------------------------------------------------------------------------


def behind_ufw(text: str, **files: str) -> hosts.DictHost:
    """log_martians is right in all that systemd-sysctl and procps read; ufw has its own file."""
    host = hosts.server(
        files={
            LOCAL: "net.ipv4.conf.*.log_martians = 1\n",
            "/etc/ufw/ufw.conf": "ENABLED=yes\nLOGLEVEL=low\n",
            "/etc/default/ufw": 'IPV6=yes\nIPT_SYSCTL="/etc/ufw/sysctl.conf"\n',
            "/etc/ufw/sysctl.conf": text,
            **files,
        }
    )
    parts = ("all", "default", "lo", "eth0")
    hosts.with_kernel(host, {f"net/ipv4/conf/{part}/log_martians": "1" for part in parts})
    return enabled(host, "ufw.service")


MARTIANS = find("net.ipv4.conf.*.log_martians")
DEFAULT = "# packets\nnet/ipv4/conf/all/log_martians=0\nnet/ipv4/conf/default/log_martians=0\n"


def test_ufw_takes_back_what_the_others_set() -> None:
    host = behind_ufw(DEFAULT + "net/ipv4/conf/eth0/log_martians=0\n")
    found = judge(host, MARTIANS)
    assert (found.result, found.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)
    assert "/etc/ufw/sysctl.conf" in {place.place for place in found.provenance}
    assert "ufw: " in found.boot


@pytest.mark.parametrize(
    "files",
    [
        {"/etc/ufw/ufw.conf": "ENABLED=no\n"},
        {"/etc/default/ufw": "IPT_SYSCTL=\n"},
        {"/etc/ufw/sysctl.conf": "# nothing\n"},
        {"/etc/ufw/sysctl.conf": "net/ipv4/conf/all/log_martians=1\n"},
    ],
)
def test_ufw_that_is_off_or_sets_nothing_else_takes_nothing_back(files: dict[str, str]) -> None:
    assert judge(behind_ufw(DEFAULT, **files), MARTIANS).result is Result.PASS


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/ufw/ufw.conf", Unread(Reason.DENIED)),
        ("/etc/ufw/sysctl.conf", Unread(Reason.DENIED)),
        ("/etc/default/ufw", "IPT_SYSCTL=/root/mine.conf\n"),
    ],
)
def test_what_ufw_reads_and_we_do_not_leaves_the_boot_unknown(path: str, text: str | Unread) -> None:
    host = behind_ufw("# nothing\n")
    host.files[path] = text
    assert judge(host, MARTIANS).result is Result.UNKNOWN


def test_the_change_edits_the_lines_of_ufw_and_goes_back() -> None:
    text = DEFAULT + "net/ipv4/conf/eth0/log_martians=0\n"
    session = Session.begin(CHECKLISTS, hosts.snapshot(behind_ufw(text)))
    session = decided(session, [CHECKLISTS.get(MARTIANS)])
    change_set = session.compiled()
    edited = [step.before for step in change_set.operations if isinstance(step, ReplaceLine)]
    assert edited == text.splitlines()[1:]
    after = rehearse(session.snapshot, change_set)
    assert Session.begin(CHECKLISTS, after).finding(MARTIANS).result is Result.PASS
    assert undo(after, change_set, session.snapshot).ask(File("/etc/ufw/sysctl.conf")) == text


# --- masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [*NULLS, "also", ""])
def test_a_masked_mount_unit_mounts_nothing(target: str) -> None:
    path = f"{ETC}/tmp.mount"
    links = {path: target, f"{ETC}/also": "/dev/null"} if target else {}
    assert at_boot({boot.FSTAB: LINE, **({} if target else {path: ""})}, links) is None


@pytest.mark.parametrize("target", ["/dev/null", "../../../../dev/null", "nowhere"])
def test_a_masked_drop_in_of_a_mount_says_nothing(target: str) -> None:
    files = {boot.FSTAB: LINE, f"{LIB}/tmp.mount.d/10.conf": "[Mount]\nOptions=noexec\n"}
    assert at_boot(files).options == ("noexec",)
    assert at_boot(files, {f"{RUN}/tmp.mount.d/10.conf": target}).options == ("nodev",)


@pytest.mark.parametrize("target", ["/dev/null", "../../dev/null", "nowhere"])
def test_a_masked_file_of_tmpfiles_cleans_nothing(target: str) -> None:
    cleaned = find("/tmp", resource="tmpfiles")
    host = hosts.server(files={"/usr/lib/tmpfiles.d/tmp.conf": "D /tmp 1777 root root -\n", boot.FSTAB: ""})
    del host.files[f"{ETC}/tmp.mount"]
    host = without_tmp(host)
    assert judge(host, cleaned).boot == "boot"
    host.links["/etc/tmpfiles.d/tmp.conf"] = target
    assert judge(host, cleaned).boot == "no"


def without_tmp(host: hosts.DictHost) -> hosts.DictHost:
    host.answers[hosts.Mounts] = tuple(m for m in host.answers[hosts.Mounts] if m.path != "/tmp")
    return host


@pytest.mark.parametrize("target", [*NULLS, ""])
def test_a_masked_systemd_sysctl_leaves_the_boot_unknown(target: str) -> None:
    host = hosts.with_kernel(
        hosts.server(files={LOCAL: "kernel.kptr_restrict = 2\n"}), {"kernel/kptr_restrict": "2"}
    )
    assert judge(host, KPTR).result is Result.PASS
    path = f"{ETC}/systemd-sysctl.service"
    if target:
        host.links[path] = target
    else:
        host.files[path] = ""
    found = judge(host, KPTR)
    assert found.result is Result.UNKNOWN
    assert "systemd-sysctl.service" in found.message


# --- drop-ins of many units -----------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["mount.d", "var-.mount.d", "var-log-.mount.d", "var-log-audit.mount.d"])
def test_a_drop_in_for_many_mounts_counts(folder: str) -> None:
    files = {
        boot.FSTAB: "UUID=1 /var/log/audit ext4 nodev 0 2\n",
        f"{ETC}/{folder}/10.conf": "[Mount]\nOptions=nosuid\n",
    }
    assert at_boot(files, path="/var/log/audit").options == ("nosuid",)


def test_of_two_drop_ins_of_one_name_the_nearest_to_the_unit_counts() -> None:
    files = {
        boot.FSTAB: "UUID=1 /var/log ext4 nodev 0 2\n",
        f"{ETC}/mount.d/10.conf": "[Mount]\nOptions=ro\n",
        f"{LIB}/var-log.mount.d/10.conf": "[Mount]\nOptions=nosuid\n",
        f"{LIB}/var-.mount.d/10.conf": "[Mount]\nOptions=noexec\n",
    }
    assert at_boot(files, path="/var/log").options == ("nosuid",)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_drop_ins_count_in_the_order_of_systemd(tmp_path: Path) -> None:
    """It names each file that it loads, in order, for a key that it does not know."""
    above, below = ETC.removeprefix("/"), LIB.removeprefix("/")
    places = [
        f"{above}/mount.d/05.conf",
        f"{above}/mount.d/10.conf",
        f"{above}/var-.mount.d/10.conf",
        f"{above}/var-.mount.d/20.conf",
        f"{below}/var-log.mount.d/10.conf",
        f"{below}/var-log.mount.d/20.conf",
    ]
    files = {f"/{place}": "[Mount]\nUnheardOf=1\n" for place in places}
    unit = UNIT.format("nodev").replace("/tmp", "/var/log")
    for path, text in {**files, f"/{below}/var-log.mount": unit}.items():
        at = tmp_path / path.removeprefix("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", "var-log.mount"),
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}/{above}:{tmp_path}/{below}"},
    )
    loaded = re.findall(rf"^{re.escape(str(tmp_path))}(/.*?\.conf):", done.stderr, re.MULTILINE)
    ours = boot._dropins(hosts.snapshot(hosts.DictHost(files)), "var-log.mount")
    assert not isinstance(ours, Unread)
    assert [path for _text, path in ours] == loaded[: len(ours)]
    assert len(ours) == 3


def test_a_drop_in_changes_the_type_and_the_source() -> None:
    files = {
        f"{LIB}/tmp.mount": UNIT.format("nodev"),
        f"{ETC}/tmp.mount.d/10.conf": "[Mount]\nType=none\nWhat=/srv/scratch\n",
    }
    found = at_boot(files, WANTED)
    assert (found.fstype, found.source, found.options) == ("none", "/srv/scratch", ("nodev",))
    host = hosts.server(files=files)
    assert judge(host, find("/tmp", "fstype")).result is Result.FAIL


# --- what is separate at boot -----------------------------------------------------------------------

HOME, VAR_LOG = find("/home", "separate"), find("/var/log", "separate")


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("UUID=9 /home ext4 defaults 0 2", Result.PASS),
        ("/srv/data /home none bind,nodev 0 0", Result.PASS),  # /srv is a file system of its own
        ("/srv/../root/data /home none bind 0 0", Result.FAIL),
        ("/root/data /home none rbind 0 0", Result.FAIL),
        ("UUID=9 /home ext4 noauto 0 2", Result.FAIL),
        ("UUID=9 /home ext4 noauto,x-systemd.automount 0 2", Result.PASS),
    ],
)
def test_a_bind_mount_of_the_root_or_a_line_that_waits_is_not_separate(line: str, result: Result) -> None:
    host = hosts.server()
    host.files["/etc/fstab"] = f"UUID=1 / ext4 defaults 0 1\nUUID=2 /srv ext4 defaults 0 2\n{line}\n"
    found = judge(host, HOME)
    assert found.result is result
    assert result is Result.PASS or found.drift is Drift.LOST_AT_REBOOT


def test_boot_may_wait_to_be_mounted() -> None:
    host = hosts.server()
    host.files["/etc/fstab"] = "UUID=1 / ext4 defaults 0 1\nUUID=2 /boot ext4 noauto 0 2\n"
    assert judge(host, find("/boot", "separate")).result is Result.PASS


def test_a_dataset_of_zfs_is_not_said_to_be_lost_at_reboot() -> None:
    host = hosts.with_mount(hosts.server(), "/var/log", fstype="zfs", source="tank/log")
    host.files["/etc/fstab"] = "UUID=1 / ext4 defaults 0 1\n"
    for id_ in (VAR_LOG, find("/var/log", "options")):
        found = judge(host, id_)
        assert found.drift is None
    assert judge(host, VAR_LOG).result is Result.UNKNOWN
    assert "ZFS" in judge(host, VAR_LOG).message
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    assert "ZFS" in session.refusal(session.finding(find("/var/log", "options")))


def test_a_dataset_in_fstab_is_judged_by_its_line() -> None:
    host = hosts.with_mount(hosts.server(), "/var/log", fstype="zfs", source="tank/log")
    host.files["/etc/fstab"] = "tank/log /var/log zfs defaults 0 0\n"
    assert judge(host, VAR_LOG).result is Result.PASS


@pytest.mark.parametrize("folder", ["/etc/systemd/system/local-fs.target.wants", f"{ETC}/mount.d"])
def test_a_unit_whose_folders_are_denied_is_unknown(folder: str) -> None:
    host = hosts.server()
    answer = host._answer
    host._answer = lambda q: Unread(Reason.DENIED) if q == Folder(folder) else answer(q)
    assert judge(host, find("/tmp", "separate")).result is Result.UNKNOWN


# --- containers -------------------------------------------------------------------------------------


def in_container(marker: str, *, read_only: tuple[str, ...]) -> hosts.DictHost:
    host = hosts.with_kernel(
        hosts.server(files={marker: "", LOCAL: "kernel.dmesg_restrict = 1\n"}), {"kernel/dmesg_restrict": "1"}
    )
    extra = tuple(hosts.mount(path, 50 + n, "ro,nosuid", "proc") for n, path in enumerate(read_only))
    host.answers[hosts.Mounts] = (*host.answers[hosts.Mounts], *extra)
    return host


MARKERS = ["/run/systemd/container", "/.dockerenv", "/run/.containerenv"]


@pytest.mark.parametrize("marker", MARKERS)
def test_a_container_is_not_judged_for_the_keys_of_its_host(marker: str) -> None:
    host = in_container(marker, read_only=("/proc/sys",))
    for id_ in (DMESG, KPTR):  # right and wrong
        found = judge(host, id_)
        assert found.result is Result.UNKNOWN
        assert "container" in found.message
        assert marker in found.message
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    assert "container" in session.refusal(session.finding(KPTR))


def test_a_container_with_a_network_of_its_own_is_judged_for_that() -> None:
    host = in_container(MARKERS[0], read_only=("/proc/sys",))
    host.answers[hosts.Mounts] = (*host.answers[hosts.Mounts], hosts.mount("/proc/sys/net", 60, "rw", "proc"))
    assert judge(host, DMESG).result is Result.UNKNOWN
    assert judge(host, find("net.ipv4.tcp_rfc1337")).result is Result.FAIL
    assert judge(host, find("net.ipv4.conf.*.rp_filter")).result is Result.FAIL


@pytest.mark.parametrize("marker", MARKERS)
def test_a_stray_mark_of_a_container_takes_no_verdict_away(marker: str) -> None:
    """Images of containers become virtual machines: there the keys can be written."""
    assert judge(in_container(marker, read_only=()), DMESG).result is Result.PASS


# --- winning ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zz-hardentui.conf", "zzz-site-hardentui.conf", "zzz.conf"])
def test_a_file_that_only_ends_like_ours_is_a_rival(name: str) -> None:
    host = hosts.server(files={f"/etc/sysctl.d/{name}": "kernel.dmesg_restrict = 0\n"})
    session = decided(Session.begin(CHECKLISTS, hosts.snapshot(host)), [CHECKLISTS.get(DMESG)])
    (written,) = (step for step in session.compiled().operations if isinstance(step, WriteFile))
    assert written.path.rpartition("/")[2] >= name
    after = rehearse(session.snapshot, session.compiled())
    again = Session.begin(CHECKLISTS, after)
    assert again.finding(DMESG).result is Result.PASS
    assert again.finding(DMESG).observation.facts["dropin"] == written.path  # no new file at each run


def test_an_interface_that_our_other_file_names_is_named_again() -> None:
    host = hosts.server(files={"/etc/sysctl.d/50-hardentui.conf": "net.ipv4.conf.eth0.rp_filter = 2\n"})
    id_ = find("net.ipv4.conf.*.rp_filter")
    session = decided(Session.begin(CHECKLISTS, hosts.snapshot(host)), [CHECKLISTS.get(id_)])
    after = rehearse(session.snapshot, session.compiled())
    assert Session.begin(CHECKLISTS, after).finding(id_).result is Result.PASS


def cleaned_from(files: dict[str, str]) -> tuple[Session, str]:
    host = without_tmp(hosts.server(files={**files, boot.FSTAB: ""}))
    del host.files[f"{ETC}/tmp.mount"]
    return Session.begin(CHECKLISTS, hosts.snapshot(host)), find("/tmp", resource="tmpfiles")


def test_a_line_for_tmp_that_is_read_before_ours_is_said_not_ignored() -> None:
    session, id_ = cleaned_from({"/etc/tmpfiles.d/00-a.conf": "d /tmp 1777 root root -\n"})
    assert "/etc/tmpfiles.d/00-a.conf" in session.refusal(session.finding(id_))
    session, id_ = cleaned_from({"/etc/tmpfiles.d/00-z.conf": "d /tmp 1777 root root -\n"})
    assert session.refusal(session.finding(id_)) == ""
    session = decided(session, [CHECKLISTS.get(id_)])
    assert (
        Session.begin(CHECKLISTS, rehearse(session.snapshot, session.compiled())).finding(id_).boot == "boot"
    )


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ("x /tmp\nD /tmp 1777 root root -\n", "boot"),  # x only keeps it from being cleaned by age
        ("d! /tmp 1777 root root 10d\n", "no"),  # that line counts at boot only
        ("d! /tmp 1777 root root 10d\nq /tmp/ 1777 root root 5d\n", "age"),
        ("q '/tmp' 1777 root root 10d\n", "age"),
        ("d /tmp 1777 root root -\nD /tmp 1777 root root -\n", "no"),
    ],
)
def test_of_the_lines_for_a_path_the_one_that_counts_is_read(lines: str, value: str) -> None:
    session, id_ = cleaned_from({"/usr/lib/tmpfiles.d/tmp.conf": lines})
    assert session.finding(id_).boot == value
