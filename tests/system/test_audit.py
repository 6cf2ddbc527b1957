"""The audit system of a real kernel: rules read as auditctl lists them, and what they record."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from rig.product import ANSWERS, Product
from rig.vm import Vm

from hardentui import hazards
from hardentui.checklist import load as load_checklists
from hardentui.checklist import shipped_folder
from hardentui.host.image import ImageHost
from hardentui.model import Gap
from hardentui.resources import check
from hardentui.resources.audit import conf, state
from hardentui.resources.audit.rules import Names, Rule, load, parse
from hardentui.snapshot import Snapshot

Note = Callable[[str], None]
pytestmark = pytest.mark.xdist_group("second-vm")  # beside the other virtual machine
SECRET = "/srv/secret"
CHAPTERS = load_checklists([shipped_folder()], check, hazards.PROBES)
# All that the script can do about the audit system, but the lock, which has a test of its own.
CHANGES = [
    entry.id
    for entry in CHAPTERS.recommendations
    if entry.target and entry.id.startswith(("audit.", "journal.audit")) and entry.id != "audit.lock"
]

# As people write them: watches and system calls, both orders of list and action, names and numbers of all
# kinds. One that auditctl refuses stands among them for each way of being refused.
WRITTEN = r"""
-i
-w /etc/passwd -p wa -k identity
-w /etc/group -p aw -k identity
-w /etc/sudoers.d/ -p wa -k actions
-w /etc/ssh -p wa
-w /etc/shadow -k no-permissions
-w /etc/not-there-yet -p wa -k later
-w /sbin/agetty -p x -k moved
-w /var/run/utmp -p wa -k session
-a always,exit -F path=/etc/gshadow -F perm=wa -F key=no-arch
-a always,exit -F dir=/etc/pam.d/ -F perm=wa -k slash
-a always,exit -F arch=b64 -F path=/etc/passwd -F perm=wa -F key=by-call
-a exit,always -F arch=b32 -F path=/etc/passwd -F perm=aw -k by-call
-a always,exit -F arch=b64 -S chmod -S fchmod,fchmodat -F auid>=1000 -F auid!=4294967295 -k perm_mod
-a always,exit -F arch=b32 -S chmod,fchmod,fchmodat -F auid>=1000 -F auid!=-1 -k perm_mod
-a always,exit -F arch=x86_64 -S unlink -F auid>=1000 -F auid!=unset -F key=delete
-a always,exit -F arch=i386 -S unlink -F auid>=1000 -F loginuid!=unset -F key=delete
-a always,exit -F arch=b64 -S openat -F exit=-EACCES -F auid>=1000 -F auid!=unset -k access
-a always,exit -F arch=b64 -S openat -F exit=-1 -F uid=admin -F gid=admin -k access
-a always,exit -F arch=b64 -S open,creat -F success=0 -k failed
-a always,exit -F arch=b64 -S clock_settime -F a0=0x0 -k time
-a always,exit -F arch=b32 -S stime,settimeofday -k time
-a always,exit -F arch=b64 -S 452 -k young
-a always,exit -S all -F pid=1005 -k everything-of-one
-a always,exit -F arch=b64 -S execve -C uid!=euid -F euid=0 -k became-root
-a always,exit -F arch=b64 -S execve -C egid!=gid -F egid=0 -k became-root
-a always,exit -F arch=b64 -S all -F dir=/home -C auid!=obj_uid -F key=one -F key=two
-a never,exit -F arch=b64 -S adjtimex -F auid=unset -F uid=root
-a never,exit -F path=/etc/hosts -F perm=w -k looks-like-a-watch
-a always,exclude -F msgtype=CWD
-a never,task -F uid=33
-a never,user -F msgtype=CRED_ACQ
-a never,filesystem -F fstype=tracefs
-a always,exit -F exe=/usr/bin/sudo -F arch=b64 -S execve -k by-program
-A always,exit -F arch=b64 -S sethostname -k first
-a always,exit -F arch=b64 -S mkdir -F filetype=dir -k kind
-a always,exit -F arch=b64 -S mount -F sessionid!=unset -k session
-a always,exit -F arch!=b32 -S umount2 -k any-but
-a always,exit -F arch=b64 -S connect -F saddr_fam=2 -k family
-a always,exit -F arch=b64 -S bpf -F a1&1 -k bits
-w /not-there/at/all -p wa -k refused
-a always,exit -F arch=b64 -F dir=/etc/gone -F perm=wa -k refused
-a always,exit -F arch=b64 -S open -F success=no -k refused
-w /etc/issue.net	-p wa	-k refused
-D -k everything
"""
MISSING = ("/not-there", "/etc/gone")


def test_the_kernel_holds_the_rules_that_we_read(vm: Vm, note: Note) -> None:
    vm.put(WRITTEN.encode(), "/root/written.rules")
    vm.run(["auditctl", "-R", "/root/written.rules"])
    listed = vm.sh("auditctl -l")
    folders = set(vm.sh("find /etc /home /root /srv /var -maxdepth 2 -type d").splitlines())
    admin = int(vm.sh("id -u admin"))
    names = Names({"admin": admin, "root": 0}, {"admin": admin}, lambda path: path.rstrip("/") in folders)
    ours = load(
        parse(WRITTEN, names=names), lambda rule: not any(rule.path.startswith(path) for path in MISSING)
    ).rules
    theirs = tuple(rule for rule in parse(listed, names=names) if isinstance(rule, Rule))
    # auditctl lists a rule "never" about a file as a watch: there its own listing says less than the file.
    blind = {rule for rule in ours if rule.action == "never" and rule.path}
    assert [rule for rule in ours if rule not in theirs and rule not in blind] == []
    assert [rule.text for rule in theirs if rule not in ours and rule.keys != {"looks-like-a-watch"}] == []
    assert len(ours) >= 36
    assert sorted(key for rule in ours for key in rule.keys) == sorted(
        key for rule in theirs for key in rule.keys
    )
    note(f"{vm.name}: {len(ours)} rules read as auditctl {vm.sh('auditctl -v').split()[-1]} lists them")


# Starts auditd with each text as its settings, where it reaches neither the kernel's audit system nor the
# log: 6 is its word for settings that it does not take.
START = """
import json, pathlib, subprocess, sys
folder = pathlib.Path("/root/probe")
folder.mkdir(mode=0o700)
taken = []
for text in json.loads(sys.argv[1]):
    (folder / "auditd.conf").write_text(text)
    argv = ["timeout", "10", "unshare", "-rnmpf", "auditd", "-c", str(folder), "-f", "-n"]
    taken.append(subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True).returncode)
