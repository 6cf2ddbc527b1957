"""What isolates programs, on a booted system: the services of the lab, and what the kernel says of each."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping

from rig.nspawn import Nspawn
from rig.product import Product

Note = Callable[[str], None]

# A stand-in for the cryptographic service of the lab: it answers with the HMAC of what it reads.
CRYPTO = textwrap.dedent("""
    #!/usr/bin/python3
    import hmac, os, socket
    key = open(os.environ["KEY_PATH"], "rb").read()
    heard = socket.socket(socket.AF_UNIX)
    heard.bind(os.environ["SOCKET_PATH"])
    heard.listen()
    while True:
        client, _ = heard.accept()
        client.sendall(hmac.digest(key, client.recv(4096), "sha256"))
        client.close()
""").lstrip()
UNIT = """\
[Service]
User=cryptopy
Group=cryptosrv
Environment=SOCKET_PATH=/run/cryptopy/crypto.sock KEY_PATH=/etc/cryptosrv/key.bin
RuntimeDirectory=cryptopy
RuntimeDirectoryMode=0750
UMask=0117
ExecStart=/usr/local/lib/cryptosrv/crypto.py
NoNewPrivileges=yes
PrivateTmp=yes
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
SystemCallFilter=@system-service
CapabilityBoundingSet=
"""
INSTALL = """\
groupadd --system cryptosrv
useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cryptopy
useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin stranger
chmod 0755 /usr/local/lib/cryptosrv
install -d -m 0750 -o root -g cryptosrv /etc/cryptosrv
(umask 077; head -c 32 /dev/urandom > /etc/cryptosrv/key.bin)
chown cryptopy: /etc/cryptosrv/key.bin
chmod 0400 /etc/cryptosrv/key.bin
systemctl daemon-reload
systemctl start cryptopy.service
for _ in $(seq 100); do [ -S /run/cryptopy/crypto.sock ] && exit 0; sleep 0.1; done
exit 1
"""
ASK = (
    "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/cryptopy/crypto.sock');"
    " s.sendall(b'Hello world'); print(len(s.recv(64)))"
)
LAB = (
    "td2.create-accounts",
    "td2.deploy-fhs",
    "td2.crypto-env",
    "td2.key-bin",
    "td2.crypto-socket-umask",
    "td2.unix-socket",
)


def restarted(host: Nspawn, unit: str) -> None:
    host.put(unit.encode(), "/etc/systemd/system/cryptopy.service", "0644")
    restart = "systemctl daemon-reload; systemctl restart cryptopy.service"
    wait = "for _ in $(seq 100); do [ -S /run/cryptopy/crypto.sock ] && exit 0; sleep 0.1; done; exit 1"
    host.sh(f"{restart}; {wait}")


def shown(finding: Mapping[str, object]) -> Mapping[str, str]:
    places = finding["provenance"]
    assert isinstance(places, list)
    return {place["place"]: place["text"] for place in places}


def test_the_service_of_the_lab_is_judged_as_it_really_is(host: Nspawn, note: Note) -> None:
    product = Product(host)
    before = product.scan(plan=False)
    assert {before[id_]["result"] for id_ in LAB} == {"notapplicable"}

    host.put(CRYPTO.encode(), "/usr/local/lib/cryptosrv/crypto.py", "0755")
    host.put(UNIT.encode(), "/etc/systemd/system/cryptopy.service", "0644")
    host.sh(INSTALL)
    assert (
        host.run(
            ["setpriv", "--reuid=stranger", "--regid=cryptosrv", "--clear-groups", "python3", "-c", ASK]
        ).stdout
        == "32\n"
    )
    refused = host.run(
        ["setpriv", "--reuid=stranger", "--regid=stranger", "--clear-groups", "python3", "-c", ASK]
    )
    assert "PermissionError" in refused.stderr

    found = product.scan(plan=False)
    assert found.not_passing(LAB) == []
    names = shown(found["namespaces.intro"])
    assert "cryptopy.service" in names["net"]
    assert "cryptopy.service" in names["mnt"]
    assert "cryptopy.service" in shown(found["seccomp.strict"])
    assert "ssh.service" in str(found["seccomp.filter"]["running"])  # nobody filters it, or its sessions
    services = host.sh(
        "systemctl list-units --type=service --state=running --plain --no-legend | cut -d' ' -f1"
    )
    tree = shown(found["cgroups.system-slice"])
    inside = ", ".join(text for slice_, text in tree.items() if "system.slice" in slice_)
    assert {name for name in services.split() if "@" not in name} <= set(inside.split(", "))

    faulty = (
        UNIT.replace("UMask=0117", "UMask=0000")
        .replace("User=cryptopy\n", "")
        .replace("AF_UNIX", "AF_UNIX AF_INET")
    )
    faulty = faulty.replace("PrivateNetwork=yes\n", "").replace("KEY_PATH=", "API_TOKEN=geheim KEY_PATH=")
    host.sh("chmod 0644 /etc/cryptosrv/key.bin; chown -R cryptopy /usr/local/lib/cryptosrv")
    restarted(host, faulty)
    found = product.scan(plan=False)
    wrong = [found.line(id_) for id_ in LAB]
    assert {found[id_]["running"] for id_ in LAB} == {"cryptopy.service"}, wrong
    assert "geheim" not in str(found.by_id)
    note("the lab's service: passed as written, and each of its six faults named")


def test_a_chroot_of_root_is_found_by_its_root(host: Nspawn, note: Note) -> None:
    program = "import os, time; os.chroot('/srv/old'); time.sleep(1e6)"
    host.sh('mkdir -p /srv/old; systemd-run --quiet --unit=old -p Type=exec python3 -c "$1"', program)
    moved = '[ "$(readlink "/proc/$(systemctl show -P MainPID old)/root")" = /srv/old ]'
    host.sh(f"for _ in $(seq 100); do {moved} && exit 0; sleep 0.1; done; exit 1")
    found = Product(host).scan(plan=False)
    assert found["chroot.definition"]["running"] == "/srv/old 1"
    assert found["chroot.needs-privileges"]["running"] == "old.service"
    note("a chroot of root: found by its root, and told that it holds nothing")
