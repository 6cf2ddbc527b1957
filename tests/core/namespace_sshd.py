"""Runs inside fresh namespaces: lays out /etc/ssh and asks the real sshd what it would do.

Standard library only. JSON comes in on stdin and goes out on stdout. sshd only tests its files here
(``-T``), or runs on the loopback of the namespace; /etc/ssh and /run are the namespace's own too.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SSH = Path("/etc/ssh")


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def lay_out(files: dict[str, str], links: dict[str, str]) -> None:
    for old in SSH.iterdir():
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        elif not old.name.startswith("ssh_host_"):
            old.unlink()
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for name, target in links.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).symlink_to(target)


def ask(specification: str) -> dict[str, object]:
    more = ("-C", specification) if specification else ()
    done = subprocess.run(
        ("/usr/sbin/sshd", "-T", "-h", str(SSH / "ssh_host_ed25519_key"), *more),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        cwd="/",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    )
    return {"status": done.returncode, "out": done.stdout, "err": done.stderr}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("sshd did not come up")
        time.sleep(0.02)


def reload_really() -> dict[str, object]:
    """Starts sshd on the loopback of this namespace, changes its file, and has it read that again."""
    run("ip", "link", "set", "lo", "up")
    main, number = SSH / "sshd_config", Path("/run/sshd.pid")
    main.write_text("ListenAddress 127.0.0.1\n")
    seen: dict[str, list[object]] = {"pid": [], "started": [], "written": []}
    daemon = subprocess.Popen(("/usr/sbin/sshd", "-D", "-h", str(SSH / "ssh_host_ed25519_key")))

    def written_since(before: float) -> bool:
        try:
            return number.read_text() == f"{daemon.pid}\n" and number.stat().st_mtime > before
        except FileNotFoundError:  # it is removed before it is written anew
            return False

    def note() -> None:
        seen["pid"].append(int(number.read_text()))
        seen["started"].append(Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[19])
        seen["written"].append(number.stat().st_mtime)

    def rewritten() -> float:
        main.write_text("ListenAddress 127.0.0.1\nX11Forwarding no\n")
        return main.stat().st_ctime

    try:
        wait_for(lambda: written_since(0.0))
        note()
        wait_for(lambda: rewritten() > seen["written"][0])  # a tick of the file system's clock later
        changed = main.stat().st_ctime
        daemon.send_signal(signal.SIGHUP)
        wait_for(lambda: written_since(changed))
        note()
    finally:
        daemon.kill()
        daemon.wait()
    return {**seen, "changed": changed}


def main() -> None:
    job = json.load(sys.stdin)
    for folder in ("/etc/ssh", "/run"):
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder)
    Path("/run/sshd").mkdir(mode=0o755)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(SSH / "ssh_host_ed25519_key"))
    if job.get("reload"):
        json.dump(reload_really(), sys.stdout)
        return
    results = []
    for case in job["cases"]:
        lay_out(case["files"], case["links"])
        results.append([ask(specification) for specification in case["ask"]])
    json.dump(results, sys.stdout)


main()
