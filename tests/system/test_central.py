"""Logs leave a booted Debian for a log server beside it, by the plan; and come back home by the rollback."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from rig.machine import said
from rig.nspawn import Nspawn
from rig.product import ANSWERS, SCRIPT, Product
from rig.state import HISTORY, assert_same, state
from rig.waiting import wait_for

Note = Callable[[str], None]

SERVER = "logs.example.org"
TLS = "/etc/rsyslog-tls"
CENTRAL = {
    "log-role": "central",
    "log-port": "2514",
    "log-senders": "lab, *.lan.example.org",
    "log-ca": f"{TLS}/ca.crt",
    "log-certificate": f"{TLS}/host.crt",
    "log-key": f"{TLS}/host.key",
    "log-tls": "openssl",
    "log-tunnel": "no",
}
SENDS = CENTRAL | {
    "log-role": "sends",
    "log-server": SERVER,
    "log-programs": "cryptopy, apipy",
    "log-folder": "/var/log/cryptosrv",
}
REMOTE = "/var/log/remote/lab"


def identity(folder: Path, name: str) -> dict[str, bytes]:
    """A certificate of one authority for everybody in this folder."""
    script = f"""
    test -e ca.key || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \\
        -subj '/CN=Log CA' -keyout ca.key -out ca.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN={name}' -keyout {name}.key \\
        -out csr
    printf 'subjectAltName=DNS:{name}\\n' > ext
    openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -extfile ext -out {name}.crt
    """
    subprocess.run(("sh", "-euc", script), cwd=folder, check=True, capture_output=True)
    return {
        "ca.crt": (folder / "ca.crt").read_bytes(),
        "host.crt": (folder / f"{name}.crt").read_bytes(),
        "host.key": (folder / f"{name}.key").read_bytes(),
    }


def prepared(machine: Nspawn, files: dict[str, bytes]) -> None:
    machine.sh(f"install -d -m 0755 {TLS}; systemctl enable --quiet rsyslog 2>&1; systemctl start rsyslog")
    for name, content in files.items():
        machine.put(content, f"{TLS}/{name}", "0600" if name.endswith(".key") else "0644")


def applied(product: Product, *ids: str) -> None:
    product.plan(*ids)
    done = product.script("apply", "--deadline", "900")
    assert "failed" not in done.stdout, said(done)
    product.script("confirm")


def test_logs_arrive_at_the_server_and_the_rollback_takes_everything_back(
    host: Nspawn, tmp_path: Path, note: Note
) -> None:
    """One machine is both ends, each with a certificate of its own."""
    # What it says when it stops can then reach nobody, and it would wait for that.
    host.put(b"[Service]\nTimeoutStopSec=5\n", "/etc/systemd/system/rsyslog.service.d/stop.conf", "0644")
    host.sh("systemctl daemon-reload")
    prepared(host, identity(tmp_path, "lab"))
    of_server = identity(tmp_path, SERVER)
    host.put(of_server["host.crt"], f"{TLS}/server.crt", "0644")
    host.put(of_server["host.key"], f"{TLS}/server.key", "0600")
    host.sh(f"echo '127.0.0.1 {SERVER}' >> /etc/hosts")
    before = state(host)

    names = {"log-certificate": f"{TLS}/server.crt", "log-key": f"{TLS}/server.key"}
    server = Product(host, ANSWERS | CENTRAL | names)
    applied(server, "td3.central-imrelp")
    found = server.scan()
    passing = (
        "td3.central-imrelp",
        "td3.central-omfile-host-date",
        "central.listeners-secure",
        "central.keys",
    )
    assert not found.not_passing(passing)
    assert ":2514" in host.sh("ss -Hltn sport = :2514")
    host.sh(f"mv {SCRIPT} /root/server.sh")

    sender = Product(host, ANSWERS | SENDS)
    assert sender.scan(plan=False)["td3.relay-relp"]["result"] == "fail"
    applied(sender, "td3.relay-relp", "td3.rsyslog-omfile")
    found = sender.scan()
    passing = (
        *("td3.relay-relp", "td3.rsyslog-omfile", "td3.relay-auth-authpriv", "central.real-time-export"),
        *("central.queues", "central.secure-protocols", "derived.rsyslog-secpath", "central.identify-source"),
    )
    assert not found.not_passing(passing)

    host.sh("logger -t cryptopy said-by-cryptopy; logger -p authpriv.info said-of-a-login")
    wait_for(
        "the message", 30, lambda: "said-of-a-login" in host.sh(f"cat {REMOTE}/*.log 2>/dev/null || true")
    )
    stored = host.sh(f"cd {REMOTE} && stat -c '%a %U:%G %n' . *.log && date +%F")
    day = stored.split()[-1]
    assert stored.splitlines()[:-1] == ["750 root:adm .", f"640 root:adm lab-{day}.log"]
    text = host.get(f"{REMOTE}/lab-{day}.log")
    assert "said-by-cryptopy" in text
    assert " 127.0.0.1 authpriv.info " in text
    assert "said-by-cryptopy" in host.get(f"/var/log/cryptosrv/cryptopy-{day}.log")
    assert host.sh("stat -c %a /var/log/cryptosrv/*.log") == "640\n"
    note(f"central: {text.splitlines()[0]}")

    host.sh("touch /etc/rsyslog.d/99-later.conf")
    assert "restart pending" in sender.scan()["td3.relay-relp"]["message"]
    host.sh("rm /etc/rsyslog.d/99-later.conf; systemctl restart rsyslog")
    sender.script("rollback")
    assert host.login(["bash", "/root/server.sh", "rollback"]).returncode == 0
    assert not host.sh("ls /etc/rsyslog.d").strip()
    assert "2514" not in host.sh("ss -Hltn sport = :2514")
    assert host.sh("systemctl is-active rsyslog") == "active\n"
    host.sh("logger said-at-the-end")
    wait_for("the local file", 30, lambda: "said-at-the-end" in host.get("/var/log/syslog"))
    assert "said-at-the-end" not in host.sh(f"cat {REMOTE}/*.log")
    assert_same(before, state(host), "after both rollbacks", ignored=HISTORY)
