"""Audit rules (auditctl(8)): as files and ``auditctl -l`` spell them, and in one form that compares."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

PERMS = "rwxa"
UNSET = "unset"
_UNSET_ID = 4294967295
_USERS = frozenset({"auid", "loginuid", "uid", "euid", "suid", "fsuid", "obj_uid"})
_GROUPS = frozenset({"gid", "egid", "sgid", "fsgid", "obj_gid"})
# The words of an architecture, by the width of its system calls; "0xC000003E" is what an old auditctl prints.
_ARCHES: Mapping[str, str] = {
    **dict.fromkeys(
        ("b64", "x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "riscv64", "loongarch64"), "b64"
    ),
    **dict.fromkeys(("0xc000003e", "0xc00000b7", "0xc0000015", "0x80000016", "0xc00000f3"), "b64"),
    **dict.fromkeys(
        ("b32", "i386", "i486", "i586", "i686", "arm", "armv7l", "ppc", "s390", "riscv32"), "b32"
    ),
    **dict.fromkeys(("0x40000003", "0x40000028"), "b32"),
}
# A system call that is younger than the auditctl of some distributions, which know only its number.
NUMBERED: Mapping[str, str] = {"452": "fchmodat2"}
_NUMBER_OF = {name: number for number, name in NUMBERED.items()}
# What the kernel looks at for each kind of access, of its lists in audit_*.h what every auditctl names that
# lists them by itself. Opening counts by the flags of the call.
OF_PERM: Mapping[str, frozenset[str]] = {
    "r": frozenset({"open", "openat"}),
    "w": frozenset(
        {
            "open", "openat", "creat", "truncate", "ftruncate", "rename", "renameat", "unlink", "unlinkat",
            "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "link", "linkat", "symlink", "symlinkat",
        }
    ),
    "x": frozenset({"execve"}),
    "a": frozenset(
        {
            "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "link", "linkat",
            "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
        }
    ),
}  # fmt: skip
# What the 64 bit kernel of ARM never had; its programs use the younger calls with "at" in their names.
LEGACY = frozenset(
    {
        "open", "creat", "unlink", "rmdir", "rename", "chmod", "chown", "lchown", "link", "mkdir", "mknod",
        "symlink",
    }
)  # fmt: skip
_NUMBERS = frozenset(
    {"success", "a0", "a1", "a2", "a3", "pid", "ppid", "pers", "devmajor", "devminor", "inode"}
)
_FILE_TYPES: Mapping[str, str] = {
    "socket": "49152", "link": "40960", "file": "32768", "block": "24576", "dir": "16384",
    "character": "8192", "fifo": "4096",
}  # fmt: skip
_PAIR = re.compile(r"([A-Za-z0-9_]+)(&=|>=|<=|!=|=|>|<|&)(.*)", re.DOTALL)
_WORD = re.compile(r"(?:\\[\\ ]|[^ ])+")


@dataclass(frozen=True, slots=True, order=True)
class Field:
    """One condition: a field, an operator and a value in its normal form; ``auid`` unset is "unset"."""

    name: str
    operator: str
    value: str

    def __str__(self) -> str:
        flag = "-C" if self.name.startswith("-C ") else "-F"
        return f"{flag} {self.name.removeprefix('-C ')}{self.operator}{self.value}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in its normal form: two spellings of one rule are equal.

    ``list`` is exit, task, user, exclude, filesystem or io_uring; ``arch`` is b64, b32 or "" for both;
    no ``syscalls`` means all of them, no ``perms`` any access. ``path`` is the file, or with ``tree`` the
    folder and all below it. ``place``, ``line`` and ``text`` say where it was read.
    """

    list: str
    action: str
    arch: str = ""
    syscalls: frozenset[str] = frozenset()
    path: str = ""
    tree: bool = False
    perms: frozenset[str] = frozenset()
    fields: frozenset[Field] = frozenset()
    keys: frozenset[str] = field(default=frozenset(), compare=False)
    place: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)
    text: str = field(default="", compare=False)

    def spelled(self) -> str:
        """The rule as we write it: in the form of system calls, which new kernels evaluate faster."""
        words = [f"-a {self.action},{self.list}"]
        if self.arch:
            words.append(f"-F arch={self.arch}")
        if self.syscalls:
            words.append(f"-S {','.join(_NUMBER_OF.get(name, name) for name in sorted(self.syscalls))}")
        if self.path:
            words.append(f"-F {'dir' if self.tree else 'path'}={self.path}")
        if self.perms:
            words.append(f"-F perm={''.join(letter for letter in PERMS if letter in self.perms)}")
        words += [str(one) for one in sorted(self.fields)]
        words += [f"-F key={key}" for key in sorted(self.keys)]
        return " ".join(words)

    def shown(self) -> str:
        """The rule as it was read, or as we would write it."""
        return self.text or self.spelled()


