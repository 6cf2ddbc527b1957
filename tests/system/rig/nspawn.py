"""A container with systemd as its first process, and the administrator's side of its network.

One shell holds it all: ``unshare`` gives it a mount namespace, where the overlay root is mounted, a network
namespace, where the bridge and the administrator are, and a process namespace, whose first process it is;
it runs systemd-nspawn as often as the container wants to boot. When it ends, however it ends, the kernel
takes processes, mounts and bridge away; and it is killed when the tests are. Nothing of it is ever seen in
this machine's own namespaces.

``/proc/sys/{kernel,fs,vm}`` belong to the shared kernel, so the container gets plain files in a tmpfs over
them, made anew at each boot: they take any value, forget it at a reboot, and know no one-way keys. They
start with Debian's values, and the kernel's configuration that the container sees is Debian's, so that the
two agree. ``net`` is the container's own and real. Real kernel semantics are the virtual machine's part.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shlex
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from rig.lab import Lab
from rig.machine import ENVIRONMENT, PATIENCE, SSH, Machine, MachineDownError, kill_group
from rig.waiting import OverdueError, wait_for

CGROUPS = "/sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified"
ADDRESS = "10.77.0.2"
ADMIN_ADDRESS = "10.77.0.1"

# Mounts whose options can really be changed, through the container's own fstab.
FSTAB = """\
tmpfs /home          tmpfs defaults,size=16m,mode=0755 0 0
tmpfs /opt           tmpfs defaults,size=16m,mode=0755 0 0
tmpfs /srv           tmpfs defaults,size=16m,mode=0755 0 0
tmpfs /var/log       tmpfs defaults,size=32m,mode=0755 0 0
tmpfs /var/log/audit tmpfs defaults,size=4m,mode=0700  0 0
tmpfs /var/tmp       tmpfs defaults,size=16m,mode=1777 0 0
"""

# Keys of Debian's kernel that the kernel of a test machine may lack, with Debian's values.
DEBIAN_KEYS = {
    "kernel/yama/ptrace_scope": "0",
    "kernel/kexec_load_disabled": "0",
    "kernel/modules_disabled": "0",
    "kernel/unprivileged_bpf_disabled": "2",
    "kernel/unprivileged_userns_clone": "1",
    "kernel/perf_event_paranoid": "3",
    "kernel/perf_event_max_sample_rate": "100000",
    "kernel/perf_cpu_time_max_percent": "25",
    "kernel/kptr_restrict": "0",
    "kernel/dmesg_restrict": "1",
    "kernel/randomize_va_space": "2",
    "kernel/sysrq": "438",
    "kernel/panic_on_oops": "0",
    "kernel/pid_max": "32768",
    "kernel/core_uses_pid": "0",
    "kernel/core_pattern": "core",
    "fs/suid_dumpable": "0",
    "fs/protected_fifos": "0",
    "fs/protected_regular": "0",
    "fs/protected_symlinks": "0",
    "fs/protected_hardlinks": "0",
    "vm/mmap_min_addr": "65536",
    "vm/unprivileged_userfaultfd": "0",
}

# The container's first program: the stand-in kernel settings, a network card with its address, then systemd.
INIT = f"""\
#!/bin/sh
set -eu
boot=$(cat /proc/sys/kernel/random/uuid)
: > /run/uuid
mount --bind /proc/sys/kernel/random/uuid /run/uuid
for part in kernel fs vm; do
    mount -t tmpfs -o size=4m,mode=0555 lab "/proc/sys/$part"
    cp -a "/usr/lib/lab/sys/$part/." "/proc/sys/$part/"
done
mount --bind /run/uuid /proc/sys/kernel/random/uuid
umount /run/uuid
rm /run/uuid
echo "$boot" > /proc/sys/kernel/random/boot_id
cat /etc/hostname > /proc/sys/kernel/hostname
[ ! -e /proc/config.gz ] || mount --bind /usr/lib/lab/config.gz /proc/config.gz
ip link set lo up
ip addr add {ADDRESS}/24 dev host0
ip link set host0 up
exec /lib/systemd/systemd
"""

# systemd-sysctl writes without truncating, as one does to a kernel: in a plain file the end of a longer
# value of before would stay behind a shorter new one.
SETTLE = """\
#!/bin/sh
cd /usr/lib/lab/sys
find . -type f | while read -r key; do
    [ "$(wc -l < "$key")" -gt 1 ] || [ "$(wc -l < "/proc/sys/$key")" -le 1 ] || {
        read -r value < "/proc/sys/$key"
        echo "$value" > "/proc/sys/$key"
    }
