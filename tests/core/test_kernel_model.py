"""What the kernel makes of its parameters: our model against the kernel itself."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from hardentui.comparison import Comparison, Operator
from hardentui.model import Level, Recommendation, Result, Severity, Text
from hardentui.resources.sysctl import Sysctl, kernel

from .hosts import IPV4, IPV6, DictHost, snapshot
from .rooted import in_namespaces, needs_namespaces

BRIDGES = ["br0", "br0.100"]
LEAVES = [(folder, name) for folder, leaves in kernel.LEAVES.items() for name in leaves]
NOTHING = Text("", "")


def recommendation(folder: str, name: str) -> Recommendation:
    return Recommendation(
        "x", "sysctl", "s", NOTHING, "sysctl", f"{folder.replace('/', '.')}.*.{name}", "",
        Comparison(Operator.EQUAL, ("0",)), "0", Result.NOTAPPLICABLE, Level.MINIMAL, "anssi", Severity.LOW,
        NOTHING, NOTHING, (),
    )  # fmt: skip


def walks(*walks: list[tuple[str, str] | list[str]], last: bool = False) -> list[list[dict]]:
    """The tree of /proc/sys/net before and after each step of each walk: a write, or a command."""
    needs_namespaces()
    written = [
        [
            {"run": ["true"]},
            *({"run": s} if isinstance(s, list) else {"key": s[0], "value": s[1]} for s in steps),
        ]
        for steps in walks
    ]
    return in_namespaces("namespace_sysctl.py", {"interfaces": BRIDGES, "walks": written, "last": last})


def walk(*steps: tuple[str, str] | list[str]) -> list[dict]:
    return walks(list(steps))[0]


def folders(tree: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {
        folder: tuple(sorted({key.split("/")[3] for key in tree if key.startswith(f"{folder}/")}))
        for folder in kernel.LEAVES
    }


WRITES = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/accept_redirects", "1"),
    ("net/ipv4/ip_forward", "0"),
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/ip_forward", "0"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/conf/all/forwarding", "0"),
    ("net/ipv6/conf/all/disable_ipv6", "1"),
    ("net/ipv6/conf/all/disable_ipv6", "0"),
    *(
        (f"{folder}/all/{name}", value)
        for folder, name in LEAVES
        for value in ("1", "0")
        if name not in {"forwarding", "disable_ipv6"}
    ),
]


def test_a_write_changes_what_the_rehearsal_says_and_nothing_else() -> None:
    seen = walk(*WRITES)
    for (key, value), before, after in zip(WRITES, seen[:-1], seen[1:], strict=True):
        assert not after["problem"], key
        changed = {k: v for k, v in after["tree"].items() if before["tree"][k] != v}
        effects = (
            {} if before["tree"][key] == value else kernel.side_effects(key, value, folders(after["tree"]))
        )
        foreseen = {k: v for k, v in {**effects, key: value}.items() if before["tree"][k] != v}
        assert changed == foreseen, f"{key} = {value}"


def test_an_own_value_is_not_touched_by_default_any_more() -> None:
    """Why the generated file names the interfaces: ``default`` reaches those alone that nobody set."""
    set_ = "net/ipv4/conf/br0/log_martians", "net/ipv4/conf/br0.100/log_martians"
    first, _zero, last = walk((set_[0], "0"), ("net/ipv4/conf/default/log_martians", "1"))
    assert first["tree"][set_[0]] == "0"
    assert (last["tree"][set_[0]], last["tree"][set_[1]]) == ("0", "1")


@pytest.mark.parametrize(("folder", "name"), LEAVES)
def test_the_built_in_values_are_those_of_the_kernel(folder: str, name: str, fresh: dict[str, str]) -> None:
    leaf = kernel.LEAVES[folder][name]
    found = fresh[f"{folder}/all/{name}"], fresh[f"{folder}/default/{name}"]
    if found != (leaf.all_default, leaf.default) and folder == "net/ipv4/conf" and _set_by_this_machine(name):
        pytest.skip(f"this machine sets {name}, and a new namespace inherits it")
    assert found == (leaf.all_default, leaf.default)
    assert fresh[f"{folder}/br0/{name}"] == leaf.default


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    return walk()[0]["tree"]


def _set_by_this_machine(name: str) -> bool:
    """A new namespace takes net.ipv4.conf from the first, which a file or a container's host may set."""
    where = [
        Path("/etc/sysctl.conf"),
        *(p for d in ("/etc", "/run", "/usr/lib") for p in Path(d, "sysctl.d").glob("*.conf")),
    ]
    inside = (
        shutil.which("systemd-detect-virt")
        and not subprocess.run(("systemd-detect-virt", "-cq"), check=False).returncode
    )
    return bool(inside) or any(name in path.read_text(errors="replace") for path in where if path.is_file())


# --- the prediction for each interface -------------------------------------------------------------

