"""The command line: one function for each subcommand, and no logic of its own.

Nothing that draws is imported before the screen opens: `hardentui --version` must be quick over SSH.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hardentui import __version__, i18n
from hardentui.errors import InputError
from hardentui.i18n import _

if TYPE_CHECKING:
    from hardentui.host.search import Progress
    from hardentui.model import Checklists, Finding, Plan
    from hardentui.plan import PlanFile
    from hardentui.session import Session
    from hardentui.snapshot import Host, Snapshot

FAILS, USAGE, NOT_EVALUATED = 1, 2, 3
_LEVELS = ("minimal", "intermediary", "enhanced", "high")


class CommandError(InputError):
    """Something that the person at the keyboard can put right; the sentence says what."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is documented in --help."""
    i18n.use(_language(arguments))
    parser = build_parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except InputError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # The reader of our output went away (| head): that is its right.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - so that the interpreter can end in peace
        return 0
    except KeyboardInterrupt:
        return 130


def _complain(text: str) -> int:
    from hardentui.visible import visible  # noqa: PLC0415 - see the module

    for line in text.splitlines():
        print(f"hardentui: {visible(line)}", file=sys.stderr)
    return USAGE


def _language(arguments: Sequence[str]) -> str:
    """--lang counts before the parser is built, whose texts are in that language."""
    for position, word in enumerate(arguments):
        value = word.partition("=")[2] if word.startswith("--lang=") else ""
        if word == "--lang" and position + 1 < len(arguments):
            value = arguments[position + 1]
        if value in i18n.LANGUAGES:
            return value
    return i18n.from_environment()


# --- the parser -----------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    common = _common()
    parser = argparse.ArgumentParser(
        prog="hardentui",
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_(
            "Walk through the hardening of one Linux server: see, decide, and leave with a plan and a script."
        ),
        epilog=_epilog(),
    )
    parser.add_argument("--version", action="version", version=f"hardentui {__version__}")
    parser.add_argument(
        "--plan", type=Path, metavar="FILE", help=_("the plan to go on with (default: ~/hardentui/HOST.toml)")
    )
    parser.set_defaults(run=open_screen)
    commands = parser.add_subparsers(title=_("commands"), metavar="COMMAND")

    scan_parser = _command(commands, common, "scan", scan, _("print what is found, without a screen"))
    _add_selection(scan_parser)
    scan_parser.add_argument("--json", action="store_true", help=_("print JSON for other programs"))
    scan_parser.add_argument(
        "--plan", type=Path, metavar="FILE", help=_("take answers and waivers from this plan")
    )

    ports_parser = _command(
        commands, common, "ports", ports, _("print what listens, and from where it can be reached")
    )
    ports_parser.add_argument("--json", action="store_true", help=_("print JSON for other programs"))

    explain_parser = _command(commands, common, "explain", explain, _("print all about one recommendation"))
    explain_parser.add_argument("id", metavar="ID")
    explain_parser.add_argument(
        "--plan", type=Path, metavar="FILE", help=_("take answers and waivers from this plan")
    )
    explain_parser.add_argument(
        "--answer", action="append", default=[], metavar="Q=A", help=_("answer a question")
    )

    _add_plan_commands(commands, common)

    script_parser = _command(commands, common, "script", script, _("write the script of a plan"))
    script_parser.add_argument("plan", type=Path, metavar="PLAN")
    script_parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=_("where to (default: standard output)")
    )

    record_parser = _command(commands, common, "record", record, _("record this host's facts to a file"))
    record_parser.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help=_("where to"))

    checklist_parser = commands.add_parser("checklist", help=_("work with checklists"), parents=[common])
    checklist_commands = checklist_parser.add_subparsers(metavar="COMMAND", required=True)
    check_parser = _command(
        checklist_commands, common, "check", checklist_check, _("say what is wrong with checklists")
    )
    check_parser.add_argument("files", nargs="*", type=Path, metavar="FILE")

    completion_parser = _command(
        commands, common, "completion", completion, _("print a completion script for a shell")
    )
    completion_parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def _epilog() -> str:
    return _(
        "examples:\n"
        "  sudo hardentui                          open the assistant on this host\n"
        "  hardentui --demo                        try it on a recorded host\n"
        "  hardentui --root /mnt/image scan        judge a mounted system image\n"
        "  hardentui scan --json --chapter sysctl  facts for another program\n"
        "  hardentui script web01.toml -o harden-web01.sh\n"
        "\n"
        "exit codes:\n"
        "  0  everything that was asked passes\n"
        "  1  something fails\n"
        "  2  wrong usage, or input that cannot be used\n"
        "  3  nothing fails, but something could not be evaluated, or nothing was"
    )


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    where = common.add_mutually_exclusive_group()
    where.add_argument("--demo", action="store_true", help=_("a recorded host that comes with the program"))
    where.add_argument("--root", type=Path, metavar="DIR", help=_("a mounted system image"))
    where.add_argument(
        "--recording", type=Path, metavar="FILE", help=_("a host recorded with `hardentui record`")
    )
    common.add_argument(
        "--checklists", type=Path, action="append", metavar="DIR", help=_("add a site's own checklists")
    )
    common.add_argument(
        "--lang", choices=i18n.LANGUAGES, help=_("the language of texts (default: the locale's)")
    )
    common.add_argument("--deep", action="store_true", help=_("also search file systems, which is slow"))
    return common


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, parents=[common])
    parser.set_defaults(run=run)
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chapter", action="append", metavar="CHAPTER", help=_("only this chapter"))
    parser.add_argument("--level", choices=_LEVELS, help=_("only up to this level"))
    parser.add_argument("--answer", action="append", default=[], metavar="Q=A", help=_("answer a question"))


