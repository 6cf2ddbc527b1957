"""Secrets are cut out of an answer before anybody sees it: none reaches a screen, a plan or a recording."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from typing import TypeVar, cast

from hardentui.snapshot.answers import Mount, Unread
from hardentui.snapshot.questions import File, KernelFile, Mounts, Question

T = TypeVar("T")

HIDDEN = "<hidden>"  # what stands in an answer for a secret that the host holds there
# The same for a variable of a unit whatever its name, where the value itself says that it holds a secret.
HIDDEN_LOGIN = "<hidden-login>"
_SERVICE = re.compile(r"/.*\.service(?:\.d/.*)?|/.*/service\.d/.*")
_STARTS = re.compile(rf"/etc/docker/daemon\.json|/var/lib/lxc/.*|{_SERVICE.pattern}")  # it starts programs
_MAY_HOLD_SECRETS = re.compile(
    r"/etc/fstab|/proc/cmdline|/proc/\d+/mountinfo|/.*\.mount(?:\.d/.*)?|/.*/mount\.d/.*"
    rf"|{_STARTS.pattern}"
)
# KEY=SECRET of mount options and of the kernel's command line (mount.cifs(8), dracut.cmdline(7), iscsi),
# user=NAME%SECRET (User=NAME%i of a unit is none), and SCHEME://USER:SECRET@HOST.
_SECRETS = re.compile(
    r"""(?P<key>(?<![A-Za-z0-9])(?:[A-Za-z0-9_.-]{0,32}(?:pass(?:word|wd|phrase)?2?|passwd|secret|sshpw)|set_credential"""
    r"""(?:_binary)?|(?:rd\.)?luks\.key)=)(?:"[^"\n]*"|[^\s,]+)"""
    r"""|(?P<user>(?<![A-Za-z0-9])(?!(?-i:User)=)user(?:name)?=[^\s,%]{0,256}%)[^\s,]+"""
    r"""|(?P<place>(?:://|iscsi:)[^\s/:@,]*:)[^\s/@,]+(?=@)""",
    re.IGNORECASE,
)

# What programs are started with: --api-key SECRET, TOKEN=SECRET, "token": "SECRET". A place is kept.
_SENSITIVE = r"(?:pass(?:word|wd|phrase)?|secret|token|(?:api|access|auth|private|secret)[_-]?key)"
_ARGUMENT = re.compile(
    rf"""(?P<key>(?<![A-Za-z0-9])(?:[A-Za-z0-9_.-]{{0,32}}{_SENSITIVE}["']?[ \t]*[=:][ \t]*"""
    rf"""|--?[A-Za-z0-9-]{{0,32}}{_SENSITIVE}[ \t]+))"""
    r"""(?P<value>"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,"']+)""",
    re.IGNORECASE,
)

# Programs that take a secret behind a short flag, which elsewhere names a port or a path: mysql -pSECRET.
_SHORT = (
    (r"my(?:sql\w*|top)|mariadb[\w-]*|mongo\w*|sshpass|7z[ar]?", r"-p"),
    (r"redis-cli|valkey-cli|keydb-cli", r"-a"),
    (r"ldap(?:add|compare|delete|exop|modify|modrdn|passwd|search|whoami)", r"-w"),
    (r"mosquitto_(?:pub|sub|rr)|ipmitool|zip|unzip", r"-P"),
    (r"curl|lftp", r"""(?:-u|--user)[ \t=]*["']?[^\s:,"']{1,64}[:,]"""),
)
# Each with what follows the name of the program, up to the end of a line that backslashes may make longer.
_COMMANDS = tuple(
    (
        re.compile(rf"(?<![A-Za-z0-9_.-])(?:{programs})(?![A-Za-z0-9_.-])(?:.*\\\n)*.*"),
        re.compile(
            rf"""(?P<key>(?<=[\s"']){flag}(?:[ \t]*=|(?:[ \t]|\\\n)+(?!-)|(?!=)))"""
            r"""(?P<value>"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|(?!\\\n)[^\s"']+)"""
        ),
    )
    for programs, flag in _SHORT
)

