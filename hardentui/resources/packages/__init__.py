"""Packages: whether their sources are trusted, and whether the system is, and stays, up to date."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, Lines, Refusal, WriteFile
from hardentui.resources.base import digest, nothing, one, text_fact, wrong_subject
from hardentui.resources.configuration import mask_of
from hardentui.resources.packages import apt_conf
from hardentui.snapshot import (
    DistributionIs,
    Entry,
    File,
    Folder,
    KernelIs,
    Link,
    Packages,
    Reason,
    Snapshot,
    Stat,
    Unread,
    Updates,
)

_DAY = 86400
_SHOWN = 20
_PERIODIC = (
    "apt::periodic::enable",
    "apt::periodic::update-package-lists",
    "apt::periodic::unattended-upgrade",
)
_LOOSE = (
    "apt::get::allowunauthenticated",
    "acquire::allowinsecurerepositories",
    "acquire::allowweakrepositories",
)
_OURS = f"{apt_conf.FOLDER}/99zz-hardentui"
_UNITS = "/etc/systemd/system"
_DNF_AUTOMATIC = ("dnf-automatic", "dnf5-plugin-automatic")
_DNF_INSTALL = "dnf-automatic-install.timer"  # it installs whatever the file says
_DNF_TIMERS = ("dnf-automatic.timer", "dnf5-automatic.timer")
_DNF_CONF = "/etc/dnf/automatic.conf"
# The stamps that apt's own timer leaves, and the folders that a fetch of the lists renews.
_FRESH = {
    "debian": ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists"),
    "rhel": ("/var/cache/dnf", "/var/cache/libdnf5"),
}
_KERNEL = re.compile(r"vmlinuz-(\d.*)")


class PackageManager:
    """The resource "packages"."""

    name = "packages"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        reading = _SUBJECTS[entry.subject](snapshot)
        facts = _automatic_facts(snapshot) if entry.subject == "automatic-updates" else {}
        if entry.subject in _OF_BOOT:
            return Observation(None, (reading,), facts, snapshot.taken_at)
        return Observation(reading, seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        if entry.subject != "automatic-updates":
            return Refusal(_("a person updates the system, and watches it do so: see the procedure"))
        if facts.get("installed") is not True:
            return Refusal(_("the package that installs updates is not there: see the procedure"))
        if text_fact(facts, "family") == "rhel":
            return Refusal(_("dnf-automatic installs them by a timer of its own: see the procedure"))
        if text_fact(facts, "rival"):
            return Refusal(
                _("{path} is read after our file: change it by hand").format(path=text_fact(facts, "rival"))
            )
        lines = (
            'APT::Periodic::Enable "1";',
            'APT::Periodic::Update-Package-Lists "1";',
            'APT::Periodic::Unattended-Upgrade "1";',
        )
        return (
            WriteFile(
                owners=(entry.id,),
                path=_OURS,
                before=text_fact(facts, "before"),
                parts=(Lines(owner=entry.id, lines=lines),),
            ),
        )


def _family(snapshot: Snapshot) -> str:
    seen = snapshot.ask(DistributionIs())
    return "" if isinstance(seen, Unread) else seen.family


def _unsupported() -> Reading:
    return Reading(gap=Gap(GapKind.UNSUPPORTED, _("neither apt nor dnf is known for this distribution")))


# --- updates that wait ----------------------------------------------------------------------------


def _pending(snapshot: Snapshot) -> Reading:
    found = snapshot.ask(Updates())
    if isinstance(found, Unread):
        return nothing(found, _("pending updates"))
    waiting = [update for update in found if update.security and update.installed]
    places = tuple(
        Provenance("apt-get -s dist-upgrade", text=f"{u.name} {u.installed} → {u.candidate}")
        for u in waiting[:_SHOWN]
    )
    return Reading({"": str(len(waiting))}, provenance=places or (Provenance("apt-get -s dist-upgrade"),))


def _age(snapshot: Snapshot) -> Reading:
    """Whole days since the package lists were fetched."""
    places = _FRESH.get(_family(snapshot))
    if places is None:
        return _unsupported()
    newest, where = 0.0, ""
    for path in places:
        status = snapshot.ask(Stat(path))
        if isinstance(status, Unread):
            if status.reason is not Reason.MISSING:
                return nothing(status, path)
            continue
        if status.modified > newest:
            newest, where = status.modified, path
    if not newest:
        return Reading(gap=Gap(GapKind.UNTOLD, _("the package lists were never fetched")))
    return one(str(max(0, int(snapshot.taken_at - newest) // _DAY)), where)


def _running_kernel(snapshot: Snapshot) -> Reading:
    kernel = snapshot.ask(KernelIs())
    if isinstance(kernel, Unread):
        return nothing(kernel, "uname")
    if not kernel.release:
        return Reading(gap=Gap(GapKind.UNSUPPORTED, _("an image does not run")))
    entries = snapshot.ask(Folder("/boot"))
    if isinstance(entries, Unread):
        return nothing(entries, "/boot")
    releases = [found[1] for found in (_KERNEL.fullmatch(e.name) for e in entries) if found]
    releases = [release for release in releases if "rescue" not in release]
    if not releases:
        return Reading(gap=Gap(GapKind.ABSENT, _("no kernel in /boot")))
    newest = max(releases, key=_version)
    place = Provenance("/boot", text=f"vmlinuz-{newest}")
    if kernel.release == newest or _version(kernel.release) > _version(newest):
        return Reading({"": "newest"}, provenance=(place, Provenance("uname -r", text=kernel.release)))
    value = _("{running}, {newest} is installed").format(running=kernel.release, newest=newest)
    return Reading({"": value}, provenance=(place, Provenance("uname -r", text=kernel.release)))


def _version(text: str) -> tuple[tuple[int, int | str], ...]:
    """A kernel release in the order in which releases follow each other: numbers count as numbers."""
    return tuple((1, int(part)) if part.isdigit() else (0, part) for part in re.findall(r"\d+|[a-z]+", text))


# --- updates that come by themselves ----------------------------------------------------------------


def _automatic(snapshot: Snapshot) -> Reading:
    family = _family(snapshot)
    if family == "debian":
        return _by_apt(snapshot)
    return _by_dnf(snapshot) if family == "rhel" else _unsupported()


def _by_apt(snapshot: Snapshot) -> Reading:
    if (lacking := _lacking(snapshot, "unattended-upgrades")) is not None:
        return lacking
    settings = apt_conf.read(snapshot)
    if isinstance(settings, tuple):
        return nothing(settings[1], settings[0])
    places = tuple(
        Provenance(settings[name].place, Role.WINS, text=f'{name} "{settings[name].value}"')
        for name in _PERIODIC
        if name in settings
    )
    off = [name for name in _PERIODIC[1:] if name not in settings or settings[name].value in {"0", ""}]
    if settings.get(_PERIODIC[0], apt_conf.Setting("1", "")).value == "0":
        off = [_PERIODIC[0]]
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        starts = _starts(snapshot, timer)
        if isinstance(starts, Gap):
            return Reading(gap=starts, provenance=places)
        if not starts:
            off.append(timer)
    value = _("off: {names}").format(names=", ".join(off)) if off else "on"
    return Reading({"": value}, provenance=places or (Provenance(apt_conf.FOLDER),))


def _by_dnf(snapshot: Snapshot) -> Reading:
    if (lacking := _lacking(snapshot, *_DNF_AUTOMATIC)) is not None:
        return lacking
    starts = {timer: _starts(snapshot, timer) for timer in (_DNF_INSTALL, *_DNF_TIMERS)}
    for gap in starts.values():
        if isinstance(gap, Gap):
            return Reading(gap=gap)
    if starts[_DNF_INSTALL]:
        return one("on", _DNF_INSTALL)
    if not any(starts.values()):
        return one(_("off: {names}").format(names=_DNF_TIMERS[0]), _DNF_TIMERS[0])
    text = snapshot.ask(File(_DNF_CONF))
    if isinstance(text, Unread):
        return nothing(text, _DNF_CONF)
    applied = re.search(r"^\s*apply_updates\s*[=:]\s*(\S+)", text, re.MULTILINE)
    is_on = bool(applied and applied[1].lower() in {"yes", "true", "1", "on"})
    return one("on" if is_on else _("off: {names}").format(names="apply_updates"), _DNF_CONF)


def _lacking(snapshot: Snapshot, *names: str) -> Reading | None:
    """A reading that says that none of these packages is there (or not known); None where one is."""
    installed = snapshot.ask(Packages())
    if isinstance(installed, Unread):
        return nothing(installed, _("list of packages"))
    if any(package.name in names for package in installed):
        return None
    return one(_("not installed: {name}").format(name=names[0]), _("list of packages"))


def _starts(snapshot: Snapshot, timer: str) -> bool | Gap:
    """Whether a timer is enabled and nothing masks it."""
    mask = mask_of(snapshot, timer)
    if mask is not None:
        return False if mask.kind is GapKind.UNMODELLED else mask
    path = f"{_UNITS}/timers.target.wants/{timer}"
    link = snapshot.ask(Link(path))
    if isinstance(link, Unread) and link.reason is not Reason.MISSING:
        return link.gap(path)
    return isinstance(link, str)


def _automatic_facts(snapshot: Snapshot) -> dict[str, Fact]:
    family = _family(snapshot)
    if family == "rhel":
        return {"family": family, "installed": _lacking(snapshot, *_DNF_AUTOMATIC) is None}
    if family != "debian":
        return {}
    names = snapshot.ask(Folder(apt_conf.FOLDER))
    entries: tuple[Entry, ...] = () if isinstance(names, Unread) else names
    later = [e.name for e in entries if e.name > _OURS.rpartition("/")[2]]
    return {
        "installed": _lacking(snapshot, "unattended-upgrades") is None,
        "before": digest(snapshot, _OURS),
        "rival": _rival(snapshot, later),
    }


def _rival(snapshot: Snapshot, later: list[str]) -> str:
    """The file that would be read after ours and says something of what ours sets; "" for none."""
    for path in (*(f"{apt_conf.FOLDER}/{name}" for name in later), "/etc/apt/apt.conf"):
        text = snapshot.ask(File(path))
        if isinstance(text, str) and set(_PERIODIC) & set(apt_conf.parse(text)):
            return path
    return ""


# --- where packages come from -----------------------------------------------------------------------


def _unsigned(snapshot: Snapshot) -> Reading:
    """The sources whose packages are accepted without a signature, or "none"."""
    family = _family(snapshot)
    if family == "debian":
        sources = _apt_sources(snapshot)
    elif family == "rhel":
        sources = _dnf_sources(snapshot)
    else:
        return _unsupported()
    if isinstance(sources, Reading):
        return sources
    bad = [place for place, signed in sources if not signed]
    return Reading({"": ", ".join(p.place for p in bad) or "none"}, provenance=tuple(bad)[:_SHOWN])


_Sources = list[tuple[Provenance, bool]] | Reading


def _texts(
    snapshot: Snapshot, folder: str, endings: tuple[str, ...], *more: str
) -> Iterator[tuple[str, str | Unread]]:
    names = snapshot.ask(Folder(folder))
    if isinstance(names, Unread):
        if names.reason is not Reason.MISSING:
            yield folder, names
        names = ()
    for path in (*more, *(f"{folder}/{e.name}" for e in names if e.name.endswith(endings))):
        text = snapshot.ask(File(path))
        if not isinstance(text, Unread) or text.reason is not Reason.MISSING:
            yield path, text


def _apt_sources(snapshot: Snapshot) -> _Sources:
    settings = apt_conf.read(snapshot)
    if isinstance(settings, tuple):
        return nothing(settings[1], settings[0])
    found = [
        (Provenance(settings[name].place, text=f'{name} "{settings[name].value}"'), False)
        for name in _LOOSE
        if name in settings and settings[name].value.lower() in {"1", "true", "yes", "on", "with"}
    ]
    for path, text in _texts(
        snapshot, "/etc/apt/sources.list.d", (".list", ".sources"), "/etc/apt/sources.list"
    ):
        if isinstance(text, Unread):
            return nothing(text, path)
        found += _deb822(path, text) if path.endswith(".sources") else _one_line(path, text)
    return found


def _one_line(path: str, text: str) -> Iterator[tuple[Provenance, bool]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not re.match(r"\s*deb(-src)?\s", line):
            continue
        options = re.match(r"\s*\S+\s+\[([^\]]*)\]", line)
        loose = re.search(r"\b(trusted|allow-insecure|allow-weak)\s*=\s*yes\b", options[1] if options else "")
        yield Provenance(path, line=number, text=line.strip()), loose is None


def _deb822(path: str, text: str) -> Iterator[tuple[Provenance, bool]]:
    for paragraph in re.split(r"\n\s*\n", text):
        fields = {
            key.strip().lower(): value.strip().lower()
            for key, colon, value in (line.partition(":") for line in paragraph.splitlines())
            if colon and not key.startswith(("#", " ", "\t"))
        }
        if "uris" in fields and fields.get("enabled", "yes") not in {"no", "false", "0", "off"}:
            loose = any(fields.get(key) == "yes" for key in ("trusted", "allow-insecure", "allow-weak"))
            yield Provenance(path, text=fields["uris"]), not loose


def _dnf_sources(snapshot: Snapshot) -> _Sources:
    found: list[tuple[Provenance, bool]] = []
    default = True
    for path, text in _texts(snapshot, "/etc/yum.repos.d", (".repo",), "/etc/dnf/dnf.conf"):
        if isinstance(text, Unread):
            return nothing(text, path)
        for section, fields in _ini(text).items():
            checked = fields.get("gpgcheck", "1" if default else "0").lower() in {"1", "yes", "true", "on"}
            if section == "main":
                default = checked
            elif fields.get("enabled", "1").lower() in {"1", "yes", "true", "on"}:
                found.append((Provenance(path, text=f"[{section}] gpgcheck={int(checked)}"), checked))
    return found


def _ini(text: str) -> Mapping[str, Mapping[str, str]]:
    """The sections of a .repo file; a section or key that stands twice counts the last time."""
    sections: dict[str, dict[str, str]] = {}
    name = ""
    for line in text.splitlines():
        if header := re.match(r"\[(.+)\]\s*$", line):
            name = header[1]
            sections.setdefault(name, {})
        elif name and (pair := re.match(r"(\w+)\s*=\s*(.*?)\s*$", line)):
            sections[name][pair[1].lower()] = pair[2]
    return sections


_SUBJECTS: Mapping[str, Callable[[Snapshot], Reading]] = {
    "automatic-updates": _automatic,
    "lists-age": _age,
    "pending-security": _pending,
    "running-kernel": _running_kernel,
    "unsigned-sources": _unsigned,
}
_OF_BOOT = frozenset({"automatic-updates", "unsigned-sources"})
