"""Shell completion, made from the parser itself so that it cannot fall behind it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator


def generate(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of ``parser`` for bash, zsh or fish."""
    words = {path: sorted(set(_words(inner))) for path, inner in _commands(parser)}
    if shell == "fish":
        return "".join(_fish(path, names) for path, names in words.items())
    cases = "".join(
        f'    "{" ".join(path)}") words="{" ".join(names)}" ;;\n' for path, names in words.items()
    )
    first = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return f"""{first}_hardentui() {{
  local word path="" words="" current="${{COMP_WORDS[COMP_CWORD]}}"
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case " {" ".join(sorted({name for path in words for name in path}))} " in
      *" $word "*) path="${{path:+$path }}$word" ;;
    esac
  done
  case "$path" in
{cases}  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -f -- "$current")
}}
complete -o filenames -F _hardentui hardentui
"""


def _commands(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    yield path, parser
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of its commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for name, inner in action.choices.items():
                yield from _commands(inner, (*path, name))


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001 - as above
        yield from (option for option in action.option_strings if option.startswith("--"))
        yield from map(str, action.choices or ())


def _fish(path: tuple[str, ...], names: list[str]) -> str:
    condition = (
        " and ".join(f"__fish_seen_subcommand_from {name}" for name in path) or "__fish_use_subcommand"
    )
    return "".join(
        f"complete -c hardentui -n '{condition}' "
        + (f"-l {name.removeprefix('--')}" if name.startswith("--") else f"-a {name}")
        + "\n"
        for name in names
    )