def _add_plan_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    plan_parser = commands.add_parser("plan", help=_("work with plans"), parents=[common])
    plans = plan_parser.add_subparsers(metavar="COMMAND", required=True)
    new = _command(plans, common, "new", plan_new, _("write a new plan for this host"))
    new.add_argument(
        "-o", "--output", type=Path, metavar="FILE", required=True, help=_("where to; must not exist")
    )
    _add_selection(new)
    new.add_argument(
        "--apply",
        action="append",
        default=[],
        metavar="ID",
        help=_(
            "decide to apply a recommendation; `failing` for all that fail, `all` for the optional ones too"
        ),
    )
    show = _command(plans, common, "show", plan_show, _("print a plan, and what no longer holds"))
    show.add_argument("plan", type=Path, metavar="PLAN")
    check = _command(plans, common, "check", plan_check, _("say what is wrong with a plan"))
    check.add_argument("plan", type=Path, metavar="PLAN")
    diff = _command(plans, common, "diff", plan_diff, _("compare two plans, or a plan with this host"))
    diff.add_argument("plan", type=Path, metavar="PLAN")
    diff.add_argument("other", type=Path, nargs="?", metavar="OTHER")
    refresh = _command(
        plans, common, "refresh", plan_refresh, _("assess this host again and renew what the plan saw")
    )
    refresh.add_argument("plan", type=Path, metavar="PLAN")


# --- what commands stand on -----------------------------------------------------------------------


def _host(options: argparse.Namespace) -> Host:
    """The host that the options name."""
    if getattr(options, "recording", None) is not None:
        from hardentui.host.recording import RecordedHost  # noqa: PLC0415 - only what is asked is imported

        return RecordedHost(options.recording)
    if getattr(options, "demo", False):
        from hardentui.host.recording import demo_host  # noqa: PLC0415 - as above

        return demo_host()
    if getattr(options, "root", None) is not None:
        from hardentui.host.image import ImageHost  # noqa: PLC0415 - as above

        if not options.root.is_dir():
            raise CommandError(_("{path} is no folder").format(path=options.root))
        return ImageHost(str(options.root))
    from hardentui.host.live import LiveHost  # noqa: PLC0415 - as above

    return LiveHost()


def _checklists(options: argparse.Namespace) -> Checklists:
    from hardentui import checklist, hazards, resources  # noqa: PLC0415 - as in _host

    folders = [checklist.shipped_folder(), *getattr(options, "checklists", [])]
    return checklist.load(folders, resources.check, hazards.PROBES)


