"""Algorithms of SSH that are weak, each with the reason. Names are patterns with ``*``."""

from __future__ import annotations

from collections.abc import Mapping

from hardentui.i18n import N_
from hardentui.resources.sshd.match import like

_CBC = N_("CBC mode: plain text can be recovered bit by bit (CVE-2008-5161)")
_SMALL_BLOCK = N_("64-bit blocks collide after some 32 GiB (Sweet32)")
_RC4 = N_("the key stream of RC4 is biased")
_MD5 = N_("rests on MD5, which is broken")
_SHA1 = N_("rests on SHA-1, which is broken")
_SHORT_TAG = N_("a tag of 64 bits is too short")
_OLD_HASH = N_("an old hash that nobody studies any more")
_SMALL_GROUP = N_("a 1024-bit group and SHA-1 (Logjam)")
_DSA = N_("DSA has 1024-bit keys, and SHA-1")

# By keyword: the first pattern that fits gives the reason.
WEAK: Mapping[str, Mapping[str, str]] = {
    "ciphers": {
        "3des-cbc": _SMALL_BLOCK,
        "blowfish-cbc": _SMALL_BLOCK,
        "cast128-cbc": _SMALL_BLOCK,
        "*-cbc": _CBC,
        "rijndael-cbc@*": _CBC,
        "arcfour*": _RC4,
    },
    "macs": {
        "hmac-md5*": _MD5,
        "hmac-sha1*": _SHA1,
        "hmac-ripemd160*": _OLD_HASH,
        "umac-64*": _SHORT_TAG,
    },
    "kexalgorithms": {
        "diffie-hellman-group1-*": _SMALL_GROUP,
        "gss-group1-*": _SMALL_GROUP,
        "diffie-hellman-*-sha1": _SHA1,
        "gss-*-sha1-*": _SHA1,
    },
    "hostkeyalgorithms": {"ssh-rsa": _SHA1, "ssh-rsa-cert-*": _SHA1, "ssh-dss*": _DSA},
    "pubkeyacceptedalgorithms": {"ssh-rsa": _SHA1, "ssh-rsa-cert-*": _SHA1, "ssh-dss*": _DSA},
}


def reason(keyword: str, name: str) -> str:
    """Why an algorithm is weak, to be translated; "" when it is not."""
    return next((why for pattern, why in WEAK[keyword].items() if like(name, pattern)), "")


def parted(keyword: str, offered: str) -> tuple[list[str], list[str]]:
    """The names of a list, comma-separated, that are weak, and those that are not."""
    names = [name for name in offered.split(",") if name]
    weak = [name for name in names if reason(keyword, name)]
    return weak, [name for name in names if name not in weak]
