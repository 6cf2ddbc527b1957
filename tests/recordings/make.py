"""Make the recordings of this folder again: bring each system up and let the product record it.

    sudo .venv/bin/python tests/recordings/make.py [NAME ...]      # without a name: all of them

Each system is built by mmdebstrap from its distribution's mirror, booted in systemd-nspawn (see
``tests/system/rig/nspawn.py``: what it says of ``/proc/sys`` holds here too), and recorded by
``hardentui record --deep`` as root inside it. They are servers as they come, with one account "admin" that
belongs to the group of sudo. What a container shows of the machine that carries it (kernel release and
command line, processor, memory, disk) is replaced by what a small machine of its own would say.

``rhel9-facade`` is no RHEL: it is a Debian 12 that ``rhel-facade.sh`` dresses in RHEL's files and names.

In such a container Ubuntu 26.04 starts neither its journal nor its resolver, and its recording says so.

Needs what ``make test-system`` needs, and rpm and gpg. Ubuntu's key comes from its own package, which is
trusted by the fingerprint below.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from rig.lab import Lab, call, digest  # noqa: E402
from rig.machine import ENVIRONMENT  # noqa: E402
from rig.nspawn import Nspawn  # noqa: E402
from rig.product import Product, build_layer  # noqa: E402

FACADE = HERE / "rhel-facade.sh"
UBUNTU = "http://archive.ubuntu.com/ubuntu"
UBUNTU_KEYS = f"{UBUNTU}/pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb"
UBUNTU_KEY = "F6ECB3762474EDA9D21B7022871920D1991BC93C"

# A server as its installer leaves it, with what the course looks at.
PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd,udev,kmod,openssh-server,sudo,cron,iproute2,procps,nftables,"
    "python3,rsyslog,apparmor,ca-certificates,logrotate,acl"
)
DEBIAN = f"{PACKAGES},linux-image-cloud-amd64,unattended-upgrades"


@dataclass(frozen=True)
class System:
    """What is built: the suite of a mirror, its packages, and whether it is dressed up as RHEL."""

    suite: str
    packages: str
    mirror: str = "http://deb.debian.org/debian"
    facade: bool = False


SYSTEMS = {
    "debian12": System("bookworm", DEBIAN),
    "debian13": System("trixie", DEBIAN),
    "ubuntu2404": System("noble", f"{PACKAGES},linux-image-virtual,unattended-upgrades,ufw", UBUNTU),
    "ubuntu2604": System("resolute", f"{PACKAGES},linux-image-virtual,unattended-upgrades,ufw", UBUNTU),
    "rhel9-facade": System(
        "bookworm",
        f"{PACKAGES},linux-image-cloud-amd64,rpm,firewalld,chrony,libpam-pwquality",
        facade=True,
    ),
}

SETTLE = """\
    set -eu
    useradd --create-home --shell /bin/bash --groups sudo admin
    echo 'admin:*' | chpasswd --encrypted  # a key opens it, and no password
    for home in /root /home/admin; do
        mkdir -p "$home/.ssh"
        printf '%s' "$1" > "$home/.ssh/authorized_keys"
        chmod 700 "$home/.ssh"
        chmod 600 "$home/.ssh/authorized_keys"
    done
    chown -R admin:admin /home/admin
    rm -f /etc/ssh/ssh_host_*
    for type in rsa ecdsa ed25519; do
        ssh-keygen -q -t "$type" -N '' -C root@lab -f "/etc/ssh/ssh_host_${type}_key"
    done
    printf '127.0.0.1 localhost\\n127.0.1.1 lab\\n' > /etc/hosts
    echo lab > /etc/hostname
    rm -f /etc/resolv.conf