def _snapshot(options: argparse.Namespace) -> Snapshot:
    from hardentui.snapshot import Snapshot  # noqa: PLC0415 - as in _host

    host = _host(options)
    snapshot = Snapshot(host, deep=getattr(options, "deep", False))
    return _searched(snapshot, host) if snapshot.deep else snapshot


def _searched(snapshot: Snapshot, host: Host) -> Snapshot:
    """The snapshot with a search of the files, shown on a terminal while it runs; Ctrl-C ends it early."""
    from hardentui.host.search import Walkable  # noqa: PLC0415 - as in _host
    from hardentui.snapshot import Clock, FileSurvey  # noqa: PLC0415 - as in _host

    if not isinstance(host, Walkable):
        return snapshot
    walk = host.walk()
    try:
        walk.start()
        while (found := walk.result(0.2)) is None:
            _show_progress(walk.progress())
    except KeyboardInterrupt:
        walk.stop()
        found = walk.result()
    finally:
        walk.stop()  # also when something else ends us: no search stays behind
        _show_progress(None)
    return snapshot.with_answers({FileSurvey(): found}, host.answer(Clock())[1])


def _show_progress(progress: Progress | None) -> None:
    if not sys.stderr.isatty():
        return
    line = ""
    if progress is not None:
        from hardentui.visible import visible  # noqa: PLC0415 - see the module

        share = "" if progress.share is None else f" ({progress.share} %)"
        line = _("searching files: {files}{share}, {seconds} s; Ctrl-C ends it early  {place}").format(
            files=progress.files, share=share, seconds=int(progress.seconds), place=visible(progress.place)
        )
    print(f"\r\033[K{line[: _width() - 1]}", end="", file=sys.stderr, flush=True)


def _session(options: argparse.Namespace, plan: Plan | None = None) -> Session:
    """A session on the host that the options name, with the answers that they give."""
    from dataclasses import replace  # noqa: PLC0415 - as in _host

    from hardentui.session import Session, identity  # noqa: PLC0415 - as in _host

    checklists = _checklists(options)
    snapshot = _snapshot(options)
    given = _answers(getattr(options, "answer", []), checklists)
    if plan is None and given:
        from hardentui.model import Plan as EmptyPlan  # noqa: PLC0415 - as in _host

        plan = EmptyPlan(identity(snapshot), checklists.digest, i18n.language())
    if plan is not None:
        plan = replace(plan, answers={**plan.answers, **given})
    return Session.begin(checklists, snapshot, plan)


def _answers(given: Sequence[str], checklists: Checklists) -> dict[str, str]:
    answers = {}
    known = {question.id: [choice.id for choice in question.choices] for question in checklists.questions}
    for pair in given:
        question, _equals, answer = pair.partition("=")
        if question not in known:
            raise CommandError(
                _("unknown question {name}; known: {known}").format(name=question, known=", ".join(known))
            )
        if answer not in known[question]:
            expected = ", ".join(known[question])
            raise CommandError(
                _("{name}: expected one of {expected}").format(name=question, expected=expected)
            )
        answers[question] = answer
    return answers


def _selected(options: argparse.Namespace, session: Session) -> list[Finding]:
    chapters = getattr(options, "chapter", None)
    known = [chapter.id for chapter in session.checklists.chapters]
    for chapter in chapters or ():
        if chapter not in known:
            raise CommandError(
                _("unknown chapter {name}; known: {known}").format(name=chapter, known=", ".join(known))
            )
    level = getattr(options, "level", None)
    levels = _LEVELS[: _LEVELS.index(level) + 1] if level else _LEVELS
    return [
        found
        for found in session.findings
        if (not chapters or found.recommendation.chapter in chapters) and found.recommendation.level in levels
    ]


def _read_plan(path: Path) -> PlanFile:
    from hardentui.plan import PlanFile  # noqa: PLC0415 - as in _host

    return PlanFile.read(path)


