"""What is said to be recorded, is: events are provoked on a booted host, and looked for where it was said."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import pyte
import pytest
from rig.machine import Machine
from rig.nspawn import FSTAB, Nspawn
from rig.product import HOME, Product
from rig.waiting import wait_for

from hardentui.host.tail import journal_record, syslog_records
from hardentui.resources.events.classify import classify

ON_DISK = "".join(line for line in FSTAB.splitlines(keepends=True) if "/var/log" not in line)


def as_admin(*argv: str) -> Callable[[Nspawn], object]:
    return lambda host: host.login(list(argv), user="admin")


def shell(script: str) -> Callable[[Nspawn], object]:
    return lambda host: host.run(["/bin/sh", "-c", script])


# What a trainer would type, and on a container can: nothing here touches the kernel that all share.
PROVOKED: Mapping[str, Callable[[Nspawn], object]] = {
    "ssh-login": lambda host: host.login(["true"]),
    "failed-login": lambda host: host.login(["true"], user="nobody-there"),
    "su": shell("su admin -c true"),
    "sudo": as_admin("sudo", "-n", "true"),
    "sudo-refused": shell("su lab -c 'echo wrong | sudo -S true'"),
    "user-changed": shell("useradd lab-event; userdel lab-event"),
    "group-changed": shell("groupadd lab-group; groupdel lab-group"),
    "password-changed": shell("chage --mindays 0 lab"),
    "account-files": shell("touch /etc/passwd"),
    "sudoers-changed": shell("touch /etc/sudoers"),
    "ssh-policy": shell("touch /etc/ssh/sshd_config"),
    "log-policy": shell("touch /etc/rsyslog.conf"),
    "firewall-policy": shell("nft add table inet lab; nft delete table inet lab"),
    "network-changed": shell("touch /etc/hosts"),
    "access-denied": as_admin("cat", "/etc/shadow"),
    "file-deleted": as_admin("sh", "-c", "touch lab; rm lab"),
    "rights-changed": as_admin("sh", "-c", "touch lab; chmod 600 lab"),
    "program-started": as_admin("id"),
    "service-changed": shell("systemctl restart cron"),
    "mount": shell("mount -t tmpfs lab /mnt; umount /mnt"),
    "time-changed": shell("touch /etc/localtime"),
}


def told(host: Machine, side: str) -> dict[str, Mapping[str, Any]]:
    content = json.loads(Product(host).call("events", "--json", allowed=(0, 3)).stdout)
    return {one["id"]: one[side] for one in content["classes"]}


def stores(side: Mapping[str, Any]) -> set[str]:
    return {store["place"] for witness in side["witnesses"] for store in witness["stores"]}


def found_in(host: Nspawn, store: str) -> set[str]:
    """The classes of which a store holds a record."""
    if store == "journal":
        lines = host.sh("journalctl --output=json --no-pager").splitlines()
        records = [record for line in lines if (record := journal_record(line)) is not None]
    else:
        records = list(syslog_records(host.get(store).splitlines(), store))
    return {kind.id for record in records if (kind := classify(record)) is not None}


def binary(host: Nspawn, store: str) -> str:
    return host.run(["last" if store.endswith("wtmp") else "lastb", "--file", store]).stdout


def check(host: Nspawn, predicted: Mapping[str, Mapping[str, Any]], kinds: set[str]) -> tuple[int, int]:
    """Every class stands in each store that was named; one that nobody records stands nowhere."""
    host.sh("journalctl --sync; systemctl kill --signal=HUP rsyslog.service 2>/dev/null || true")
    named = {store for kind in kinds for store in stores(predicted[kind])}
    texts = {store for store in named if not store.endswith("tmp")}
    everywhere = {"journal"} | texts
    holds = {store: found_in(host, store) for store in sorted(everywhere)}
    recorded = lost = 0
    for kind in sorted(kinds):
        if predicted[kind]["state"] == "lost":
            lost += 1
            assert not [store for store, known in holds.items() if kind in known], kind
            continue
        recorded += 1
        for store in stores(predicted[kind]):
            if store in holds:
                assert kind in holds[store], (kind, store)
            else:
                assert ("nobody-t" if store.endswith("btmp") else "reboot") in binary(host, store), (
                    kind,
                    store,
                )
    return recorded, lost


def test_each_event_is_where_it_was_said_and_nowhere_else(host: Nspawn, note: Callable[[str], None]) -> None:
    host.sh("useradd lab; chage --mindays 1 lab; : > /mnt/.keep || true")
    predicted = told(host, "now")
    # The lab has no syslog daemon yet, and its logs lie in memory.
    assert {predicted[kind]["state"] for kind in ("sudo", "su", "user-changed")} == {"passing"}
    for provoke in PROVOKED.values():
        provoke(host)
    recorded, lost = check(host, predicted, set(PROVOKED))
    note(f"journal in memory: {recorded} classes found where they were said, {lost} nowhere, as said")

    host.put(ON_DISK.encode(), "/etc/fstab", "0644")
    host.sh("systemctl enable rsyslog.service; echo '@reboot root true' > /etc/cron.d/lab")
    after = told(host, "boot")
    host.reboot()
    now = told(host, "now")
    assert {kind: side["state"] for kind, side in now.items()} == {
        kind: side["state"] for kind, side in after.items()
    }
    assert {now[kind]["state"] for kind in ("sudo", "su", "user-changed", "boot")} == {"kept"}
    assert "/var/log/auth.log" in stores(now["sudo"])
    for provoke in PROVOKED.values():
        provoke(host)
    kinds = {*PROVOKED, "boot", "scheduled-job"}
    recorded, lost = check(host, now, kinds)
    note(f"rsyslog, logs on disk: {recorded} classes found where they were said, {lost} nowhere, as said")

    host.reboot()
    for store in ("/var/log/auth.log", "/var/log/syslog"):
        kept = {kind for kind in kinds if now[kind]["state"] == "kept" and store in stores(now[kind])}
        assert kept <= found_in(host, store)


def test_the_log_of_nginx_is_in_its_hands_once_it_was_reopened(host: Nspawn) -> None:
    """nginx makes its logs as root, and gives them to its workers when they are rotated."""
    log, workers = "/var/log/nginx/access.log", "setpriv --reuid www-data --regid www-data --clear-groups"
    host.sh("systemctl start nginx")

    def judged() -> str:
        return str(Product(host).scan(plan=False)["log.service-logs"]["result"])

    def workers_may() -> bool:
        return host.run(["sh", "-c", f"{workers} test -w {log}"]).returncode == 0

    assert (judged(), workers_may()) == ("pass", False)
    host.sh("nginx -s reopen")
    wait_for("another owner of the log", 60, workers_may, every=0.05)
    assert judged() == "fail"


class Follower:
    """`hardentui events --follow` in the machine, read line by line."""

    def __init__(self, host: Nspawn, *words: str, user: str = "") -> None:
        # A run below nohup ignores that signal, and so would all that it starts.
        argv = ["env", "--default-signal=HUP", f"PYTHONPATH={HOME}", "LANGUAGE=en"]
        argv += ["python3", "-u", "-m", "hardentui"]
        inside = host.inside([*(["setpriv", "--reuid", user, "--clear-groups"] if user else []), *argv])
        self.process = subprocess.Popen(
            [*inside, "events", "--follow", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def says(self, *words: str) -> bool:
        assert self.process.stdout is not None
        self.text += (self.process.stdout.read() or b"").decode()
        return any(all(word in line for word in words) for line in self.text.splitlines())

    def wait(self, *words: str) -> None:
        wait_for(f"{words} in what is followed: {self.text}", 60, lambda: self.says(*words), every=0.05)


def journalctls(host: Nspawn) -> str:
    return host.run(["pgrep", "--full", "journalctl --follow"]).stdout.strip()


@pytest.mark.parametrize("end", ["TERM", "HUP", "KILL"])
def test_events_are_shown_as_they_come_and_no_child_stays(host: Nspawn, end: str) -> None:
    with Follower(host) as follower:
        follower.wait("following journal")
        for kind in ("ssh-login", "sudo", "user-changed", "failed-login"):
            PROVOKED[kind](host)
            follower.wait(f"  {kind} ")
        assert journalctls(host)
        host.run(["pkill", "--signal", end, "--full", "hardentui events --follow"], check=True)
        wait_for("the end of journalctl", 60, lambda: not journalctls(host), every=0.05)


def test_one_class_alone_is_shown_and_a_flood_stops_nothing(host: Nspawn) -> None:
    with Follower(host, "sudo") as follower:
        follower.wait("to try it: sudo true")
        PROVOKED["user-changed"](host)
        host.sh("yes 'a line of a flood' | head -n 60000 | logger -t flood")
        PROVOKED["sudo"](host)
        follower.wait("  sudo ", "COMMAND=/usr/bin/true")
        assert "user-changed" not in follower.text


def test_who_may_not_read_the_journal_is_told_so(host: Nspawn) -> None:
    with Follower(host, user="nobody") as follower:
        follower.wait("journal cannot be followed: not readable without root")
        assert follower.process.wait(20) == 3


class Screen:
    """The assistant in the machine, on a pseudo-terminal whose screen pyte keeps."""

    def __init__(self, host: Nspawn) -> None:
        self.screen = pyte.Screen(120, 36)
        self.stream = pyte.ByteStream(self.screen)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        words = [f"PYTHONPATH={HOME}", "LANGUAGE=en", "TERM=xterm-256color", "LC_ALL=C.UTF-8"]
        self.process = subprocess.Popen(
            host.inside(["env", *words, "python3", "-m", "hardentui"]),
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    def shows(self, text: str) -> bool:
        while select.select([self.master], [], [], 0.05)[0]:
            self.stream.feed(os.read(self.master, 65536))
        return text in "\n".join(self.screen.display)

    def wait(self, text: str) -> None:
        wait_for(f"{text!r} on the screen", 60, lambda: self.shows(text), every=0.01)

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())


def test_the_screen_shows_what_is_provoked_and_leaves_no_child_when_the_line_drops(
    host: Nspawn, note: Callable[[str], None]
) -> None:
    screen = Screen(host)
    screen.wait("Saved at each decision")
    screen.press("E")
    screen.wait("Live: journal")
    began = time.monotonic()
    PROVOKED["user-changed"](host)
    screen.wait("useradd: new user: name=lab-event")
    note(f"an event stood on the screen {time.monotonic() - began:.1f} s after it was provoked")
    assert journalctls(host)
    os.close(screen.master)  # the line drops: nobody says goodbye
    wait_for("the end of the assistant", 30, lambda: screen.process.poll() is not None)
    wait_for("the end of journalctl", 60, lambda: not journalctls(host), every=0.05)
