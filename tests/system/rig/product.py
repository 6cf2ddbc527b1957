"""hardentui as it would be installed, in a folder that a machine can use, and its commands there."""

from __future__ import annotations

import compileall
import json
import shlex
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.lab import REPOSITORY, Lab, call, digest
from rig.machine import Done, Machine, said
from rig.waiting import wait_for

HOME = "/usr/lib/hardentui-test"  # in no place that is compared or that a plan makes noexec
PLAN = "/root/plan.toml"
SCRIPT = "/root/harden.sh"
STATE = "/var/lib/hardentui"

# What the machines of the lab are: servers that route nothing, with IPv6 at most by hand.
ANSWERS = {"ipv6": "static", "routing": "no", "role": "server", "hypervisor": "no"}

# Those that leave the way in open for root over SSH: what shuts that door has tests of its own.
CHAPTERS = ("partitioning", "sysctl")


def build_layer(lab: Lab, target: Path) -> None:
    """The wheel of this tree and those it depends on, unpacked below ``target``."""
    with lab.scratch("wheel") as wheels:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        call([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, REPOSITORY])
        wheel = next(wheels.glob("hardentui-*.whl"))
        requirements = wheel_requirements(wheel)

        def fetch(path: Path) -> None:
            platform = ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11"]
            platform += ["--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64"]
            call([*pip, "install", "--no-compile", "--target", path, *platform, *requirements])

        libraries = lab.made_once(f"libraries-{digest(requirements)}", fetch)
        home = target / HOME[1:]
        home.parent.mkdir(parents=True)
        call(["cp", "-a", libraries, home])
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(home)
    if sys.version_info[:2] == (3, 11):  # Debian 12's own: its compiled files serve there
        compileall.compile_dir(home, quiet=2, stripdir=str(target))


def wheel_requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    return sorted(
        line.partition(":")[2].strip()
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist:") and "extra ==" not in line
    )


@dataclass(frozen=True)
class Findings:
    """One scan."""

    by_id: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, id_: str) -> Mapping[str, Any]:
        return self.by_id[id_]

    @property
    def results(self) -> Counter[str]:
        return Counter(str(finding["result"]) for finding in self.by_id.values())

    def not_passing(self, ids: Sequence[str]) -> list[str]:
        """One line for each of these that does not pass."""
        return [self.line(id_) for id_ in ids if self.by_id[id_]["result"] != "pass"]

    def drifting(self) -> list[str]:
        return [self.line(id_) for id_, finding in self.by_id.items() if finding.get("drift")]

    def line(self, id_: str) -> str:
        found = self.by_id[id_]
        words = (f"{key}={found.get(key)!r}" for key in ("result", "running", "boot", "expected", "drift"))
        return f"{id_}: {' '.join(words)} {found.get('message', '')}"


class Product:
    """hardentui and its script in one machine.

    ``person`` is the account that does the work: root itself, or one that becomes root with sudo, at a
    terminal. ``chapters`` are those of which a plan applies all that it can.
    """

    def __init__(
        self,
        machine: Machine,
        answers: Mapping[str, str] = ANSWERS,
        person: str = "root",
        chapters: Sequence[str] = CHAPTERS,
    ) -> None:
        self.machine = machine
        self.answered = answers
        self.person = person
        self.chapters = chapters
        self.answers = [word for pair in answers.items() for word in ("--answer", "=".join(pair))]

    def as_root(self, argv: Sequence[str], *, seconds: float = 300) -> Done:
        """Run as root over a new ssh login of the person."""
        if self.person == "root":
            return self.machine.login(argv, seconds=seconds)
        done = self.machine.login(["sudo", *argv], user=self.person, options=["-tt"], seconds=seconds)
        done.stdout = done.stdout.replace("\r\n", "\n")  # a terminal ends its lines so
        return done

    def call(self, *arguments: str, allowed: Sequence[int] = (0,)) -> Done:
        """One hardentui command, run in the machine as root: over a login, unless root needs none."""
        argv = [
            "env",
            f"PYTHONPATH={HOME}",
            "PYTHONDONTWRITEBYTECODE=1",
            "python3",
            "-m",
            "hardentui",
            *arguments,
        ]
        run = self.machine.run if self.person == "root" else self.as_root
        done = run(argv, seconds=300)
        assert done.returncode in allowed, (
            f"hardentui {shlex.join(arguments)} ended with {done.returncode}\n{said(done)}"
        )
        assert "Traceback" not in done.stderr, said(done)
        return done

    def scan(self, *, plan: bool = True, chapter: str = "") -> Findings:
        """Its answers are those of the plan, if there is one; ``chapter`` is the only one looked at."""
        words = ["--plan", PLAN] if plan else list(self.answers)
        words += ["--chapter", chapter] if chapter else []
        done = self.call("scan", "--json", *words, allowed=(0, 1, 3))
        found = json.loads(done.stdout)["findings"]
        assert found, "a scan without findings"
        return Findings({finding["id"]: finding for finding in found})

    def plan(self, *apply: str) -> list[str]:
        """Decide, and write the script; the ids that the plan applies."""
        self.decide(apply or ("all",), () if apply else self.chapters)
        return self.applied()

    def decide(self, apply: Sequence[str], chapters: Sequence[str] = ()) -> None:
        """The same, without a look at what the plan applies; only ``chapters`` are looked at, if any."""
        self.machine.run(["rm", "-f", PLAN, SCRIPT], check=True)
        wanted = [word for id_ in apply for word in ("--apply", id_)]
        wanted += [word for chapter in chapters for word in ("--chapter", chapter)]
        self.call("plan", "new", "-o", PLAN, *self.answers, *wanted)
        self.call("script", PLAN, "-o", SCRIPT)

    def applied(self) -> list[str]:
        """The ids that the plan decides to apply."""
        decisions = tomllib.loads(self.machine.get(PLAN))["decision"]
        ids = [each["id"] for each in decisions if each["action"] == "apply"]
        assert ids, "the plan applies nothing"
        return ids

    def script(self, verb: str, *words: str, expected: int | None = 0, seconds: float = 300) -> Done:
        """One verb of the script, over a new ssh login, as an administrator would."""
        done = self.as_root(["bash", SCRIPT, verb, *words], seconds=seconds)
        if expected is not None:
            assert done.returncode == expected, (
                f"script {verb} ended with {done.returncode}, not {expected}\n{said(done)}"
            )
        return done

    def journal(self) -> list[str]:
        """The newest run's journal, line by line; empty when there is none."""
        find = f"ls -1d {STATE}/runs/*/ 2>/dev/null | sort | tail -n 1"
        text = self.machine.sh(
            f'newest=$({find}); [ -z "$newest" ] || cat "$newest/journal" 2>/dev/null || true'
        )
        return text.splitlines()

    def wait_taken_back(self, seconds: float) -> None:
        """Wait for the end of a rollback that nobody called: it says so when all is done, and only then."""

        def taken_back() -> bool:
            lines = self.journal()
            return bool(lines) and lines[-1].split()[3:5] == ["run", "rolled-back"]

        wait_for("the end of the guard's rollback", seconds, taken_back, every=0.5)
