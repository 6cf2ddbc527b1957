"""rsyslog's configuration as a snapshot shows it: all files in the order in which rsyslogd reads them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hardentui.resources.patterns import Obstacle, is_wild, matching
from hardentui.resources.rsyslog.grammar import (
    Action,
    BrokenError,
    Condition,
    Jump,
    Object,
    Parameters,
    Parser,
    Part,
    Perhaps,
    Problem,
    Selector,
    Statement,
    Stop,
    Template,
)
from hardentui.resources.rsyslog.lexer import Lexer, Place
from hardentui.resources.rsyslog.selectors import read_selector
from hardentui.snapshot import File, Folder, Kind, Reason, Snapshot, Stat, Unread

MAIN = "/etc/rsyslog.conf"
DEFAULT_RULESET = "RSYSLOG_DefaultRuleset"
# The most that is read: a file may include a folder whose files include it, each time anew.
_FILES = 500
_INCLUDED = 2000  # includes, and the files that they find
_TEXT = 1 << 20  # characters

# Directives of before, by the parameters that have taken their place. The first kind counts for the next
# action alone, the others until they are said again.
_OF_NEXT_ACTION = {
    "actionqueuetype": "queue.type",
    "actionqueuefilename": "queue.filename",
    "actionqueuesaveonshutdown": "queue.saveonshutdown",
    "actionqueuemaxdiskspace": "queue.maxdiskspace",
    "actionqueuesize": "queue.size",
    "actionresumeretrycount": "action.resumeretrycount",
    "actionsendstreamdriverpermittedpeer": "streamdriverpermittedpeers",
}
_OF_ACTIONS = {
    "actionexeconlywhenpreviousissuspended": "action.execonlywhenpreviousissuspended",
    "actionexeconlyeverynthtime": "action.execonlyeverynthtime",
    "actionexeconlyonceeveryinterval": "action.execonlyonceeveryinterval",
}
_OF_FILES = {
    "filecreatemode": "filecreatemode",
    "dircreatemode": "dircreatemode",
    "fileowner": "fileowner",
    "filegroup": "filegroup",
    "actionfiledefaulttemplate": "template",
}
_OF_FORWARDS = {
    "actionforwarddefaulttemplate": "template",
    "actionsendstreamdriver": "streamdriver",
    "actionsendstreamdrivermode": "streamdrivermode",
    "actionsendstreamdriverauthmode": "streamdriverauthmode",
}
_GLOBAL = {
    "defaultnetstreamdriver": "defaultnetstreamdriver",
    "defaultnetstreamdrivercafile": "defaultnetstreamdrivercafile",
    "defaultnetstreamdrivercertfile": "defaultnetstreamdrivercertfile",
    "defaultnetstreamdriverkeyfile": "defaultnetstreamdriverkeyfile",
    "omitlocallogging": "omitlocallogging",
    "workdirectory": "workdirectory",
    "umask": "umask",
    "privdroptouser": "privdrop.user.name",
    "privdroptogroup": "privdrop.group.name",
}
_BUILT_IN = ("omfile", "omfwd", "omusrmsg", "ompipe", "omshell", "omdiscard")  # modules that nobody loads
# What old directives have a module listen on: the directive, and the module.
_LISTEN = {
    "udpserverrun": "imudp",
    "inputtcpserverrun": "imtcp",
    "inputptcpserverrun": "imptcp",
    "inputrelpserverrun": "imrelp",
}


@dataclass(frozen=True, slots=True)
class Config:
    """All that the files say.

    ``rulesets`` holds the statements by name; messages of this host go through ``main``. ``defaults`` are
    the parameters of modules, by module; ``settings`` the global ones. ``problems`` is what rsyslog objects
    to or we cannot read, ``unread`` what could not be looked at.
    """

    rulesets: Mapping[str, tuple[Statement, ...]]
    main: str
    templates: Mapping[str, Template]
    modules: tuple[Object, ...]
    inputs: tuple[Object, ...]
    settings: Parameters
    actions: tuple[Action, ...]
    queued: frozenset[str]  # the rulesets that have a queue of their own
    files: tuple[str, ...]
    includes: tuple[tuple[str, Place], ...]  # the folders whose files are read, and where that is asked for
    problems: tuple[Problem, ...]
    unread: tuple[Obstacle, ...]

    def defaults(self, module: str) -> Parameters:
        """The parameters of a module, whose name is with or without "builtin:"."""
        found: dict[str, tuple[str, ...]] = {}
        for one in self.modules:
            if _module(one) == module:
                found |= one.parameters.values
        return Parameters(found)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders whose files are read."""
        return tuple(dict.fromkeys(folder for folder, _place in self.includes))

    @property
    def loaded(self) -> Mapping[str, Object]:
        """The modules that are loaded, by name."""
        return {_module(one): one for one in self.modules}

    @property
    def hears_programs(self) -> bool:
        """Whether imuxsock takes in what comes by the system's own socket: RHEL loads it with that off."""
        given = self.loaded.get("imuxsock")
        if given is None or self.settings.on("omitlocallogging"):
            return False
        return given.parameters.one("syssock.use").lower() not in {"off", "no", "0", "false"}

    def parameter(self, action: Action, *names: str) -> str:
        """A parameter of an action, else the default that its module was given."""
        return action.parameters.one(*names) or self.defaults(action.kind).one(*names)