def _for_this_host(plan: Plan, session: Session, path: Path) -> None:
    from hardentui.session import identity  # noqa: PLC0415 - as in _host

    here = identity(session.snapshot)
    if plan.host.machine_id != here.machine_id:
        raise CommandError(
            _("{path} is the plan of {host}, not of this host").format(
                path=path, host=plan.host.hostname or "?"
            )
        )


def _width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


# --- the commands ---------------------------------------------------------------------------------


def open_screen(options: argparse.Namespace) -> int:
    """Open the assistant."""
    if os.environ.get("TERM") == "dumb" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(
            _("the assistant needs a terminal; `hardentui scan` prints what is found without one")
        )
    from hardentui.tui.app import show  # noqa: PLC0415 - the screen is imported only when it opens
    from hardentui.tui.opening import Opening  # noqa: PLC0415 - as above

    def load() -> Opening:
        checklists, host = _checklists(options), _host(options)
        path = options.plan or _default_plan(host)
        return Opening(checklists, host, _read_plan(path) if path.exists() else None, path)

    return show(load, i18n.language(), deep=getattr(options, "deep", False))


def _default_plan(host: Host) -> Path:
    from hardentui.session import identity  # noqa: PLC0415 - as in _host
    from hardentui.snapshot import Snapshot  # noqa: PLC0415 - as in _host

    user = os.environ.get("SUDO_USER", "")
    home = Path(f"~{user}").expanduser() if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", user) else Path.home()
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", identity(Snapshot(host)).hostname).strip(".-") or "host"
    return home / "hardentui" / f"{name}.toml"


def scan(options: argparse.Namespace) -> int:
    """Print the findings; the exit code tells fail, not evaluated, or all well."""
    from hardentui.export import json, text  # noqa: PLC0415 - as in _host

    plan_path = getattr(options, "plan", None)
    session = _session(options, _read_plan(plan_path).plan if plan_path else None)
    found = _selected(options, session)
    if options.json:
        print(json.findings(found, session.plan.host, session.plan, session.snapshot.taken_at))
    else:
        print(text.summary(found))
        for line in text.table(found, session.plan, _width()):
            print(line)
    return _exit_code(found, session)


def _exit_code(found: Sequence[Finding], session: Session) -> int:
    from datetime import UTC, datetime  # noqa: PLC0415 - as in _host

    from hardentui.model import Action, Result  # noqa: PLC0415 - as in _host
    from hardentui.plan import Standing  # noqa: PLC0415 - as in _host

    today = datetime.fromtimestamp(session.snapshot.taken_at, UTC).date()
    standings = session.standings(today)

    def settled(finding: Finding, action: Action) -> bool:
        decision = session.plan.decision(finding.recommendation.id)
        return decision is not None and decision.action is action and standings[decision.id] is Standing.HOLDS

    if any(f.result is Result.FAIL and not settled(f, Action.WAIVE) for f in found):
        return FAILS
    open_ = {Result.UNKNOWN, Result.ERROR, Result.NOTCHECKED}
    unread = any(f.result in open_ and not settled(f, Action.ATTEST) for f in found)
    return NOT_EVALUATED if unread or not any(f.result.evaluated for f in found) else 0


def ports(options: argparse.Namespace) -> int:
    """Every listening socket: its process, its scope, and what the loaded firewall lets through to it."""
    from hardentui.assess import explain as reason  # noqa: PLC0415 - as in _host
    from hardentui.export import ports as export  # noqa: PLC0415 - as in _host
    from hardentui.model import Gap  # noqa: PLC0415 - as in _host

    snapshot = _snapshot(options)
    shown = export.document(snapshot) if options.json else export.table(snapshot)
    if isinstance(shown, Gap):
        print(f"hardentui: {reason(shown)}", file=sys.stderr)
        return NOT_EVALUATED
    for line in (shown,) if isinstance(shown, str) else shown:
        print(line)
    return 0


