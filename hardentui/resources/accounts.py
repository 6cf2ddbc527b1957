"""The accounts of the host: who they are, how they may be entered, and when they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources import families
from hardentui.resources.base import nothing, of_files, one, wrong_subject
from hardentui.resources.login.settings import LOGIN_DEFS, login_setting
from hardentui.snapshot import (
    Account,
    Accounts,
    File,
    Folder,
    Group,
    Groups,
    KernelFile,
    LastLogins,
    Logins,
    NisEntries,
    Password,
    Passwords,
    Reason,
    Snapshot,
    Stat,
    Unread,
)

PASSWD, GROUP, SHADOW = "/etc/passwd", "/etc/group", "/etc/shadow"
NSSWITCH = "/etc/nsswitch.conf"
NONE = "none"
_DAY = 86400
_RECENT_DAYS = 30  # direct logins of root that count
# These are commands that an account may be made to run, not shells.
_COMMANDS = frozenset({"sync", "shutdown", "halt"})
_NO_SHELLS = frozenset({"nologin", "false", "true"})
# Services of nsswitch that bring accounts from elsewhere; "systemd" brings only those of running units.
_REMOTE = frozenset(
    {"sss", "ldap", "winbind", "nis", "nisplus", "hesiod", "compat", "ipa", "db", "extrausers"}
)
_SSSD = "/etc/sssd"
_LOGIN_UID = "/proc/self/loginuid"


class AccountsOf:
    """The resource "accounts": each subject is one question about all accounts."""

    name = "accounts"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        return of_files(snapshot, _SUBJECTS[entry.subject](snapshot))

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("what was found is for a person to judge"))


# --- what the subjects are made of ----------------------------------------------------------------


def has_shell(account: Account) -> bool:
    """Whether the account's shell gives a session; an empty field means /bin/sh."""
    return account.shell.rpartition("/")[2] not in _NO_SHELLS | _COMMANDS


def is_service(account: Account, highest: int) -> bool:
    """Whether an account is a service's: below the uids of people, or nobody; never root."""
    return account.uid != 0 and (account.uid <= highest or account.name == "nobody")


def _highest_service_uid(snapshot: Snapshot) -> int | Unread:
    """SYS_UID_MAX of login.defs; one below UID_MIN, or 999, where it is not set."""
    for name, less in (("SYS_UID_MAX", 0), ("UID_MIN", 1)):
        value = login_setting(snapshot, name)
        if isinstance(value, Unread):
            if value.reason is not Reason.MISSING:
                return value
        elif value.isdecimal():
            return int(value) - less
    return 999


def accounts_elsewhere(snapshot: Snapshot) -> Gap | None:
    """Why the local files do not name all accounts; None when they do."""
    services = _databases(snapshot)
    if isinstance(services, Unread):
        return None if services.reason is Reason.MISSING else services.gap(NSSWITCH)
    remote = [s for s in services if s in _REMOTE and (s != "sss" or _has_sssd(snapshot))]
    if not remote:
        return None
    return Gap(GapKind.UNMODELLED, _("accounts also come from {names}").format(names=", ".join(remote)))


def _has_sssd(snapshot: Snapshot) -> bool:
    """The RHEL family names sss in nsswitch although nothing is set up: then it brings nobody."""
    conf = snapshot.ask(File(f"{_SSSD}/sssd.conf"))
    more = snapshot.ask(Folder(f"{_SSSD}/conf.d"))
    if isinstance(conf, Unread) and conf.reason is Reason.MISSING:
        return more != () and not (isinstance(more, Unread) and more.reason is Reason.MISSING)
    return True


def _databases(snapshot: Snapshot) -> tuple[str, ...] | Unread:
    """The services of nsswitch.conf that are asked for accounts, passwords and groups, each once."""
    text = snapshot.ask(File(NSSWITCH))
    if isinstance(text, Unread):
        return text
    found: list[str] = []
    for line in text.splitlines():
        name, colon, services = line.partition("#")[0].partition(":")
        if colon and name.strip() in {"passwd", "shadow", "group"}:
            found += [word for word in services.split() if not word.startswith("[")]
    return tuple(dict.fromkeys(found))


def _names(found: Iterable[str], place: str, gap: Gap | None) -> Reading:
    """The names that were found, as one value; "none" is only said when nothing can be missing."""
    listed = ", ".join(dict.fromkeys(found))
    values = {"": listed} if listed else {} if gap else {"": NONE}
    return Reading(values, gap, (Provenance(place, text=listed),))


def _each(values: Mapping[str, str], place: str, gap: Gap | None) -> Reading:
    """One part for each account; "none" where there is none and none can be missing."""
    places = tuple(Provenance(place, text=f"{name}: {value}") for name, value in values.items())
    return Reading(values or ({} if gap else {"": NONE}), gap, places or (Provenance(place),))


_Reader = Callable[[Snapshot], Reading]


def _of_accounts(read: Callable[[Snapshot, tuple[Account, ...]], Reading]) -> _Reader:
    def reading(snapshot: Snapshot) -> Reading:
        accounts = snapshot.ask(Accounts())
        return nothing(accounts, PASSWD) if isinstance(accounts, Unread) else read(snapshot, accounts)

    return reading


