"""What logrotate does: its rules as it reads them (logrotate(8) 3.21), and which one is for a file."""

from __future__ import annotations

import fnmatch
import re
import shlex
from dataclasses import dataclass, field, replace

from hardentui.model import Gap, Provenance
from hardentui.snapshot import File, Folder, Kind, Reason, Snapshot, Stat, Unread

MAIN = "/etc/logrotate.conf"
FOREVER = -1  # a count of rotated files that is never reached
# How long a rule waits between two rotations, in days; by size alone it does not go by time.
DAYS = {"hourly": 1 / 24, "daily": 1.0, "weekly": 7.0, "monthly": 30.0, "yearly": 365.0}
BY_SIZE = "size"
_MEGABYTE = 1 << 20
_UNITS = {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"(\d+)([kMG]?)")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*")  # as strtol(3) takes them: 010 is eight
_WORD = re.compile(r"[A-Za-z]+")
_SCRIPTS = frozenset({"prerotate", "postrotate", "firstaction", "lastaction", "preremove"})
_SIZES = frozenset({"size", "maxsize", "minsize"})
_FLAGS = frozenset(
    {
        *("allowhardlink", "compress", "copy", "copytruncate", "dateext", "datehourago", "dateyesterday"),
        *("delaycompress", "ifempty", "ignoreduplicates", "mailfirst", "maillast", "missingok", "nocompress"),
        *("nocopy", "nocopytruncate", "nocreate", "nocreateolddir", "nodateext", "nodelaycompress"),
        *("nomail", "nomissingok", "noolddir", "norenamecopy", "nosharedscripts", "noshred", "notifempty"),
        *("renamecopy", "sharedscripts", "shred"),
    }
)
_TABOO = (
    *("*,v", "*.bak", "*.cfsaved", "*.disabled", "*.dpkg-bak", "*.dpkg-del", "*.dpkg-dist", "*.dpkg-new"),
    *("*.dpkg-old", "*.dpkg-tmp", "*.rhn-cfg-tmp-*", "*.rpmnew", "*.rpmorig", "*.rpmsave", "*.swp"),
    *("*.ucf-dist", "*.ucf-new", "*.ucf-old", "*~"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for a rule: ``every`` is a word of DAYS or BY_SIZE, sizes are in bytes, ages in days."""

    every: str = BY_SIZE
    size: int = _MEGABYTE
    rotate: int = 0
    maxage: int = 0
    maxsize: int = 0
    minsize: int = 0
    olddir: str = ""
    su: str = ""  # as whom it rotates: without that, in no folder that others may write to

    @property
    def days(self) -> float | None:
        """For how many days at most a line is kept; None where time does not limit it."""
        if self.every == BY_SIZE:
            return float(self.maxage) if self.maxage else None
        if self.rotate == FOREVER:
            return float(self.maxage) if self.maxage else None
        kept = DAYS[self.every] * (self.rotate + 1)
        # The age is looked at when the log is rotated, and the oldest lines are one rotation older.
        return min(kept, self.maxage + DAYS[self.every]) if self.maxage else kept

    def words(self) -> str:
        """The settings as logrotate's own words, on one line."""
        every = f"size {self.size}" if self.every == BY_SIZE else self.every
        found = [every, f"rotate {self.rotate}"]
        found += [
            f"{name} {value}" for name in ("maxage", "maxsize", "minsize") if (value := getattr(self, name))
        ]
        return ", ".join(found)


@dataclass(frozen=True, slots=True)
class Rule:
    """A block: the patterns of the files that it is for, its settings, and where it stands."""

    patterns: tuple[str, ...]
    settings: Settings
    file: str
    line: int

    def matches(self, path: str) -> bool:
        """Whether a log file is for this rule."""
        return any(_fits(pattern, path) for pattern in self.patterns)

    def is_old(self, path: str) -> bool:
        """Whether a file is what this rule made of one of its logs when it rotated it."""
        folder, _slash, name = path.rpartition("/")
        stem = _ROTATED.sub("", name)
        if stem == name:
            return False
        if self.settings.olddir and folder == _olddir(self.settings.olddir, self.patterns[0]):
            return any(_fits(pattern.rpartition("/")[2], stem) for pattern in self.patterns)
        return self.matches(f"{folder}/{stem}")

    @property
    def place(self) -> Provenance:
        """Where it stands."""
        return Provenance(
            self.file, line=self.line, text=f"{' '.join(self.patterns)} {{ {self.settings.words()} }}"
        )


_ROTATED = re.compile(r"(?:\.\d+|-\d{8}(?:-\d{2,10})?)(?:\.(?:gz|xz|zst|bz2))?$")


def _olddir(folder: str, pattern: str) -> str:
    return folder if folder.startswith("/") else f"{pattern.rpartition('/')[0]}/{folder}"


def _fits(pattern: str, path: str) -> bool:
    """Whether glob(3) finds a path: a wildcard stays within its folder and finds no hidden name."""
    wanted, parts = pattern.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(
        fnmatch.fnmatchcase(part, one) and not (part.startswith(".") and not one.startswith("."))
        for one, part in zip(wanted, parts, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in their order, the files that were read, and the places of what logrotate refuses."""

    rules: tuple[Rule, ...]
    files: tuple[str, ...]
    problems: tuple[str, ...] = ()

    def rule_for(self, path: str) -> Rule | None:
        """The rule of a log file, or of one that was made by rotating one: the first that fits."""
        found = next((rule for rule in self.rules if rule.matches(path)), None)
        return found or next((rule for rule in self.rules if rule.is_old(path)), None)


def read(snapshot: Snapshot, path: str = MAIN) -> Rules | Gap:
    """The rules of a configuration and all that it includes; a gap where a file cannot be read."""
    reader = _Reader(snapshot)
    unread = reader.file(path)
    if unread is not None:
        return unread
    return Rules(tuple(reader.rules), tuple(reader.files), tuple(reader.problems))


class _RefusedError(ValueError):
    """What logrotate refuses: a block is left out for it, a file is read no further."""


@dataclass
class _Block:
    """A block that is being read."""

    patterns: tuple[str, ...]
    line: int
    settings: Settings
    refused: bool = False


@dataclass
class _Reader:
    """Reads one configuration: what stands outside of blocks holds for all that come after it."""

    snapshot: Snapshot
    rules: list[Rule] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    taboo: tuple[str, ...] = _TABOO
    depth: int = 0

    def file(self, path: str) -> Gap | None:
        """Read a file."""
        text = self.snapshot.ask(File(path))
        if isinstance(text, Unread):
            return text.gap(path)
        open_ = _writable(self.snapshot, path)
        if isinstance(open_, Gap):
            return open_
        if open_:
            self.problems.append(path)
            return None
        self.files.append(path)
        self.depth += 1
        try:
            return self._text(path, text)
        except _RefusedError:
            return None
        finally:
            self.depth -= 1

    def _text(self, path: str, text: str) -> Gap | None:
        block: _Block | None = None
        at = 0
        while at < len(text):
            end = _end_of_line(text, at)
            if text[at].isspace():
                at += 1
            elif text[at] == "#":
                at = end
            elif block is not None and block.refused:
                at = _after(text, "}", at)  # whatever stands there
                block = None
            elif text[at] == "}" and block is not None:
                self.rules.append(Rule(block.patterns, block.settings, path, block.line))
                block, at = None, end  # nothing may follow on the line, and what does is left out
            elif block is None and text[at] in "/\"'~":
                block, at = self._opened(path, text, at)
            else:
                gap, at = self._directive(path, text, at, block)
                if gap is not None:
                    return gap
        if block is not None:  # the end of the file is the end of a block too, even of a refused one
            self.rules.append(Rule(block.patterns, block.settings, path, block.line))
        return None

    def _opened(self, path: str, text: str, at: int) -> tuple[_Block, int]:
        line = text.count("\n", 0, at) + 1
        brace = text.find("{", at)
        if brace < 0:
            self._refuse(path, line, None, at)
        try:
            patterns = tuple(shlex.split(text[at:brace]))
        except ValueError:
            self._refuse(path, line, None, at)
        return _Block(patterns, line, self.settings), brace + 1

    def _directive(self, path: str, text: str, at: int, block: _Block | None) -> tuple[Gap | None, int]:
        """Take one directive; where to go on reading."""
        end, line = _end_of_line(text, at), text.count("\n", 0, at) + 1
        found = _WORD.match(text, at)
        word = found[0] if found else ""
        after = text[at + len(word) : end]
        rest = after.strip().removeprefix("=").strip()
        if word in _SCRIPTS:
            go_on = _after_script(text, end)
            return (None, go_on) if go_on else self._refuse(path, line, None, end)
        if word == "include" and block is None:
            return self._include(rest), end
        if word == "weekly" and rest and not re.fullmatch(r"[0-7]", rest):
            return self._refuse(path, line, None, end)  # for this one the whole file is given up
        if not word or (after and not after[0].isspace() and after[0] != "="):
            return self._refuse(path, line, block, at + len(word) + 1)
        try:
            settings = _with(block.settings if block else self.settings, word, rest)
        except ValueError:
            return self._refuse(path, line, block, end)
        if word in {"tabooext", "taboopat"}:
            self._forbid(word, rest)
        if block is not None:
            block.settings = settings
        else:
            self.settings = settings
        alone = word in _FLAGS or (word in DAYS and word != "weekly")
        return None, at + len(word) if alone else end  # what logrotate does not know it leaves out

    def _refuse(self, path: str, line: int, block: _Block | None, at: int) -> tuple[None, int]:
        """Leave out a block, or what follows in the file; where to go on reading."""
        self.problems.append(f"{path}:{line}")
        if block is None:
            raise _RefusedError
        block.refused = True
        return None, at

    def _forbid(self, word: str, rest: str) -> None:
        added = rest.startswith("+")
        names = [name.strip() for name in rest.removeprefix("+").split(",") if name.strip()]
        patterns = tuple(f"*{name}" if word == "tabooext" else name for name in names)
        self.taboo = (*self.taboo, *patterns) if added else patterns

    def _include(self, target: str) -> Gap | None:
        if self.depth > 2:  # noqa: PLR2004 - logrotate refuses to go deeper
            return None
        entries = self.snapshot.ask(Folder(target))
        if isinstance(entries, Unread):
            if entries.reason is not Reason.FAILED and entries.reason is not Reason.MISSING:
                return entries.gap(target)
            gap = self.file(target)
            return None if entries.reason is Reason.MISSING else gap
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.kind is Kind.FOLDER or any(fnmatch.fnmatchcase(entry.name, one) for one in self.taboo):
                continue
            gap = self.file(f"{target.rstrip('/')}/{entry.name}")
            if gap is not None:
                return gap
        return None


def skips(snapshot: Snapshot, rule: Rule, path: str) -> bool | Gap:
    """Whether logrotate leaves a log alone for its folder: one that a group or others may write to."""
    if rule.settings.su:
        return False
    folder = path.rpartition("/")[0]
    status = snapshot.ask(Stat(folder))
    if isinstance(status, Unread):
        return False if status.reason in _UNTOLD else status.gap(folder)
    return bool(status.mode & 0o002 or (status.mode & 0o020 and status.gid))


_UNTOLD = frozenset({Reason.MISSING, Reason.NOT_RECORDED})


def _writable(snapshot: Snapshot, path: str) -> bool | Gap:
    """Whether logrotate ignores a file of its configuration: one that others than root may write to."""
    status = snapshot.ask(Stat(path))
    if isinstance(status, Unread):
        return False if status.reason in _UNTOLD else status.gap(path)
    return status.kind is Kind.FILE and bool(status.mode & 0o022 or status.uid)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _after(text: str, sign: str, at: int) -> int:
    found = text.find(sign, at)
    return len(text) if found < 0 else found + 1


def _after_script(text: str, at: int) -> int:
    """Where the lines of a script end; 0 where nothing ends them."""
    found = re.compile(r"^[ \t]*endscript[ \t]*$", re.MULTILINE).search(text, at)
    return found.end() if found else 0


def _with(settings: Settings, word: str, rest: str) -> Settings:
    """The settings after a directive; those that say nothing of how long a file is kept change nothing.

    Raises:
        ValueError: its value is none that logrotate takes.
    """
    if word in DAYS:
        return replace(settings, every=word)
    if word in _SIZES:
        found = _SIZE.fullmatch(rest)
        if found is None:
            raise ValueError(rest)
        size = int(found[1]) * _UNITS[found[2]]
        settings = replace(settings, every=BY_SIZE) if word == "size" else settings
        return _put(settings, word, size)
    if word in {"rotate", "maxage"}:
        number = FOREVER if (word, rest) == ("rotate", "-1") else _number(rest)
        return _put(settings, word, number)
    if word == "su":
        return replace(settings, su=rest)
    if word == "olddir":
        return replace(settings, olddir=rest)
    return replace(settings, olddir="") if word == "noolddir" else settings


def _put(settings: Settings, name: str, value: int) -> Settings:
    return replace(settings, **{name: value})  # type: ignore[arg-type]


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    octal = text.startswith("0") and text[1:].isdigit()
    return int(text, 8 if octal else 0)