def explain(options: argparse.Namespace) -> int:
    """Print all about one recommendation."""
    from hardentui.export import text  # noqa: PLC0415 - as in _host

    session = _session(options, _read_plan(options.plan).plan if options.plan else None)
    entry = session.checklists.get(options.id)
    if entry is None:
        near = [
            e.id for e in session.checklists.recommendations if options.id in e.id or options.id in e.covers
        ]
        hint = _("; did you mean {names}?").format(names=", ".join(near[:5])) if near else ""
        raise CommandError(_("no recommendation has the id {id}{hint}").format(id=options.id, hint=hint))
    for line in text.explain(entry, session.finding(entry.id), session.checklists, _width()):
        print(line)
    return 0


def plan_new(options: argparse.Namespace) -> int:
    """Write a new plan, with what --answer and --apply say."""
    from hardentui.model import Action, Result  # noqa: PLC0415 - as in _host
    from hardentui.plan import render, write  # noqa: PLC0415 - as in _host

    if options.output.exists():
        raise CommandError(_("{path} exists already; a plan is not written over").format(path=options.output))
    session = _session(options)
    wanted = set(options.apply)
    groups = wanted & {"all", "failing"}
    for id_ in wanted - groups:
        if session.checklists.get(id_) is None:
            raise CommandError(_("no recommendation has the id {id}{hint}").format(id=id_, hint=""))
    results = {Result.FAIL, Result.INFORMATIONAL} if "all" in groups else {Result.FAIL}
    # What is not optional comes first: of alternatives, that one is taken.
    for found in sorted(_selected(options, session), key=lambda found: found.recommendation.optional):
        entry = found.recommendation
        named = entry.id in wanted
        gap = entry.accept is not None and found.result in results
        if not named and not (groups and gap and entry.target and not session.rival(entry)):
            continue
        refusal = session.refusal(found)
        if not refusal:
            session = session.decided(session.decision(found, Action.APPLY))
        elif named:
            raise CommandError(f"{entry.id}: {refusal}")
    session.compiled()  # a plan whose decisions cannot hold together is not written
    write(options.output, render(session.plan))
    print(_("{path}: {count} decisions").format(path=options.output, count=len(session.plan.decisions)))
    return 0


def plan_show(options: argparse.Namespace) -> int:
    """Print a plan; waivers are held against this host if the plan is its own."""
    from datetime import UTC, datetime  # noqa: PLC0415 - as in _host

    from hardentui.export import text  # noqa: PLC0415 - as in _host
    from hardentui.plan import standing  # noqa: PLC0415 - as in _host

    plan = _read_plan(options.plan).plan
    session = _session(options, plan)
    here = session.plan.host.machine_id == _machine_id(session)
    today = datetime.now(UTC).date()
    standings = {d.id: standing(d, session.finding(d.id) if here else None, today) for d in plan.decisions}
    for line in text.plan(plan, standings, _width()):
        print(line)
    return 0


def _machine_id(session: Session) -> str:
    from hardentui.session import identity  # noqa: PLC0415 - as in _host

    return identity(session.snapshot).machine_id


def plan_check(options: argparse.Namespace) -> int:
    """Say whether a plan can be read, still means something, and can be compiled."""
    from hardentui.changeset import compile_plan  # noqa: PLC0415 - as in _host

    plan = _read_plan(options.plan).plan
    checklists = _checklists(options)
    change_set = compile_plan(plan, checklists)
    problems = [f"{options.plan}: {id_}: {reason}" for id_, reason in change_set.refused.items()]
    unknown = [
        d.id for d in plan.decisions if checklists.get(d.id) is None and d.id not in change_set.refused
    ]
    problems += [f"{options.plan}: {id_}: " + _("no recommendation has this id") for id_ in unknown]
    _answers([f"{question}={answer}" for question, answer in plan.answers.items()], checklists)
    if problems:
        raise CommandError("\n".join(problems))
    if plan.checklists != checklists.digest:
        print(
            _("{path}: the checklists changed since; assess again with `plan refresh`").format(
                path=options.plan
            )
        )
    print(
        _("{path}: {count} decisions, {steps} steps").format(
            path=options.plan, count=len(plan.decisions), steps=len(change_set.operations)
        )
    )
    return 0


