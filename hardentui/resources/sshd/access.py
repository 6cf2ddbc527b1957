"""Who could still come in: what must be known before root's login, or passwords, are shut off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.resources.accounts import has_shell
from hardentui.resources.base import why_not
from hardentui.resources.sshd.match import Connection, like
from hardentui.resources.sshd.questions import groups_of
from hardentui.resources.sshd.state import View, view
from hardentui.resources.sudoers.grammar import Member, MemberKind, Rule
from hardentui.resources.sudoers.policy import Policy, read_policy
from hardentui.snapshot import (
    Account,
    Accounts,
    Passwords,
    PrivilegesAre,
    Reason,
    Snapshot,
    Stat,
    Unread,
)


@dataclass(frozen=True, slots=True)
class Door:
    """An account, and the ways by which it can log in; None where that cannot be seen."""

    account: Account
    by_key: bool | None
    by_password: bool | None
    by_sudo: bool | None  # whether it can then become root


def doors(snapshot: Snapshot) -> tuple[Door, ...] | Unread:
    """Every account with a shell that the lists of sshd let in, and how."""
    accounts = snapshot.ask(Accounts())
    if isinstance(accounts, Unread):
        return accounts
    seen = snapshot.derive(view)
    return tuple(
        Door(
            account,
            _has_keys(snapshot, seen, account),
            _has_password(snapshot, account),
            True if account.uid == 0 else _has_sudo(snapshot, account),
        )
        for account in accounts
        if has_shell(account) and _is_let_in(snapshot, seen, account)
    )


def lockout(snapshot: Snapshot) -> str | None:
    """Why nobody but root could administer this host any more; None when somebody can, or may."""
    found = snapshot.derive(_others)
    if isinstance(found, Unread) or found:
        return None
    return _(
        "no account but root can log in and become root (a shell, a key or a password, and a rule of sudo): "
        "make one first"
    )


def lockout_unread(snapshot: Snapshot) -> str | None:
    """What keeps us from telling whether anybody but root can administer this host."""
    found = snapshot.derive(_others)
    if not isinstance(found, Unread):
        return None
    return _("whether another account can log in and become root cannot be seen here: {why}").format(
        why=why_not(found)
    )


def keyless(snapshot: Snapshot) -> str | None:
    """Why passwords must stay: nobody has a key, or only root, whose login may be closed by the same plan."""
    found = snapshot.derive(doors)
    if isinstance(found, Unread):
        return None
    if all(door.by_key is False for door in found):
        return _("no account that may log in has an authorized key: put one there first, and try it")
    others = [d for d in found if d.account.uid and d.by_password and d.by_sudo]
    if others and all(d.by_key is False or d.by_sudo is False for d in found if d.account.uid):
        return _(
            "of those who can become root, only root itself has an authorized key: give {name} one"
        ).format(name=others[0].account.name)
    return None


def password_only(snapshot: Snapshot) -> str | None:
    """Who would have to bring a key, and has none."""
    found = snapshot.derive(doors)
    if isinstance(found, Unread):
        return None
    names = [door.account.name for door in found if door.by_password and door.by_key is False]
    if not names:
        return None
    return _("these log in by password alone, and have no key: {names}").format(names=", ".join(names[:5]))


def root_keys(snapshot: Snapshot) -> str | None:
    """Whether something logs in as root with a key today."""
    found = snapshot.derive(doors)
    root = () if isinstance(found, Unread) else tuple(door for door in found if door.account.uid == 0)
    if not any(door.by_key for door in root):
        return None
    return _("root has authorized keys: a backup or a deployment that logs in with one needs another account")


def root_session(snapshot: Snapshot) -> str | None:
    """Whether the one who asks is root, over SSH."""
    who = snapshot.ask(PrivilegesAre())
    if isinstance(who, Unread) or not who.session or who.user != "root":
        return None
    return _(
        "this very session is root's own, over SSH from {address}: keep it open until a new one is tried"
    ).format(address=who.session)


def not_listed(snapshot: Snapshot) -> str | None:
    """Whether the lists of sshd leave out the one who asks."""
    who = snapshot.ask(PrivilegesAre())
    accounts = snapshot.ask(Accounts())
    if isinstance(who, Unread) or isinstance(accounts, Unread) or not who.user:
        return None
    own = next((account for account in accounts if account.name == who.user), None)
    if own is None or _is_let_in(snapshot, snapshot.derive(view), own):
        return None
    return _("you are {user}, and the lists of sshd do not let {user} in").format(user=who.user)


# --- one account --------------------------------------------------------------------------------------


def _others(snapshot: Snapshot) -> tuple[str, ...] | Unread:
    """Accounts other than root that can log in and become root; Unread where that cannot be told."""
    found = snapshot.derive(doors)
    if isinstance(found, Unread):
        return found
    doubt: str = ""
    names = []
    for door in found:
        enters = _either(door.by_key, door.by_password)
        if door.account.uid == 0 or enters is False or door.by_sudo is False:
            continue
        if enters and door.by_sudo:
            names.append(door.account.name)
        doubt = doubt or door.account.name
    if not names and doubt:
        return Unread(Reason.DENIED, doubt)
    if not names and not isinstance(snapshot.ask(Stat("/etc/sssd/sssd.conf")), Unread):
        return Unread(Reason.UNSUPPORTED, _("accounts of a directory (sssd)"))
    return tuple(names)


def _either(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001 - three values
    if one or other:
        return True
    return None if None in {one, other} else False


def _has_keys(snapshot: Snapshot, seen: View, account: Account) -> bool | None:
    """Whether a file of authorized keys of this account holds anything, and sshd would look at it."""
    connection = Connection(user=account.name, groups=lambda user: groups_of(snapshot, user))
    locked = _is_locked(snapshot, account)
    if locked is not False and seen.config.effective("usepam", connection).values != ("yes",):
        return None if locked is None else False  # without PAM, sshd itself turns locked accounts away
    if (seen.config.effective("pubkeyauthentication", connection).values or ("yes",)) == ("no",):
        return False
    patterns = (seen.config.effective("authorizedkeysfile", connection).values or ("",))[0].split()
    answer: bool | None = False
    for pattern in patterns if patterns != ["none"] else []:
        path = pattern.replace("%u", account.name).replace("%h", account.home).replace("%%", "%")
        status = snapshot.ask(Stat(path if path.startswith("/") else f"{account.home}/{path}"))
        if isinstance(status, Unread):
            answer = answer if status.reason is Reason.MISSING else None
        elif status.size:
            return True
    command = seen.config.effective("authorizedkeyscommand", connection).values
    return answer if command == ("none",) else None


def _is_locked(snapshot: Snapshot, account: Account) -> bool | None:
    passwords = snapshot.ask(Passwords())
    if isinstance(passwords, Unread):
        return None
    return any(password.account == account.name and password.locked for password in passwords)


def _has_password(snapshot: Snapshot, account: Account) -> bool | None:
    seen = snapshot.derive(view)
    asked = ("passwordauthentication", "kbdinteractiveauthentication")
    connection = Connection(user=account.name, groups=lambda user: groups_of(snapshot, user))
    if all(seen.config.effective(keyword, connection).values == ("no",) for keyword in asked):
        return False
    passwords = snapshot.ask(Passwords())
    if isinstance(passwords, Unread):
        return None
    own = next((p for p in passwords if p.account == account.name), None)
    return own is not None and own.scheme not in {"disabled", "locked", "empty"} and not own.locked


def _is_let_in(snapshot: Snapshot, seen: View, account: Account) -> bool:
    """By AllowUsers and its like; a list whose groups are not known is taken to let in."""
    connection = Connection(user=account.name, groups=lambda user: groups_of(snapshot, user))

    def listed(keyword: str) -> tuple[str, ...]:
        return seen.config.effective(keyword, connection).values or ()

    groups = groups_of(snapshot, account.name) or frozenset()
    if _in(account.name, (p for p in listed("denyusers") if "@" not in p)):
        return False
    if any(_in(group, listed("denygroups")) for group in groups):
        return False
    users, wanted = listed("allowusers"), listed("allowgroups")
    if users and not _in(account.name, (pattern.partition("@")[0] for pattern in users)):
        return False
    return not wanted or any(_in(group, wanted) for group in groups)


def _in(name: str, patterns: Iterable[str]) -> bool:
    return any(like(name, pattern) for pattern in patterns)


def _has_sudo(snapshot: Snapshot, account: Account) -> bool | None:
    """Whether a rule of sudo lets the account run everything as root."""
    policy = snapshot.derive(read_policy)
    if isinstance(policy, Unread):
        return False if policy.reason is Reason.MISSING else None
    groups = groups_of(snapshot, account.name) or frozenset()
    answer: bool | None = False
    for rule in policy.rules:
        if not _is_of(policy, rule, account, groups):
            continue
        kinds = {(member.kind, member.negated) for member in policy.commands(rule)}
        if (MemberKind.ALL, False) in kinds and _is_root(policy, rule):
            answer = True
        elif (MemberKind.ALL, True) in kinds:
            answer = False  # the last rule that fits decides
    return None if answer is False and policy.gaps else answer


def _is_root(policy: Policy, rule: Rule) -> bool:
    if rule.as_users is None:
        return rule.as_groups is None
    return any(
        not member.negated and (member.kind is MemberKind.ALL or member.text in {"root", "#0"})
        for member in policy.targets(rule.as_users)
    )


def _is_of(policy: Policy, rule: Rule, account: Account, groups: frozenset[str]) -> bool:
    answer = False
    for member in _users(policy, rule.users):
        fits = (
            member.kind is MemberKind.ALL
            or (member.kind is MemberKind.NAME and member.text in {account.name, f"#{account.uid}"})
            or (member.kind is MemberKind.GROUP and member.text.lstrip("%") in groups)
        )
        answer = (not member.negated) if fits else answer
    return answer


def _users(policy: Policy, members: Iterable[Member]) -> Iterable[Member]:
    named = {alias.name: alias.members for alias in policy.aliases if alias.kind == "User"}
    for member in members:
        if member.kind is MemberKind.ALIAS:
            yield from named.get(member.text, ())
        else:
            yield member
