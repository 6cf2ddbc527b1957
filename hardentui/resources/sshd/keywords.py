"""The keywords of sshd_config(5): what their values look like, and how ``sshd -T`` prints them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Rule(Enum):
    """Which of several lines counts."""

    FIRST = auto()  # the first line wins
    LAST = auto()  # the last line wins
    ADD = auto()  # every line adds to the others


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword.

    ``read`` turns the words of a line into the value as sshd prints it (several with ``Rule.ADD``),
    and raises ValueError for what sshd refuses. ``in_match`` says whether it may stand in a Match block.
    """

    name: str
    read: Callable[[Sequence[str]], tuple[str, ...]]
    in_match: bool = True
    rule: Rule = Rule.FIRST
    default: str | None = None  # what sshd has when no line says anything; None where builds differ


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MOST = 2**31 - 1
_LEVELS = {
    "silent": "SILENT",
    "quiet": "SILENT",
    "fatal": "FATAL",
    "error": "ERROR",
    "info": "INFO",
    "verbose": "VERBOSE",
    "debug": "DEBUG",
    "debug1": "DEBUG",
    "debug2": "DEBUG2",
    "debug3": "DEBUG3",
}
_FACILITIES = ("daemon", "user", "auth", "authpriv", *(f"local{n}" for n in range(8)))


def _single(words: Sequence[str]) -> str:
    if not words or not words[0]:
        raise ValueError("a value is missing")
    if len(words) > 1:
        raise ValueError("extra words at the end of the line")
    return words[0]


def _one_of(**printed: str) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """One of some words, in any case; the names of the arguments have _ for -."""
    known = {word.replace("_", "-"): value for word, value in printed.items()}

    def read(words: Sequence[str]) -> tuple[str, ...]:
        word = _single(words).lower()
        if word not in known:
            raise ValueError(f"unsupported value {words[0]!r}")
        return (known[word],)

    return read


_flag = _one_of(yes="yes", no="no")
_forwarding = _one_of(yes="yes", all="yes", no="no", remote="remote", local="local")
_level = _one_of(**_LEVELS)
_facility = _one_of(**{name: name.upper() for name in _FACILITIES})


def _integer(words: Sequence[str]) -> tuple[str, ...]:
    word = _single(words)
    if not re.fullmatch(r"\+?[0-9]{1,12}", word) or int(word) > _MOST:
        raise ValueError(f"not a whole number: {word!r}")
    return (str(int(word)),)


