"""Runs inside fresh namespaces: lays out folders of sysctl.d and asks the real programs about them.

Standard library only. JSON comes in on stdin and goes out on stdout. It writes net.* keys alone, and
those belong to the network namespace.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import sys
from pathlib import Path

FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
PROGRAMS = {"systemd-sysctl": ("/lib/systemd/systemd-sysctl",), "procps": ("sysctl", "-q", "--system")}


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def private_folders() -> None:
    cache = Path("/etc/ld.so.cache").read_bytes()
    for folder in ("/etc", "/run", "/usr/local/lib", "/usr/lib/sysctl.d"):
        run("mount", "-t", "tmpfs", "tmpfs", folder)
    Path("/etc/ld.so.cache").write_bytes(cache)


def lay_out(files: dict[str, str], links: dict[str, str], folders: list[str]) -> None:
    Path("/etc/sysctl.conf").unlink(missing_ok=True)
    for folder in FOLDERS:
        path = Path(folder)
        if path.exists():
            for old in path.iterdir():
                shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for name in folders:
        Path(name).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(text.encode("utf-8", "surrogateescape"))
    for name, target in links.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).symlink_to(target)


def get(key: str) -> str:
    try:
        return Path(f"/proc/sys/{key}").read_text().rstrip("\n")
    except OSError as error:
        return f"error {error.errno}"


def put(key: str, value: str) -> str:
    try:
        Path(f"/proc/sys/{key}").write_text(value)
    except OSError as error:
        return f"error {error.errno}"
    return ""


def tree() -> dict[str, str]:
    """Every setting of net/ipv4/conf, net/ipv6/conf and the keys beside them that forwarding touches."""
    found = {"net/ipv4/ip_forward": get("net/ipv4/ip_forward")}
    for folder in ("net/ipv4/conf", "net/ipv6/conf"):
        for path in sorted(Path("/proc/sys", folder).glob("*/*")):
            key = str(path.relative_to("/proc/sys"))
            if path.is_file() and not key.endswith("stable_secret"):
                found[key] = get(key)
    return found


def configurations(job: dict) -> list[dict[str, dict[str, str]]]:
    private_folders()
    keys: dict[str, str] = job["baseline"]
    results = []
    for case in job["cases"]:
        lay_out(case["files"], case["links"], case["folders"])
        outcome = {}
        for program, argv in PROGRAMS.items():
            for key, value in keys.items():
                problem = put(key, value)
                if problem:
                    raise SystemExit(f"{key}={value}: {problem}")
            subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True)
            outcome[program] = {key: get(key) for key in keys}
        results.append(outcome)
    return results


def bridges(job: dict) -> None:
    run("ip", "link", "set", "lo", "up")
    for name in job.get("interfaces", ()):
        run("ip", "link", "add", name, "type", "bridge")


def walk(job: dict, steps: list[dict]) -> list[dict]:
    """Each step: a command, or a write; the tree after each, or after the last alone."""
    seen = []
    for step in steps:
        problem = ""
        if "run" in step:
            run(*step["run"])
        else:
            problem = put(step["key"], step["value"])
        if not job["last"] or step is steps[-1]:
            seen.append({"problem": problem, "tree": tree()})
    return seen


def walks(job: dict) -> list[list[dict]]:
    """Several walks, each in a network namespace of its own."""
    done = []
    for steps in job["walks"]:
        if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
            raise OSError(ctypes.get_errno(), "unshare")
        bridges(job)
        done.append(walk(job, steps))
    return done


def main() -> None:
    job = json.load(sys.stdin)
    if "cases" in job:
        bridges(job)
        json.dump(configurations(job), sys.stdout)
    else:
        json.dump(walks(job), sys.stdout)


main()
