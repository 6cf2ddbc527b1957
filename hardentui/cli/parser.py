"""The whole command line, as argparse knows it. A command is named MODULE:FUNCTION of this package."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hardentui import __version__, i18n
from hardentui.i18n import _
from hardentui.visible import visible

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

LEVELS = ("minimal", "intermediary", "enhanced", "high")


class Parser(argparse.ArgumentParser):
    """A parser that knows whole words only, and repeats none that could draw on the terminal."""

    def error(self, message: str) -> NoReturn:
        """See argparse."""
        super().error(visible(message))

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # argparse's own keeps silent where the output is full.
        if file is not None:
            file.write(message)


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its type no public name


def common_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The options that may stand before and behind the command, from wherever they stand.

    argparse forgets what stood before a command once the command names the same option.
    """
    parser = Parser(prog="hardentui", parents=[_common()], add_help=False, allow_abbrev=False)
    _add_plan(parser)
    unset = argparse.Namespace(
        demo=False, root=None, recording=None, checklists=[], lang=None, deep=False, plan=None
    )
    return parser.parse_known_args(arguments, unset)[0]


def build_parser() -> argparse.ArgumentParser:
    """The parser, with its texts in the language in use."""
    common = _common()
    parser = Parser(
        prog="hardentui",
        parents=[common],
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_(
            "Walk through the hardening of one Linux server: see, decide, and leave with a plan and a script."
        ),
        epilog=f"{_epilog()}\n{_output_codes()}",
    )
    parser.add_argument("--version", action="version", version=f"hardentui {__version__}")
    _add_plan(parser, _("the plan to go on with (default: ~/hardentui/HOST.toml)"))
    parser.set_defaults(run="screen:show", takes_plan=True)
    commands = parser.add_subparsers(title=_("commands"), metavar="COMMAND")
    _add_finding_commands(commands, common)
    _add_sandbox(commands, common)
    _add_flows(commands, common)
    _add_plan_commands(commands, common)
    _add_writing_commands(commands, common)
    _add_reference_commands(commands, common)
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


def _output_codes() -> str:
    return _(
        "  2 too when the output cannot be written; 141 when its reader went away before the end (| head)"
    )


def _common() -> Parser:
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
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
    commands: Commands[Parser], common: Parser, name: str, run: str, text: str, *, takes_plan: bool = False
) -> Parser:
    parser = commands.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)
    parser.set_defaults(run=run, takes_plan=takes_plan)
    return parser


def _add_plan(parser: Parser, text: str = "") -> None:
    parser.add_argument("--plan", type=Path, metavar="FILE", default=argparse.SUPPRESS, help=text)


def _add_answer(parser: Parser) -> None:
    parser.add_argument("--answer", action="append", default=[], metavar="Q=A", help=_("answer a question"))


def _add_selection(parser: Parser) -> None:
    parser.add_argument("--chapter", action="append", metavar="CHAPTER", help=_("only this chapter"))
    parser.add_argument("--level", choices=LEVELS, help=_("only up to this level"))
    _add_answer(parser)


def _add_output(parser: Parser, text: str, *, required: bool = False) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", required=required, help=text)
    parser.add_argument("--force", action="store_true", help=_("write over a file that stands there"))


def _add_finding_commands(commands: Commands[Parser], common: Parser) -> None:
    scan = _command(
        commands,
        common,
        "scan",
        "findings:scan",
        _("print what is found, without a screen"),
        takes_plan=True,
    )
    _add_selection(scan)
    scan.add_argument("--json", action="store_true", help=_("print JSON for other programs"))
    scan.add_argument("--by", metavar="GUIDE", help=_("by a guide's own list instead: anssi (R1 to R80)"))
    _add_plan(scan, _("take answers and waivers from this plan"))
    ports = _command(
        commands, common, "ports", "findings:ports", _("print what listens, and from where it can be reached")
    )
    ports.add_argument("--json", action="store_true", help=_("print JSON for other programs"))
    services = _command(
        commands,
        common,
        "services",
        "services:services",
        _("print what holds each service that runs, the most exposed first"),
    )
    services.add_argument("unit", nargs="?", metavar="UNIT", help=_("all about this one"))
    services.add_argument("--json", action="store_true", help=_("print JSON for other programs"))
    volume = _command(
        commands,
        common,
        "volume",
        "volume:volume",
        _("print how fast the logs grow, and when their file systems are full"),
    )
    volume.add_argument("--json", action="store_true", help=_("print JSON for other programs"))
    events = _command(
        commands,
        common,
        "events",
        "events:events",
        _("print what is recorded of each class of events, now and after a reboot"),
    )
    events.add_argument("kind", nargs="?", metavar="CLASS", help=_("all about this one"))
    ways = events.add_mutually_exclusive_group()
    ways.add_argument("--json", action="store_true", help=_("print JSON for other programs"))
    ways.add_argument("--follow", action="store_true", help=_("show the events themselves, as they come"))
    explain = _command(
        commands,
        common,
        "explain",
        "findings:explain",
        _("print all about one recommendation"),
        takes_plan=True,
    )
    explain.add_argument("id", metavar="ID")
    _add_plan(explain, _("take answers and waivers from this plan"))
    _add_answer(explain)
    walk = _command(
        commands,
        common,
        "walk",
        "screen:walk",
        _("walk through the recommendations and decide"),
        takes_plan=True,
    )
    walk.add_argument(
        "--plain",
        action="store_true",
        help=_("numbered questions, line by line: for screen readers and terminals without a cursor"),
    )
    _add_plan(walk, _("the plan to go on with (default: ~/hardentui/HOST.toml)"))