@dataclass(frozen=True, slots=True)
class Control:
    """A line that is no rule: what it sets ("enabled", "backlog", "failure", "rate", ...), and its value."""

    name: str
    value: str
    place: str = ""
    line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What a host calls things: users and groups by name, and which paths are folders."""

    users: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    is_folder: Callable[[str], bool] = lambda path: path.endswith("/")


NO_NAMES = Names()
_CONTROLS: Mapping[str, str] = {
    "-b": "backlog",
    "-f": "failure",
    "-e": "enabled",
    "-r": "rate",
    "-q": "same-tree",
    "--backlog_wait_time": "backlog-wait-time",
}
_BARE: Mapping[str, str] = {
    "-i": "ignore-errors",
    "-c": "continue",
    "-t": "trim",
    "--loginuid-immutable": "loginuid-immutable",
    "--reset-lost": "reset-lost",
    "--reset_backlog_wait_time_actual": "reset-backlog-wait-time",
}
_DELETES = frozenset({"-d", "-W"})


def parse(text: str, place: str = "", names: Names = NO_NAMES) -> tuple[Rule | Control, ...]:
    """The lines of a rules file or of ``auditctl -l``, in order; what auditctl would refuse is left out.

    A line that is refused is a Control named "refused", so that nobody takes it for a rule.
    """
    found: list[Rule | Control] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = _words(line)
        if words:
            found.append(_parse_words(words, place, number, line.strip(), names))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the kernel holds after some lines, and the line at which auditctl would stop, if any."""

    rules: tuple[Rule, ...]
    stopped_at: Rule | Control | None = None


def load(lines: Iterable[Rule | Control], loads: Callable[[Rule], bool] = lambda _rule: True) -> Loaded:
    """What ``auditctl -R`` makes of lines: -A goes before all others, -D takes all away.

    It stops at the first line that it cannot load (``loads`` says so of a rule), but not below -i or -c.
    """
    rules: list[Rule] = []
    goes_on = False
    for one in lines:
        if isinstance(one, Rule):
            if loads(one):
                rules.insert(0 if one.text.startswith("-A") else len(rules), one)
            elif not goes_on:
                return Loaded(tuple(rules), one)
        elif one.name == "delete-all":
            rules = [rule for rule in rules if one.value and not _has_key(rule, one.value)]
        elif one.name == "delete":
            rules = [rule for rule in rules if rule.spelled() != one.value]
        elif one.name in {"ignore-errors", "continue"}:
            goes_on = True
        elif one.name == "refused" and not goes_on:
            return Loaded(tuple(rules), one)
    return Loaded(tuple(rules))


def _has_key(rule: Rule, part: str) -> bool:
    """Whether -D -k takes a rule away: its key need only hold the word."""
    return any(part in key for key in rule.keys)


def _words(line: str) -> list[str]:
    stripped = line.strip()
    if not stripped or stripped.startswith("#") or stripped == "No rules":
        return []
    # auditctl splits at blanks, knows no quotes and no comment behind a rule; a backslash keeps a blank.
    return [re.sub(r"\\([\\ ])", r"\1", word) for word in _WORD.findall(stripped)]


def _parse_words(words: list[str], place: str, line: int, text: str, names: Names) -> Rule | Control:
    first = words[0]
    if first in _CONTROLS and len(words) == 2:  # noqa: PLR2004 - the option and its value
        return Control(_CONTROLS[first], words[1], place, line, text)
    if first.startswith("--backlog_wait_time="):
        return Control("backlog-wait-time", first.partition("=")[2], place, line, text)
    if first in _BARE and len(words) == 1:
        return Control(_BARE[first], "", place, line, text)
    if first == "-D":
        key = words[2] if len(words) == 3 and words[1] == "-k" else ""  # noqa: PLR2004 - -D -k KEY
        return Control("delete-all", key, place, line, text)
    rule = _Reader(names).rule(words)
    if rule is None:
        return Control("refused", "", place, line, text)
    if first in _DELETES:
        return Control("delete", rule.spelled(), place, line, text)
    return Rule(
        rule.list, rule.action, rule.arch, rule.syscalls, rule.path, rule.tree, rule.perms, rule.fields,
        rule.keys, place, line, text,
    )  # fmt: skip