CONFIGURATIONS = {
    "nothing": "",
    "all": "net.ipv4.conf.all.{leaf4} = 0\nnet.ipv6.conf.all.{leaf6} = 0\n",
    "default": "net.ipv4.conf.default.{leaf4} = 0\nnet.ipv6.conf.default.{leaf6} = 0\n",
    "all and default": (
        "net.ipv4.conf.all.{leaf4} = 0\nnet.ipv4.conf.default.{leaf4} = 0\n"
        "net.ipv6.conf.all.{leaf6} = 0\nnet.ipv6.conf.default.{leaf6} = 0\n"
    ),
    "glob": "net.ipv4.conf.*.{leaf4} = 0\nnet.ipv6.conf.*.{leaf6} = 0\n",
    "one bad interface": (
        "net.ipv4.conf.*.{leaf4} = 0\nnet/ipv4/conf/br0.100/{leaf4} = 1\n"
        "net.ipv6.conf.*.{leaf6} = 0\nnet/ipv6/conf/br0.100/{leaf6} = 1\n"
    ),
    "one good interface": "net.ipv4.conf.br0.{leaf4} = 0\nnet.ipv6.conf.br0.{leaf6} = 0\n",
    "router": "net.ipv4.ip_forward = 1\nnet.ipv4.conf.*.{leaf4} = 1\nnet.ipv6.conf.all.forwarding = 1\n",
    "router that says no more": "net.ipv4.ip_forward = 1\n",
    "all after the others": (
        "net.ipv6.conf.default.{leaf6} = 0\nnet.ipv6.conf.br0.{leaf6} = 0\nnet.ipv6.conf.all.{leaf6} = 1\n"
    ),
    "all before the others": (
        "net.ipv6.conf.all.{leaf6} = 1\nnet.ipv6.conf.br0.{leaf6} = 0\nnet.ipv6.conf.default.{leaf6} = 0\n"
    ),
    "all off after one on": "net.ipv6.conf.br0.{leaf6} = 1\nnet.ipv6.conf.all.{leaf6} = 0\n",
    "ones": "net.ipv4.conf.*.{leaf4} = 1\nnet.ipv6.conf.all.{leaf6} = 1\n",
}
PAIRS = [
    ("accept_redirects", "accept_redirects"),
    ("accept_source_route", "disable_ipv6"),
    ("rp_filter", "max_addresses"),
]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_the_boot_gives_each_interface_what_we_foresee(pair: tuple[str, str], fresh: dict[str, str]) -> None:
    """The files are read while the bridges exist already; then one more comes, and one that udev hears of."""
    judged = 0
    texts = {name: pattern.format(leaf4=pair[0], leaf6=pair[1]) for name, pattern in CONFIGURATIONS.items()}
    late, heard = (["ip", "link", "add", name, "type", "bridge"] for name in ("late", "heard"))
    writes = [
        [*_pairs(_expanded(text)), late, heard, *_pairs(_expanded(text, ("heard",)))]
        for text in texts.values()
    ]
    for (name, text), (end,) in zip(texts.items(), walks(*writes, last=True), strict=True):
        tree = end["tree"]
        for folder, leaf_name in (("net/ipv4/conf", pair[0]), ("net/ipv6/conf", pair[1])):
            host = DictHost({"/etc/sysctl.d/10.conf": text}, kernel=_proc(fresh))
            seen = Sysctl().observe(snapshot(host), recommendation(folder, leaf_name))
            leaf = kernel.LEAVES[folder][leaf_name]
            for reading in seen.boot:
                if reading.gap is not None:
                    continue
                for part, value in reading.values.items():
                    interface = {"default": "late", "*": "heard"}.get(part, part)
                    really = leaf.combine.of(
                        tree[f"{folder}/all/{leaf_name}"],
                        tree[f"{folder}/{interface}/{leaf_name}"],
                        forwards=tree[f"{folder}/{interface}/forwarding"] == "1",
                    )
                    assert value == really, f"{name}: {folder} {leaf_name} on {part}, {reading.by}"
                    judged += 1
    assert judged > 100


def _pairs(lines: list[str]) -> list[tuple[str, str]]:
    return [tuple(line.replace(" ", "").split("=")) for line in lines]


def _expanded(text: str, new: tuple[str, ...] = ()) -> list[str]:
    """The lines as systemd-sysctl writes them: named ones in order, patterns to whatever is not named.

    With ``new``, what it writes when these interfaces come, whose udev rule calls it for them alone.
    """
    lines = [
        line.replace(".", "/") if line.split("=")[0].find("/") < 0 else line for line in text.splitlines()
    ]
    named = {line.split(" = ")[0] for line in lines if "*" not in line}
    done: list[str] = []
    for line in lines:
        parts = new or ("all", "br0", "br0.100", "default", "lo")
        each = [line.replace("*", part) for part in parts] if "*" in line else [] if new else [line]
        done += [made for made in each if made == line or made.split(" = ")[0] not in named]
    return done


def _proc(tree: dict[str, str]) -> dict[str, str]:
    known = {f"/proc/sys/{key}": value for key, value in tree.items()}
    assert all(f"/proc/sys/net/ipv4/conf/br0/{leaf}" in known for leaf in IPV4)
    assert all(f"/proc/sys/net/ipv6/conf/br0/{leaf}" in known for leaf in IPV6)
    return known


# --- packets --------------------------------------------------------------------------------------


def test_the_kernel_combines_all_and_interface_as_we_say() -> None:
    """Sent for real: packets with a forged sender, and ICMP redirects."""
    needs_namespaces()
    filters = list(itertools.product("012", "012"))
    redirects = list(itertools.product("01", "01", "01"))
    real = in_namespaces("namespace_packets.py", {"rp_filter": filters, "accept_redirects": redirects})
    strict = {case: kernel.Combine.HIGHEST.of(*case) == "1" for case in filters}
    assert dict(zip(filters, real["rp_filter"], strict=True)) == {
        case: not drops for case, drops in strict.items()
    }
    obeyed = {
        case: kernel.IPV4["accept_redirects"].combine.of(case[0], case[1], forwards=case[2] == "1") == "1"
        for case in redirects
    }
    assert dict(zip(redirects, real["accept_redirects"], strict=True)) == obeyed
