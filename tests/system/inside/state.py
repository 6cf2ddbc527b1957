"""Runs in a machine: prints, as JSON, what "the system as it was" means. It only looks."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

# Values that move by themselves: counters, sizes of caches, what the kernel measures.
MOVING = re.compile(
    r"kernel/random/(entropy_avail|uuid|boot_id)|kernel/(ns_last_pid|pty/nr|hung_task_detect_count|tainted)"
    r"|kernel/cad_pid|fs/(dentry-state|file-nr|inode-nr|inode-state|aio-nr)"
    r"|fs/quota/.*|net/netfilter/nf_conntrack_count|vm/stat_refresh|vm/compact_memory"
)
# Sized from the free memory at boot, so not the same after two boots.
SIZED_AT_BOOT = re.compile(
    r"kernel/threads-max|user/max_.*_namespaces|user/max_inotify_.*|user/max_fanotify_.*|fs/file-max"
    r"|fs/epoll/max_user_watches|fs/fanotify/max_user_.*|fs/inotify/max_user_.*|net/core/optmem_max"
    r"|net/ipv4/(tcp_mem|udp_mem|tcp_max_orphans|tcp_max_tw_buckets|tcp_max_syn_backlog|tcp_[rw]mem)|vm/.*_reserve.*"
)
# A network card's learnt addresses and keys.
SECRET = re.compile(r"net/ipv6/conf/[^/]+/stable_secret|net/ipv4/tcp_fastopen_key")
# Mounts that come and go with sessions and with units that load credentials.
FLEETING = re.compile(r"/run/(user|credentials)/.*|/proc/sys/fs/binfmt_misc")

# Outside /etc, what the rights of the system hang on.
SENSITIVE = ("/root", "/var/spool/cron/crontabs", "/usr/bin/sudo", "/usr/bin/su", "/usr/bin/passwd")

# How the root of a container is put together.
OF_THE_LAB = re.compile(r"(lowerdir|upperdir|workdir|uuid)=")


def sysctls() -> dict[str, str]:
    found = {}
    for folder, _, files in os.walk("/proc/sys"):
        for name in files:
            path = Path(folder, name)
            key = str(path).removeprefix("/proc/sys/")
            if any(pattern.fullmatch(key) for pattern in (MOVING, SIZED_AT_BOOT, SECRET)):
                continue
            if not path.stat().st_mode & 0o444:
                continue
            try:
                found[key] = path.read_bytes().decode(errors="replace").strip()
            except OSError as error:
                found[key] = f"({error.strerror})"
    return found


def mounts() -> dict[str, str]:
    """Mount point -> how many mounts lie there; file system, source and options of the topmost."""
    found: dict[str, list[str]] = {}
    for line in Path("/proc/1/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        target, options = left.split(" ")[4:6]
        kind, source, superblock = right.split(" ", 2)
        if not FLEETING.fullmatch(target):
            options = ",".join(sorted(options.split(",")))
            superblock = ",".join(
                sorted(option for option in superblock.split(",") if not OF_THE_LAB.match(option))
            )
            found.setdefault(target, []).append(f"{kind} {source} {options} | {superblock}")
    return {target: f"{len(stack)} x {stack[-1]}" for target, stack in found.items()}


def mount_points(targets: list[str]) -> dict[str, str]:
    """Mode and owner of the folder that each mount shows."""
    found = {}
    for target in targets:
        if not target.startswith(("/proc", "/sys", "/dev", "/run")):
            status = Path(target).stat()
            found[target] = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    return found


def tree(root: str) -> dict[str, str]:
    """Path -> kind, mode, owner, content, and extended attributes, among which are ACLs and labels."""
    found = {}
    paths = [Path(root)]
    for folder, folders, files in os.walk(root):
        paths += [Path(folder, name) for name in (*folders, *files)]
    for path in paths:
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # a guard at work takes its own files away between the listing and this look
        line = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
        if stat.S_ISLNK(status.st_mode):
            line += f" -> {path.readlink()}"
        elif stat.S_ISREG(status.st_mode):
            line += f" sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]} links {status.st_nlink}"
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            line += f" {name}={os.getxattr(path, name, follow_symlinks=False).hex()}"
        found[str(path)] = line
    return found


def lines(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def units() -> dict[str, str]:
    listing = lines("systemctl", "list-unit-files", "--no-legend", "--no-pager", "--plain")
    split = [line.split() for line in listing if line.strip()]
    return {name: " ".join(state) for name, *state in split if "transient" not in state}  # those of sessions


def failed_units() -> dict[str, str]:
    listing = lines("systemctl", "list-units", "--failed", "--no-legend", "--no-pager", "--plain")
    return {line.split()[0]: "failed" for line in listing if line.strip()}


def enabled_units() -> dict[str, str]:
    """What every service and socket that a boot starts does now."""
    listing = lines(
        "systemctl", "list-unit-files", "--state=enabled", "--type=service,socket", "--no-legend", "--plain"
    )
    names = [line.split()[0] for line in listing if line.strip() and "@." not in line]
    return dict(zip(names, lines("systemctl", "is-active", *names), strict=True))


def listeners() -> dict[str, str]:
    """Transport, address and port of what listens, and the programs that do."""
    found: dict[str, set[str]] = {}
    for line in lines("ss", "-Hlntup"):
        transport, _, _, _, address = line.split()[:5]
        found.setdefault(f"{transport} {address}", set()).update(re.findall(r'\("([^"]+)",pid', line))
    return {socket: ",".join(sorted(programs)) for socket, programs in found.items()}


def sshd() -> dict[str, str]:
    """What the files give, as sshd itself reads them."""
    found: dict[str, list[str]] = {}
    for line in lines("sshd", "-T"):
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return {keyword: " ".join(values) for keyword, values in found.items()}


def places() -> dict[str, str]:
    """Mode and owner of what is sensitive outside /etc."""
    found = {}
    for path in SENSITIVE:
        if Path(path).exists():
            status = Path(path).stat()
            found[path] = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    return found


def main() -> None:
    mounted = mounts()
    lines_of_fstab = Path("/etc/fstab").read_text().splitlines()
    state = {
        "sysctl": sysctls(),
        "mount": mounted,
        "mount point": mount_points(sorted(mounted)),
        "fstab": {f"line {number}": line for number, line in enumerate(lines_of_fstab, 1)},
        "etc": tree("/etc"),
        "unit file": units(),
        "failed unit": failed_units(),
        "enabled unit": enabled_units(),
        "listener": listeners(),
        "place": places(),
        "sshd": sshd(),
        "ruleset": dict(enumerate(lines("nft", "-s", "list", "ruleset"))),
        "product": {"/var/lib/hardentui": "present"} if Path("/var/lib/hardentui").exists() else {},
    }
    json.dump(state, sys.stdout)


main()