class _Reader:
    """Reads the words of one rule."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._list = self._action = self._arch = self._path = ""
        self._tree = self._watch = False
        self._syscalls: set[str] = set()
        self._perms: set[str] = set()
        self._fields: set[Field] = set()
        self._keys: set[str] = set()

    def rule(self, words: list[str]) -> Rule | None:
        """The rule, or None for words that are none."""
        pairs = list(_options(words))
        if not all(self._option(option, value) for option, value in pairs) or not self._list:
            return None
        if self._watch and not self._perms:
            self._perms = set(PERMS)
        syscalls = frozenset() if self._names_all() else frozenset(self._syscalls)
        return Rule(
            self._list, self._action, self._arch, syscalls, self._path, self._tree, frozenset(self._perms),
            frozenset(self._fields), frozenset(self._keys),
        )  # fmt: skip

    def _names_all(self) -> bool:
        """Whether every system call counts that can: with -p, new versions of auditctl list those that do."""
        if "all" in self._syscalls:
            return True
        asked = frozenset[str]().union(*(OF_PERM[letter] for letter in self._perms if letter in OF_PERM))
        return bool(asked) and asked - LEGACY <= self._syscalls

    def _option(self, option: str, value: str) -> bool:
        match option:
            case "-a" | "-A" | "-d":
                return self._place(value)
            case "-w" | "-W":
                self._watch = True
                self._list, self._action = "exit", "always"
                return self._object(value, tree=self._names.is_folder(value))
            case "-S":
                self._syscalls |= {NUMBERED.get(name, name) for name in value.split(",") if name}
                return bool(value)
            case "-p":
                return self._permissions(value)
            case "-k":
                self._keys.add(value)
                return bool(value)
            case "-F":
                return self._condition(value)
            case "-C":
                found = _PAIR.fullmatch(value)
                if found is None:
                    return False
                one, other = sorted((found[1], found[3]))  # both orders say the same
                self._fields.add(Field(f"-C {one}", found[2], other))
                return True
            case _:
                return False

    def _place(self, value: str) -> bool:
        words = value.split(",")
        actions = [word for word in words if word in {"always", "never"}]
        lists = [word for word in words if word not in {"always", "never"}]
        if len(words) != 2 or len(actions) != 1:  # noqa: PLR2004 - a list and an action
            return False
        self._list, self._action = lists[0], actions[0]
        if self._list == "exclude":
            self._action = "never"  # whatever is written: this list only leaves out
        return self._list in {"exit", "task", "user", "exclude", "filesystem", "io_uring"}

    def _object(self, path: str, *, tree: bool) -> bool:
        self._path, self._tree = canonical(path), tree
        return path.startswith("/") and "\t" not in path

    def _permissions(self, value: str) -> bool:
        self._perms |= set(value)
        return bool(value) and set(value) <= set(PERMS)

    def _condition(self, value: str) -> bool:
        found = _PAIR.fullmatch(value)
        if found is None:
            return False
        name, operator, given = found.groups()
        if name == "arch" and operator == "=":
            self._arch = _ARCHES.get(given.lower(), given)
            return True
        if name in {"path", "dir"} and operator == "=":
            return self._object(given, tree=name == "dir")
        if name == "perm" and operator == "=":
            return self._permissions(given)
        if name == "key" and operator == "=":
            self._keys.add(given)
            return bool(given)
        if name in _NUMBERS and _number(given) is None:
            return False
        self._fields.add(Field("auid" if name == "loginuid" else name, operator, self._value(name, given)))
        return True

    def _value(self, name: str, given: str) -> str:
        if name in _USERS | _GROUPS:
            if given == UNSET or _number(given) in {-1, _UNSET_ID}:
                return UNSET
            known = self._names.users if name in _USERS else self._names.groups
            return str(known[given]) if given in known else given
        if name == "filetype":
            return _FILE_TYPES.get(given, given)
        if name == "sessionid" and (given == UNSET or _number(given) in {-1, _UNSET_ID}):
            return UNSET
        if name == "exit":
            code = getattr(errno, given.lstrip("-"), None)
            return str(-code if given.startswith("-") else code) if isinstance(code, int) else given
        number = _number(given)
        return given if number is None else str(number)


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """The options of a rule with their values, which may stand in the same word: -F path=/x, -pwa."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, value = word[:2], word[2:]
        if not value and rest:
            value = rest.pop(0)
        yield option, value


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return int(text) if re.fullmatch(r"-?[0-9]{1,20}", text) else None


# Where a merged /usr puts what old paths name; and /var/run, which is a link everywhere.
_MOVED = (("/bin/", "/usr/bin/"), ("/sbin/", "/usr/sbin/"), ("/lib/", "/usr/lib/"), ("/var/run/", "/run/"))


def canonical(path: str) -> str:
    """A path without a slash at its end, by its present name where distributions moved it."""
    bare = re.sub(r"/+", "/", path).rstrip("/") or "/"
    for old, new in _MOVED:
        if f"{bare}/".startswith(old):
            return (new + f"{bare}/".removeprefix(old)).rstrip("/")
    return bare
