"""Make ``hardentui/host/demo.json`` again: a small web server, a virtual machine, with a past.

    sudo .venv/bin/python tests/recordings/demo.py

The machine is that of the system tests (``tests/system/rig``), to which somebody did what people do: a file
of settings that another one beats, a value that waits for the next boot, others that it takes away.
Needs what ``make test-system`` needs; takes about two minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from rig.lab import REPOSITORY, Lab  # noqa: E402
from rig.product import Product, build_layer  # noqa: E402
from rig.vm import Vm  # noqa: E402

DEMO = REPOSITORY / "hardentui/host/demo.json"
PAST = """\
echo web01 > /etc/hostname
hostname web01
sed -i 's/lab/web01/' /etc/hosts
echo 69ed528510c8ae888fa3bcfdec05015c > /etc/machine-id
systemctl restart systemd-journald.service  # it keeps its files under the new name

cat > /etc/sysctl.d/90-site.conf <<END
# Site settings, 2024
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.rp_filter = 1
kernel.kptr_restrict = 1
fs.protected_fifos = 2
END
systemctl restart systemd-sysctl.service
echo 'net.ipv4.tcp_syncookies = 0' >> /etc/sysctl.conf  # and nobody loaded it
sysctl -q -w net.ipv4.conf.all.log_martians=1 kernel.dmesg_restrict=0 fs.suid_dumpable=2 fs.protected_fifos=2
mount -o remount,nosuid,nodev /home

# Two weeks of requests, rotated each night.
requests() {
    yes "192.0.2.7 - - [$(date -u -d "$1 days ago" '+%d/%b/%Y:00:00:10 +0000')] \"GET / HTTP/1.1\" 200 612" |
        head -c $((900000 + $1 % 3 * 400000))
}
mkdir -p /var/log/nginx
requests 0 > /var/log/nginx/access.log
requests 1 > /var/log/nginx/access.log.1
touch -d '00:00' /var/log/nginx/access.log.1
for day in $(seq 2 14); do
    requests "$day" | gzip > "/var/log/nginx/access.log.$day.gz"
    touch -d "$((day - 1)) days ago 00:00" "/var/log/nginx/access.log.$day.gz"
done

systemctl enable --now nginx.service rsyslog.service
systemctl is-active nginx.service rsyslog.service ssh.service cron.service
"""


def main() -> None:
    """Boot, give it its past, and let the product record it."""
    lab = Lab.here()
    machine = Vm(lab, "demo")
    try:
        with lab.scratch("layer") as layer:
            build_layer(lab, layer)
            machine.boot()
            machine.put_tree(layer)
        machine.sh(PAST)
        Product(machine).call("--deep", "record", "-o", "/root/demo.json")
        DEMO.write_text(machine.get("/root/demo.json"))
    finally:
        machine.stop()


if __name__ == "__main__":
    main()
