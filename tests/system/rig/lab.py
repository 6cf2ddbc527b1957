"""What the machines are made of: one Debian 12 tree, a disk image made from it, a key pair.

All of it stands in one folder, ``.lab`` in the repository or ``$HARDENTUI_LAB``, and is made once:
its names carry a digest of the recipe, so a changed recipe makes a new one and nothing goes stale.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

# Program -> the Debian package that brings it, to say what to install.
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "sgdisk": "gdisk",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "nft": "nftables",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}

# A small server, as an administrator would meet it. No netbase, no acl: a script may not count on them.
PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd,udev,kmod,openssh-server,sudo,cron,iproute2,procps,nftables,"
    "libpam-pwquality,python3,initramfs-tools,zstd,linux-image-cloud-amd64,nginx-light,rsyslog,"
    "apparmor,auditd,aide-common,rsyslog-relp,openssl"
)
# Fetched with the tree, so that all machines are of one day, and installed on the disk with SELinux only.
POLICY = "selinux-policy-default"
FETCHED = "/usr/lib/lab"  # in the tree; in no place that is compared
MODULES = "virtio_pci virtio_blk ext4 crc32c_generic"  # what the initrd needs to find the disk

# The virtual machine's disk: mount point, label, MiB. All options are weak, so that there is something to do.
PARTITIONS = (
    ("/", "root", 1200),
    ("/boot", "boot", 96),
    ("/home", "home", 32),
    ("/opt", "opt", 32),
    ("/srv", "srv", 32),
    ("/var", "var", 256),
    ("/var/log", "varlog", 64),
    ("/var/log/audit", "audit", 32),
    ("/var/tmp", "vartmp", 32),
)
MIB = 1024 * 1024
FIRST_MIB = 1  # where the first partition starts, below it is the partition table

NETWORK = """\
[Match]
Type=ether
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
"""


def missing() -> list[str]:
    """What this machine lacks to bring up systems, in words; empty if nothing."""
    found = []
    if os.geteuid() != 0:
        found.append("root (mounts, namespaces and systemd-nspawn need it): sudo make test-system")
    packages = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if packages:
        found.append(f"programs: apt-get install --no-install-recommends {' '.join(packages)}")
    if not found:
        trial = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "true"],
            capture_output=True,
            text=True,
            check=False,
        )
        if trial.returncode != 0:
            found.append(f"namespaces: unshare says {trial.stderr.strip()!r}")
    return found


def call(argv: Sequence[str | Path], log: Path | None = None) -> None:
    """Run one program of this machine; its failure carries what it said."""
    done = subprocess.run(
        [str(word) for word in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if log is not None:
        log.write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}:\n{said}")


def digest(*parts: object) -> str:
    """A short name for a recipe."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Lab:
    """The folder, and what is made in it on demand."""

    folder: Path

    @classmethod
    def here(cls) -> Lab:
        folder = Path(os.environ.get("HARDENTUI_LAB") or REPOSITORY / ".lab").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    @property
    def runs(self) -> Path:
        """What belongs to one run of the tests; each name ends with the process that runs them."""
        path = self.folder / "run"
        path.mkdir(exist_ok=True)
        return path

    def sweep(self) -> list[str]:
        """Take away what tests left that were killed; the names of it."""
        left = [
            path for path in self.runs.iterdir() if not Path("/proc", path.name.rpartition("-")[2]).exists()
        ]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        return [path.name for path in left]

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A folder that is gone afterwards, whatever happens."""
        path = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=f"-{os.getpid()}", dir=self.runs))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def made_once(self, name: str, make: Callable[[Path], None]) -> Path:
        """``name`` in the lab, made if it is not there; whole or not at all, by one maker at a time."""
        path = self.folder / name
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                with self.scratch("new") as scratch:
                    make(scratch / "it")
                    (scratch / "it").rename(path)
        return path

    @cached_property
    def key(self) -> Path:
        """The administrator's private key; the public half stands beside it."""

        def make(path: Path) -> None:
            path.mkdir(mode=0o700)
            call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hardentui-lab", "-f", path / "key"])

        return self.made_once("ssh", make) / "key"

    @cached_property
    def tree(self) -> Path:
        """A Debian 12 that can boot: in a container from its overlay, in a virtual machine from its disk."""
        public = self.key.with_suffix(".pub").read_text()

        def make(path: Path) -> None:
            _bootstrap(path, self.folder / "mmdebstrap.log")
            _settle(path, public)

        recipe = digest(PACKAGES, POLICY, MODULES, _SETTLE, public)
        return self.made_once(f"tree-{recipe}", make)

    @cached_property
    def disk(self) -> Path:
        """A partitioned image of the tree, to be used through throw-away overlays."""
        tree = self.tree
        return self.made_once(
            f"disk-{digest(tree.name, PARTITIONS, NETWORK)}.qcow2", lambda path: _make_disk(tree, path)
        )

    @cached_property
    def selinux_disk(self) -> Path:
        """The same with a policy of SELinux, permissive, and every file labelled: no boot has to do that."""
        tree = self.tree
        return self.made_once(
            f"disk-selinux-{digest(tree.name, PARTITIONS, NETWORK, _LABEL)}.qcow2",
            lambda path: _make_disk(tree, path, _label),
        )

    @property
    def kernel(self) -> Path:
        return next((self.tree / "boot").glob("vmlinuz-*"))

    @property
    def initrd(self) -> Path:
        return next((self.tree / "boot").glob("initrd.img-*"))