print(json.dumps(taken))
"""
REFUSED = 6
LEAST = "space_left = 75\n"
SETTINGS = (
    "",
    LEAST,
    "# alone\n",
    "log_format = ENRICHED\n",
    "space_left = 10\nadmin_space_left = 50\n",
    "space_left = 50\nadmin_space_left = 50\n",
    "space_left = 10\nadmin_space_left = 50%\n",
    "space_left = 5%\nadmin_space_left = 50\n",
    "space_left = 0%\n",
    "space_left = 100%\n",
    f"{LEAST}log_format = ENRICHED # names, not numbers\n",
    f"{LEAST}no_such = 1\n",
    f"{LEAST}no_such = 1",
    f"{LEAST}log_format=ENRICHED\n",
    f"{LEAST}log_format\t=\tENRICHED\n",
    f"{LEAST}log_format = RICH\n",
    f"{LEAST}  LOG_FORMAT   =  enriched  \n",
    f"{LEAST}log_format = RICH{'x' * 150}\n",
    f"{LEAST}log_file = /audit.log\n",
    f"{LEAST}max_log_file = 8M\n",
    f"{LEAST}num_logs = 1000\n",
    f"{LEAST}flush = INCREMENTAL\n",
    f"{LEAST}flush = INCREMENTAL_ASYNC\nfreq = 0\n",
    f"{LEAST}flush = INCREMENTAL_ASYNC\nfreq = 50\n",
    f"{LEAST}flush = SYNC\n",
    f"{LEAST}space_left_action = exec\n",
    f"{LEAST}space_left_action = exec /usr/bin/true once more\n",
    f"{LEAST}disk_full_action = SYSLOG as ever\n",
    f"{LEAST}disk_full_action = email\n",
    f"{LEAST}disk_error_action = rotate\n",
    f"{LEAST}max_log_file_action = rotate now\n",
)


def test_auditd_starts_with_the_settings_that_we_say(vm: Vm, tmp_path: Path, note: Note) -> None:
    shipped = vm.get(conf.CONF)
    texts = (*SETTINGS, shipped, f"{shipped}no_such = 1\n")
    taken = json.loads(vm.run(["python3", "-c", START, json.dumps(texts)], check=True, seconds=300).stdout)
    path = tmp_path / conf.CONF[1:]
    path.parent.mkdir(parents=True)
    differing = []
    for text, status in zip(texts, taken, strict=True):
        path.write_text(text)
        ours = isinstance(conf.settings(Snapshot(ImageHost(str(tmp_path)))), Gap)
        if ours != (status == REFUSED):
            differing.append(text)
    assert differing == []
    assert taken[-2:] == [taken[0], REFUSED]
    note(f"{vm.name}: {taken.count(REFUSED)} of {len(texts)} texts are refused by auditd, and by us")


MERGED = {
    "10-first.rules": "## a comment\n\n-e 1\n-b 100\n-w /etc/passwd -p wa -k ten\n",
    "9-before.rules": "-w /etc/group -p wa -k nine\n-D\n",
    "2.rules": "-f 1\n--loginuid-immutable\n-a never,exit -F path=/etc/hosts\n",
    "zz-last.rules": "-b 8192\n-e 2\n-D -k nine\n",
    "ignored.rules.dpkg-old": "-w /etc/shadow -p wa\n",
    ".hidden.rules": "-w /etc/shadow -p wa\n",
    "10-a.rules": "-i\n-w /etc/ssh -p wa -k ssh\n",
}

# What is done, by whom, and the key that it must be found under.
ACTS: Mapping[str, tuple[str, str]] = {
    "identity": ("root", "useradd eve"),
    "privilege": ("admin", "sudo true"),
    "permissions": ("admin", "touch ~/made && chmod 600 ~/made"),
    "delete": ("admin", "touch ~/gone && rm ~/gone"),
    "denied": ("admin", "! cat /etc/shadow 2>/dev/null"),
    "exec": ("admin", "id >/dev/null"),
    "sensitive": ("root", f"cat {SECRET} >/dev/null"),
    "sudoers": ("root", "touch /etc/sudoers.d/x && rm /etc/sudoers.d/x"),
    "ssh-policy": ("root", "chmod 600 /etc/ssh/sshd_config"),
    "audit-policy": ("root", "chmod 640 /etc/audit/auditd.conf"),
    "log-policy": ("root", "chmod 644 /etc/rsyslog.conf"),
    "logins": ("root", "chmod 664 /var/log/lastlog"),
    "session": ("root", "chmod 664 /var/log/wtmp"),
    "time": ("root", 'date -s "$(date)" >/dev/null'),
    "network": ("root", "hostname lab"),
    "mounts": ("admin", "sudo mount -t tmpfs none /mnt && sudo umount /mnt"),
    "modules": ("root", "modprobe dummy"),
}
FOLDER = "stat -c '%a %U:%G' /var/log/audit"
LOAD = """
import time, os
def turn(n):
    begin = time.perf_counter()
    for _ in range(n):
        os.close(os.open("/etc/hostname", os.O_RDONLY))
        os.stat("/etc/hostname")
    return time.perf_counter() - begin
