"""Packages of Debian over the tree, for a container that needs more than the others."""

from __future__ import annotations

from pathlib import Path

from rig.lab import Lab, call, digest

_INSTALL = """\
set -eu
mkdir -p "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
root=$2/root
shift 2
mount -t proc proc "$root/proc"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\\nexit 101\\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
chroot "$root" apt-get -qq update
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq install --no-install-recommends -y "$@"
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
"""


def installed(lab: Lab, *packages: str) -> Path:
    """A layer with these packages installed and set up; none of their services was started."""

    def make(path: Path) -> None:
        with lab.scratch("packages") as scratch:
            call(
                [
                    *("unshare", "--mount", "--propagation", "private", "sh", "-euc", _INSTALL, "sh"),
                    lab.tree,
                    scratch,
                    *packages,
                ]
            )
            (scratch / "upper").rename(path)

    return lab.made_once(f"packages-{digest(lab.tree.name, packages, _INSTALL)}", make)