def _bootstrap(path: Path, log: Path) -> None:
    # The initrd holds what the disk needs and no more: an emulated processor unpacks it.
    hook = (
        'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"; '
        'echo MODULES=list > "$1/etc/initramfs-tools/conf.d/lab"; '
        f"printf '%s\\n' {MODULES} > \"$1/usr/share/initramfs-tools/modules.d/lab\""
    )
    fetch = (
        f'mkdir "$1{FETCHED}"; export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; '
        f"apt-get -q -y --no-install-recommends --download-only install {POLICY}; "
        f'mv "$1"/var/cache/apt/archives/*.deb "$1{FETCHED}/"'
    )
    call(
        [
            # What it binds into the tree is gone with it, however it ends: nobody deletes through a mount.
            *("unshare", "--mount", "--propagation", "private"),
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            f"--include={PACKAGES}",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            f"--essential-hook={hook}",
            f"--customize-hook={fetch}",
            "bookworm",
            path,
        ],
        log,
    )


_SETTLE = textwrap.dedent("""\
    set -eu
    useradd --create-home --shell /bin/bash admin
    for home in /root /home/admin; do
        mkdir -p "$home/.ssh"
        printf '%s' "$1" > "$home/.ssh/authorized_keys"
        chmod 700 "$home/.ssh"
        chmod 600 "$home/.ssh/authorized_keys"
    done
    chown -R admin:admin /home/admin
    echo 'admin ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
    chmod 440 /etc/sudoers.d/admin
    ssh-keygen -A
    printf '127.0.0.1 localhost\\n127.0.1.1 lab\\n' > /etc/hosts
    # Nothing on its own clock: what changes during a test, the test changed.
    systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \\
        fstrim.timer systemd-timesyncd.service 2>/dev/null || true
    # There for the tests that confine them; the others know a machine without them.
    systemctl disable nginx.service rsyslog.service auditd.service dailyaidecheck.timer 2>/dev/null
    rm -f /etc/resolv.conf
""")


def _settle(path: Path, public: str) -> None:
    call(["chroot", path, "/bin/sh", "-c", _SETTLE, "sh", public])
    (path / "etc/machine-id").write_text(hashlib.sha256(public.encode()).hexdigest()[:32] + "\n")
    (path / "etc/hostname").write_text("lab\n")


_LABEL = textwrap.dedent(f"""\
    set -eu
    mount -t proc proc "$1/proc"  # setfiles finds no file without it
    chroot "$1" /bin/sh -euc '
        DEBIAN_FRONTEND=noninteractive dpkg --install {FETCHED}/*.deb
        rm -r {FETCHED}
        sed -i "s/^SELINUX=.*/SELINUX=permissive/" /etc/selinux/config
        setfiles -F -e /proc /etc/selinux/default/contexts/files/file_contexts /
    '
""")


def _label(root: Path) -> None:
    call(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _LABEL, "sh", root])


def _make_disk(tree: Path, out: Path, finish: Callable[[Path], None] = lambda _root: None) -> None:
    """A disk without a mount or a loop device: one ``mke2fs -d`` a partition, laid one behind the other.

    ``finish`` has the last word on the files.
    """
    work = out.parent
    root = work / "root"
    call(["cp", "-a", "--reflink=auto", tree, root])
    fstab = "".join(
        f"LABEL={label:<8} {target:<15} ext4 defaults 0 {1 if target == '/' else 2}\n"
        for target, label, _ in PARTITIONS
    )
    (root / "etc/fstab").write_text(fstab)
    (root / "etc/systemd/network/10-lab.network").write_text(NETWORK)
    call(["systemctl", f"--root={root}", "enable", "systemd-networkd.service"])
    finish(root)
    for target, label, _ in sorted(PARTITIONS, reverse=True):  # the deepest mount point first
        if target == "/":
            continue
        point, apart = root / target[1:], work / label
        point.mkdir(parents=True, exist_ok=True)
        call(["cp", "-a", point, apart])
        shutil.rmtree(point)
        point.mkdir()
        shutil.copystat(apart, point)  # its label too
    raw = work / "raw"
    with raw.open("wb") as file:
        file.truncate((FIRST_MIB + sum(size for _, _, size in PARTITIONS) + 1) * MIB)
    table, start = [], FIRST_MIB
    for number, (_, label, size) in enumerate(PARTITIONS, 1):
        image = work / f"{label}.ext4"
        with image.open("wb") as file:
            file.truncate(size * MIB)
        call(
            ["mke2fs", "-q", "-t", "ext4", "-L", label, "-E", "lazy_itable_init=1", "-d", work / label, image]
        )
        call(
            ["dd", f"if={image}", f"of={raw}", "bs=1M", f"seek={start}", "conv=notrunc,sparse", "status=none"]
        )
        image.unlink()
        table += [f"-n{number}:{start}M:+{size}M", f"-c{number}:{label}"]
        start += size
    call(["sgdisk", *table, raw])
    call(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, out])