def _of_passwords(
    read: Callable[[Snapshot, tuple[Account, ...], tuple[Password, ...]], Reading],
) -> _Reader:
    def reading(snapshot: Snapshot, accounts: tuple[Account, ...]) -> Reading:
        passwords = snapshot.ask(Passwords())
        return (
            nothing(passwords, SHADOW)
            if isinstance(passwords, Unread)
            else read(snapshot, accounts, passwords)
        )

    return _of_accounts(reading)


# --- the subjects ---------------------------------------------------------------------------------


@_of_accounts
def _uid0(snapshot: Snapshot, accounts: tuple[Account, ...]) -> Reading:
    return _names((a.name for a in accounts if a.uid == 0), PASSWD, accounts_elsewhere(snapshot))


@_of_accounts
def _shells(snapshot: Snapshot, accounts: tuple[Account, ...]) -> Reading:
    """The accounts that have each shell."""
    people: dict[str, list[str]] = {}
    for account in accounts:
        if has_shell(account):
            people.setdefault(account.shell or "/bin/sh", []).append(account.name)
    shown = {shell: ", ".join(names) for shell, names in people.items()}
    return _each(shown, PASSWD, accounts_elsewhere(snapshot))


@_of_accounts
def _service_shells(snapshot: Snapshot, accounts: tuple[Account, ...]) -> Reading:
    highest = _highest_service_uid(snapshot)
    if isinstance(highest, Unread):
        return nothing(highest, LOGIN_DEFS)
    found = (a.name for a in accounts if is_service(a, highest) and has_shell(a))
    return _names(found, PASSWD, accounts_elsewhere(snapshot))


@_of_passwords
def _service_passwords(
    snapshot: Snapshot, accounts: tuple[Account, ...], passwords: tuple[Password, ...]
) -> Reading:
    highest = _highest_service_uid(snapshot)
    if isinstance(highest, Unread):
        return nothing(highest, LOGIN_DEFS)
    services = {a.name for a in accounts if is_service(a, highest)}
    return _names(
        (p.account for p in passwords if p.account in services and _is_usable(p)),
        SHADOW,
        accounts_elsewhere(snapshot),
    )


def _is_usable(password: Password) -> bool:
    return password.scheme not in {"disabled", "locked"} and not password.locked


@_of_accounts
def _duplicates(snapshot: Snapshot, accounts: tuple[Account, ...]) -> Reading:
    groups = snapshot.ask(Groups())
    if isinstance(groups, Unread):
        return nothing(groups, GROUP)
    uids, names = Counter(a.uid for a in accounts), Counter(a.name for a in accounts)
    gids, group_names = Counter(g.gid for g in groups), Counter(g.name for g in groups)
    found = [
        *(f"uid {uid}" for uid, count in uids.items() if count > 1),
        *(f"user {name}" for name, count in names.items() if count > 1),
        *(f"gid {gid}" for gid, count in gids.items() if count > 1),
        *(f"group {name}" for name, count in group_names.items() if count > 1),
    ]
    return _names(found, f"{PASSWD}, {GROUP}", accounts_elsewhere(snapshot))


def _legacy(snapshot: Snapshot) -> Reading:
    entries = snapshot.ask(NisEntries())
    if isinstance(entries, Unread):
        return nothing(entries, SHADOW)
    return _names(entries, f"{PASSWD}, {GROUP}, {SHADOW}", None)


@_of_accounts
def _homes(snapshot: Snapshot, accounts: tuple[Account, ...]) -> Reading:
    """The mode of each home of a person; what is wrong besides the mode stands in its place."""
    highest = _highest_service_uid(snapshot)
    if isinstance(highest, Unread):
        return nothing(highest, LOGIN_DEFS)
    values: dict[str, str] = {}
    gap = accounts_elsewhere(snapshot)
    for account in accounts:
        if is_service(account, highest) or not has_shell(account):
            continue
        status = snapshot.ask(Stat(account.home))
        if isinstance(status, Unread):
            if status.reason is Reason.MISSING:
                values[account.name] = _("{path} is not there").format(path=account.home)
            else:
                gap = status.gap(account.home)
        elif status.uid != account.uid:
            values[account.name] = _("{path} belongs to {user}").format(path=account.home, user=status.user)
        else:
            values[account.name] = f"{status.mode:04o}"
    return _each(values, PASSWD, gap)


@_of_passwords
def _empty_passwords(
    snapshot: Snapshot,
    accounts: tuple[Account, ...],  # noqa: ARG001 - as the others of its kind
    passwords: tuple[Password, ...],
) -> Reading:
    return _names((p.account for p in passwords if p.scheme == "empty"), SHADOW, accounts_elsewhere(snapshot))


