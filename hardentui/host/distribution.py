"""Which distribution a host or an image is, through the distro package."""

from __future__ import annotations

from hardentui.snapshot import Distribution, Reason, Unread

_FAMILIES = ("debian", "rhel", "suse", "arch")


def read_distribution(root: str | None) -> Distribution | Unread:
    """The distribution of the live host (None) or below ``root``; os-release only, no program is run."""
    import distro  # noqa: PLC0415 - --version need not import it

    try:
        seen = distro.LinuxDistribution(
            include_lsb=False, include_uname=False, include_oslevel=False, root_dir=root
        )
        release = seen.os_release_info()
        if not release:
            return Unread(Reason.MISSING, "os-release")
        ids = [seen.id(), *seen.like().split()]
        family = next((family for family in _FAMILIES if family in ids), "")
        if not family and {"fedora", "centos"} & set(ids):
            family = "rhel"
        return Distribution(
            id=seen.id(),
            name=seen.name(pretty=True),
            version=seen.version(),
            codename=seen.codename(),
            family=family or seen.id(),
            support_end=release.get("support_end", ""),
        )
    except (OSError, ValueError) as error:
        return Unread(Reason.FAILED, str(error))
