"""Where a line for sshd would win: in a file of ours that is read first, or in place of one that wins."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardentui.model import Fact
from hardentui.resources.base import digest
from hardentui.resources.sshd import config
from hardentui.resources.sshd.config import Config, Line
from hardentui.resources.sshd.keywords import KEYWORDS, canonical
from hardentui.resources.sshd.match import Connection
from hardentui.resources.sshd.state import View, in_pattern
from hardentui.snapshot import Entry, File, Folder, Kind, Snapshot, Stat, Unread

DROPINS = "/etc/ssh/sshd_config.d"
# Each sorts before the one in front of it; the first that no rival precedes is taken.
_NAMES = ("00-hardentui.conf", "0-hardentui.conf", "+hardentui.conf")
OURS = re.compile(rf"{re.escape(DROPINS)}/(?:00-|0-|\+)hardentui\.conf")
CONFIGURATION = re.compile(r"/etc/ssh/(?:sshd_config|[A-Za-z0-9_.+@-]+(?:/[A-Za-z0-9_.+@-]+){0,3})")
_OWN_LINE = re.compile(r"([A-Za-z0-9]+) ([A-Za-z0-9@.,_-]+)")
MODES = frozenset({"0600", "0640", "0644"})

# The keywords that we set, each with a value that is valid, to see which lines of ours would win.
SAMPLES: Mapping[str, str] = {
    "permitrootlogin": "no",
    "permitemptypasswords": "no",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "pubkeyauthentication": "yes",
    "hostbasedauthentication": "no",
    "ignorerhosts": "yes",
    "strictmodes": "yes",
    "permituserenvironment": "no",
    "x11forwarding": "no",
    "allowtcpforwarding": "no",
    "allowagentforwarding": "no",
    "gatewayports": "no",
    "permittunnel": "no",
    "maxauthtries": "4",
    "logingracetime": "60",
    "clientaliveinterval": "300",
    "clientalivecountmax": "3",
    "loglevel": "VERBOSE",
    "usepam": "yes",
    "ciphers": "aes256-gcm@openssh.com",
    "macs": "hmac-sha2-512-etm@openssh.com",
    "kexalgorithms": "curve25519-sha256",
    "hostkeyalgorithms": "ssh-ed25519",
    "pubkeyacceptedalgorithms": "ssh-ed25519",
}


def keyword_of(line: str) -> str:
    """The keyword, in small letters, of a line that we would write; "" for any other.

    Raises:
        ValueError: sshd would refuse the value.
    """
    found = _OWN_LINE.fullmatch(line)
    keyword = found[1].lower() if found else ""
    if found is None or keyword not in SAMPLES or KEYWORDS[keyword].name != found[1]:
        return ""
    KEYWORDS[keyword].read([found[2]])
    return keyword


def facts(snapshot: Snapshot, seen: View, keyword: str) -> dict[str, Fact]:
    """Where a line for this keyword would win.

    ``way`` is "file" (``path`` is a file of ours), "line" (``line`` of ``path`` is replaced), "append",
    or "no" (nothing that we would write wins).
    """
    path, winning = snapshot.derive(_dropin)
    if keyword in winning:
        return {"way": "file", "path": path, "before": digest(snapshot, path), "mode": _mode(snapshot)}
    return _edit(snapshot, seen.config, keyword)


def _dropin(snapshot: Snapshot) -> tuple[str, frozenset[str]]:
    """The file of ours that wins most, and the keywords for which it does: tried in memory."""
    best = ("", frozenset[str]())
    for name in _NAMES:
        path = f"{DROPINS}/{name}"
        tried = config.read(_with_file(snapshot, path))
        included = any(
            in_pattern(path, pattern)
            for include in tried.includes
            if include.file == config.MAIN and not include.inside_match
            for pattern in include.patterns
        )
        winning = frozenset(keyword for keyword in SAMPLES if included and _wins(tried, keyword, path))
        if len(winning) > len(best[1]):
            best = (path, winning)
    return best


def _wins(tried: Config, keyword: str, path: str) -> bool:
    at_start = [line for line in tried.of(keyword) if line.at_start]
    return bool(at_start) and at_start[0].file == path


def _with_file(snapshot: Snapshot, path: str) -> Snapshot:
    folder, _slash, name = path.rpartition("/")
    known = snapshot.ask(Folder(folder))
    others = () if isinstance(known, Unread) else tuple(entry for entry in known if entry.name != name)
    entries = tuple(sorted((*others, Entry(name, Kind.FILE)), key=lambda entry: entry.name))
    text = "".join(f"{KEYWORDS[keyword].name} {value}\n" for keyword, value in SAMPLES.items())
    return snapshot.with_answers({File(path): text, Folder(folder): entries}, snapshot.taken_at)


def _mode(snapshot: Snapshot) -> str:
    """As open as the main file is: each distribution has its own habit."""
    status = snapshot.ask(Stat(config.MAIN))
    mode = "" if isinstance(status, Unread) else f"{status.mode:04o}"
    return mode if mode in MODES else "0600"


def _edit(snapshot: Snapshot, seen: Config, keyword: str) -> dict[str, Fact]:
    winner = seen.effective(keyword, Connection()).lines[:1]
    if winner:
        return _replacing(snapshot, winner[0])
    text = snapshot.ask(File(config.MAIN))
    lines = [] if isinstance(text, Unread) else text.split("\n")
    at_match = next((n for n, x in enumerate(lines) if canonical((x.split() or [""])[0]) == "match"), None)
    comments = [x for x in lines[:at_match] if re.match(rf"#\s*{keyword}\s", x, re.IGNORECASE)]
    if len(comments) == 1 and lines.count(comments[0]) == 1:
        return {"way": "line", "path": config.MAIN, "line": comments[0]}
    if at_match is None and not isinstance(text, Unread):
        return {"way": "append", "path": config.MAIN, "line": ""}
    return {"way": "no", "path": config.MAIN, "line": ""}


def _replacing(snapshot: Snapshot, line: Line) -> dict[str, Fact]:
    text = snapshot.ask(File(line.file))
    once = not isinstance(text, Unread) and text.split("\n").count(line.text) == 1
    plain = CONFIGURATION.fullmatch(line.file) and line.text.isprintable()
    if once and plain:
        return {"way": "line", "path": line.file, "line": line.text}
    return {"way": "no", "path": line.file, "line": ""}
