"""A throw-away host: private mounts, processes and network over a scratch /etc, /root and /var/lib."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from plans import MACHINE_ID

FSTAB = "# static file systems\ntmpfs /mnt tmpfs defaults 0 0\nproc /proc proc defaults 0 0\n"
_ETC = {
    "machine-id": f"{MACHINE_ID}\n",
    "passwd": "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\n",
    "group": "root:x:0:\nalice:x:1000:\n",
    "fstab": FSTAB,
    "crontab": "# nothing\n",
    "sysctl.conf": "net.ipv4.ip_forward = 1\nkernel.sysrq = 1",  # no line end at its end
}
_SETUP = """
set -e
mount --bind "$1/etc" /etc
mount --bind "$1/lib" /var/lib
mount --bind "$1/root" /root
mount -t tmpfs -o size=2M,mode=0755,relatime box /mnt
mount -t tmpfs -o mode=0755 box /run  # no systemd, and nobody whom wall could tell
echo ready
exec sleep infinity
"""
SCRIPT = "/root/harden.sh"


class Box:
    """Started with ``unshare``; commands enter it with ``nsenter``."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        for folder in ("etc/sysctl.d", "etc/systemd/system", "lib", "root"):
            (scratch / folder).mkdir(parents=True, mode=0o755)
        (scratch / "root").chmod(0o700)
        for name, text in _ETC.items():
            path = scratch / "etc" / name
            path.write_text(text)
            path.chmod(0o644)
        self._process = subprocess.Popen(
            [
                "unshare",
                "-m",
                "-p",
                "-f",
                "-n",
                "--mount-proc",
                "--kill-child",
                "sh",
                "-c",
                _SETUP,
                "sh",
                scratch,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._inside = children.read_text().split()[0]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    @property
    def etc(self) -> Path:
        return self.scratch / "etc"

    @property
    def state(self) -> Path:
        return self.scratch / "lib/hardentui"

    @property
    def journal(self) -> list[str]:
        """Step and state of each line of the newest run."""
        runs = sorted((self.state / "runs").iterdir())
        return [" ".join(line.split()[3:5]) for line in (runs[-1] / "journal").read_text().splitlines()]

    @property
    def run_script(self) -> str:
        """Root's own copy of the script, of the newest run, as the box sees it."""
        return f"/var/lib/hardentui/runs/{max((self.state / 'runs').iterdir()).name}/script.sh"

    def install(self, text: str, name: str = "harden.sh") -> str:
        path = self.scratch / "root" / name
        path.write_text(text)
        path.chmod(0o700)
        return f"/root/{name}"

    def _enter(self, argv: tuple[str, ...]) -> list[str]:
        return ["nsenter", "-t", self._inside, "-m", "-p", "-n", "--", *argv]

    def call(
        self, *argv: str, env: dict[str, str] | None = None, **options
    ) -> subprocess.CompletedProcess[str]:
        given = {"PATH": os.environ["PATH"], **(env or {})}
        return subprocess.run(
            self._enter(argv), capture_output=True, text=True, env=given, check=False, timeout=120, **options
        )

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """A command that goes on while others are called; it says nothing."""
        away = subprocess.DEVNULL
        return subprocess.Popen(self._enter(argv), stdin=away, stdout=away, stderr=away)

    def sh(self, command: str) -> str:
        done = self.call("bash", "-c", command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run(self, *words: str, expected: int | None = 0, script: str = SCRIPT, **options) -> str:
        """One verb of the script; its output, both streams."""
        done = self.call("bash", script, *words, **options)
        said = done.stdout + done.stderr
        assert expected is None or done.returncode == expected, f"{words}: {done.returncode}\n{said}"
        return said

    def sysctl(self, key: str) -> str:
        return self.sh(f"cat /proc/sys/{key}")

    def set_sysctl(self, key: str, value: str) -> None:
        self.sh(f"echo {value} > /proc/sys/{key}")

    def tree(self, *, times: bool = False) -> dict[str, tuple[object, ...]]:
        """Everything below /etc: kind, mode, owner, content or link target, and the times when asked."""
        return tree(self.etc, times=times)

    def everything(self) -> tuple[object, ...]:
        """What apply may change: the tree, the values of the network, the mounts."""
        values = self.sh("grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/ip_forward 2>/dev/null || :")
        return self.tree(), values, self.sh("grep ' /mnt ' /proc/self/mountinfo")


def tree(root: Path, *, times: bool = False) -> dict[str, tuple[object, ...]]:
    seen: dict[str, tuple[object, ...]] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        stat = path.lstat()
        content = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        seen[str(path)] = (stat.st_mode, stat.st_uid, stat.st_gid, content, stat.st_mtime_ns if times else 0)
    return seen
