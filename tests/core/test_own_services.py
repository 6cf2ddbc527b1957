"""Services that were written on a host: the two of the lab as they should be, and each of their faults."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.host.recording import record
from hardentui.model import Result
from hardentui.resources.own_services.units import settings_of
from hardentui.snapshot import Account, File, Kind, Reason, Snapshot, Socket, Status, Unread, without_secrets

from . import hosts
from .isolated import judged, of, passed_without, texts

CRYPTO = """\
[Unit]
Description=HMAC service
[Service]
User=cryptopy
Group=cryptosrv
Environment=SOCKET_PATH=/run/cryptopy/crypto.sock KEY_PATH=/etc/cryptosrv/key.bin
RuntimeDirectory=cryptopy
RuntimeDirectoryMode=0750
UMask=0117
ExecStart=/usr/local/lib/cryptosrv/crypto.py
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX
"""
API = """\
[Service]
User=apipy
Group=www-data
SupplementaryGroups=cryptosrv
Environment=SOCKET_PATH=/run/cryptopy/crypto.sock
RuntimeDirectory=apipy
RuntimeDirectoryMode=0750
UMask=0117
RestrictAddressFamilies=AF_UNIX
ExecStart=/usr/bin/uwsgi-core --plugin python3 --socket /run/apipy/uwsgi.sock --module api:app
"""
ETC = "/etc/systemd/system"
PEOPLE = (
    Account("root", 0, 0, "/root", "/bin/bash"),
    Account("cryptopy", 990, 990, "/nonexistent", "/usr/sbin/nologin"),
    Account("apipy", 991, 991, "/nonexistent", "/usr/sbin/nologin"),
    Account("alice", 1000, 1000, "/home/alice", "/bin/bash"),
)


def status(mode: int, user: str = "root", group: str = "root", kind: Kind = Kind.FILE) -> Status:
    uid = {"root": 0, "cryptopy": 990, "apipy": 991, "alice": 1000}[user]
    return Status(kind, mode, uid, 0, user, group, 32, "8:1")


STATS = {
    "/usr/local/lib/cryptosrv": status(0o755, kind=Kind.FOLDER),
    "/usr/local/lib/cryptosrv/crypto.py": status(0o755),
    "/usr/bin/uwsgi-core": status(0o755),
    "/etc/cryptosrv/key.bin": status(0o400, "cryptopy", "cryptopy"),
    "/run/cryptopy": status(0o750, "cryptopy", "cryptosrv", Kind.FOLDER),
    "/run/cryptopy/crypto.sock": status(0o660, "cryptopy", "cryptosrv", Kind.SOCKET),
    "/run/apipy": status(0o750, "apipy", "www-data", Kind.FOLDER),
    "/run/apipy/uwsgi.sock": status(0o660, "apipy", "www-data", Kind.SOCKET),
}
SOCKETS = (
    Socket("unix", "/run/cryptopy/crypto.sock", 0, "python3", 70, "cryptopy", "cryptopy.service"),
    Socket("unix", "/run/apipy/uwsgi.sock", 0, "uwsgi-core", 71, "apipy", "apipy.service"),
)


def lab(crypto: str = CRYPTO, stats=None, sockets=SOCKETS, files=None, **changes):
    units = {f"{ETC}/cryptopy.service": crypto, f"{ETC}/apipy.service": API}
    return hosts.server(
        files=units | (files or {}), stats=STATS | (stats or {}), sockets=sockets, accounts=PEOPLE, **changes
    )


OWN = of("own-services")


@pytest.mark.parametrize("id_", OWN)
def test_the_family_of_the_distribution_does_not_matter(id_: str) -> None:
    assert judged(id_, lab(distribution=hosts.ALMA)).result is Result.PASS


@pytest.mark.parametrize("id_", OWN)
def test_the_lab_as_it_should_be_passes_and_a_host_without_own_services_is_not_asked(id_: str) -> None:
    assert judged(id_, lab()).result is Result.PASS
    assert judged(id_, hosts.server()).result is Result.NOTAPPLICABLE


@pytest.mark.parametrize("id_", OWN)
def test_nothing_of_the_lab_passes_without_what_it_was_judged_by(id_: str) -> None:
    assert passed_without(id_, lab()) == []


def without(line: str) -> str:
    assert line in CRYPTO
    return CRYPTO.replace(f"{line}\n", "")


def instead(line: str, other: str) -> str:
    assert line in CRYPTO
    return CRYPTO.replace(line, other)


@pytest.mark.parametrize(
    ("id_", "crypto", "stats", "why"),
    [
        ("td2.create-accounts", without("User=cryptopy"), {}, "root"),
        ("td2.create-accounts", instead("User=cryptopy", "User=0"), {}, "root"),
        ("td2.create-accounts", instead("User=cryptopy", "User=alice"), {}, "/bin/bash"),
        ("td2.create-accounts", instead("User=cryptopy", "User=nobody-knows"), {}, "nobody-knows"),
        ("td2.create-accounts", instead("User=cryptopy", "User=apipy"), {}, "apipy"),
        ("td2.deploy-fhs", instead("/usr/local/lib/cryptosrv", "/home/alice"), {}, "/home/alice"),
        (
            "td2.deploy-fhs",
            CRYPTO,
            {"/usr/local/lib/cryptosrv/crypto.py": status(0o755, "cryptopy")},
            "crypto.py",
        ),
        ("td2.deploy-fhs", CRYPTO, {"/usr/local/lib/cryptosrv": status(0o777, kind=Kind.FOLDER)}, "0777"),
        (
            "td2.deploy-fhs",
            instead("ExecStart=/usr", "ExecStart=-/usr/bin/python3 -u /usr"),
            {"/usr/local/lib/cryptosrv/crypto.py": status(0o775)},
            "0775",
        ),
        ("td2.deploy-fhs", CRYPTO, {"/usr/local": status(0o775, "alice", kind=Kind.FOLDER)}, "0775"),
        ("td2.deploy-fhs", f"{CRYPTO}ExecStartPre=+/home/alice/prepare\n", {}, "/home/alice/prepare"),
        ("td2.crypto-env", instead("KEY_PATH=/etc/cryptosrv/key.bin", "API_TOKEN=geheim"), {}, "API_TOKEN"),
        ("td2.crypto-env", instead("KEY_PATH=/etc/cryptosrv/key.bin", "PGPASSWORD=geheim"), {}, "PGPASS"),
        (
            "td2.crypto-env",
            instead("KEY_PATH=/etc/cryptosrv/key.bin", '"DB_PASSWORD=two words"'),
            {},
            "DB_PASSWORD",
        ),
        ("td2.key-bin", CRYPTO, {"/etc/cryptosrv/key.bin": status(0o440, "cryptopy")}, "0440"),
        ("td2.key-bin", CRYPTO, {"/etc/cryptosrv/key.bin": status(0o400, "alice")}, "alice"),
        ("td2.key-bin", instead("/etc/cryptosrv/key.bin", "/home/alice/key.bin"), {}, "/home/alice/key.bin"),
        (
            "td2.crypto-socket-umask",
            CRYPTO,
            {"/run/cryptopy": status(0o755, "cryptopy", kind=Kind.FOLDER)},
            "0755",
        ),
        (
            "td2.crypto-socket-umask",
            CRYPTO,
            {"/run/cryptopy/crypto.sock": status(0o777, "cryptopy", kind=Kind.SOCKET)},
            "0777",
        ),
        ("td2.crypto-socket-umask", without("RuntimeDirectoryMode=0750"), {}, "RuntimeDirectoryMode=0755"),
        ("td2.crypto-socket-umask", without("RuntimeDirectory=cryptopy"), {}, "crypto.sock"),
    ],
)
def test_each_fault_is_named_with_the_service_that_has_it(id_, crypto, stats, why) -> None:
    finding = judged(id_, lab(crypto, stats))
    assert finding.result is Result.FAIL
    assert "cryptopy.service" in finding.running
    assert why in texts(finding)["cryptopy.service"]


LINK = status(0o777, kind=Kind.LINK)


def linked(links, stats=None):
    """What is said of code that lies behind these links."""
    changes = {**dict.fromkeys(links, LINK), **(stats or {})}
    crypto = instead("/usr/local/lib/cryptosrv/crypto.py", "/opt/crypto/run")
    return judged("td2.deploy-fhs", lab(crypto, changes, links=links))


@pytest.mark.parametrize(
    ("links", "stats", "why"),
    [
        ({"/opt/crypto/run": "/home/bob/run"}, {}, "/home/bob/run does not belong there"),
        ({"/opt/crypto/run": "../../home/bob/run"}, {}, "/home/bob/run does not belong there"),
        ({"/opt/crypto": "/srv/crypto"}, {"/srv/crypto/run": status(0o775)}, "/srv/crypto/run 0775"),
        ({"/opt/crypto": "v2/x", "/opt/v2": "/data"}, {"/data": status(0o755, "alice")}, "/data 0755 alice"),
        ({"/opt/crypto/run": "/srv/current/../run"}, {"/srv": status(0o777)}, "/srv 0777"),
    ],
)
def test_code_is_judged_where_its_links_lead(links, stats, why) -> None:
    finding = linked(links, stats)
    assert finding.result is Result.FAIL
    assert why in texts(finding)["cryptopy.service"]


def test_links_between_folders_of_root_are_no_fault_and_one_that_cannot_be_followed_is_a_gap() -> None:
    assert linked({"/opt/crypto/run": "/usr/lib/crypto/run", "/usr/lib": "lib64"}).result is Result.PASS
    assert linked({"/opt/crypto/run": "run"}).result is Result.UNKNOWN
    assert linked({"/opt/crypto": "/opt/b", "/opt/b": "crypto"}).result is Result.UNKNOWN
    assert linked({}, {"/opt/crypto/run": LINK}).result is Result.UNKNOWN


def test_a_service_on_local_sockets_that_may_open_others_is_shown() -> None:
    finding = judged("td2.unix-socket", lab(without("RestrictAddressFamilies=AF_UNIX")))
    assert finding.result is Result.INFORMATIONAL
    assert "cryptopy.service" in finding.message
    private = instead("RestrictAddressFamilies=AF_UNIX", "PrivateNetwork=yes")
    assert judged("td2.unix-socket", lab(private)).result is Result.PASS


def test_an_account_that_systemd_makes_up_is_no_fault() -> None:
    dynamic = instead("User=cryptopy", "DynamicUser=yes")
    assert judged("td2.create-accounts", lab(dynamic)).result is Result.PASS
    named = instead("User=cryptopy", "DynamicUser=yes\nUser=made-up")
    assert judged("td2.create-accounts", lab(named)).result is Result.PASS


def test_an_account_that_only_the_start_or_a_directory_tells_is_neither_missing_nor_right() -> None:
    template = instead("User=cryptopy", "User=web-%i")
    assert judged("td2.create-accounts", lab(template)).result is Result.UNKNOWN
    directory = lab(instead("User=cryptopy", "User=people"))
    assert judged("td2.create-accounts", directory).result is Result.FAIL
    directory.files["/etc/nsswitch.conf"] = "passwd: files ldap\n"
    assert judged("td2.create-accounts", directory).result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("id_", "changes"),
    [
        ("td2.create-accounts", {"files": {f"{ETC}/x.service": Unread(Reason.DENIED)}}),
        ("td2.create-accounts", {"files": {f"{ETC}/apipy.service.d/x.conf": Unread(Reason.DENIED)}}),
        ("td2.key-bin", {"stats": {"/etc/cryptosrv/key.bin": Unread(Reason.DENIED)}}),
        ("td2.deploy-fhs", {"stats": {"/usr/local/lib/cryptosrv/crypto.py": Unread(Reason.DENIED)}}),
        ("td2.crypto-socket-umask", {"stats": {"/run/apipy/uwsgi.sock": Unread(Reason.DENIED)}}),
        ("td2.crypto-socket-umask", {"sockets": Unread(Reason.DENIED)}),
    ],
)
def test_what_cannot_be_read_passes_nothing(id_, changes) -> None:
    assert judged(id_, lab(**changes)).result is Result.UNKNOWN


def test_drop_ins_count_in_their_order_and_aliases_masks_and_snaps_are_left_out() -> None:
    files = {
        f"{ETC}/cryptopy.service.d/90-later.conf": "[Service]\nUser=cryptopy\n",
        f"{ETC}/cryptopy.service.d/10-first.conf": "[Service]\nUser=root\n",
        f"{ETC}/masked.service": "",
        f"{ETC}/snap.lxd.daemon.service": "[Service]\nExecStart=/usr/bin/snap run lxd.daemon\n",
    }
    host = lab(files=files, links={f"{ETC}/dbus-org.service": "/usr/lib/systemd/system/x.service"})
    finding = judged("td2.create-accounts", host)
    assert finding.result is Result.PASS
    assert set(texts(finding)) == {"cryptopy.service", "apipy.service"}


@pytest.mark.parametrize(
    "path",
    [
        f"{ETC}/service.d/all.conf",
        f"{ETC}/web-.service.d/x.conf",
        f"{ETC}/web-shop-.service.d/x.conf",
        f"{ETC}/web-shop-eu@.service.d/x.conf",
        "/lib/systemd/system/web-shop-eu@de.service.d/x.conf",
    ],
)
def test_drop_ins_count_under_every_name_by_which_systemd_looks_for_them(path: str) -> None:
    unit = f"{ETC}/web-shop-eu@de.service"
    plain = lab(files={unit: CRYPTO.replace("User=cryptopy", "DynamicUser=yes")})
    assert judged("td2.crypto-env", plain).result is Result.PASS
    told = lab(files=plain.files | {path: "[Service]\nEnvironment=API_TOKEN=geheim\n"})
    finding = judged("td2.crypto-env", told)
    assert finding.result is Result.FAIL
    assert "web-shop-eu@de.service" in str(finding.running)


def test_no_secret_of_a_unit_is_recorded() -> None:
    given = (
        "#Environment=OLD=geheim0\n"
        'Environment=AWS=AKIA1 "PHRASE=geheim wort" \\\n  # TOKEN=geheim1\n  MORE=geheim2\n'
        "SetCredential=k:geheim3\n"
        "ExecStartPre=/usr/bin/x --api-key geheim6 -e 'DB_TOKEN=geheim7' --token=\"geheim 8\"\n"
    )
    crypto = CRYPTO.replace("Environment=", f"{given}Environment=")
    crypto = crypto.replace("crypto.py\n", "crypto.py --password=geheim4\n")
    snapshot = Snapshot(
        lab(
            crypto,
            files={
                f"{ETC}/apipy.service.d/x.conf": "[Service]\nEnvironment=A=geheim5\n",
                f"{ETC}/service.d/all.conf": "[Service]\nEnvironment=A=geheim9\n",
            },
        )
    )
    for path in (
        f"{ETC}/cryptopy.service",
        f"{ETC}/apipy.service.d/x.conf",
        f"{ETC}/service.d/all.conf",
    ):
        snapshot.ask(File(path))
    recorded = record(snapshot)
    assert "geheim" not in recorded
    assert "AKIA1" not in recorded
    assert "KEY_PATH=/etc/cryptosrv/key.bin" in recorded


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("DATABASE_URL=postgres://web:geheim@db/shop", Result.FAIL),
        ('"BROKER=amqp://:geheim@db"', Result.FAIL),
        ("'DSN=host=db user=web password=geheim'", Result.FAIL),
        ("JAVA_OPTS=-Djavax.net.ssl.trustStorePassword=geheim", Result.FAIL),
        ("DATABASE_URL=postgres://web@db/shop", Result.PASS),
        ("IMAGE=https://registry:5000/web@sha256:geheim", Result.PASS),
    ],
)
def test_a_login_in_a_variable_is_a_secret_whatever_its_name_and_in_a_recording_too(value, result) -> None:
    host = lab(instead("KEY_PATH=/etc/cryptosrv/key.bin", value))
    live = judged("td2.crypto-env", host)
    assert live.result is result
    path = File(f"{ETC}/cryptopy.service")
    cut = str(without_secrets(path, host.files[path.path]))
    assert "geheim" not in cut
    assert without_secrets(path, cut) == cut, "it is cut again when a recording is read"
    assert judged("td2.crypto-env", lab(cut)).running == live.running


@pytest.mark.parametrize(
    "command",
    [
        "/usr/bin/mysqldump -u root -pgeheim shop",
        "/usr/bin/mysqldump -u root -p geheim",
        "/usr/bin/mariadb-dump -p=geheim",
        'mysql "-pgeheim" shop',
        "mysql -p 'geheim wort'",
        "/bin/sh -c 'mysqldump -uroot -pgeheim shop | gzip'",
        "/usr/bin/mysql \\\n  -u root -p \\\n  geheim",
        "sshpass -p geheim ssh web",
        "redis-cli -a geheim ping",
        "ldapsearch -x -w geheim -D cn=web",
        "mosquitto_pub -u web -P geheim -t x",
        "curl -u web:geheim https://x",
        "curl --user=web:geheim https://x",
        "/opt/x --password geheim --db shop",
        "/opt/x --db-password 'geheim wort'",
    ],
)
def test_a_secret_behind_a_flag_of_a_program_is_cut(command: str) -> None:
    path, text = File("/etc/systemd/system/web.service"), f"[Service]\nExecStart={command}\nUser=web\n"
    cut = str(without_secrets(path, text))
    assert "geheim" not in cut
    assert "wort" not in cut
    assert cut.endswith("\nUser=web\n")
    assert cut.count("\\\n") == text.count("\\\n"), "lines that go on still do"
    assert without_secrets(path, cut) == cut


def test_a_short_flag_that_names_a_port_stays() -> None:
    text = (
        "[Service]\nExecStart=/usr/sbin/sshd -D -p 2222\nExecStart=docker run -p 80:80 web\nPIDFile=/run/x\n"
    )
    assert without_secrets(File("/etc/systemd/system/web.service"), text) == text
    asking = "[Service]\nExecStart=mysql -p -u root\n"
    assert without_secrets(File("/etc/systemd/system/web.service"), asking) == asking


def test_what_only_looks_like_a_secret_of_a_unit_stays() -> None:
    text = (
        "[Service]\nUser=web-%i\nLoadCredential=token:/etc/web/token\nExecStart=/usr/bin/x --secret /etc/x\n"
    )
    assert without_secrets(File("/etc/systemd/system/web@.service"), text) == text


@given(st.text())
def test_no_unit_file_breaks_a_view(text: str) -> None:
    host = lab(
        text, files={f"{ETC}/cryptopy.service.d/a.conf": f"[Service]\nEnvironment={text}\nExecStart={text}\n"}
    )
    for id_ in OWN:
        assert judged(id_, host).result is not Result.ERROR


@given(st.lists(st.sampled_from(['A="b c"', "'D=e f'", "G=h", "K=/etc/k", "\\\n", '"', "'", "= "])))
def test_values_are_cut_wherever_the_quotes_stand(words: list[str]) -> None:
    text = "[Service]\nEnvironment=" + " ".join(words) + "\nUser=x\n"
    cut = str(without_secrets(File("/etc/systemd/system/a.service"), text))
    assert not {"b", "c", "e", "f", "h"} & set(
        cut.removeprefix("[Service]\nEnvironment=").replace("<hidden>", "").split()
    )
    assert cut.endswith("User=x\n") or words[-1:] == ["\\\n"]


# Settings that systemd-analyze tells of a unit, as it reads them; offline, so that nothing must run.
FRAGMENTS = {
    "plain": "[Service]\nUser=games\nUMask=0027\n",
    "last-wins": "[Service]\nUser=root\nUser=games\n",
    "reset": "[Service]\nUser=games\nUser=\n",
    "other-section": "[Unit]\nUser=games\n[Service]\nUMask=0077\n",
    "continued": "[Service]\nUser=\\\n# not this one\n  root\n",
    "comment": "[Service]\n#User=root\n;User=root\nUser=games\n",
    "spaces": "[Service]\n  User = games  \n",
    "dynamic": "[Service]\nDynamicUser=yes\n",
    "families": "[Service]\n"
    + "".join(f"RestrictAddressFamilies={value}\n" for value in ("AF_INET", "", "AF_UNIX")),
}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("name", FRAGMENTS)
def test_settings_are_read_as_systemd_reads_them(name: str, tmp_path: Path) -> None:
    text = FRAGMENTS[name]
    path = tmp_path / "own.service"
    path.write_text(text + "\n[Service]\nExecStart=/bin/true\n")
    argv = ["systemd-analyze", "security", "--offline=true", "--json=short", "--no-pager", str(path)]
    said = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    theirs = {row.get("json_field") or row["name"]: row for row in said}
    ours = settings_of([text])
    user_of = ours.get("User", ("root" if "DynamicUser" not in ours else "dynamic",))[-1]
    root = user_of == "root"
    user = next(row for key, row in theirs.items() if key.startswith("User"))
    assert user["set"] is not root
    local = ours.get("RestrictAddressFamilies") == ("AF_UNIX",)
    inet = next(row for key, row in theirs.items() if "AF_INET" in key or "AF_INET" in row["name"])
    assert inet["set"] is local