done
"""

# systemd-nspawn --keep-unit ends with 133 when the container wants to be booted again.
SETUP = f"""\
ip link set lo up
ip link add br0 type bridge
ip addr add {ADMIN_ADDRESS}/24 dev br0
ip link set br0 up
mount -t tmpfs -o mode=0755 lab /run
for hierarchy in {CGROUPS}; do  # one of its own, or two containers would share their units'
    [ -w "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$3" && echo $$ > "$hierarchy/$3/cgroup.procs" || true
done
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
folder=$2
shift 3
while :; do
    status=0
    systemd-nspawn --directory="$folder/root" "$@" || status=$?
    [ "$status" = 133 ] || exit "$status"
done
"""


class Nspawn(Machine):
    """One container; ``layers`` are folders laid over the tree, such as the product."""

    def __init__(self, lab: Lab, name: str, layers: Sequence[Path] = ()) -> None:
        self.name = name
        self.lab = lab
        self.layers = [*layers, lab.tree]
        self.administrator = "root"  # who can log in
        self.folder = lab.runs / f"{name}-{os.getpid()}"
        self.process: subprocess.Popen[bytes] | None = None
        self.leader = 0
        self._prepare()

    def _prepare(self) -> None:
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        upper = self.folder / "upper"
        (upper / "etc/ssh/keys").mkdir(parents=True)
        (upper / "etc/ssh/keys/admin").write_text(self.lab.key.with_suffix(".pub").read_text())
        (upper / "etc/ssh/sshd_config.d").mkdir()
        (upper / "etc/ssh/sshd_config.d/lab.conf").write_text(
            "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\n"
        )
        (upper / "etc/fstab").write_text(FSTAB)
        (upper / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
        (upper / "usr/lib/tmpfiles.d").mkdir(parents=True)
        (upper / "usr/lib/tmpfiles.d/lab.conf").write_text(
            "d /home/admin 0700 admin admin\nd /var/log/nginx 0755 root adm\n"
        )
        (upper / "usr/lib/lab").mkdir()
        for name, program in (("init", INIT), ("settle", SETTLE)):
            (upper / "usr/lib/lab" / name).write_text(program)
            (upper / "usr/lib/lab" / name).chmod(0o755)
        (upper / "usr/lib/systemd/system/systemd-sysctl.service.d").mkdir(parents=True)
        (upper / "usr/lib/systemd/system/systemd-sysctl.service.d/lab.conf").write_text(
            "[Service]\nExecStartPost=/usr/lib/lab/settle\n"
        )
        stand_in(upper / "usr/lib/lab/sys")
        configuration = next((self.lab.tree / "boot").glob("config-*")).read_bytes()
        (upper / "usr/lib/lab/config.gz").write_bytes(gzip.compress(configuration, mtime=0))

    def start(self) -> None:
        options = [
            "--quiet",
            f"--machine={self.name}",
            "--register=no",
            "--keep-unit",
            "--network-bridge=br0",
            "--console=pipe",
            "--kill-signal=RTMIN+3",
            "/usr/lib/lab/init",
        ]
        lower = ":".join(str(layer) for layer in self.layers)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(
                        "setpriv",
                        "--pdeathsig",
                        "KILL",
                        "unshare",
                        "--mount",
                        "--net",
                        "--pid",
                        "--mount-proc",
                    ),
                    *(
                        "--fork",
                        "--kill-child=KILL",
                        "sh",
                        "-euc",
                        SETUP,
                        "sh",
                        lower,
                        str(self.folder),
                        self.folder.name,
                        *options,
                    ),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT | {"SYSTEMD_NSPAWN_TMPFS_TMP": "0"},
                start_new_session=True,
            )

    def _first_process(self) -> int:
        """systemd, once it is one; nspawn makes a new one at each boot."""
        if self.process is None or self.process.poll() is not None:
            raise MachineDownError(f"{self.name} does not run:\n{self.log()}")
        shells = children(self.process.pid)
        below = (pid for shell in shells for nspawn in children(shell) for pid in children(nspawn))
        return next((pid for pid in below if command_of(pid) == "systemd"), 0)

    def log(self) -> str:
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-15:])

    def inside(self, argv: Sequence[str]) -> list[str]:
        self.leader = self._first_process()
        if not self.leader:
            raise MachineDownError(f"{self.name} is between two boots")
        return ["nsenter", "--target", str(self.leader), "--all", "--", *argv]

    def outside(self, argv: Sequence[str], user: str = "root", options: Sequence[str] = ()) -> list[str]:
        ssh = [*SSH, "-i", str(self.lab.key), *options, *PATIENCE, f"{user}@{ADDRESS}", shlex.join(argv)]
        return self.beside(ssh)

    def beside(self, argv: Sequence[str]) -> list[str]:
        """The command that runs ``argv`` on the administrator's side."""
        if self.process is None:
            raise MachineDownError(f"{self.name} does not run")
        return ["nsenter", "--target", str(self.process.pid), "--net", "--", *argv]

    def wait_up(self, seconds: float = 60) -> None:
        def asked() -> bool:
            leader = self._first_process()
            return bool(leader) and Path(f"/proc/{leader}/root/run/systemd/private").exists()

        wait_for(f"{self.name}: systemd", seconds, asked, every=0.02)
        state = self.run(["systemctl", "is-system-running", "--wait"], seconds=seconds).stdout.strip()
        assert state in {"running", "degraded"}, f"{self.name} came up as {state!r}:\n{self.log()}"
        wait_for(f"{self.name}: sshd", seconds, self._answers)

    def link_local(self) -> str:
        """Its IPv6 address, as the administrator's ssh takes it."""
        shown = json.loads(self.sh("ip -6 -json addr show dev host0 scope link"))
        return f"{shown[0]['addr_info'][0]['local']}%%br0"  # ssh expands the percent sign

    def _answers(self) -> bool:
        return self.login(["true"], user=self.administrator, seconds=20).returncode == 0

    def cut(self) -> None:
        """The line goes down on the administrator's side: nobody is told."""
        subprocess.run(self.beside(["ip", "link", "set", "br0", "down"]), check=True)

    def mend(self) -> None:
        subprocess.run(self.beside(["ip", "link", "set", "br0", "up"]), check=True)

    def crash(self) -> None:
        if self.process is not None:
            leader = self.leader
            kill_group(self.process)
            self.process = None
            gone = Path(f"/proc/{leader}")
            wait_for(
                f"{self.name}: the end of systemd", 20, lambda: not leader or not gone.exists(), every=0.02
            )

    def stop(self) -> None:
        try:
            if self.process is not None and self.process.poll() is None and (leader := self._first_process()):
                os.kill(leader, signal.SIGRTMIN + 4)  # systemd(1): power off
                with contextlib.suppress(subprocess.TimeoutExpired):  # it is killed below
                    self.process.wait(timeout=15)
        finally:
            self.crash()
            with contextlib.suppress(OverdueError):  # an empty group that stays harms nobody
                wait_for(
                    f"{self.name}: the end of its last process", 10, lambda: groups_gone(self.folder.name)
                )
            shutil.rmtree(self.folder, ignore_errors=True)


def stand_in(target: Path) -> None:
    """Plain files for the settings of the shared kernel; only read here, never written."""
    source = Path("/proc/sys")
    for part in ("kernel", "fs", "vm"):
        for folder, _, files in os.walk(source / part):
            (target / Path(folder).relative_to(source)).mkdir(parents=True, exist_ok=True)
            for name in files:
                real = Path(folder) / name
                copy = target / real.relative_to(source)
                try:
                    copy.write_bytes(real.read_bytes())
                except OSError:
                    copy.write_bytes(b"")
                copy.chmod(real.stat().st_mode & 0o777)
    for key, value in DEBIAN_KEYS.items():
        (target / key).parent.mkdir(parents=True, exist_ok=True)
        (target / key).write_text(value + "\n")
        (target / key).chmod(0o644)


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started; empty when it is gone."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def groups_gone(name: str) -> bool:
    """Take away the control groups of a container; whether that could be done."""
    groups = [Path(hierarchy) / name for hierarchy in CGROUPS.split()]
    for group in groups:
        for path, _, _ in os.walk(group, topdown=False):  # it knows no files that could be removed
            with contextlib.suppress(OSError):
                Path(path).rmdir()
    return not any(group.exists() for group in groups)


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
