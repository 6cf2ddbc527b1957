"""How accounts may be entered: the class of each password hash. No hash and no salt leaves this module."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hardentui.snapshot import Password, Reason, Unread

Read = Callable[[str], str | Unread]

_PASSWD, _SHADOW, _GROUP = "/etc/passwd", "/etc/shadow", "/etc/group"
# The prefixes of crypt(5).
_SCHEMES = (
    (re.compile(r"\$y\$"), "yescrypt"),
    (re.compile(r"\$gy\$"), "gost-yescrypt"),
    (re.compile(r"\$7\$"), "scrypt"),
    (re.compile(r"\$2[abxy]\$"), "bcrypt"),
    (re.compile(r"\$6\$"), "sha512crypt"),
    (re.compile(r"\$5\$"), "sha256crypt"),
    (re.compile(r"\$sha1\$"), "sha1crypt"),
    (re.compile(r"\$md5[$,]"), "sunmd5"),
    (re.compile(r"\$1\$"), "md5crypt"),
    (re.compile(r"\$3\$"), "nt"),
    (re.compile(r"_[./0-9A-Za-z]{19}\Z"), "bsdicrypt"),
    (re.compile(r"[./0-9A-Za-z]{13}\Z"), "descrypt"),
    (re.compile(r"[./0-9A-Za-z]{2}(?:[./0-9A-Za-z]{11}){2,}\Z"), "bigcrypt"),
)


def classify(field: str) -> tuple[str, bool]:
    """The scheme of a password field, as ``Password`` names it, and whether a ``!`` locks it."""
    rest = field.lstrip("!")
    locked = rest != field
    if not field:
        return "empty", False
    if not rest:
        return "locked", True
    if rest.startswith("*"):
        return "disabled", locked  # no hash begins with it
    return next((name for pattern, name in _SCHEMES if pattern.match(rest)), "unknown"), locked


def read(read_text: Read) -> tuple[Password, ...] | Unread:
    """How each account of passwd may be entered; Unread when passwd or shadow cannot be read."""
    passwd, shadow = read_text(_PASSWD), read_text(_SHADOW)
    if isinstance(passwd, Unread):
        return passwd
    if isinstance(shadow, Unread) and shadow.reason is not Reason.MISSING:
        return shadow
    rows = {} if isinstance(shadow, Unread) else {cells[0]: cells for cells in reversed([*_rows(shadow)])}
    return tuple(_password(cells, rows.get(cells[0])) for cells in _rows(passwd))


def _password(passwd: list[str], shadow: list[str] | None) -> Password:
    field = passwd[1] if len(passwd) > 1 else ""
    shadowed = field == "x"
    cells = (shadow or []) if shadowed else []
    if shadowed:
        # Without a line in shadow, or with a broken one, nobody can say what a login would do.
        scheme, locked = classify(cells[1]) if len(cells) == 9 else ("unknown", False)  # noqa: PLR2004 - shadow(5)
    else:
        scheme, locked = classify(field)
    days = [int(cell) if re.fullmatch(r"[0-9]{1,9}", cell) else -1 for cell in cells[2:8]]
    changed, minimum, maximum, warn, inactive, expires = days + [-1] * (6 - len(days))
    return Password(
        account=passwd[0],
        scheme=scheme,
        locked=locked,
        shadowed=shadowed,
        changed=changed,
        minimum=minimum,
        maximum=maximum,
        warn=warn,
        inactive=inactive,
        expires=expires,
    )


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line and not line.startswith(("+", "-", "#")) and ":" in line:
            yield line.split(":")


def nis_entries(read_text: Read) -> tuple[str, ...] | Unread:
    """The entries that NIS would fill in, by file; what cannot be read among the three is Unread."""
    found = []
    for path in (_PASSWD, _GROUP, _SHADOW):
        text = read_text(path)
        if isinstance(text, Unread):
            if text.reason is Reason.MISSING:
                continue
            return Unread(text.reason, f"{path} {text.detail}".strip())
        name = path.rpartition("/")[2]
        found += [
            f"{name}: {line.partition(':')[0]}" for line in text.splitlines() if line.startswith(("+", "-"))
        ]
    return tuple(found)
