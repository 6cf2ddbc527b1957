"""The directives of systemd.exec(5) and systemd.resource-control(5) that confine a service, as data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hardentui.i18n import N_, _
from hardentui.model import Text
from hardentui.resources.capabilities import NAMES as CAPABILITIES
from hardentui.resources.sandbox.settings import NAMESPACES, boolean
from hardentui.resources.unit_files import Line

Choice = Mapping[str, str]  # directive -> value, as a person chose them


class Inherited(StrEnum):
    """What a directive does to the sessions and jobs that a service starts for others: they inherit it."""

    HARMLESS = "harmless"
    UNKNOWN = "unknown"
    BREAKS = "breaks"


@dataclass(frozen=True, slots=True)
class Form:
    """What values look like that no list of choices holds: for us, and in words for who types one."""

    pattern: str
    words: str


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive.

    ``since`` is the first systemd that knows it, ``newer`` the first that knows words which came to its
    values later (systemd's NEWS). ``recommended`` is the value for services in general,
    "" where none is recommended, or where it is worked out from what the service uses (``computed``).
    ``choices`` are the values to choose from, weakest first; ``form`` is what others must match, where
    there may be any.
    ``replaces`` names the older mechanism that does the same. ``capability`` is what a process must hold
    to do what the directive takes away. ``resets`` says that an empty assignment comes first, so that
    the drop-in says all.
    """

    name: str
    since: int
    does: Text
    replaces: Text
    recommended: str = "yes"
    choices: tuple[str, ...] = ("no", "yes")
    form: Form | None = None
    anssi: str = "R65"
    capability: str = ""
    inherited: Inherited = Inherited.BREAKS
    computed: bool = False
    resets: bool = False
    newer: Mapping[str, int] = field(default_factory=dict)

    def known_since(self, value: str) -> int:
        """The first systemd that takes this value, and does not leave it out with a warning."""
        words = (word.lstrip("~") for word in value.split())
        return max((self.since, *(self.newer.get(word, 0) for word in words)))

    @property
    def expected(self) -> str:
        """What a value may be, in the language in use."""
        told = ", ".join(filter(None, self.choices)), _(self.form.words) if self.form else ""
        return _("; ").join(filter(None, told))

    def wrong(self, value: str) -> str:
        """What is wrong with a value, as a sentence; "" when nothing is."""
        if value in self.choices or (self.form and re.fullmatch(self.form.pattern, value)):
            return ""
        expected = self.expected
        return _("{name}={value}: expected {expected}").format(name=self.name, value=value, expected=expected)


_CAPABILITY = f"(?:{'|'.join(name.upper() for name in CAPABILITIES)})"
_CAPABILITIES = Form(
    f"~?(?:{_CAPABILITY}(?: {_CAPABILITY})*)?",
    N_("capabilities such as CAP_KILL CAP_CHOWN; with ~ before them all but these"),
)
_PATHS = Form(
    r"[-+]?/[A-Za-z0-9._@:+=,/-]{0,255}(?: [-+]?/[A-Za-z0-9._@:+=,/-]{0,255}){0,63}",
    N_("paths such as /var/lib/web -/run/web; a leading - allows for what is not there"),
)
_DEVICE = Form(
    r"(?:/dev/[A-Za-z0-9/_.-]{1,64}|char-[a-z*]{1,20}|block-[a-z*]{1,20}) [rwm]{1,3}",
    N_("a device and what is allowed: /dev/fuse rw, char-rtc r"),
)
_SPACE = f"(?:{'|'.join(NAMESPACES)})"
_SPACES = Form(
    f"~?{_SPACE}(?: {_SPACE})*", N_("kinds such as mnt net user, which stay allowed; with ~ all but these")
)
_FAMILY = "AF_[A-Z0-9]{2,16}"
_FAMILIES = Form(
    f"~?{_FAMILY}(?: {_FAMILY})*", N_("families such as AF_UNIX AF_INET; with ~ before them all but these")
)
_CALL = "@?[a-z0-9_-]{1,40}"
_CALLS = Form(
    f"~?{_CALL}(?: ~?{_CALL})*", N_("calls and sets of them such as @system-service ~@mount chroot")
)
_SIZE = Form("[1-9][0-9]{0,14}[KMGT]?", N_("a size such as 512M"))
_COUNT = Form("[1-9][0-9]{0,6}", N_("a number"))
_MASK = Form("0[0-7]{3}", N_("four octal digits such as 0027"))
# Sets of calls that came after the first ones (231).
_CALL_SETS: Mapping[str, int] = {
    **dict.fromkeys(("@file-system", "@reboot", "@swap"), 233),
    **dict.fromkeys(("@aio", "@chown", "@memlock", "@setuid", "@signal", "@sync", "@timer"), 235),
    "@system-service": 239,
    "@pkey": 244,
    "@known": 247,
}
_NETWORK = r"(?:any|localhost|link-local|multicast|[0-9a-f.:]{2,39}(?:/\d{1,3})?)"
_NETWORKS = Form(
    f"{_NETWORK}(?: {_NETWORK})*", N_("addresses and networks such as localhost 192.0.2.0/24, or any")
)

