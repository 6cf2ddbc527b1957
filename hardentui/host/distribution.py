"""Which distribution a host or an image is, through the distro package."""

from __future__ import annotations

import os

from hardentui.snapshot import Distribution, Reason, Unread

# The ids, of a distribution itself or of one that it is like, that tell its family.
_FAMILIES = {
    "debian": {"debian", "ubuntu"},
    "rhel": {"rhel", "fedora", "centos"},
    "suse": {"suse"},
    "arch": {"arch"},
}


def read_distribution(os_release: str = "") -> Distribution | Unread:
    """The distribution that an os-release file names: that of the live host, or the one at this path.

    Nothing else is read: no program is run, and no other file that might lie outside an image.
    """
    import distro  # noqa: PLC0415 - --version need not import it

    try:
        seen = distro.LinuxDistribution(
            include_lsb=False,
            include_uname=False,
            include_oslevel=False,
            os_release_file=os_release,
            distro_release_file=os.devnull,
        )
        release = seen.os_release_info()
        if not release:
            return Unread(Reason.MISSING, "os-release")
        ids = {seen.id(), *seen.like().split()}
        family = next((family for family, known in _FAMILIES.items() if known & ids), "")
        return Distribution(
            id=seen.id(),
            name=release.get("pretty_name", "") or release.get("name", ""),
            version=release.get("version_id", ""),
            codename=release.get("codename", ""),
            family=family or seen.id(),
            support_end=release.get("support_end", ""),
        )
    except (OSError, ValueError) as error:
        return Unread(Reason.FAILED, str(error))