def read(snapshot: Snapshot) -> Config:
    """The configuration that begins at MAIN."""
    return _Reader(snapshot).config()


class _Reader:
    """Reads all files: the Handler of their parser."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._lexer = Lexer()
        self._legacy: dict[str, str] = {}
        self._ruleset = self._main = DEFAULT_RULESET
        self._rulesets: dict[str, list[Statement]] = {}
        self._loose: dict[str, tuple[Statement, ...]] = {}  # by ruleset, what the next statement may undo
        self._queued: set[str] = set()
        self._templates: dict[str, Template] = {}
        self._channels: dict[str, str] = {}
        self._modules: list[Object] = []
        self._inputs: list[Object] = []
        self._settings: dict[str, tuple[str, ...]] = {}
        self._actions: list[Action] = []
        self._files: list[str] = []
        self._includes: list[tuple[str, Place]] = []
        self._problems: list[Problem] = []
        self._unread: list[Obstacle] = []
        self._asked = self._length = 0

    def config(self) -> Config:
        """Read, and give what was found."""
        text = self._snapshot.ask(File(MAIN))
        try:
            if isinstance(text, Unread):
                self._unread.append((MAIN, text))
            else:
                self._take_in(MAIN, text, Place(MAIN, 1))
            Parser(self._lexer, self).run()
        except BrokenError as error:
            self._problems.append(error.problem)
        for jump in _jumps(one for statements in self._rulesets.values() for one in statements):
            if jump.ruleset and jump.ruleset.lower() not in {*self._rulesets, DEFAULT_RULESET.lower()}:
                self._problems.append(Problem(jump.place, f"no ruleset {jump.ruleset!r}"))
        return Config(
            {name: tuple(statements) for name, statements in self._rulesets.items()},
            self._main,
            self._templates,
            tuple(self._modules),
            tuple(self._inputs),
            Parameters(self._settings),
            tuple(self._actions),
            frozenset(self._queued),
            tuple(dict.fromkeys(self._files)),
            tuple(self._includes),
            tuple(self._problems),
            tuple(dict.fromkeys(self._unread)),
        )

    def problem(self, problem: Problem) -> None:
        self._problems.append(problem)

    # --- objects

    def declared(self, made: Object) -> None:
        match made.kind:
            case "module":
                self._load(made)
            case "input":
                self._inputs.append(made)
            case "global":
                self._settings |= made.parameters.values
            case "template":
                kind = made.parameters.one("type").lower()
                text = made.parameters.one("string")
                parts = template_parts(text) if kind == "string" else ()
                self._add_template(made, kind, parts, text)
            case _:
                pass  # queues, parsers, tables and the like send nothing anywhere

    def _load(self, made: Object) -> None:
        name = _module(made)
        if name in map(_module, self._modules):
            self._problems.append(Problem(made.place, f"the module {name} is loaded already"))
        self._modules.append(made)

    def template(self, made: Object, parts: tuple[Part, ...]) -> None:
        text = "".join(part.constant or f"%{part.name}%" for part in parts)
        self._add_template(made, made.parameters.one("type").lower(), parts, text)

    def _add_template(self, made: Object, kind: str, parts: tuple[Part, ...], text: str) -> None:
        given = made.parameters
        options = tuple(
            name.removeprefix("option.")
            for name in given.values
            if name.startswith("option.") and given.on(name)
        )
        name = given.one("name")
        self._templates.setdefault(name, Template(name, kind, parts, made.place, options, text))

    def ruleset(self, made: Object, statements: tuple[Statement, ...]) -> None:
        name = made.parameters.one("name")
        if made.parameters.one("queue.type"):
            self._queued.add(name.lower())
        self._add(name, statements)

    def statements(self, statements: tuple[Statement, ...]) -> None:
        name = self._ruleset.lower()
        loose = self._loose.pop(name, ())
        if loose and statements:
            # Of "ACTION & ACTION" without a filter, 8.2302 forgets all but the first when more follows.
            self._rulesets[name][-len(loose) :] = [Perhaps(loose, loose[0].place)]
        self._loose[name] = statements[1:] or (loose if not statements else ())
        self._add(self._ruleset, statements)

    def begun(self, ruleset: str) -> None:
        self._ruleset = ruleset
        self._add(ruleset, ())

    def _add(self, ruleset: str, statements: tuple[Statement, ...]) -> None:
        self._rulesets.setdefault(ruleset.lower(), []).extend(statements)

    def selector(self, text: str, place: Place) -> Selector:
        try:
            return Selector(read_selector(text))
        except ValueError as error:
            self._problems.append(Problem(place, str(error)))
            return Selector(())

    # --- old lines

    def directive(self, text: str, place: Place) -> None:
        name, *words = text.removeprefix("$").split(maxsplit=1)
        name, rest = name.lower(), "".join(words).strip()
        value = rest.partition("#")[0].strip()
        match name:
            case "template":
                self._old_template(rest, place)
            case "outchannel":
                channel, _comma, target = rest.partition(",")
                self._channels[channel.strip()] = target.partition(",")[0].strip()
            case "modload":
                self._load(Object("module", Parameters({"load": (value,)}), place))
            case "defaultruleset":
                self._main = value
            case "resetconfigvariables":
                self._legacy.clear()
            case _ if name in _LISTEN:
                self._listen(name, value, place)
            case _ if name in _GLOBAL:
                self._settings[_GLOBAL[name]] = (value,)
            case _:
                self._legacy[name] = value

    def _listen(self, name: str, port: str, place: Place) -> None:
        given = {"type": _LISTEN[name], "port": port}
        if name == "udpserverrun":
            given["address"] = self._legacy.get("udpserveraddress", "")
        bound = self._legacy.get(f"{name.removesuffix('run')}bindruleset", "")
        if name == "inputtcpserverrun":
            given["streamdriver.mode"] = self._legacy.get("inputtcpserverstreamdrivermode", "")
            given["streamdriver.authmode"] = self._legacy.get("inputtcpserverstreamdriverauthmode", "")
            given["permittedpeer"] = self._legacy.get("inputtcpserverstreamdriverpermittedpeer", "")
        given["ruleset"] = bound
        values = {key: (value,) for key, value in given.items() if value}
        self._inputs.append(Object("input", Parameters(values), place))

    def _old_template(self, text: str, place: Place) -> None:
        name, _comma, rest = text.partition(",")
        name, rest = name.strip(), rest.strip()
        string = re.match(r'"((?:[^"\\]|\\.)*)"', rest)
        if string is None:
            self._templates.setdefault(name, Template(name, "plugin", (), place, text=rest))
            return
        options = tuple(word.strip().lower() for word in rest[string.end() :].split(",") if word.strip())
        made = Template(name, "string", template_parts(string[1]), place, options, string[1])
        self._templates.setdefault(name, made)

    def action(self, text: str, place: Place) -> Action | Stop:
        if text == "~":
            return Stop(place)
        kind, given = _old_action(text, self._channels)
        if not kind:
            self._problems.append(Problem(place, f"an action that is not read: {text}"))
            kind = "unknown"
        tables = [_OF_NEXT_ACTION, _OF_ACTIONS]
        tables += {"omfile": [_OF_FILES], "omfwd": [_OF_FORWARDS]}.get(kind, [])
        said = {
            parameter: self._legacy[name]
            for table in tables
            for name, parameter in table.items()
            if self._legacy.get(name)
        }
        values = {name: (value,) for name, value in (said | given).items()}
        return Action(kind, Parameters(values), place, legacy=True)

    def acted(self, action: Action) -> None:
        self._actions.append(action)
        if action.kind not in (*_BUILT_IN, *map(_module, self._modules)):
            self._problems.append(Problem(action.place, f"the module {action.kind} is not loaded before it"))
        for asked in (action.parameters.one("template"), action.parameters.one("dynafile")):
            if asked and asked not in self._templates and not asked.startswith("RSYSLOG_"):
                self._problems.append(Problem(action.place, f"no template {asked!r} before it"))
        for name in _OF_NEXT_ACTION:
            self._legacy.pop(name, None)

    # --- files

    def include(self, given: Parameters, place: Place) -> None:
        pattern, mode = given.one("file"), given.one("mode").lower()
        if not pattern:
            why = "an include of text" if given.one("text") else "an include without a file"
            self._problems.append(Problem(place, why))
            return
        if not pattern.startswith("/"):
            # rsyslogd's own folder is /, where it daemonises; with -n that from which it was started.
            self._problems.append(Problem(place, f"a path that is not absolute: {pattern}"))
            return
        paths = self._included(pattern, place, optional=mode == "optional")
        self._asked += 1 + len(paths)
        if self._asked > _INCLUDED:
            raise BrokenError(place, "too many includes: not read to the end")
        for path in reversed(paths):
            text = self._snapshot.ask(File(path))
            if self._lexer.is_open(path):
                self._problems.append(Problem(place, f"includes itself: {path}"))
            elif isinstance(text, Unread):
                self._unread.append((path, text))
            else:
                self._take_in(path, text, place)

    def _take_in(self, path: str, text: str, place: Place) -> None:
        self._length += len(text)
        if len(self._files) >= _FILES or self._length > _TEXT:
            raise BrokenError(place, "too many files, or too large ones: not read to the end")
        self._files.append(path)
        self._lexer.push(path, text)

    def _included(self, pattern: str, place: Place, *, optional: bool, depth: int = 0) -> list[str]:
        """The files of a pattern, in their order; a folder stands for all that begins with its path."""
        if not is_wild(pattern) and self._is_folder(pattern):
            pattern = f"{pattern}*"
        self._includes.append((posixpath.dirname(pattern), place))
        paths, obstacles = matching(self._snapshot, pattern)
        self._unread += obstacles
        if not paths and not is_wild(pattern) and not optional:
            self._problems.append(Problem(place, f"not there: {pattern}"))
        found: list[str] = []
        for path in paths:
            if not self._is_folder(path):
                found.append(path)
            elif depth < 8:  # noqa: PLR2004 - folders in folders; none is a loop without links
                found += self._included(f"{path}/", place, optional=optional, depth=depth + 1)
        return found

    def _is_folder(self, path: str) -> bool:
        status = self._snapshot.ask(Stat(path.rstrip("/") or "/"))
        if isinstance(status, Unread) or status.kind is Kind.FILE:
            return False
        entries = self._snapshot.ask(Folder(path.rstrip("/") or "/"))
        return not isinstance(entries, Unread) or (
            status.kind is Kind.FOLDER and entries.reason is not Reason.MISSING
        )


def _module(made: Object) -> str:
    """The name of a module that is loaded, without its folder and ending."""
    return posixpath.basename(made.parameters.one("load").removeprefix("builtin:")).removesuffix(".so")


def _jumps(statements: Iterable[Statement]) -> Iterator[Jump]:
    for one in statements:
        match one:
            case Jump():
                yield one
            case Condition():
                yield from _jumps((*one.then, *one.otherwise))
            case Perhaps():
                yield from _jumps(one.body)


_PROPERTY = re.compile(r"%([^%]*)%")


def template_parts(text: str) -> tuple[Part, ...]:
    """The parts of a template that is written as one text: constants, and %PROPERTY:FROM:TO:OPTIONS%."""
    parts: list[Part] = []
    at = 0
    for found in _PROPERTY.finditer(text):
        if found.start() > at:
            parts.append(Part(constant=text[at : found.start()]))
        name, *options = found[1].split(":")
        words = tuple(word.strip().lower() for word in (options[-1] if options else "").split(","))
        parts.append(Part(name=name.strip().lower(), options=tuple(filter(None, words))))
        at = found.end()
    if at < len(text):
        parts.append(Part(constant=text[at:]))
    return tuple(parts)


_FORWARD = re.compile(
    r"@(?P<tcp>@)?(?:\([^)]*\))?(?:\[(?P<address>[^\]]*)\]|(?P<host>[^:;#\s]*))(?::(?P<port>[^;\s]*))?"
)


def _old_action(text: str, channels: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The kind and parameters of an action of the old form; "" for one that is not read."""
    subject, _semicolon, template = text.partition(";")
    given = {"template": template.split()[0]} if template.split() else {}
    forward = _FORWARD.match(text)
    if forward is not None:
        rest = text[forward.end() :]
        template = rest.removeprefix(";").split()[0] if rest.startswith(";") and rest[1:].split() else ""
        given = {"template": template} if template else {}
        given["target"] = forward["address"] or forward["host"] or ""
        given["port"] = forward["port"] or "514"
        given["protocol"] = "tcp" if forward["tcp"] else "udp"
        return "omfwd", given
    path = subject.removeprefix("-").split(" ")[0]
    if path.startswith("/"):
        return "omfile", given | {"file": path}
    if subject.removeprefix("-").startswith("?"):
        return "omfile", given | {"dynafile": path.removeprefix("?")}
    if subject.startswith("|"):
        return "ompipe", given | {"pipe": subject.removeprefix("|").strip()}
    if subject.startswith("^"):
        return "omshell", given | {"binary": subject.removeprefix("^").strip()}
    if subject.startswith(">"):
        return "ommysql", given | {"server": subject.removeprefix(">").partition(",")[0]}
    if subject.startswith(":"):
        kind, _colon, rest = subject.removeprefix(":").partition(":")
        return _old_module(kind.lower(), rest, given, channels)
    if re.fullmatch(r"\*|[a-z0-9_][a-z0-9_\-+,]*", subject, re.IGNORECASE):
        return "omusrmsg", given | {"users": subject}
    return "", {}


def _old_module(
    kind: str, rest: str, given: dict[str, str], channels: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    if kind == "omfile" and rest.startswith("$"):
        return kind, given | {"file": channels.get(rest.removeprefix("$").strip(), "")}
    if kind == "omrelp":
        target = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*))(?::(\S*))?", rest.strip())
        if target is None:
            return "", {}
        return kind, given | {"target": target[1] or target[2] or "", "port": target[3] or "514"}
    if kind == "omusrmsg":
        return kind, given | {"users": rest.strip()}
    return kind, given | {"server": rest.partition(",")[0]}
