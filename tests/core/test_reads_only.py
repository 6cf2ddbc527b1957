"""hardentui only looks: no shell, no program but those that live.py names, nothing opened for writing."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hardentui

PACKAGE = Path(hardentui.__file__).parent
REPOSITORY = PACKAGE.parent
RUNS_PROGRAMS = {
    "subprocess", "pty", "popen2", "commands", "pexpect", "sh", "multiprocessing",
}  # fmt: skip
OS_RUNS = {
    "system",
    "popen",
    "execv",
    "execve",
    "execvp",
    "execl",
    "execlp",
    "spawnv",
    "spawnl",
    "posix_spawn",
    "fork",
    "forkpty",
}


@functools.cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """What imports, names or calls something, in all modules: the trees are walked once for all tests."""
    kinds = (ast.Import, ast.ImportFrom, ast.Attribute, ast.Call)
    trees = ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(PACKAGE.rglob("*.py")))
    return [(path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]


def test_only_the_live_host_and_its_search_run_programs() -> None:
    """The terminal's own clean-up aside, there are two doors to programs."""
    found = set()
    for path, node in nodes():
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module.partition(".")[0]]
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            and node.attr in OS_RUNS
        ):
            names = ["subprocess"]
        if RUNS_PROGRAMS & set(names):
            found.add(str(path.relative_to(PACKAGE)))
    assert found == {"host/live.py", "host/search.py", "host/tail.py"}


def test_no_shell_reads_what_a_host_says() -> None:
    for path, node in nodes():
        if not isinstance(node, ast.Call):
            continue
        assert "shell" not in {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"
        called = ast.unparse(node.func)
        assert called not in {"eval", "exec", "os.system", "os.popen"}, f"{path}:{node.lineno}"
        if called.startswith("subprocess."):
            first = node.args[0]
            assert isinstance(first, ast.Name | ast.Tuple), (
                f"{path}:{node.lineno}: a tuple of words, not a text"
            )


def test_every_command_is_made_of_fixed_words_or_checked_names() -> None:
    """An argument that is worked out must come from a strict pattern in the same file."""
    from hardentui.resources import crypt
    from hardentui.resources.firewall.policy import firewalld
    from hardentui.resources.rsyslog import certificates
    from hardentui.resources.sshd import questions

    for path, node in nodes():
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Command", "SlowCommand"}:
            words = node.args[0]
            assert isinstance(words, ast.Tuple), f"{path}:{node.lineno}"
            made = [ast.unparse(w) for w in words.elts if not isinstance(w, ast.Constant)]
            checked = {
                "crypt.py": ["f'/dev/{device}'"],
                "questions.py": ["specification"],
                "certificates.py": ["ca", "path"],
                "firewalld.py": ["f'--ipset={name}'"],
            }
            assert set(made) <= set(checked.get(path.name, ())), f"{path}:{node.lineno}: {made}"
    for hostile in ("../sda", "-x", "a b", "sda;x", "sda\n", "$(x)", "", "a" * 80):
        assert crypt._DEVICE.fullmatch(hostile) is None
        assert firewalld.SET.fullmatch(hostile) is None
        assert certificates.question(hostile) is None
        assert certificates.chain("/etc/ca.crt", hostile) is certificates.chain(hostile, "/etc/a.crt") is None
        assert not questions.is_plain(f"user={hostile},host=h,addr=::1,laddr=::1,lport=22")


SCAN = """
import os, sys
from hardentui import hazards
from hardentui.assess import assess
from hardentui.checklist import load, shipped_folder
from hardentui.host.live import LiveHost
from hardentui.host.recording import record
from hardentui.resources import check
from hardentui.snapshot import Snapshot
checklists = load([shipped_folder()], check, hazards.PROBES)
assess(checklists.recommendations, Snapshot(LiveHost()), {})  # everything is imported now

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.chown",
           "os.truncate", "os.utime", "os.setxattr", "os.removexattr", "os.mkfifo", "os.mknod", "os.system",
           "os.exec", "os.fork", "os.kill",
           "os.putenv", "socket.connect", "socket.bind", "shutil.", "ctypes.dlopen")
seen, programs = [], []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
        if arguments[0] != os.devnull:
            seen.append((event, str(arguments[0])))
    elif event.startswith(CHANGES):
        seen.append((event, repr(arguments)))
    elif event == "subprocess.Popen":
        programs.append(arguments[0])
sys.addaudithook(watch)
snapshot = Snapshot(LiveHost())
found = assess(checklists.recommendations, snapshot, {})
record(snapshot)
watched = list(seen)
assert len(found) > 80
print(watched)
print(sorted(set(map(str, programs))))
"""


def scan(*before: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = (*before, sys.executable, "-c", SCAN)
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)


def test_a_scan_opens_nothing_for_writing_and_runs_what_it_names() -> None:
    done = scan()
    assert done.returncode == 0, done.stderr
    written, programs = done.stdout.splitlines()
    assert written == "[]"
    named = {"lsblk", "cryptsetup", "find", "sshd", "nft", "systemctl", "systemd-analyze", "auditctl"}
    named |= {"timedatectl", "chronyc", "rsyslogd", "openssl"}
    assert set(ast.literal_eval(programs)) <= named


def _system_calls(text: str) -> list[str]:
    """The calls of a trace that change something; what the test itself prints aside."""
    calls = []
    for line in text.splitlines():
        call = line.partition(" ")[2].strip() if line[:1].isdigit() else line
        if "ENOENT" in call or call.startswith(("---", "+++", "<...")):
            continue
        if call.startswith("open") and not any(
            flag in call for flag in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")
        ):
            continue
        if call.startswith("open") and ('"/dev/null"' in call or '"/dev/tty"' in call):
            continue
        calls.append(call)
    return calls


def test_a_scan_makes_no_system_call_that_changes_a_file(tmp_path: Path) -> None:
    """The same from below: its children (lsblk) included."""
    import shutil

    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    traced = (
        "open openat creat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir link "
        "linkat symlink symlinkat chmod fchmod fchmodat chown fchown fchownat lchown truncate "
        "ftruncate mknod mknodat mount umount2 setxattr fsetxattr sethostname reboot init_module "
        "finit_module"
    ).replace(" ", ",")
    trace = tmp_path / "trace"
    # With a filter in the kernel all other calls go on at once.
    done = scan("strace", "-f", "--seccomp-bpf", "-qq", "-o", str(trace), "-e", f"trace={traced}")
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip("this machine does not let strace trace")
    assert done.returncode == 0, done.stderr
    assert trace.stat().st_size > 10_000
    assert _system_calls(trace.read_text(errors="replace")) == []
