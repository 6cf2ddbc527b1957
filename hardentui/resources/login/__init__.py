"""What a login gives: settings of login.defs, and the umask and idle time of login shells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, Lines, Refusal, ReplaceLine, WriteFile
from hardentui.resources.base import digest, kept_settings, nothing, of_files, text_fact
from hardentui.resources.families import family_of
from hardentui.resources.login.sessions import in_sessions
from hardentui.resources.login.settings import LOGIN_DEFS, Setting, last, read_settings, stands_twice
from hardentui.resources.pam.stack import tool_for
from hardentui.snapshot import File, Folder, Reason, Snapshot, Unread

PROFILE = "/etc/profile"
FOLDER = "/etc/profile.d"
# The files of the folder are read by name; few sort after this one.
OURS = f"{FOLDER}/zz-hardentui.sh"

# Settings of login.defs that we judge, the form of their values, and what counts where none is set.
_LOGIN_DEFS: Mapping[str, tuple[str, str]] = {
    "ENCRYPT_METHOD": ("[A-Z0-9]{3,12}", "DES"),
    "PASS_MAX_DAYS": ("-?[0-9]{1,5}", "-1"),
    "PASS_MIN_DAYS": ("-?[0-9]{1,5}", "-1"),
    "PASS_WARN_AGE": ("-?[0-9]{1,5}", "-1"),
    "UMASK": ("[0-7]{3,4}", "022"),
}
_UMASK = re.compile(r"(?:^|[;&|]\s*|\bthen\s+|\belse\s+)\s*umask\s+(0?[0-7]{3})\b")
_TMOUT = re.compile(
    r"(?:^|[;&|]\s*|\bthen\s+)\s*(?:(?:readonly|export|declare|typeset)\s+(?:-\w+\s+)*)?TMOUT=(\d+)\b"
)
_READONLY = re.compile(r"\b(?:readonly|(?:declare|typeset)\s+-\w*r\w*)\s+TMOUT\b")
# The RHEL family sets a umask only where there was none: that takes nothing back.
_ONLY_FROM_ZERO = re.compile(r"\[\s*(?:`umask`|\$\(umask\))\s*-eq\s+0\s*\]\s*&&")
_OPENS = re.compile(r"^\s*(?:if|case|for|while|until)\b|\(\)\s*\{")
_CLOSES = re.compile(r"(?:^|[;\s])(?:fi|esac|done)\b|^\s*\}")
_OWN_LINE = re.compile(r"(umask) [0-9]{1,5}|(TMOUT)=[0-9]{1,5}|(?:readonly|export) (TMOUT)")
_SHELL: Mapping[str, tuple[re.Pattern[str], str]] = {
    "idle-timeout": (_TMOUT, "none"),
    "umask": (_UMASK, "022"),
}


class Login:
    """The resource "login": a name of login.defs, "umask" (octal) or "idle-timeout" (seconds)."""

    name = "login"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        known = (*_LOGIN_DEFS, *_SHELL)
        if aspect or subject not in known:
            return f"expected one of {', '.join(known)} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject in _LOGIN_DEFS:
            return _login_defs(snapshot, entry.subject)
        return _login_shell(snapshot, entry)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject in _LOGIN_DEFS:
            return _change_login_defs(entry, facts, target)
        if not re.fullmatch(r"[0-9]{1,5}", target):
            return Refusal(_("{target} is no value of {name}").format(target=target, name=entry.subject))
        rival = text_fact(facts, "rival")
        if rival:
            return Refusal(_("{place} would still win over our file").format(place=rival))
        umask = entry.subject == "umask"
        lines = (f"umask {target}",) if umask else (f"TMOUT={target}", "readonly TMOUT", "export TMOUT")
        return (
            WriteFile(
                owners=(entry.id,),
                path=OURS,
                before=text_fact(facts, "before"),
                parts=(Lines(owner=entry.id, lines=(f"# {entry.id}", *lines)),),
                unique=True,
            ),
        )

    def collects(self, path: str) -> bool:
        """See Collector."""
        return path == OURS

    def kept(self, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
        """See Collector. What a line is about is the umask, or TMOUT."""
        return kept_settings(lines, parts, _name_of)


def _name_of(line: str) -> str:
    """What a line that we would write is about; "" for any other."""
    found = _OWN_LINE.fullmatch(line)
    return next((name for name in found.groups() if name), "") if found else ""


# --- login.defs -----------------------------------------------------------------------------------


def _login_defs(snapshot: Snapshot, name: str) -> Observation:
    settings = read_settings(snapshot, LOGIN_DEFS, " ")
    if isinstance(settings, Unread):
        return of_files(snapshot, nothing(settings, LOGIN_DEFS))
    found = last(settings, name)
    facts: dict[str, Fact] = {
        "line": found.text if found else "",
        "file": LOGIN_DEFS,
        "twice": found is not None and stands_twice(settings, found),
    }
    if found is None:
        place = Provenance(LOGIN_DEFS, Role.DEFAULT, text=name)
        reading = Reading({"": _LOGIN_DEFS[name][1]}, provenance=(place,))
    else:
        place = Provenance(LOGIN_DEFS, Role.WINS, found.line, found.text.strip())
        reading = Reading({"": found.value}, provenance=(*_beaten(settings, found), place))
    if name == "UMASK":
        reading, more = in_sessions(snapshot, reading)
        facts |= more
    return of_files(snapshot, reading, facts)


def _beaten(settings: Iterable[Setting], winner: Setting) -> Iterator[Provenance]:
    for setting in settings:
        if setting.name == winner.name and setting is not winner:
            yield Provenance(setting.file, Role.BEATEN, setting.line, setting.text.strip())


def _change_login_defs(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    if not re.fullmatch(_LOGIN_DEFS[entry.subject][0], target):
        return Refusal(_("{target} is no value of {name}").format(target=target, name=entry.subject))
    if facts.get("file") != LOGIN_DEFS:
        return Refusal(_("{path} is not there").format(path=LOGIN_DEFS))
    if entry.subject == "UMASK":
        if not facts.get("asked"):
            words = _("{module} is not asked by the PAM stack: by hand, with {tool}")
            return Refusal(words.format(module="pam_umask", tool=tool_for(facts)))
        if rival := text_fact(facts, "rival"):
            return Refusal(_("{place} would still win over our file").format(place=rival))
    before = text_fact(facts, "line")
    if facts.get("twice"):
        return Refusal(_("the line {line} stands twice").format(line=before))
    if before and before.split()[:1] != [entry.subject]:
        return Refusal(_("the line {line} is not about {name}").format(line=before, name=entry.subject))
    after = f"{entry.subject}\t{target}"
    if before.split() == after.split():
        return ()
    return (ReplaceLine(owners=(entry.id,), path=LOGIN_DEFS, before=before, after=after),)


# --- login shells ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Said:
    """A line of a shell's start-up file that sets the subject; ``always`` when no condition stands above."""

    value: str
    file: str
    line: int
    text: str
    always: bool

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