"""


@dataclass(frozen=True)
class SystemLab(Lab):
    """The rig's folder, with the tree of another system in it."""

    system: System

    @cached_property
    def tree(self) -> Path:
        """The system's files, ready to boot."""
        public = self.key.with_suffix(".pub").read_text()
        keyring = [f"--keyring={self.ubuntu_keys()}"] if self.system.mirror == UBUNTU else []

        def make(path: Path) -> None:
            call(
                [
                    *("unshare", "--mount"),  # what it mounts goes with it, however it ends
                    *("mmdebstrap", "--variant=important", "--mode=root"),
                    f"--include={self.system.packages}",
                    *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale")),
                    *keyring,
                    *(self.system.suite, path, self.system.mirror),
                ]
            )
            call(["chroot", path, "/bin/sh", "-c", SETTLE, "sh", public])
            if self.system.facade:
                call([FACADE, path])

        recipe = digest(self.system, SETTLE, FACADE.read_text() if self.system.facade else "", public)
        return self.made_once(f"tree-{self.system.suite}-{recipe}", make)

    def ubuntu_keys(self) -> Path:
        """The keys of Ubuntu's archive."""

        def make(path: Path) -> None:
            path.mkdir()
            package = path / "keys.deb"
            with urllib.request.urlopen(UBUNTU_KEYS) as answer:
                package.write_bytes(answer.read())
            call(["dpkg-deb", "--extract", package, path])

        keys = self.made_once("ubuntu-keys", make) / "etc/apt/trusted.gpg.d/ubuntu-keyring-2018-archive.gpg"
        shown = subprocess.run(
            ["gpg", "--with-colons", "--show-keys", keys], capture_output=True, text=True, check=True
        ).stdout
        prints = [line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr:")]
        if prints != [UBUNTU_KEY]:
            raise RuntimeError(f"{keys}: expected the one key {UBUNTU_KEY}, found {prints}")
        return keys


def make(name: str, target: Path) -> None:
    """Boot the system ``name`` and write its recording."""
    lab = SystemLab(Lab.here().folder, SYSTEMS[name])
    # systemd of after 2025 boots on the one hierarchy of control groups only.
    ENVIRONMENT["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
    with lab.scratch("layer") as layer:
        build_layer(lab, layer)
        with Nspawn(lab, name.partition("-")[0], [layer]) as machine:
            # The stand-in of a kernel's file keeps what was written; a kernel shows the number.
            machine.sh("read -r value < $1; echo $((value)) > $1", "/proc/sys/kernel/sysrq")
            # Open in /proc, and so in its stand-in, which is a file on a disk.
            machine.sh("chmod o-w /usr/lib/lab/sys/kernel/ns_last_pid")
            Product(machine).call("record", "--deep", "-o", "/root/host.json")
            document = json.loads(machine.get("/root/host.json"))
    of_the_system_alone(document, lab.tree)
    text = json.dumps(document, indent=None, separators=(",", ":"), ensure_ascii=True)
    if str(lab.folder) in text:
        raise RuntimeError(f"{name}: the recording names {lab.folder}")
    target.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{target.name}: {len(document['answers'])} answers, {target.stat().st_size} bytes")


def of_the_system_alone(document: dict[str, Any], tree: Path) -> None:
    """Put what a machine of its own would say where a container shows this one: kernel and disk."""
    release = next((tree / "boot").glob("config-*")).name.partition("-")[2]
    for entry in document["answers"]:
        answer = entry["answer"]
        match entry["question"]:
            case ["KernelIs"]:
                answer["release"] = release
            case [_, "/proc/cmdline"]:
                entry["answer"] = f"BOOT_IMAGE=/boot/vmlinuz-{release} root=/dev/vda1 ro quiet"
            case [_, "/proc/meminfo"]:
                entry["answer"] = "MemTotal:        4028432 kB\nMemAvailable:    3562560 kB\n"
            case [_, "/proc/cpuinfo"]:
                entry["answer"] = "processor\t: 0\nflags\t\t: fpu de pse tsc msr pae cx8 nx lm\n"
            case ["Command", ["lsblk", *_], _]:
                disk = {"kname": "vda", "type": "disk", "fstype": None, "fsver": None, "mountpoints": [None]}
                root = {
                    "kname": "vda1",
                    "type": "part",
                    "fstype": "ext4",
                    "fsver": "1.0",
                    "mountpoints": ["/"],
                }
                disk = {"name": "vda", **disk, "children": [{"name": "vda1", **root}]}
                answer["stdout"] = json.dumps({"blockdevices": [disk]})
            case ["Mounts"]:
                for mount in answer:
                    if mount["fstype"] == "overlay":
                        own = {
                            "device": "254:1",
                            "fstype": "ext4",
                            "source": "/dev/vda1",
                            "super_options": "rw",
                        }
                        mount.update(own)


def main() -> None:
    """See the module."""
    for name in sys.argv[1:] or SYSTEMS:
        make(name, HERE / f"{name}.json.gz")


if __name__ == "__main__":
    main()