_CHROOT = Text("chroot and a read-only file system", "chroot et système de fichiers en lecture seule")
_SECCOMP = Text("seccomp, written into the program", "seccomp, écrit dans le programme")
_FILE_CAPABILITIES = Text("setuid root; file capabilities", "setuid root ; capacités de fichiers")

DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "NoNewPrivileges",
        187,
        Text(
            "No program that it starts can gain rights: setuid bits and file capabilities mean nothing.",
            "Aucun programme qu'il lance ne peut gagner de droits : les bits setuid et les capacités de"
            " fichiers sont sans effet.",
        ),
        Text("the mount option nosuid", "l'option de montage nosuid"),
        anssi="R64",
    ),
    Directive(
        "PrivateTmp",
        183,
        Text(
            "A /tmp and /var/tmp of its own, that nobody else sees.",
            "Un /tmp et un /var/tmp à lui, que personne d'autre ne voit.",
        ),
        Text("chroot; pam_namespace (R55)", "chroot ; pam_namespace (R55)"),
        anssi="R55, R65",
    ),
    Directive(
        "ProtectSystem",
        214,
        Text(
            "Read-only: /usr and /boot (yes), /etc too (full), or everything but /dev, /proc, /sys (strict).",
            "En lecture seule : /usr et /boot (yes), /etc aussi (full), ou tout sauf /dev, /proc et /sys"
            " (strict).",
        ),
        _CHROOT,
        recommended="strict",
        choices=("no", "yes", "full", "strict"),
        newer={"strict": 232},
    ),
    Directive(
        "ReadWritePaths",
        231,
        Text(
            "What stays writable below ProtectSystem=strict; a leading - allows for what is not there.",
            "Ce qui reste inscriptible sous ProtectSystem=strict ; un - devant tolère l'absence.",
        ),
        _CHROOT,
        recommended="",
        choices=(),
        form=_PATHS,
        computed=True,
    ),
    Directive(
        "ProtectHome",
        214,
        Text(
            "/home, /root and /run/user are empty for it (yes, tmpfs) or read-only.",
            "/home, /root et /run/user lui apparaissent vides (yes, tmpfs) ou en lecture seule.",
        ),
        _CHROOT,
        choices=("no", "read-only", "tmpfs", "yes"),
        newer={"tmpfs": 238},
    ),
    Directive(
        "PrivateDevices",
        209,
        Text(
            "A /dev with pseudo-devices only (null, zero, random, tty): no disks, no memory, no hardware.",
            "Un /dev réduit aux pseudo-périphériques (null, zero, random, tty) : ni disques, ni mémoire, ni"
            " matériel.",
        ),
        Text("chroot with its own /dev; the option nodev", "chroot avec son propre /dev ; l'option nodev"),
        capability="cap_mknod",
    ),
    Directive(
        "DevicePolicy",
        208,
        Text(
            "The control group lets it open pseudo-devices only (closed), or what DeviceAllow names.",
            "Le cgroup ne lui laisse ouvrir que les pseudo-périphériques (closed), ou ce que nomme"
            " DeviceAllow.",
        ),
        Text("owner and mode of the nodes in /dev", "propriétaire et mode des nœuds de /dev"),
        recommended="closed",
        choices=("auto", "closed", "strict"),
        inherited=Inherited.UNKNOWN,
    ),
    Directive(
        "DeviceAllow",
        208,
        Text(
            "A device that it may open in spite of DevicePolicy, and how: r, w, m.",
            "Un périphérique qu'il peut ouvrir malgré DevicePolicy, et comment : r, w, m.",
        ),
        Text("owner and mode of the nodes in /dev", "propriétaire et mode des nœuds de /dev"),
        recommended="",
        choices=("",),
        form=_DEVICE,
        inherited=Inherited.UNKNOWN,
    ),
    Directive(
        "ProtectKernelTunables",
        232,
        Text(
            "/proc/sys, /sys and their like are read-only: no kernel parameter can be set.",
            "/proc/sys, /sys et semblables sont en lecture seule : aucun paramètre du noyau ne se change.",
        ),
        Text("uid other than 0", "un uid autre que 0"),
    ),
    Directive(
        "ProtectKernelModules",
        232,
        Text("It can load no kernel module.", "Il ne peut charger aucun module du noyau."),
        Text("capabilities: CAP_SYS_MODULE dropped", "capacités : CAP_SYS_MODULE abandonnée"),
        capability="cap_sys_module",
    ),
    Directive(
        "ProtectKernelLogs",
        244,
        Text(
            "It can neither read nor write the kernel's log (/dev/kmsg, /proc/kmsg).",
            "Il ne peut ni lire ni écrire le journal du noyau (/dev/kmsg, /proc/kmsg).",
        ),
        Text("capabilities: CAP_SYSLOG dropped", "capacités : CAP_SYSLOG abandonnée"),
        capability="cap_syslog",
    ),
    Directive(
        "ProtectControlGroups",
        232,
        Text(
            "The control groups (/sys/fs/cgroup) are read-only: it cannot lift its own limits.",
            "Les cgroups (/sys/fs/cgroup) sont en lecture seule : il ne peut lever ses propres limites.",
        ),
        Text("ulimit and setrlimit", "ulimit et setrlimit"),
    ),
    Directive(
        "ProtectClock",
        245,
        Text("It can set no clock.", "Il ne peut régler aucune horloge."),
        Text("capabilities: CAP_SYS_TIME dropped", "capacités : CAP_SYS_TIME abandonnée"),
        capability="cap_sys_time",
    ),
    Directive(
        "ProtectHostname",
        242,
        Text("It cannot change the name of the host.", "Il ne peut changer le nom de l'hôte."),
        Text("the UTS namespace (unshare --uts)", "l'espace de noms UTS (unshare --uts)"),
        capability="cap_sys_admin",
        inherited=Inherited.UNKNOWN,
    ),
    Directive(
        "ProtectProc",
        247,
        Text(
            "Processes of other users are not seen in /proc.",
            "Les processus des autres utilisateurs ne se voient pas dans /proc.",
        ),
        Text("the option hidepid of /proc", "l'option hidepid de /proc"),
        recommended="invisible",
        choices=("default", "noaccess", "ptraceable", "invisible"),
    ),
    Directive(
        "ProcSubset",
        247,
        Text(
            "Of /proc only the processes are left: no meminfo, no cpuinfo, no /proc/sys.",
            "De /proc ne restent que les processus : ni meminfo, ni cpuinfo, ni /proc/sys.",
        ),
        _CHROOT,
        recommended="",
        choices=("all", "pid"),
    ),
    Directive(
        "RestrictNamespaces",
        233,
        Text(
            "It can make no namespaces of these kinds (yes: of none), hence no containers.",
            "Il ne peut créer d'espaces de noms de ces types (yes : d'aucun), donc pas de conteneurs.",
        ),
        Text("kernel.unprivileged_userns_clone, user.max_*", "kernel.unprivileged_userns_clone, user.max_*"),
        form=_SPACES,
        resets=True,
    ),
    Directive(
        "RestrictSUIDSGID",
        242,
        Text("It can set no setuid or setgid bit.", "Il ne peut poser aucun bit setuid ou setgid."),
        Text("the mount option nosuid", "l'option de montage nosuid"),
        anssi="R56, R64",
    ),
    Directive(
        "RestrictRealtime",
        231,
        Text(
            "It cannot take a processor for itself (real-time scheduling).",
            "Il ne peut accaparer un processeur (ordonnancement temps réel).",
        ),
        Text("ulimit -r (RLIMIT_RTPRIO)", "ulimit -r (RLIMIT_RTPRIO)"),
        inherited=Inherited.UNKNOWN,
    ),
    Directive(
        "RestrictAddressFamilies",
        211,
        Text(
            "It can open sockets of these families only.",
            "Il ne peut ouvrir de sockets que de ces familles.",
        ),
        _SECCOMP,
        recommended="",
        choices=("none",),
        form=_FAMILIES,
        computed=True,
        resets=True,
        newer={"none": 249},
    ),
    Directive(
        "LockPersonality",
        235,
        Text(
            "It cannot change the kernel's personality (old interfaces, no random addresses).",
            "Il ne peut changer la personnalité du noyau (anciennes interfaces, adresses non aléatoires).",
        ),
        _SECCOMP,
        inherited=Inherited.HARMLESS,
    ),
    Directive(
        "MemoryDenyWriteExecute",
        231,
        Text(
            "No memory is writable and executable: injected code does not run, nor does a JIT.",
            "Aucune mémoire n'est à la fois inscriptible et exécutable : le code injecté ne s'exécute pas, la"
            " compilation à la volée non plus.",
        ),
        Text("PaX MPROTECT", "PaX MPROTECT"),
        anssi="R64",
        inherited=Inherited.BREAKS,
    ),
    Directive(
        "SystemCallArchitectures",
        209,
        Text(
            "System calls of the native kind only: no 32-bit programs.",
            "Appels système natifs seulement : pas de programmes 32 bits.",
        ),
        _SECCOMP,
        recommended="native",
        choices=("", "native"),
        resets=True,
        inherited=Inherited.UNKNOWN,
    ),
    Directive(
        "SystemCallFilter",
        187,
        Text(
            "It can make these system calls only; from a ~ on, those named are taken away again.",
            "Il ne peut faire que ces appels système ; à partir d'un ~, ceux nommés sont retirés.",
        ),
        _SECCOMP,
        recommended="",
        choices=("@system-service", "@system-service ~@privileged @resources"),
        form=_CALLS,
        anssi="R64, R65",
        computed=True,
        resets=True,
        newer=_CALL_SETS,
    ),
    Directive(
        "SystemCallErrorNumber",
        209,
        Text(
            "What a call that is filtered gives: an error, where the process would be killed without it.",
            "Ce que rend un appel filtré : une erreur, sans quoi le processus serait tué.",
        ),
        _SECCOMP,
        recommended="",
        choices=("EPERM", "EACCES", "ENOSYS"),
        inherited=Inherited.HARMLESS,
    ),
    Directive(
        "CapabilityBoundingSet",
        21,
        Text(
            "The capabilities that it, and all that it starts, can ever hold.",
            "Les capacités que lui, et tout ce qu'il lance, peuvent jamais détenir.",
        ),
        _FILE_CAPABILITIES,
        recommended="",
        choices=("",),
        form=_CAPABILITIES,
        anssi="R64",
        computed=True,
        resets=True,
    ),
    Directive(
        "AmbientCapabilities",
        229,
        Text(
            "Capabilities that a service under a common account is given, instead of starting as root.",
            "Capacités données à un service sous un compte ordinaire, au lieu de le lancer en root.",
        ),
        _FILE_CAPABILITIES,
        recommended="",
        choices=("",),
        form=_CAPABILITIES,
        anssi="R64",
        resets=True,
    ),
    Directive(
        "PrivateNetwork",
        33,
        Text(
            "A network of its own, with nothing but a loopback interface.",
            "Un réseau à lui, réduit à une interface de bouclage.",
        ),
        Text("the network namespace (ip netns)", "l'espace de noms réseau (ip netns)"),
        recommended="",
        anssi="R65, R78",
    ),
    Directive(
        "IPAddressDeny",
        235,
        Text(
            "It exchanges packets with none of these addresses (any: with nobody).",
            "Il n'échange de paquets avec aucune de ces adresses (any : avec personne).",
        ),
        Text("firewall rules by account (iptables owner)", "règles de pare-feu par compte (iptables owner)"),
        recommended="",
        choices=("", "any"),
        form=_NETWORKS,
        anssi="R65, R78",
        computed=True,
        resets=True,
    ),
    Directive(
        "IPAddressAllow",
        235,
        Text(
            "Addresses that stay reachable below IPAddressDeny.",
            "Adresses qui restent joignables sous IPAddressDeny.",
        ),
        Text("firewall rules by account (iptables owner)", "règles de pare-feu par compte (iptables owner)"),
        recommended="",
        choices=("", "localhost"),
        form=_NETWORKS,
        anssi="R65, R78",
        resets=True,
    ),
    Directive(
        "PrivateUsers",
        232,
        Text(
            "Its root is nobody outside: of the accounts of the host it sees root and its own.",
            "Son root n'est personne au-dehors : des comptes de l'hôte il ne voit que root et le sien.",
        ),
        Text("the user namespace (unshare --user)", "l'espace de noms utilisateur (unshare --user)"),
        recommended="",
    ),
    Directive(
        "UMask",
        21,
        Text(
            "The rights that its new files do not get.",
            "Les droits que ses nouveaux fichiers ne reçoivent pas.",
        ),
        Text("umask in a start script", "umask dans un script de démarrage"),
        recommended="0027",
        choices=("0022", "0027", "0077"),
        form=_MASK,
        anssi="R36",
    ),
    Directive(
        "NoExecPaths",
        248,
        Text(
            "Nothing below these folders can be started.",
            "Rien ne peut être lancé sous ces répertoires.",
        ),
        Text("the mount option noexec", "l'option de montage noexec"),
        recommended="",
        choices=("/tmp /var/tmp", "/home /tmp /var"),  # noqa: S108 - values of a directive
        form=_PATHS,
        anssi="R28, R65",
    ),
    Directive(
        "RemoveIPC",
        232,
        Text(
            "Shared memory and semaphores of its account go when it stops (no effect for root).",
            "La mémoire partagée et les sémaphores de son compte partent à son arrêt (sans effet pour root).",
        ),
        Text("ipcrm by hand", "ipcrm à la main"),
        recommended="",
        computed=True,
        inherited=Inherited.UNKNOWN,
    ),
    Directive(
        "KeyringMode",
        235,
        Text(
            "Its kernel keyring is its own (private), and no other service's.",
            "Son trousseau de clés du noyau n'est qu'à lui (private).",
        ),
        Text("keyctl session, in a start script", "keyctl session, dans un script de démarrage"),
        recommended="private",
        choices=("shared", "inherit", "private"),
        inherited=Inherited.HARMLESS,
    ),
    Directive(
        "MemoryMax",
        231,
        Text(
            "The most memory that it may take, cached files included: beyond it the kernel kills one of its"
            " processes.",
            "Le plus de mémoire qu'il peut prendre, fichiers en cache compris : au-delà, le noyau tue un de"
            " ses processus.",
        ),
        Text("ulimit -v (RLIMIT_AS), by process", "ulimit -v (RLIMIT_AS), par processus"),
        recommended="",
        choices=("infinity",),
        form=_SIZE,
        computed=True,
        inherited=Inherited.UNKNOWN,
    ),
    Directive(
        "TasksMax",
        227,
        Text(
            "The most processes and threads that it may have at once: a fork bomb ends there.",
            "Le plus de processus et de threads qu'il peut avoir à la fois : une bombe fork s'arrête là.",
        ),
        Text("ulimit -u (RLIMIT_NPROC), by account", "ulimit -u (RLIMIT_NPROC), par compte"),
        recommended="",
        choices=("infinity",),
        form=_COUNT,
        computed=True,
        inherited=Inherited.UNKNOWN,
    ),
)
BY_NAME: Mapping[str, Directive] = {directive.name: directive for directive in DIRECTIVES}
_KEY = re.compile(r"[A-Za-z]{2,40}")