def _login_shell(snapshot: Snapshot, entry: Recommendation) -> Observation:
    pattern, unset = _SHELL[entry.subject]
    said: list[_Said] = []
    gap: Gap | None = None
    fixed = ""
    for path in _start_up_files(snapshot):
        if isinstance(path, Gap):
            gap = path
            continue
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                gap = text.gap(path)
            continue
        said += _said(text, path, pattern)
        if path != OURS and entry.subject == "idle-timeout" and _READONLY.search(text):
            fixed = str(path)
    # What is said without a condition puts aside all before it; what has one may come about or not.
    begin = max((n for n, line in enumerate(said) if line.always), default=-1)
    possible = said[max(begin, 0) :]
    values = {line.place: line.value for line in possible}
    if begin < 0 and gap is None:
        values = {"": unset, **values}
    elif len(set(values.values())) == 1:
        values = {"": possible[0].value}
    ours = max((n for n, line in enumerate(said) if line.file == OURS), default=None)
    after = said[ours + 1 :] if ours is not None else [line for line in said if _is_after_ours(line)]
    rival = next((line.place for line in after if not _passes(entry, line.value)), fixed)
    places = tuple(
        Provenance(x.file, Role.WINS if x in possible else Role.BEATEN, x.line, x.text) for x in said
    )
    facts: dict[str, Fact] = {"before": digest(snapshot, OURS), "rival": rival}
    reading = Reading(values, gap, places or (Provenance(PROFILE, Role.DEFAULT, text=unset),))
    return of_files(snapshot, reading, facts)


def _passes(entry: Recommendation, value: str) -> bool:
    return entry.accept is not None and entry.accept.accepts(value)


def _is_after_ours(line: _Said) -> bool:
    return not (line.file == PROFILE or (line.file.startswith(f"{FOLDER}/") and line.file < OURS))


def _start_up_files(snapshot: Snapshot) -> Iterator[str | Gap]:
    """What a login shell reads, in order: /etc/profile, then the folder that it reads, then bash's own."""
    yield PROFILE
    entries = snapshot.ask(Folder(FOLDER))
    if not isinstance(entries, Unread):
        for entry in entries:
            if entry.name.endswith(".sh"):
                yield f"{FOLDER}/{entry.name}"
    elif entries.reason is not Reason.MISSING:
        yield entries.gap(FOLDER)
    names = family_of(snapshot)
    yield names if isinstance(names, Gap) else names.bash_file


def _said(text: str, path: str, pattern: re.Pattern[str]) -> Iterator[_Said]:
    depth = 0
    for number, line in enumerate(text.split("\n"), 1):
        code = line.partition(" #")[0] if not line.lstrip().startswith("#") else ""
        depth += len(_OPENS.findall(code))
        for found in () if _ONLY_FROM_ZERO.search(code) else pattern.finditer(code):
            always = depth == 0 and not re.match(r"\s*(?:\[|test\b)", code)
            yield _Said(found[1], path, number, line.strip(), always)
        depth = max(0, depth - len(_CLOSES.findall(code)))
