"""A virtual machine: Debian's own kernel, real partitions, real one-way keys. Emulated, so slow but true.

It boots once; the snapshot ``up`` then brings it back to that moment within seconds. The monitor is a socket
in its folder, ssh comes in over a port of the loopback that the machine below picks.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rig.lab import Lab, call
from rig.machine import ENVIRONMENT, PATIENCE, SSH, Machine, MachineDownError, finish, kill_group
from rig.waiting import OverdueError, wait_for

BOOT_SECONDS = 240  # an emulated boot takes 20 to 45 s on a quiet machine
SNAPSHOT = "up"
COMMAND_LINE = "root=LABEL=root ro console=ttyS0 net.ifnames=0 mitigations=off fsck.mode=skip"
HOPELESS = (
    "Kernel panic",
    "Dropping to a shell",
    "emergency mode",
)  # on the serial line: no boot comes of it


class Vm(Machine):
    """One machine over a throw-away overlay of the lab's disk."""

    def __init__(self, lab: Lab, name: str, disk: Path | None = None, words: str = "") -> None:
        """``disk`` is the lab's plain one unless it is given; ``words`` join the kernel's command line."""
        self.name = name
        self.lab = lab
        self.command_line = f"{COMMAND_LINE} {words}".strip()
        self.folder = lab.runs / f"{name}-{os.getpid()}"
        self.folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.boots: list[float] = []  # seconds that each took
        call(
            [
                "qemu-img",
                "create",
                "-q",
                "-f",
                "qcow2",
                "-F",
                "qcow2",
                "-b",
                disk or lab.disk,
                self.folder / "disk.qcow2",
            ]
        )

    def start(self, *, snapshot: str | None = None) -> None:
        self.port = free_port()
        (self.folder / "monitor").unlink(missing_ok=True)
        argv = [
            "qemu-system-x86_64",
            *("-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"),
            # Never kvm: where it exists in a container it may be one that crawls.
            *("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem", "-smp", "2", "-m", "1024"),
            *("-kernel", str(self.lab.kernel), "-initrd", str(self.lab.initrd)),
            *("-append", self.command_line),
            *(
                "-drive",
                f"if=none,id=disk,file={self.folder}/disk.qcow2,format=qcow2,cache=unsafe,discard=unmap",
            ),
            *("-device", "virtio-blk-pci,drive=disk"),
            *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:22"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
            *(
                "-serial",
                f"file:{self.folder}/serial.log",
                "-qmp",
                f"unix:{self.folder}/monitor,server,nowait",
            ),
            *(("-loadvm", snapshot) if snapshot else ()),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
                start_new_session=True,
            )

    def _demand_power(self) -> None:
        if self.process is None or self.process.poll() is not None:
            raise MachineDownError(f"{self.name} does not run:\n{self.log()}")

    def _wait_for(self, what: str, seconds: float, condition: Callable[[], bool]) -> None:
        try:
            wait_for(f"{self.name}: {what}", seconds, condition, every=0.5)
        except OverdueError as error:
            raise OverdueError(f"{error}; its console says\n{self.log()}") from error

    def _demand_hope(self) -> None:
        lost = [word for word in HOPELESS if word in self.log()]
        if lost:
            raise MachineDownError(f"{self.name}: {lost[0]}:\n{self.log()}")

    def log(self) -> str:
        """What qemu and the serial line said last."""
        tails = []
        for name in ("log", "serial.log"):
            with contextlib.suppress(OSError):
                tails += (self.folder / name).read_text(errors="replace").splitlines()[-15:]
        return "\n".join(tails)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """Over one ssh connection that is kept: a new one costs the emulated machine a second."""
        kept = ["ControlMaster=auto", f"ControlPath={self.folder}/ssh", "ControlPersist=600"]
        return self.outside(argv, options=[word for option in kept for word in ("-o", option)])

    def outside(self, argv: Sequence[str], user: str = "root", options: Sequence[str] = ()) -> list[str]:
        self._demand_power()
        port = ["-p", str(self.port), "-i", str(self.lab.key)]
        return [*SSH, *port, *options, *PATIENCE, f"{user}@127.0.0.1", shlex.join(argv)]

    def put_tree(self, folder: Path) -> None:
        """Lay what stands below ``folder`` over the machine's own files, as root's."""
        packed = subprocess.run(
            ["tar", "-C", str(folder), "--owner=0", "--group=0", "-cf", "-", "."],
            capture_output=True,
            check=True,
        )
        self.run(["tar", "-C", "/", "--no-overwrite-dir", "-xf", "-"], stdin=packed.stdout, check=True)

    def write_boot_entry(self) -> None:
        """Say in the machine what starts it: qemu, who does, leaves no word of it there."""
        entry = f"title lab\noptions {self.command_line}\n"
        self.put(entry.encode(), "/boot/loader/entries/lab.conf", "0644")

    def forget_connection(self) -> None:
        """The kept connection does not survive a reboot or a snapshot, and must not be waited for."""
        path = self.folder / "ssh"
        if path.exists():
            finish(
                [*SSH, "-o", f"ControlPath={path}", "-O", "exit", "lab"], stdin=b"", seconds=20, check=False
            )
            path.unlink(missing_ok=True)

    def wait_up(self, seconds: float = BOOT_SECONDS) -> None:
        begin = time.monotonic()

        patience = iter(
            (4, 6, 8, 10, 12)
        )  # a connection that the guest never saw hangs: give it up soon, at first

        def answers() -> bool:
            self._demand_power()
            self._demand_hope()
            try:
                asked = finish(self.outside(["true"]), stdin=b"", seconds=next(patience, 15), check=False)
            except subprocess.TimeoutExpired:
                return False
            return asked.returncode == 0

        self._wait_for("sshd", seconds, answers)
        state = self.run(["systemctl", "is-system-running", "--wait"], seconds=seconds).stdout.strip()
        assert state in {"running", "degraded"}, f"{self.name} came up as {state!r}:\n{self.log()}"
        self.boots.append(time.monotonic() - begin)

    def boot_id(self) -> str:
        # A connection of its own: the kept one hangs while the machine goes down.
        try:
            asked = self.outside(["cat", "/proc/sys/kernel/random/boot_id"])
            return finish(asked, stdin=b"", seconds=15, check=False).stdout.strip()
        except subprocess.TimeoutExpired:
            return ""

    def reboot(self, *, check: bool = True) -> None:
        before = self.boot_id()
        assert before, f"{self.name} is not up"
        begin = time.monotonic()
        self.login(["systemctl", "reboot"], seconds=30)
        self.forget_connection()

        def booted() -> bool:
            self._demand_hope()
            return (now := self.boot_id()) != "" and now != before

        self._wait_for("a new boot", BOOT_SECONDS, booted)
        self.wait_up()
        self.boots[-1] = time.monotonic() - begin

    def boot(self) -> None:
        """Switch a fresh machine on; a boot that comes to no end is tried once more, nothing else ever is."""
        self.start()
        try:
            self.wait_up()
        except (OverdueError, MachineDownError):
            self.crash()
            self.start()
            self.wait_up()

    def crash(self) -> None:
        """As when the power goes: what the guest has not written is lost."""
        self.forget_connection()
        if self.process is not None:
            kill_group(self.process)
            self.process = None

    def stop(self) -> None:
        try:
            self.crash()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def monitor(self, command: str) -> str:
        """One command of qemu's human monitor."""
        self._demand_power()
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(120)
            link.connect(str(self.folder / "monitor"))
            stream = link.makefile("rw")

            def ask(name: str, **arguments: str) -> Any:
                stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                stream.flush()
                while True:
                    answer = json.loads(stream.readline())
                    if "error" in answer:
                        raise RuntimeError(f"{self.name}: {command}: {answer['error']}")
                    if "return" in answer:
                        return answer["return"]

            stream.readline()  # the greeting
            ask("qmp_capabilities")
            said = str(ask("human-monitor-command", **{"command-line": command})).strip()
        assert "rror" not in said, f"{self.name}: {command}: {said}"
        return said

    def save(self) -> None:
        """Remember this moment."""
        self.run(["sync"], check=True)
        self.forget_connection()
        self.monitor(f"savevm {SNAPSHOT}")

    def reset(self) -> None:
        """Go back to the remembered moment, with the clock of today."""
        self.forget_connection()
        if self.process is None or self.process.poll() is not None:
            self.start(snapshot=SNAPSHOT)
        else:
            self.monitor(f"loadvm {SNAPSHOT}")
        self.wait_up()
        self.boots.pop()
        self.run(["date", "-s", f"@{int(time.time())}"], check=True)


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