def seconds(text: str) -> int:
    """A time such as 1h30m, in seconds.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"(?:[0-9]{1,12}[smhdwSMHDW]?)+", text):
        raise ValueError(f"not a time: {text!r}")
    total = sum(
        int(number) * _UNITS[unit.lower()] for number, unit in re.findall(r"([0-9]+)([a-zA-Z]?)", text)
    )
    if total > _MOST:
        raise ValueError(f"too long a time: {text!r}")
    return total


def _time(words: Sequence[str]) -> tuple[str, ...]:
    return (str(seconds(_single(words))),)


def _timeout(words: Sequence[str]) -> tuple[str, ...]:
    if words and words[0].lower() == "none":
        return (_single(words).lower(),)
    value = seconds(_single(words))
    return (str(value) if value else "none",)


def _text(words: Sequence[str]) -> tuple[str, ...]:
    return (_single(words),)


def _path(words: Sequence[str]) -> tuple[str, ...]:
    word = _single(words)
    return ("none" if word.lower() == "none" else word,)


def _words(words: Sequence[str]) -> tuple[str, ...]:
    if "" in words:
        raise ValueError("an empty word")
    return tuple(words)


def _joined(words: Sequence[str]) -> tuple[str, ...]:
    return (" ".join(_words(words)),)


def _some_joined(words: Sequence[str]) -> tuple[str, ...]:
    if not words:
        raise ValueError("a value is missing")
    return _joined(words)


def _environment(words: Sequence[str]) -> tuple[str, ...]:
    if any("=" in word for word in words):
        raise ValueError("not the name of a variable")
    return _words(words)


def _algorithms(words: Sequence[str]) -> tuple[str, ...]:
    word = _single(words)
    if not word.lstrip("+-^") or any(not name for name in word.lstrip("+-^").split(",")):
        raise ValueError(f"not a list of algorithms: {word!r}")
    return (word,)


def _port(words: Sequence[str]) -> tuple[str, ...]:
    word = _single(words)
    if not re.fullmatch(r"[0-9]{1,5}", word) or not 0 < int(word) < 1 << 16:
        raise ValueError(f"not a port: {word!r}")
    return (str(int(word)),)


def _listen(words: Sequence[str]) -> tuple[str, ...]:
    if not words or not words[0] or (len(words) > 1 and (words[1] != "rdomain" or len(words) != 3)):  # noqa: PLR2004 - ADDRESS rdomain NAME
        raise ValueError("not an address to listen on")
    return (" ".join(words),)


def _subsystem(words: Sequence[str]) -> tuple[str, ...]:
    if len(words) < 2:  # noqa: PLR2004 - name and command
        raise ValueError("expected a name and a command")
    return (" ".join(words),)


def _tunnel(words: Sequence[str]) -> tuple[str, ...]:
    word = _single(words)
    if word not in {"no", "point-to-point", "ethernet", "yes"}:
        raise ValueError(f"unsupported value {word!r}")
    return (word,)


def _key_options(words: Sequence[str]) -> tuple[str, ...]:
    chosen = {word.lower() for word in words} - {"none"}
    if chosen - {"touch-required", "verify-required"}:
        raise ValueError(f"unsupported option in {' '.join(words)!r}")
    return (" ".join(sorted(chosen)) or "none",)


def _start_ups(words: Sequence[str]) -> tuple[str, ...]:
    found = re.fullmatch(r"([0-9]{1,9})(?::([0-9]{1,3}):([0-9]{1,9}))?", _single(words))
    if found is None:
        raise ValueError(f"expected START:RATE:FULL, found {words[0]!r}")
    begin, rate, full = int(found[1]), int(found[2] or 30), int(found[3] or found[1])
    if not 0 < begin <= full or not 1 <= rate <= 100:  # noqa: PLR2004 - percent
        raise ValueError(f"expected START:RATE:FULL, found {words[0]!r}")
    return (f"{begin}:{rate}:{full}",)


def _rekey(words: Sequence[str]) -> tuple[str, ...]:
    if not words or len(words) > 2:  # noqa: PLR2004 - size and time
        raise ValueError("expected a size, and perhaps a time")
    size = 0
    if words[0] != "default":
        found = re.fullmatch(r"([0-9]{1,15})([bkmgtBKMGT]?)", words[0])
        if found is None:
            raise ValueError(f"not a size: {words[0]!r}")
        size = int(found[1]) * _SIZES[found[2].lower()]
        if 0 < size < 16:  # noqa: PLR2004 - sshd's own limit
            raise ValueError(f"too small: {words[0]!r}")
    after = seconds(words[1]) if len(words) > 1 and words[1] != "none" else 0
    return (f"{size} {after}",)


def _whole(words: Sequence[str]) -> tuple[str, ...]:
    """The rest of the line as it stands: the reader gives it as one word."""
    return (_single(words),)


def _command(words: Sequence[str]) -> tuple[str, ...]:
    word = _single(words)
    if not word.startswith("/") and word.lower() != "none":
        raise ValueError("a command is an absolute path")
    return (word,)


def _keyword(
    name: str,
    read: Callable[[Sequence[str]], tuple[str, ...]],
    default: str | None = None,
    *,
    only: bool = False,
    rule: Rule = Rule.FIRST,
) -> Keyword:
    return Keyword(name, read, not only, rule, default)


_ROOT = _one_of(
    without_password="prohibit-password",  # noqa: S106 - words of sshd_config, no secrets
    prohibit_password="prohibit-password",  # noqa: S106 - as above
    forced_commands_only="forced-commands-only",
    yes="yes",
    no="no",
)
_ALL = (
    _keyword("AcceptEnv", _environment, rule=Rule.ADD),
    _keyword("AddressFamily", _one_of(inet="inet", inet6="inet6", any="any"), "any", only=True),
    _keyword("AllowAgentForwarding", _flag, "yes"),
    _keyword("AllowGroups", _words, rule=Rule.ADD),
    _keyword("AllowStreamLocalForwarding", _forwarding, "yes"),
    _keyword("AllowTcpForwarding", _forwarding, "yes"),
    _keyword("AllowUsers", _words, rule=Rule.ADD),
    _keyword("AuthenticationMethods", _some_joined, "any"),
    _keyword("AuthorizedKeysCommand", _command, "none"),
    _keyword("AuthorizedKeysCommandUser", _text, "none"),
    _keyword("AuthorizedKeysFile", _joined, ".ssh/authorized_keys .ssh/authorized_keys2"),
    _keyword("AuthorizedPrincipalsCommand", _command, "none"),
    _keyword("AuthorizedPrincipalsCommandUser", _text, "none"),
    _keyword("AuthorizedPrincipalsFile", _path, "none"),
    _keyword("Banner", _path, "none"),
    _keyword("CASignatureAlgorithms", _algorithms),
    _keyword("ChannelTimeout", _joined, "none"),
    _keyword("ChrootDirectory", _path, "none"),
    _keyword("Ciphers", _algorithms, only=True),
    _keyword("ClientAliveCountMax", _integer, "3"),
    _keyword("ClientAliveInterval", _time, "0"),
    _keyword("Compression", _one_of(yes="yes", delayed="yes", no="no"), "yes", only=True),
    _keyword("DebianBanner", _flag, "yes", only=True),
    _keyword("DenyGroups", _words, rule=Rule.ADD),
    _keyword("DenyUsers", _words, rule=Rule.ADD),
    _keyword("DisableForwarding", _flag, "no"),
    _keyword("ExposeAuthInfo", _flag, "no"),
    _keyword("FingerprintHash", _one_of(md5="MD5", sha256="SHA256"), "SHA256", only=True, rule=Rule.LAST),
    _keyword("ForceCommand", _whole, "none"),
    _keyword("GatewayPorts", _one_of(clientspecified="clientspecified", yes="yes", no="no"), "no"),
    _keyword("GSSAPIAuthentication", _flag, "no"),
    _keyword("GSSAPICleanupCredentials", _flag, "yes", only=True),
    _keyword("GSSAPIDelegateCredentials", _flag),
    _keyword("GSSAPIEnablek5users", _flag),
    _keyword("GSSAPIKexAlgorithms", _text, only=True),
    _keyword("GSSAPIKeyExchange", _flag, "no", only=True),
    _keyword("GSSAPIStoreCredentialsOnRekey", _flag, "no", only=True),
    _keyword("GSSAPIStrictAcceptorCheck", _flag, "yes", only=True),
    _keyword("HostbasedAcceptedAlgorithms", _algorithms),
    _keyword("HostbasedAuthentication", _flag, "no"),
    _keyword("HostbasedUsesNameFromPacketOnly", _flag, "no"),
    _keyword("HostCertificate", _text, only=True, rule=Rule.ADD),
    _keyword("HostKey", _text, only=True, rule=Rule.ADD),
    _keyword("HostKeyAgent", _text, "none", only=True),
    _keyword("HostKeyAlgorithms", _algorithms, only=True),
    _keyword("IgnoreRhosts", _one_of(yes="yes", no="no", shosts_only="shosts-only"), "yes"),
    _keyword("IgnoreUserKnownHosts", _flag, "no", only=True),
    _keyword("IPQoS", _joined, rule=Rule.LAST),
    _keyword("KbdInteractiveAuthentication", _flag, "yes"),
    _keyword("KerberosAuthentication", _flag, "no"),
    _keyword("KerberosGetAFSToken", _flag, only=True),
    _keyword("KerberosOrLocalPasswd", _flag, "yes", only=True),
    _keyword("KerberosTicketCleanup", _flag, "yes", only=True),
    _keyword("KerberosUniqueCCache", _flag, only=True),
    _keyword("KerberosUseKuserok", _flag),
    _keyword("KexAlgorithms", _algorithms, only=True),
    _keyword("ListenAddress", _listen, only=True, rule=Rule.ADD),
    _keyword("LoginGraceTime", _time, "120", only=True),
    _keyword("LogLevel", _level, "INFO"),
    _keyword("LogVerbose", _joined, "none"),
    _keyword("MACs", _algorithms, only=True),
    _keyword("MaxAuthTries", _integer, "6"),
    _keyword("MaxSessions", _integer, "10"),
    _keyword("MaxStartups", _start_ups, "10:30:100", only=True, rule=Rule.LAST),
    _keyword("ModuliFile", _path, only=True),
    _keyword("PasswordAuthentication", _flag, "yes"),
    _keyword("PermitEmptyPasswords", _flag, "no"),
    _keyword("PermitListen", _joined, "any"),
    _keyword("PermitOpen", _joined, "any"),
    _keyword("PermitRootLogin", _ROOT, "prohibit-password"),
    _keyword("PermitTTY", _flag, "yes"),
    _keyword("PermitTunnel", _tunnel, "no"),
    _keyword("PermitUserEnvironment", _text, "no", only=True),
    _keyword("PermitUserRC", _flag, "yes"),
    _keyword("PerSourceMaxStartups", _text, "none", only=True, rule=Rule.LAST),
    _keyword("PerSourceNetBlockSize", _text, "32:128", only=True, rule=Rule.LAST),
    _keyword("PerSourcePenalties", _joined, only=True),
    _keyword("PerSourcePenaltyExemptList", _text, only=True),
    _keyword("PidFile", _path, "/run/sshd.pid", only=True),
    _keyword("Port", _port, only=True, rule=Rule.ADD),
    _keyword("PrintLastLog", _flag, "yes", only=True),
    _keyword("PrintMotd", _flag, "yes", only=True),
    _keyword("PubkeyAcceptedAlgorithms", _algorithms),
    _keyword("PubkeyAuthentication", _flag, "yes"),
    _keyword("PubkeyAuthOptions", _key_options, "none"),
    _keyword("RDomain", _text),
    _keyword("RefuseConnection", _flag, "no"),
    _keyword("RekeyLimit", _rekey, "0 0"),
    _keyword("RequiredRSASize", _integer, "1024"),
    _keyword("RevokedKeys", _path, "none"),
    _keyword("SecurityKeyProvider", _text, "internal", only=True),
    _keyword("SetEnv", _joined),
    _keyword("SshdAuthPath", _text, only=True),
    _keyword("SshdSessionPath", _text, only=True),
    _keyword("StreamLocalBindMask", _text, "0177", rule=Rule.LAST),
    _keyword("StreamLocalBindUnlink", _flag, "no"),
    _keyword("StrictModes", _flag, "yes", only=True),
    _keyword("Subsystem", _subsystem, rule=Rule.ADD),
    _keyword("SyslogFacility", _facility, "AUTH", only=True),
    _keyword("TCPKeepAlive", _flag, "yes", only=True),
    _keyword("TrustedUserCAKeys", _path, "none"),
    _keyword("UnusedConnectionTimeout", _timeout, "none"),
    _keyword("UseDNS", _flag, "no", only=True),
    _keyword("UsePAM", _flag, "no", only=True),
    _keyword("VersionAddendum", _whole, "none", only=True),
    _keyword("X11DisplayOffset", _integer, "10"),
    _keyword("X11Forwarding", _flag, "no"),
    _keyword("X11MaxDisplays", _integer),
    _keyword("X11UseLocalhost", _flag, "yes"),
    _keyword("XAuthLocation", _path, only=True),
)
KEYWORDS: Mapping[str, Keyword] = {keyword.name.lower(): keyword for keyword in _ALL}
ALIASES: Mapping[str, str] = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "gssapicleanupcreds": "gssapicleanupcredentials",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
    "hostdsakey": "hostkey",
    "keepalive": "tcpkeepalive",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "rsaminsize": "requiredrsasize",
    "skeyauthentication": "kbdinteractiveauthentication",
}
# Read and thrown away: what they once chose is gone.
REMOVED = frozenset(
    {
        "afstokenpassing",
        "authorizedkeysfile2",
        "checkmail",
        "gssusesessionccache",
        "gssapiusesessioncredcache",
        "kerberostgtpassing",
        "keyregenerationinterval",
        "pamauthenticationviakbdint",
        "protocol",
        "reversemappingcheck",
        "rhostsauthentication",
        "rhostsrsaauthentication",
        "rsaauthentication",
        "serverkeybits",
        "uselogin",
        "useprivilegeseparation",
        "verifyreversemapping",
    }
)
# Those of REMOVED that may stand in a Match block.
REMOVED_IN_MATCH = frozenset({"authorizedkeysfile2", "rhostsrsaauthentication", "rsaauthentication"})
# The whole rest of the line is their value.
REST_OF_LINE = frozenset(
    {"authorizedkeyscommand", "authorizedprincipalscommand", "forcecommand", "versionaddendum"}
)


def canonical(word: str) -> str:
    """A keyword in lower case, by its present name."""
    lower = word.lower()
    return ALIASES.get(lower, lower)
