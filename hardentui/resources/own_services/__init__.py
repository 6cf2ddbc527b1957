"""Services that were written on this host: their account, code, environment, secrets and sockets."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.accounts import accounts_elsewhere
from hardentui.resources.base import names_or_none, of_files, wrong_subject
from hardentui.resources.own_services.units import COMMANDS, OwnService, own_services
from hardentui.snapshot import (
    HIDDEN,
    HIDDEN_LOGIN,
    Accounts,
    Kind,
    Link,
    Reason,
    Snapshot,
    Socket,
    Sockets,
    Stat,
    Status,
    Unread,
)

_NO_SHELLS = frozenset({"", "nologin", "false", "sync", "halt", "shutdown"})
# Where people and programs leave files: nothing that a service executes or keeps secret belongs there.
_LOOSE = ("/home/", "/root/", "/tmp/", "/var/tmp/", "/dev/shm/", "/var/www/")  # noqa: S108 - names
_OTHERS, _NOT_OWNER, _WRITABLE = 0o007, 0o077, 0o022
_INTERPRETER = re.compile(r"(?:python|perl|bash|sh|dash|ruby|node|php|java)[\d.]*")
_SCRIPT = re.compile(r"/.*\.(?:py|pyz|sh|pl|rb|js|jar|php|wsgi)")
_PREFIXES = "@-:+!"  # of a command line (systemd.service(5))
_SECRET = re.compile(
    r"(?:(?:.*_)?(?:PASS|KEY|CREDENTIALS?)|.*_PWD|.*(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|APIKEY))"
    r"(?:_?[0-9]+|_BASE)?",
    re.IGNORECASE,
)
_SECRET_FILE = re.compile(
    r"(?:.*_)?(?:PASS|PASSWORD|SECRET|TOKEN|KEY|CREDENTIALS?)(?:_?(?:PATH|FILE))?", re.IGNORECASE
)
_HOPS = 40  # links that are followed, as by the kernel (path_resolution(7))
_LOCAL = {"AF_UNIX", "AF_LOCAL"}
_TRUE = frozenset({"1", "yes", "true", "on"})
_UMASK = "0022"

Faults = Iterator[str]


class OwnServices:
    """The resource "own-services": the services with a fault, or "none"; all of them are shown."""

    name = "own-services"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        services = snapshot.derive(own_services)
        if isinstance(services, Gap):
            return of_files(snapshot, Reading(gap=services))
        if not services:
            why = _("no service was written on this host")
            return of_files(snapshot, Reading(gap=Gap(GapKind.ABSENT, why)))
        return of_files(snapshot, _SUBJECTS[entry.subject](snapshot, services))

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("the unit is written here: who wrote it changes it"))


class _List:
    """Services as they are looked at: those with a fault come first, and make the value."""

    def __init__(self) -> None:
        self._bad: list[Provenance] = []
        self._good: list[Provenance] = []
        self.gap: Gap | None = None

    def add(self, service: OwnService, faults: Iterable[str], shown: str = "") -> None:
        found = tuple(dict.fromkeys(faults))
        words = ", ".join(word for word in (*found, shown) if word)
        (self._bad if found else self._good).append(Provenance(service.name, text=words))

    def unread(self, answer: Unread, place: str) -> None:
        """Note what could not be read; what is not there is no gap."""
        if answer.reason is not Reason.MISSING:
            self.gap = self.gap or answer.gap(place)

    def reading(self, nothing_of_it: str = "") -> Reading:
        """The reading of all; where none was added, there is nothing of the kind."""
        if not self._bad and not self._good and self.gap is None:
            return Reading(gap=Gap(GapKind.ABSENT, nothing_of_it))
        values = names_or_none((place.place for place in self._bad), self.gap)
        return Reading(values, self.gap, (*self._bad, *self._good))


# --- accounts ---------------------------------------------------------------------------------------


def _accounts(snapshot: Snapshot, services: tuple[OwnService, ...]) -> Reading:
    """As whom each runs: not as root, not with an account that has a shell, or that another uses, too."""
    found = _List()
    accounts = snapshot.ask(Accounts())
    if isinstance(accounts, Unread):
        return Reading(gap=accounts.gap("/etc/passwd"))
    known = {one.name: one for one in accounts} | {str(one.uid): one for one in accounts}
    shared = Counter(one.user for one in services if one.user)

    def faults(service: OwnService) -> Faults:
        user = service.user
        account = known.get(user)
        if user in {"root", "0"}:
            yield _("runs as root")
        elif user and account is None and not (service.makes_its_user or _unknown_account(snapshot, service)):
            yield _("no account {name}").format(name=user)
        elif account is not None and account.shell.rpartition("/")[2] not in _NO_SHELLS:
            yield _("{name} has the shell {path}").format(name=user, path=account.shell)
        if user and user not in {"root", "0"} and shared[user] > 1:
            yield _("shares {name} with another service").format(name=user)

    for service in services:
        keys = ("User", "DynamicUser", "Group", "SupplementaryGroups")
        shown = " ".join(
            f"{key}={' '.join(service.settings[key])}" for key in keys if key in service.settings
        )
        found.add(service, faults(service), shown)
        if service.user and service.user not in known and not service.makes_its_user:
            found.gap = found.gap or _unknown_account(snapshot, service)
    return found.reading()


def _unknown_account(snapshot: Snapshot, service: OwnService) -> Gap | None:
    """Why an account that the local files do not name may be there all the same; None: it is not."""
    if "%" in service.user:
        text = _("{unit}: only its start tells the account ({name})")
        return Gap(GapKind.UNTOLD, text.format(unit=service.name, name=service.user))
    return accounts_elsewhere(snapshot)


# --- code -------------------------------------------------------------------------------------------


def _programs(service: OwnService) -> tuple[str, ...]:
    """The files that are executed: the program, and the script that an interpreter is given."""
    found = []
    for command in (line for key in COMMANDS for line in service.settings.get(key, ())):
        program, *arguments = command.lstrip(_PREFIXES).split() or [""]
        found.append(program)
        script = next((word for word in arguments if not word.startswith("-")), "")
        if _INTERPRETER.fullmatch(program.rpartition("/")[2]) and script.startswith("/"):
            found.append(script)
        found += [word for word in arguments if _SCRIPT.fullmatch(word)]
    return tuple(dict.fromkeys(path for path in found if path.startswith("/")))


def _way(snapshot: Snapshot, path: str) -> Iterator[tuple[str, Status | Unread]]:
    """The folders and links on the way to a file, links followed as the kernel does, and the file itself.

    What is not there ends nothing; a link that cannot be followed is the last one, and an Unread.
    """
    here = "/"
    yield here, snapshot.ask(Stat(here))
    left = path.split("/")
    hops = 0
    while left:
        place = posixpath.normpath(posixpath.join(here, left.pop(0)))
        if place == here:
            continue
        seen = snapshot.ask(Stat(place))
        if isinstance(seen, Unread) or seen.kind is not Kind.LINK:
            here = place
            yield place, seen
            continue
        target = snapshot.ask(Link(place))
        hops += 1
        if isinstance(target, Unread) or hops > _HOPS:
            yield place, Unread(Reason.FAILED, target.detail if isinstance(target, Unread) else "")
            return
        yield place, seen
        here = "/" if target.startswith("/") else here
        left = [*target.split("/"), *left]


def _code(snapshot: Snapshot, services: tuple[OwnService, ...]) -> Reading:
    """Where the code of each lies, and whether anybody but root may change it."""
    found = _List()
    for service in services:
        faults = []
        for path in _programs(service):
            way = tuple(_way(snapshot, path))
            loose = [one for one in (path, way[-1][0]) if one.startswith(_LOOSE)]
            faults += [_("{path} does not belong there").format(path=one) for one in loose]
            for place, seen in way:
                if isinstance(seen, Unread):
                    found.unread(seen, place)
                elif seen.kind is not Kind.LINK and (seen.uid or seen.mode & _WRITABLE):
                    faults.append(f"{place} {seen.mode:04o} {seen.user}:{seen.group}")
        found.add(service, faults, ", ".join(_programs(service)))
    return found.reading()


# --- environment and secrets ------------------------------------------------------------------------


def _environment(_snapshot: Snapshot, services: tuple[OwnService, ...]) -> Reading:
    """Secrets in the environment: systemctl show tells them to everybody, and children inherit them."""
    found = _List()
    for service in services:
        variables = service.environment
        faults = [
            _("{name} is set in the unit").format(name=name)
            for name, value in variables.items()
            if value == HIDDEN_LOGIN or (value == HIDDEN and _SECRET.fullmatch(name))
        ]
        if variables or service.settings.get("EnvironmentFile"):
            shown = [f"{name}={value}" for name, value in variables.items()]
            found.add(service, faults, " ".join([*shown, *service.settings.get("EnvironmentFile", ())]))
    return found.reading(_("no service that was written here sets a variable"))


def _secret_files(service: OwnService) -> Iterator[tuple[str, str]]:
    """The files that a service takes its secrets from, and who should own each."""
    for name, value in service.environment.items():
        if value.startswith("/") and _SECRET_FILE.fullmatch(name):
            yield value, service.user
    for key in ("LoadCredential", "LoadCredentialEncrypted"):
        for word in service.words(key):
            path = word.partition(":")[2]
            if path.startswith("/"):
                yield path, "root"


def _secrets(snapshot: Snapshot, services: tuple[OwnService, ...]) -> Reading:
    """The keys of the services: each for its owner alone, in a folder that is meant for it."""
    found = _List()
    for service in services:
        files = dict(_secret_files(service))
        faults = []
        shown = []
        for path, owner in files.items():
            seen = snapshot.ask(Stat(path))
            if path.startswith(_LOOSE):
                faults.append(_("{path} does not belong there").format(path=path))
            if isinstance(seen, Unread):
                found.unread(seen, path)
                shown.append(f"{path}: {_('not there')}" if seen.reason is Reason.MISSING else path)
                continue
            text = f"{path} {seen.mode:04o} {seen.user}:{seen.group}"
            right = not seen.mode & _NOT_OWNER and seen.user in {owner, "root"}
            (shown if right else faults).append(text)
        if files:
            found.add(service, faults, ", ".join(shown))
    return found.reading(_("no service that was written here names a key"))


# --- sockets ----------------------------------------------------------------------------------------


def _sockets_of(snapshot: Snapshot, found: _List) -> Mapping[str, list[Socket]]:
    """The listening sockets by unit; none on an image."""
    by_unit: dict[str, list[Socket]] = {}
    sockets = snapshot.ask(Sockets()) if snapshot.live else ()
    if isinstance(sockets, Unread):
        found.unread(sockets, _("listening sockets"))
        return {}
    for one in sockets:
        if one.unit:
            by_unit.setdefault(one.unit, []).append(one)
    return by_unit


def _runtime_folders(service: OwnService) -> tuple[str, ...]:
    return tuple(f"/run/{word.partition(':')[0]}" for word in service.words("RuntimeDirectory"))


def _runtime(snapshot: Snapshot, services: tuple[OwnService, ...]) -> Reading:
    """The Unix sockets of each: in a folder that systemd makes for it, both closed to others."""
    found = _List()
    by_unit = _sockets_of(snapshot, found)
    for service in services:
        paths = [one.address for one in by_unit.get(service.name, ()) if one.protocol == "unix"]
        folders = _runtime_folders(service)
        if not paths and not folders:
            continue
        faults = []
        shown = [f"UMask={service.last('UMask', _UMASK)}"]
        for path in (*folders, *paths):
            if path in paths and not path.startswith(tuple(f"{folder}/" for folder in folders)):
                faults.append(_("{path} is not in a folder of its own (RuntimeDirectory=)").format(path=path))
            seen = snapshot.ask(Stat(path)) if snapshot.live else Unread(Reason.MISSING)
            if isinstance(seen, Status):
                text = f"{path} {seen.mode:04o} {seen.user}:{seen.group}"
                (faults if seen.mode & _OTHERS else shown).append(text)
            else:
                found.unread(seen, path)
        if folders and not _closes(service.last("RuntimeDirectoryMode", "0755")):
            faults.append(f"RuntimeDirectoryMode={service.last('RuntimeDirectoryMode', '0755')}")
        found.add(service, faults, ", ".join(shown))
    return found.reading(_("no service that was written here has a socket or a folder in /run"))


def _closes(mode: str) -> bool:
    try:
        return not int(mode, 8) & _OTHERS
    except ValueError:
        return False


def _network(snapshot: Snapshot, services: tuple[OwnService, ...]) -> Reading:
    """Services that talk through Unix sockets only, and whether the kernel holds them to it."""
    found = _List()
    by_unit = _sockets_of(snapshot, found)
    for service in services:
        sockets = by_unit.get(service.name, [])
        ports = [f"{one.protocol} {one.address}:{one.port}" for one in sockets if one.protocol != "unix"]
        local = len(ports) < len(sockets)
        families = set(service.words("RestrictAddressFamilies"))
        held = (families and families <= _LOCAL) or service.last("PrivateNetwork") in _TRUE
        if ports:
            found.add(service, (), ", ".join(ports))
        elif held:
            found.add(service, (), _("local sockets only, and held to it"))
        elif local:
            found.add(service, [_("local sockets only, but it may open others")])
    return found.reading(_("no service that was written here has a socket"))


_SUBJECTS: Mapping[str, Callable[[Snapshot, tuple[OwnService, ...]], Reading]] = {
    "accounts": _accounts,
    "code": _code,
    "environment": _environment,
    "network": _network,
    "runtime": _runtime,
    "secrets": _secrets,
}
