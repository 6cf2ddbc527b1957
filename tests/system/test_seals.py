"""AIDE on a booted Debian: what it seals, and who compares it every day."""

from __future__ import annotations

from rig.nspawn import Nspawn
from rig.product import Product

SYSTEM = ("/boot", "/etc", "/usr/bin", "/usr/sbin", "/usr/lib")
SEALS = """\
@@define DBDIR /var/lib/aide
database_in=file:@@{DBDIR}/aide.db
database_out=file:@@{DBDIR}/aide.db.new
gzip_dbout=no
!/usr/lib
=/usr/sbin p
/usr/s?bin/[a-c] p
/etc p+sha256
!/etc/ssl
"""


def test_seals_are_what_aide_sealed(host: Nspawn) -> None:
    host.put(SEALS.encode(), "/etc/aide/aide.conf", "0644")
    host.sh('rm -rf /etc/aide/aide.conf.d; for folder; do touch "$folder/probe"; done', *SYSTEM)
    host.run(["aide", "--config=/etc/aide/aide.conf", "--init"], check=True, seconds=600)
    product = Product(host)
    assert product.scan(plan=False, chapter="logging")["aide.database"]["running"] == "not built"
    host.sh("mv /var/lib/aide/aide.db.new /var/lib/aide/aide.db")
    found = product.scan(plan=False, chapter="logging")
    assert found["aide.database"]["result"] == "pass"
    sealed = host.sh("grep -o '^/[^ ]*' /var/lib/aide/aide.db").splitlines()
    by_aide = [folder for folder in SYSTEM if f"{folder}/probe" not in sealed]
    assert found["aide.scope"]["running"] == ", ".join(by_aide)
    product.plan("aide.schedule")
    product.script("apply", "--deadline", "900")
    product.script("confirm")
    assert "dailyaidecheck.timer" in host.sh("systemctl list-timers --all")
    assert product.scan(chapter="logging")["aide.schedule"]["result"] == "pass"
    product.script("rollback")
    assert product.scan(chapter="logging")["aide.schedule"]["result"] == "fail"