turn(2000)
print(min(turn(4000) for _ in range(5)))
"""


def found(vm: Vm, key: str) -> bool:
    return vm.run(["ausearch", "--input-logs", "-i", "-k", key]).returncode == 0


def of_audit(vm: Vm) -> tuple[str, ...]:
    """The rules of the kernel, and all files of the audit system but those that a boot merges."""
    files = "find /etc/audit -type f ! -name 'audit.rules*' -exec sha256sum {} + | sort -k 2"
    return (vm.sh("auditctl -l"), vm.sh(files), vm.sh("systemctl is-enabled auditd || true"))


def opens(vm: Vm) -> float:
    """Seconds that four thousand opens take."""
    return float(vm.run(["python3", "-c", LOAD], check=True, seconds=300).stdout)


@pytest.mark.long
def test_what_is_asked_for_is_recorded(vm: Vm, note: Note) -> None:
    vm.sh(f"echo secret > {SECRET}; chmod 600 {SECRET}")
    product = Product(vm, answers=ANSWERS | {"sensitive": SECRET}, chapters=("logging",))
    before = of_audit(vm)
    quiet = opens(vm)
    every = product.scan(plan=False)
    ids = product.plan(*(id_ for id_ in CHANGES if every[id_]["result"] in {"fail", "informational"}))
    assert {"audit.identity", "audit.sensitive", "audit.service", "audit.exec", "journal.audit"} <= set(ids)
    # The auditd that this plan starts for the first time gives its folder to its own group.
    folder = vm.sh(FOLDER)
    assert "audit.rights" in ids
    product.script("apply", "--deadline", "900")
    product.script("confirm")
    assert product.scan().not_passing(ids) == []
    loading = vm.sh("{ time -p augenrules --load >/dev/null 2>&1; } 2>&1 | sed -n 's/real //p'").strip()
    busy, held = opens(vm), len(vm.sh("auditctl -l").splitlines())

    # The journal's daemon of Debian 12 switches auditing off when it starts, unless it is told to leave it.
    vm.sh("systemctl restart systemd-journald")
    assert "enabled 1" in vm.sh("auditctl -s")
    for user, act in ACTS.values():
        done = vm.login(["sh", "-c", act], user=user)
        assert done.returncode == 0, f"{act}: {done.stderr}"
    deadline = time.monotonic() + 60
    lacking = set(ACTS)
    while lacking and time.monotonic() < deadline:
        lacking = {key for key in lacking if not found(vm, key)}
    assert not lacking, f"not found by ausearch: {sorted(lacking)}\n{vm.sh('auditctl -s')}"

    vm.reboot()
    after = product.scan()
    assert after.not_passing(ids) == []
    assert [line for line in after.drifting() if line.startswith("audit.")] == []
    product.script("rollback")
    assert of_audit(vm) == before
    assert vm.sh(FOLDER) == folder
    note(
        f"{vm.name}: {len(ids)} decisions, {held} rules, loaded in {loading} s; "
        f"opens and stats take {busy / quiet:.2f} times as long as without rules"
    )


def test_the_folder_is_merged_as_augenrules_does(vm: Vm, tmp_path: Path) -> None:
    """Another order of files, or of lines, and the first rule that matches would be another one."""
    folder = "/etc/audit/rules.d"
    for name, lines in MERGED.items():
        vm.put(lines.encode(), f"{folder}/{name}", "0640")
    vm.run(["augenrules"], check=True)
    merged = [line for line in vm.get("/etc/audit/audit.rules").splitlines() if line and line[0] != "#"]
    for name in vm.sh(f"ls {folder}").splitlines():
        path = tmp_path / folder[1:] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(vm.get(f"{folder}/{name}"))
    read = state.written(Snapshot(ImageHost(str(tmp_path))))
    assert not isinstance(read, Gap)
    assert [one.text for one in read] == [line.strip() for line in merged]


def test_the_lock_counts_from_the_next_boot_on(vm: Vm) -> None:
    product = Product(vm)
    product.plan("audit.service", "audit.lock", "audit.sudoers")
    before = of_audit(vm)
    product.script("apply", "--deadline", "900")
    product.script("confirm")
    assert "enabled 1" in vm.sh("auditctl -s")
    assert product.scan(chapter="logging")["audit.lock"]["drift"] == "not-yet"
    vm.reboot()
    assert "enabled 2" in vm.sh("auditctl -s")
    assert product.scan(chapter="logging").not_passing(["audit.lock", "audit.service", "audit.sudoers"]) == []
    product.script("rollback")
    vm.reboot()
    assert "enabled 2" not in vm.sh("auditctl -s")
    assert of_audit(vm) == before


@pytest.mark.parametrize("line", ["-w /not/there -p wa -k x"])
def test_a_line_that_cannot_be_loaded_is_named(vm: Vm, line: str) -> None:
    """auditctl stops there at a boot: what stands below is not recorded, and the finding says so."""
    vm.put(f"{line}\n-w /etc/passwd -p wa -k below\n".encode(), "/etc/audit/rules.d/50-broken.rules", "0640")
    vm.sh("systemctl enable --now auditd")
    assert "below" not in vm.sh("auditctl -l")
    found = Product(vm).scan(plan=False, chapter="logging")["audit.identity"]
    assert found["result"] == "fail"
    assert "50-broken.rules" in str(found)
