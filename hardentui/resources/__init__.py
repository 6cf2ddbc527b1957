"""The kinds of settings: one module each, and this one registry through which all others know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hardentui.operations import Lines
from hardentui.resources.accounts import AccountsOf
from hardentui.resources.aide import Aide
from hardentui.resources.attestation import Attestation
from hardentui.resources.audit import Auditd, AuditRules
from hardentui.resources.base import Collector, Resource
from hardentui.resources.bind import Bind
from hardentui.resources.cgroups import Cgroups
from hardentui.resources.confinement import ConfinementOf
from hardentui.resources.containers import Containers
from hardentui.resources.crypt import Crypt
from hardentui.resources.endpoints import Endpoints
from hardentui.resources.events import Events
from hardentui.resources.firewall import Firewall
from hardentui.resources.hardware import Hardware
from hardentui.resources.isolation import Isolation
from hardentui.resources.journal import Journal
from hardentui.resources.kernel import BootLoader, CommandLine, KernelBuild, KernelIntegrity
from hardentui.resources.listeners import Listeners
from hardentui.resources.login import Login
from hardentui.resources.mac import AppArmor, Mac, Selinux
from hardentui.resources.mail import Mail
from hardentui.resources.mount import MountPoint
from hardentui.resources.openings import Openings
from hardentui.resources.own_services import OwnServices
from hardentui.resources.packages import PackageManager
from hardentui.resources.pam import Pam
from hardentui.resources.path import Path
from hardentui.resources.ports import Ports
from hardentui.resources.private_tmp import PrivateTmp
from hardentui.resources.processes import ProcessViews
from hardentui.resources.rabbitmq import RabbitMq
from hardentui.resources.retention import Retention
from hardentui.resources.rights import Rights
from hardentui.resources.rsyslog import (
    LogCertificates,
    LogExport,
    LogPrograms,
    LogRelay,
    LogServer,
    Rsyslog,
)
from hardentui.resources.sandbox import Sandbox
from hardentui.resources.search import Searches
from hardentui.resources.service_logs import ServiceLogs
from hardentui.resources.sshd import Sshd
from hardentui.resources.sudoers import Sudoers
from hardentui.resources.sysctl import Sysctl
from hardentui.resources.system import System
from hardentui.resources.timesync import Timesync
from hardentui.resources.tmpfiles import Tmpfiles
from hardentui.resources.units import UnitResource
from hardentui.resources.virtualisation import Virtualisation
from hardentui.resources.volume import Volume

_KINDS: tuple[Resource, ...] = (
    AccountsOf(),
    Aide(),
    AppArmor(),
    Attestation(),
    Auditd(),
    AuditRules(),
    Bind(),
    BootLoader(),
    Cgroups(),
    CommandLine(),
    ConfinementOf(),
    Containers(),
    Crypt(),
    Endpoints(),
    Events(),
    Firewall(),
    Hardware(),
    Isolation(),
    Journal(),
    KernelBuild(),
    KernelIntegrity(),
    Listeners(),
    LogCertificates(),
    LogExport(),
    LogPrograms(),
    LogRelay(),
    LogServer(),
    Login(),
    Mac(),
    Mail(),
    MountPoint(),
    Openings(),
    OwnServices(),
    PackageManager(),
    Pam(),
    Path(),
    Ports(),
    PrivateTmp(),
    ProcessViews(),
    RabbitMq(),
    Retention(),
    Rights(),
    Rsyslog(),
    Sandbox(),
    Searches(),
    Selinux(),
    ServiceLogs(),
    Sshd(),
    Sudoers(),
    Sysctl(),
    System(),
    Timesync(),
    Tmpfiles(),
    UnitResource(),
    Virtualisation(),
    Volume(),
)
RESOURCES: Mapping[str, Resource] = {resource.name: resource for resource in _KINDS}


_COLLECTORS = tuple(kind for kind in _KINDS if isinstance(kind, Collector))


def collects(path: str) -> bool:
    """Whether ``path`` is a file of ours that gathers the lines of many decisions."""
    return any(kind.collects(path) for kind in _COLLECTORS)


def kept(path: str, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
    """What stays of the ``lines`` of such a file when ``parts`` are written to it.

    Raises:
        ValueError: a line that stays is none that we could write.
    """
    return next((kind.kept(lines, parts) for kind in _COLLECTORS if kind.collects(path)), ())


def check(resource: str, subject: str, aspect: str) -> str | None:
    """What is wrong with a recommendation's resource, subject and aspect, or None."""
    kind = RESOURCES.get(resource)
    if kind is None:
        return f"unknown resource {resource!r}; known: {', '.join(sorted(RESOURCES))}"
    return kind.check(subject, aspect)