def _add_sandbox(commands: Commands[Parser], common: Parser) -> None:
    parser = _command(
        commands,
        common,
        "sandbox",
        "sandbox:sandbox",
        _("say what each directive of systemd would break for a service, and choose some for the plan"),
        takes_plan=True,
    )
    parser.add_argument("unit", metavar="UNIT")
    whole = parser.add_mutually_exclusive_group()
    whole.add_argument("--safe", action="store_true", help=_("choose what is safe as far as it is seen"))
    whole.add_argument(
        "--recommended",
        action="store_true",
        help=_("choose what cannot be told too, but nothing that would break"),
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="DIRECTIVE=VALUE", help=_("choose this one as well")
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="DIRECTIVE", help=_("leave this one out")
    )
    parser.add_argument("--json", action="store_true", help=_("print JSON for other programs"))
    parser.add_argument("--force", action="store_true", help=_("put into the plan what would break, too"))
    _add_plan(parser, _("put what is chosen into this plan; it is made if it is not there"))


def _add_flows(commands: Commands[Parser], common: Parser) -> None:
    parser = _command(
        commands,
        common,
        "flows",
        "flows:flows",
        _("print the flows that applications need, against what this host shows, and the policy for them"),
        takes_plan=True,
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help=_("print JSON for other programs"))
    shown.add_argument("--svg", action="store_true", help=_("print the matrix as a picture for reports"))
    shown.add_argument(
        "--propose", action="store_true", help=_("print the firewall policy that they come to, line by line")
    )
    _add_answer(parser)
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="PERMIT",
        help=_("add a flow: in|out tcp|udp PORTS from|to PEERS NAME"),
    )
    parser.add_argument(
        "--acknowledge",
        action="append",
        default=[],
        metavar="CONNECTION: REASON",
        help=_("say why what the policy would end may end: an open connection, or the way in to sshd"),
    )
    parser.add_argument("--apply", action="store_true", help=_("put the policy into the plan"))
    _add_plan(parser, _("take answers from this plan; with --apply it is written"))


def _add_plan_commands(commands: Commands[Parser], common: Parser) -> None:
    parser = commands.add_parser("plan", help=_("work with plans"), parents=[common], allow_abbrev=False)
    plans = parser.add_subparsers(metavar="COMMAND", required=True)
    new = _command(plans, common, "new", "plans:new", _("write a new plan for this host"))
    _add_output(new, _("where to"), required=True)
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
    for name, text in (
        ("show", _("print a plan, and what no longer holds")),
        ("check", _("say what is wrong with a plan")),
        ("diff", _("compare two plans, or a plan with this host")),
        ("refresh", _("assess this host again and renew what the plan saw")),
    ):
        command = _command(plans, common, name, f"plans:{name}", text)
        command.add_argument("file", type=Path, metavar="PLAN")
        if name == "diff":
            command.add_argument("other", type=Path, nargs="?", metavar="OTHER")


def _add_writing_commands(commands: Commands[Parser], common: Parser) -> None:
    script = _command(commands, common, "script", "writing:script", _("write the script of a plan"))
    script.add_argument("file", type=Path, metavar="PLAN")
    _add_output(script, _("where to (default: standard output)"))
    record = _command(commands, common, "record", "writing:record", _("record this host's facts to a file"))
    _add_output(record, _("where to"), required=True)


def _add_reference_commands(commands: Commands[Parser], common: Parser) -> None:
    parser = commands.add_parser(
        "checklist", help=_("work with checklists"), parents=[common], allow_abbrev=False
    )
    checklists = parser.add_subparsers(metavar="COMMAND", required=True)
    check = _command(checklists, common, "check", "reference:check", _("say what is wrong with checklists"))
    check.add_argument("files", nargs="*", type=Path, metavar="FILE")
    schema = _command(
        commands,
        common,
        "schema",
        "reference:schema",
        _("print the JSON Schema of checklists, plans or profiles of applications, for editors"),
    )
    schema.add_argument("kind", choices=("checklist", "plan", "application"))
    completion = _command(
        commands, common, "completion", "reference:completion", _("print a completion script for a shell")
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