@_of_passwords
def _hashes(
    snapshot: Snapshot,
    accounts: tuple[Account, ...],  # noqa: ARG001 - as above
    passwords: tuple[Password, ...],
) -> Reading:
    """The scheme of each hash; an account without one is no part of it."""
    values = {}
    gap = accounts_elsewhere(snapshot)
    for password in passwords:
        if password.scheme == "unknown":
            gap = Gap(
                GapKind.UNMODELLED, _("a hash of {name} that we do not know").format(name=password.account)
            )
        elif password.scheme not in {"disabled", "locked", "empty"}:
            values[password.account] = password.scheme + ("" if password.shadowed else f" {PASSWD}")
    return _each(values, SHADOW, gap)


@_of_passwords
def _root_password(
    snapshot: Snapshot,  # noqa: ARG001 - as above
    accounts: tuple[Account, ...],  # noqa: ARG001 - as above
    passwords: tuple[Password, ...],
) -> Reading:
    root = next((p for p in passwords if p.account == "root"), None)
    if root is None:
        return Reading(gap=Gap(GapKind.ABSENT, "root"))
    if root.scheme == "unknown":
        return Reading(
            gap=Gap(GapKind.UNMODELLED, _("a hash of {name} that we do not know").format(name="root"))
        )
    return one("locked" if root.locked else root.scheme, SHADOW)


@_of_passwords
def _ageing(snapshot: Snapshot, accounts: tuple[Account, ...], passwords: tuple[Password, ...]) -> Reading:
    """For how many days the password of each account with a shell stays good."""
    people = {a.name for a in accounts if has_shell(a)}
    values = {
        p.account: str(p.maximum) if 0 <= p.maximum < 99999 else "never expires"  # noqa: PLR2004 - shadow's word for it
        for p in passwords
        if p.account in people and _is_usable(p)
    }
    return _each(values, SHADOW, accounts_elsewhere(snapshot))


@_of_accounts
def _unused(snapshot: Snapshot, accounts: tuple[Account, ...]) -> Reading:
    """For each person's account, the days since its last login, or "never"."""
    logins = snapshot.ask(LastLogins())
    if isinstance(logins, Unread):
        return _no_record(logins)
    highest = _highest_service_uid(snapshot)
    if isinstance(highest, Unread):
        return nothing(highest, LOGIN_DEFS)
    people = {a.name for a in accounts if has_shell(a) and a.uid > highest and a.name != "nobody"}
    values = {
        login.account: str(max(0, int(snapshot.taken_at - login.at)) // _DAY) if login.at else "never"
        for login in logins
        if login.account in people
    }
    record = logins[0].record if logins else _("records of logins")
    return _each(values, record, accounts_elsewhere(snapshot))


def _no_record(unread: Unread) -> Reading:
    if unread.reason is Reason.MISSING:
        why = _("no login is on record: the record is new, or nothing writes it")
        return Reading(gap=Gap(GapKind.UNTOLD, why))
    return nothing(unread, _("records of logins"))


def _root_logins(snapshot: Snapshot) -> Reading:
    """How often root logged in directly in the last days; this very session counts."""
    # The kernel keeps the account of the login through su and sudo (proc_pid_loginuid(5)).
    entered = snapshot.ask(KernelFile(_LOGIN_UID)) if snapshot.live else ""
    if entered == "0":
        return Reading({"": _("this session")}, provenance=(Provenance(_LOGIN_UID, text="0"),))
    if isinstance(entered, Unread) and entered.reason is not Reason.MISSING:
        return nothing(entered, _LOGIN_UID)
    logins = snapshot.ask(Logins())
    if isinstance(logins, Unread):
        return _no_record(logins)
    since = snapshot.taken_at - _RECENT_DAYS * _DAY
    recent = [login for login in logins if login.account == "root" and login.at >= since]
    places = tuple(
        Provenance(_("records of logins"), text=f"root {login.line} {login.host}".rstrip())
        for login in recent[-10:]
    )
    if not logins:
        return _no_record(Unread(Reason.MISSING))
    return Reading({"": str(len(recent))}, provenance=places or (Provenance(_("records of logins")),))


@_of_accounts
def _administrators(snapshot: Snapshot, accounts: tuple[Account, ...]) -> Reading:
    groups = snapshot.ask(Groups())
    if isinstance(groups, Unread):
        return nothing(groups, GROUP)
    values = {
        group.name: ", ".join(_members(group, accounts)) or NONE
        for group in groups
        if group.name in families.ADMIN_GROUPS
    }
    return _each(values, GROUP, accounts_elsewhere(snapshot))


def _members(group: Group, accounts: tuple[Account, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*group.members, *(a.name for a in accounts if a.gid == group.gid))))


def _user_databases(snapshot: Snapshot) -> Reading:
    services = _databases(snapshot)
    if isinstance(services, Unread):
        return nothing(services, NSSWITCH)
    return one(",".join(services), NSSWITCH)


_SUBJECTS: Mapping[str, _Reader] = {
    "administrators": _administrators,
    "ageing": _ageing,
    "databases": _user_databases,
    "duplicates": _duplicates,
    "empty-passwords": _empty_passwords,
    "hashes": _hashes,
    "homes": _homes,
    "legacy-entries": _legacy,
    "root-logins": _root_logins,
    "root-password": _root_password,
    "service-passwords": _service_passwords,
    "service-shells": _service_shells,
    "shells": _shells,
    "uid0": _uid0,
    "unused": _unused,
}
