"""A machine under test: commands inside it, logins from outside, reboots, and its end."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rig.waiting import OverdueError, wait_for

Done = subprocess.CompletedProcess[str]
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}
INSIDE = Path(__file__).resolve().parent.parent / "inside"  # programs that run in the machine


class Machine(ABC):
    """One Debian 12 that really runs, with systemd as its first process."""

    name: str

    @abstractmethod
    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command of this machine (ours) that runs ``argv`` in that one, as root, beside any login."""

    @abstractmethod
    def outside(self, argv: Sequence[str], user: str = "root", options: Sequence[str] = ()) -> list[str]:
        """The command that runs ``argv`` over an ssh connection of its own, from the administrator's side."""

    @abstractmethod
    def start(self) -> None:
        """Switch on; returns before the machine is up."""

    @abstractmethod
    def crash(self) -> None:
        """Pull the plug: no process in the machine gets to do anything any more."""

    @abstractmethod
    def stop(self) -> None:
        """Switch off and take away everything that belongs to the machine."""

    @abstractmethod
    def wait_up(self, seconds: float = 0) -> None:
        """Return when the boot is over and sshd answers the administrator."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | bytes = b"",
        seconds: float = 120,
        check: bool = False,
    ) -> Done:
        """Run in the machine, as root."""
        return finish(self.inside(argv), stdin=stdin, seconds=seconds, check=check)

    def login(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        stdin: str | bytes = b"",
        seconds: float = 120,
        check: bool = False,
        options: Sequence[str] = (),
    ) -> Done:
        """Run in the machine over a new ssh login."""
        return finish(self.outside(argv, user, options), stdin=stdin, seconds=seconds, check=check)

    def begin_login(self, argv: Sequence[str], user: str = "root", options: Sequence[str] = ()) -> Session:
        """The same, without waiting for its end."""
        return Session(self.outside(argv, user, options))

    def begin(self, argv: Sequence[str]) -> Session:
        """Run in the machine, as root, without waiting for its end."""
        return Session(self.inside(argv))

    def sh(self, script: str, *words: str, seconds: float = 120) -> str:
        """What a shell script prints that must succeed; the words are its ``$1`` ..."""
        return self.run(["/bin/sh", "-euc", script, "sh", *words], seconds=seconds, check=True).stdout

    def python(self, program: str, *words: str, seconds: float = 120, check: bool = True) -> Done:
        """Run one of the programs of ``inside/`` there."""
        return self.run(
            ["python3", "-I", "-", *words],
            stdin=(INSIDE / program).read_bytes(),
            seconds=seconds,
            check=check,
        )

    def put(self, source: Path | bytes, target: str, mode: str = "0600") -> None:
        """Copy a file, or bytes, into the machine."""
        content = source if isinstance(source, bytes) else source.read_bytes()
        receive = 'umask 077; mkdir -p "$(dirname "$1")"; cat > "$1"; chmod "$2" "$1"'
        self.run(["/bin/sh", "-euc", receive, "sh", target, mode], stdin=content, check=True)

    def get(self, target: str) -> str:
        """The text of a file in the machine."""
        return self.run(["cat", "--", target], check=True).stdout

    def exists(self, target: str) -> bool:
        return self.run(["test", "-e", target]).returncode == 0

    def boot_id(self) -> str:
        """Differs after each boot; empty while the machine cannot be asked."""
        try:
            return self.run(["cat", "/proc/sys/kernel/random/boot_id"], seconds=10).stdout.strip()
        except (subprocess.TimeoutExpired, MachineDownError):
            return ""

    def uptime(self) -> float:
        """The machine's own clock since its boot."""
        return float(self.get("/proc/uptime").split()[0])

    def reboot(self, *, check: bool = True) -> None:
        """Reboot in good order and wait until the new boot is over."""
        before = self.boot_id()
        assert before, f"{self.name} is not up"
        self.run(["systemctl", "reboot"], seconds=30)
        wait_for(
            f"{self.name}: a new boot",
            180,
            lambda: (now := self.boot_id()) != "" and now != before,
            every=0.2,
        )
        self.wait_up()

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class MachineDownError(RuntimeError):
    """Asked of a machine that does not run."""


class Session:
    """A command that still runs; its whole process group ends with it."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )

    def kill(self) -> None:
        """End it, as when the administrator's own machine goes down."""
        kill_group(self.process)

    def line(self, seconds: float = 60) -> str:
        """The next line it prints; empty at its end."""
        assert self.process.stdout is not None
        source = self.process.stdout.fileno()
        collected = bytearray()
        end = time.monotonic() + seconds
        while not collected.endswith(b"\n"):
            ready, _, _ = select.select([source], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise OverdueError(f"a line of output: not within {seconds:g} s; so far {bytes(collected)!r}")
            byte = os.read(source, 1)
            if not byte:
                break
            collected += byte
        return collected.decode(errors="replace")

    def finish(self, seconds: float = 60) -> Done:
        """Wait for its end; what was not yet read of its output comes along."""
        try:
            out, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return Done(self.process.args, self.process.returncode, out.decode(errors="replace"), "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a session of its own, and its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def finish(argv: Sequence[str], *, stdin: str | bytes, seconds: float, check: bool) -> Done:
    """Run to the end, or kill it at the end of its time."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(stdin.encode() if isinstance(stdin, str) else stdin, timeout=seconds)
    finally:
        kill_group(process)
    done = Done(argv, process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
    if check:
        assert done.returncode == 0, f"{shlex.join(argv)[-300:]}\nended with {done.returncode}\n{said(done)}"
    return done


def said(done: Done) -> str:
    """What a command printed, for an assertion's message."""
    return f"--- stdout\n{done.stdout[-6000:]}\n--- stderr\n{done.stderr[-3000:]}"


SSH = [
    *("ssh", "-F", "none", "-q", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "GlobalKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
    *("-o", "IdentityAgent=none"),
]
PATIENCE = ("-o", "ConnectTimeout=10")  # behind the options of a call: of two, ssh takes the first