def parse(text: str) -> Choice:
    """The directives of a text that has one on each line, as a plan keeps them.

    Raises:
        ValueError: a line that is none; the message is a sentence.
    """
    chosen: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, equals, value = line.partition("=")
        name, value = name.strip(), " ".join(value.split())
        directive = BY_NAME.get(name)
        if not equals or directive is None:
            raise ValueError(_("{line} is no directive that is known here").format(line=repr(line)))
        if name in chosen:
            raise ValueError(_("{name} is set twice").format(name=name))
        value = boolean(value) if set(directive.choices) >= {"yes", "no"} else value
        if wrong := directive.wrong(value):
            raise ValueError(wrong)
        chosen[name] = value
    return chosen


def write(chosen: Choice) -> str:
    """The same as text, one directive on each line, in the order of the table."""
    return "\n".join(f"{name}={chosen[name]}" for name in BY_NAME if name in chosen)


def lines(chosen: Choice) -> Iterator[Line]:
    """The assignments of a drop-in: what resets a list stands before it."""
    for directive in DIRECTIVES:
        if directive.name not in chosen:
            continue
        value = chosen[directive.name]
        if directive.resets and value:
            yield directive.name, ""
        first, tilde, rest = value.partition("~")
        if directive.name == "SystemCallFilter" and first and tilde:
            yield directive.name, first.strip()
            yield directive.name, f"~{rest.replace('~', '').strip()}"
        else:
            yield directive.name, value


def read_dropin(assigned: Iterable[Line]) -> Choice:
    """What a drop-in of ours chose: the reverse of ``lines``; what is none of ours is left out."""
    chosen: dict[str, str] = {}
    for name, value in assigned:
        if name in BY_NAME:
            chosen[name] = " ".join(filter(None, (chosen.get(name, ""), value)))
    return {name: value for name, value in chosen.items() if not BY_NAME[name].wrong(value)}