# What a unit gives to its programs (systemd.exec(5)), with the lines that go on after a backslash. Of an
# environment only what names a place is kept. What was put out of use by a # is cut, too.
_GIVEN = re.compile(
    r"^([ \t#;]*(?:Environment|SetCredential(?:Encrypted)?)[ \t]*=)((?:.*\\\n(?:[ \t]*[#;].*\n)*)*.*)$",
    re.MULTILINE,
)
_WORD = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S+""", re.DOTALL)
_NAMED = re.compile(r"""["']?(?P<name>[^=:]*[=:])(?P<value>.*?)["']?""", re.DOTALL)
_PLACE = re.compile(r"/(?:dev|etc|home|mnt|opt|root|run|srv|tmp|usr|var)/[A-Za-z0-9._/@%:+-]+")


# What rsyslog's modules are given to log in elsewhere: pwd="SECRET", httpheaders=["Authorization: ..."],
# $...Password SECRET, >HOST,DATABASE,USER,SECRET of before, logins and keys in an address, and what a
# program is started with (binary="...", ^PROGRAM ARGUMENTS of before). What is put together in a variable for
# them, set $.token = "SECRET" & "MORE";, and the text that stands in an include. Its files may lie anywhere.
_LOGGING = re.compile(r"/.*(?:\.conf|syslog[^/]*|syslog[^/]*/.*)")
_VARIABLE = r"(?:pwd|pass(?:word|wd|phrase)?|secret|token|api_?key|access_?key|auth|credential)"
_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
_OF_LOGGING = re.compile(
    rf"(?P<set>(?<![^\s{{;}}])(?:re)?set[ \t\n]+\$[^\s=:]{{0,60}}{_VARIABLE}[^\s=:]{{0,60}}\s*:?=\s*)"
    rf"""(?:{_STRING}|[^;"'`\n]++|\n){{0,100}}+(?=;)"""
    rf"""|(?P<include>(?<![a-z0-9_.])include[ \t\n]*\((?:[^)"]|"[^"]*"){{0,99}}text\s*=\s*){_STRING}"""
    r"""|(?P<shell>(?<![^\s&])\^[^\s;"']+)[ \t;]+(?:[^\n\\]|\\.)+"""
    r"""|(?P<header>["':][ \t]*(?:basic|bearer|token|apikey)[ \t]+)[^\s"']+"""
    r"""|(?P<key>(?<![a-z0-9_.])[a-z0-9_.]{0,40}(?:pwd|pass(?:word|wd|phrase)?|secret|token|api_?key|access_?key|azure_key"""
    r"""|community|connectionstring|conninfo|cry\.key|httpheaders|httpheadervalue|confparam)"""
    r"""[ \t\n]*=[ \t\n]*)(?P<value>"(?:[^"\\]|\\.)*"|'[^'\n]*'|`[^`]*`"""
    r"""|\[(?:"(?:[^"\\]|\\.)*"|[^"\[\]])*+\])"""
    r"""|(?P<old>(?<![^\s])(?:>|:om[a-z]{1,20}:)[^,;\s"']+,[^,;\s"']+,[^,;\s"']+,)[^;\s]+"""
    r"""|(?P<line>^[ \t#]*\$[a-z]{0,60}(?:pwd|password|secret|community)[a-z]{0,20}[ \t]+)[^ \t\n][^\n]*$"""
    r"""|(?P<started>^[ \t#]*\$actionomprogbinary[ \t]+[^\s;]+[ \t]+)[^\n]+"""
    r"""|(?P<place>://[^\s/:@,"']*:)[^\s/@"']+(?=@)"""
    r"""|(?P<query>[?&][a-z0-9_.-]{0,40}(?:pass(?:word)?|pwd|secret|token|key|sig)=)[^&\s"']+"""
    r"""|(?P<program>(?<![a-z0-9_.])binary[ \t\n]*=[ \t\n]*"[^\s"\\]+[ \t]+)(?:[^"\\]|\\.)+(?=")""",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


# What PostgreSQL logs in elsewhere with, and the programs that it starts. No equals sign is needed, and a
# quote within a value is doubled: the line is cut up to its end, with the comment behind it. Its data, where
# ALTER SYSTEM writes, may lie anywhere; an included file may have any name.
_POSTGRESQL = re.compile(r"/(?:.*/)?(?:(?:postgresql|pgsql)/.*|postgresql(?:\.auto)?\.conf)")
_OF_POSTGRESQL = re.compile(
    r"^(?P<key>[ \t#]*[a-z0-9_.]*(?:conninfo|command|pass|secret|token|key)[a-z0-9_.]*[ \t]*+=?[ \t]*+)\S.*$",
    re.IGNORECASE | re.MULTILINE,
)


def is_of_postgresql(path: str) -> bool:
    """Whether secrets of PostgreSQL are cut out of the file at this path; its reader asks for no other."""
    return _POSTGRESQL.fullmatch(path) is not None


def without_secrets(question: Question[T], answer: T | Unread) -> T | Unread:
    """An answer without the passwords that it may hold: so no recording, plan or script can hold them."""
    if isinstance(answer, str) and isinstance(question, (File, KernelFile)):
        text: str = answer
        if _SERVICE.fullmatch(question.path):
            text = _GIVEN.sub(_without_values, text)
        if is_of_postgresql(question.path):
            text = _OF_POSTGRESQL.sub(rf"\g<key>{HIDDEN}", text)
        if _LOGGING.fullmatch(question.path):
            text = _OF_LOGGING.sub(_without_login, text)
        if _STARTS.fullmatch(question.path):
            text = _without_short_flags(_ARGUMENT.sub(_without_argument, text))
        return cast("T", _hidden(text) if _MAY_HOLD_SECRETS.fullmatch(question.path) else text)
    if isinstance(answer, tuple) and isinstance(question, Mounts):
        return cast("T", tuple(_without_secrets(mount) for mount in answer))
    return answer


def _without_secrets(mount: Mount) -> Mount:
    return dataclasses.replace(
        mount,
        source=_hidden(mount.source),
        options=_hidden(mount.options),
        super_options=_hidden(mount.super_options),
    )


def _without_values(given: re.Match[str]) -> str:
    """The line of a unit that gives variables or credentials, with their names alone."""
    first, *more = given[2].split("\n")
    lines = [first, *("#" if line.lstrip().startswith(("#", ";")) else line for line in more)]
    return given[1] + "\n".join(_WORD.sub(_without_value, line) for line in lines)


def _without_value(word: re.Match[str]) -> str:
    if word[0] in {"\\", "#"}:  # the line goes on; a comment stood here
        return word[0]
    pair = _NAMED.fullmatch(word[0])
    if pair is None:
        return HIDDEN
    value = pair["value"]
    if _PLACE.fullmatch(value) or value == HIDDEN_LOGIN:  # so it was cut when it was recorded
        return word[0]
    return f"{pair['name']}{HIDDEN_LOGIN if _SECRETS.search(value) else HIDDEN}"


def _without_short_flags(text: str) -> str:
    for command, flag in _COMMANDS:
        text = command.sub(partial(_without_flag, flag), text)
    return text


def _without_flag(flag: re.Pattern[str], command: re.Match[str]) -> str:
    return flag.sub(_without_argument, command[0])


def _without_argument(given: re.Match[str]) -> str:
    value = given["value"]
    quote = value[0] if value[0] in "\"'" else ""
    return given[0] if _PLACE.fullmatch(value.strip("\"'")) else f"{given['key']}{quote}{HIDDEN}{quote}"


def _without_login(given: re.Match[str]) -> str:
    if given["set"] is not None or given["include"] is not None:
        return f'{given["set"] or given["include"]}"{HIDDEN}"'
    if given["shell"] is not None:
        return f"{given['shell']} {HIDDEN}"
    if given["key"] is None:
        return f"{given[str(given.lastgroup)]}{HIDDEN}"
    return f'{given["key"]}["{HIDDEN}"]' if given["value"].startswith("[") else f'{given["key"]}"{HIDDEN}"'


def _hidden(text: str) -> str:
    return _SECRETS.sub(lambda found: f"{found['key'] or found['user'] or found['place']}{HIDDEN}", text)
