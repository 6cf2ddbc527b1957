"""The language of everything that a user reads: gettext for the program, pairs of texts for data.

One process speaks one language at a time; ``use`` changes it. Texts are asked for when they are
shown, so a screen that is drawn again after ``use`` is in the new language. ``speaking`` is for a
document in a language of its own: it changes nothing for other threads and tasks.
"""

from __future__ import annotations

import gettext as _gettext
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "fr")
_DOMAIN = "hardentui"
_LOCALE = Path(__file__).parent / "locale"

_language = "en"
_spoken: ContextVar[str | None] = ContextVar("spoken", default=None)


def from_environment(environ: os._Environ[str] | dict[str, str] | None = None) -> str:
    """The language that LANGUAGE, LC_ALL, LC_MESSAGES or LANG ask for, or English."""
    env = os.environ if environ is None else environ
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = env.get(name, "")
        for wanted in value.split(":"):
            code = wanted.partition(".")[0].partition("_")[0].lower()
            if code in LANGUAGES:
                return code
        if value and name != "LANGUAGE":
            return "en"
    return "en"


def use(language: str) -> None:
    """Speak ``language`` from now on.

    Raises:
        ValueError: it is not one of ``LANGUAGES``.
    """
    global _language  # noqa: PLW0603 - the one place where the language changes
    _language = _known(language)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak ``language`` meanwhile, in this thread and task only.

    Raises:
        ValueError: it is not one of ``LANGUAGES``.
    """
    token = _spoken.set(_known(language))
    try:
        yield
    finally:
        _spoken.reset(token)


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"unknown language {language!r}, expected one of {', '.join(LANGUAGES)}")
    return language


def language() -> str:
    """The language in use: one of ``LANGUAGES``."""
    return _spoken.get() or _language


@cache
def _catalogue(language: str) -> _gettext.NullTranslations:
    if language == "en":
        return _gettext.NullTranslations()
    return _gettext.translation(_DOMAIN, _LOCALE, [language], fallback=True)


def _(message: str) -> str:
    """``message`` in the language in use."""
    return _catalogue(language()).gettext(message)


def ngettext(one: str, many: str, count: int) -> str:
    """The form that ``count`` asks for, in the language in use."""
    return _catalogue(language()).ngettext(one, many, count)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark ``message`` for translation, to be translated where it is shown."""
    return message
