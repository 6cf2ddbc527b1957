"""The house's own promises: every text in both languages, and no screen imported where none is shown."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

HERE = Path(__file__).parent.parent
PACKAGE = HERE / "hardentui"
STARTERS = re.compile(
    r"^\s*(import|from) (subprocess|pty|multiprocessing)\b|os\.(system|popen|exec|spawn)", re.MULTILINE
)
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}


@pytest.fixture(scope="module")
def french() -> Catalog:
    text = (PACKAGE / "locale/fr/LC_MESSAGES/hardentui.po").read_bytes()
    return read_po(BytesIO(text), locale="fr")


def messages() -> dict[str, str]:
    found = extract_from_dir(PACKAGE, keywords=KEYWORDS)
    return {message: f"{file}:{line}" for file, line, message, _comments, _context in found}


def test_every_text_has_its_french(french: Catalog) -> None:
    lacking = [
        f"{place}: {text!r}"
        for text, place in messages().items()
        if not french.get(text) or not french.get(text).string
    ]
    assert not lacking, "\n".join(["no French (run `make messages`, then fill them in):", *lacking])


def test_every_text_is_collected() -> None:
    """Within an f-string a text is not seen by who collects them, and stays English for ever."""
    collected, missed = messages(), []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="_" | "N_"), args=[ast.Constant(value=str(text)), *_rest]):
                    if text and text not in collected:
                        missed.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {text!r}")
    assert not missed, "\n".join(missed)


def test_a_translation_fills_in_the_same_words(french: Catalog) -> None:
    braces = re.compile(r"\{[a-z_]*\}")
    for text in messages():
        if isinstance(text, str) and (found := french.get(text)):
            assert sorted(braces.findall(text)) == sorted(braces.findall(found.string)), text


@pytest.mark.parametrize("command", [["--version"], ["--demo", "scan", "--json"], ["--help"]])
def test_a_command_without_a_screen_imports_no_textual(command: list[str]) -> None:
    program = (
        "import sys\n"
        "from hardentui.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'textual', 'rich'}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip().endswith("[]"), done.stderr


def test_only_the_live_host_and_its_search_start_programs() -> None:
    starters = {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if STARTERS.search(path.read_text())
    }
    assert starters == {"host/live.py", "host/search.py", "host/tail.py"}