def plan_diff(options: argparse.Namespace) -> int:
    """What differs between two plans, or moved on this host since the plan was made."""
    from hardentui.export import text  # noqa: PLC0415 - as in _host
    from hardentui.visible import visible  # noqa: PLC0415 - as in _host

    old = _read_plan(options.plan).plan
    if options.other is not None:
        lines = list(text.differences(old, _read_plan(options.other).plan))
    else:
        session = _session(options, old)
        _for_this_host(old, session, options.plan)
        lines = []
        for decision in old.decisions:
            found = session.finding(decision.id)
            now = (found.running, found.boot) if found else ("", "")
            if now != (decision.running, decision.boot):
                shown = _("{id}: seen {before}, now {after}").format(
                    id=decision.id, before=f"{decision.running} / {decision.boot}", after=" / ".join(now)
                )
                lines.append(visible(f"  {shown}"))
    for line in lines or [_("no difference")]:
        print(line)
    return FAILS if lines else 0


def plan_refresh(options: argparse.Namespace) -> int:
    """Assess this host again and renew what the plan's decisions saw; decisions themselves stay."""
    from dataclasses import replace  # noqa: PLC0415 - as in _host

    from hardentui.model import Action  # noqa: PLC0415 - as in _host

    file = _read_plan(options.plan)
    session = _session(options, file.plan)
    _for_this_host(file.plan, session, options.plan)
    for decision in file.plan.decisions:
        found = session.finding(decision.id)
        if found is None or decision.action is not Action.APPLY:
            continue
        renewed = session.decision(found, decision.action, target=decision.target, reason=decision.reason)
        session = session.decided(replace(renewed, at=decision.at, by=decision.by))
    file.save(session.plan)
    print(_("{path}: assessed again").format(path=options.plan))
    return 0


def script(options: argparse.Namespace) -> int:
    """Write the script of a plan."""
    from hardentui.changeset import compile_plan  # noqa: PLC0415 - as in _host
    from hardentui.plan import write  # noqa: PLC0415 - as in _host
    from hardentui.script import render  # noqa: PLC0415 - as in _host

    plan = _read_plan(options.plan).plan
    if options.output is not None and options.output.resolve() == options.plan.resolve():
        raise CommandError(_("{path} is the plan itself; name another file").format(path=options.output))
    checklists = _checklists(options)
    if plan.checklists != checklists.digest:
        raise CommandError(
            _("{path}: the checklists changed since; run `hardentui plan refresh {path}` first").format(
                path=options.plan
            )
        )
    change_set = compile_plan(plan, checklists)
    for id_, reason in change_set.refused.items():
        _complain(_("{id} is left out: {reason}").format(id=id_, reason=reason))
    text = render(change_set, plan, checklists)
    if options.output is None:
        sys.stdout.write(text)
    else:
        write(options.output, text, mode=0o700)
        print(_("{path}: read it, then `sudo bash {path} review`").format(path=options.output))
    return 0


def record(options: argparse.Namespace) -> int:
    """Record the facts of a host, as an assessment asks for them."""
    from hardentui.host.recording import record as recording  # noqa: PLC0415 - as in _host
    from hardentui.plan import write  # noqa: PLC0415 - as in _host

    session = _session(options)
    write(options.output, recording(session.snapshot))
    print(_("{path}: recorded; read it before you give it away").format(path=options.output))
    return 0


def checklist_check(options: argparse.Namespace) -> int:
    """Say what is wrong with checklists: the named files, or all that a scan would read."""
    from hardentui import checklist, hazards, resources  # noqa: PLC0415 - as in _host

    if options.files:
        loaded = checklist.load_files(options.files, resources.check, hazards.PROBES)
    else:
        loaded = _checklists(options)
    for chapter in loaded.chapters:
        print(
            _("{chapter}: {count} recommendations, version {version}").format(
                chapter=chapter.id, count=len(chapter.recommendations), version=chapter.version
            )
        )
    return 0


def completion(options: argparse.Namespace) -> int:
    """Print a completion script, made from this very parser."""
    from hardentui.completion import generate  # noqa: PLC0415 - as in _host

    sys.stdout.write(generate(build_parser(), options.shell))
    return 0
