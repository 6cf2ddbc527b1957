"""What a boot will write into /proc/sys: our two readers against systemd-sysctl and procps themselves."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hardentui.comparison import Comparison, Operator
from hardentui.resources.sysctl import boot

from .hosts import DictHost, snapshot
from .rooted import in_namespaces, needs_namespaces

# Each key with a value that no configuration below writes: so the winner can be told from the value.
BASELINE = {
    "net/ipv4/tcp_keepalive_time": "7001",
    "net/ipv4/tcp_fin_timeout": "61",
    "net/ipv4/ip_forward": "8001",
    "net/ipv4/conf/all/tag": "9001",
    "net/ipv4/conf/default/tag": "9002",
    "net/ipv4/conf/lo/tag": "9003",
    "net/ipv4/conf/br0/tag": "9004",
    "net/ipv4/conf/br0.100/tag": "9005",
    "net/ipv6/conf/all/max_addresses": "9011",
    "net/ipv6/conf/default/max_addresses": "9012",
    "net/ipv6/conf/br0/max_addresses": "9013",
    "net/ipv6/conf/br0.100/max_addresses": "9014",
}
ETC, RUN, LOCAL, LIB = boot.FOLDERS


@dataclass
class Case:
    """Files by path, links by path, empty folders."""

    files: dict[str, str]
    links: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


def predicted(case: Case) -> dict[str, dict[str, str]]:
    seen = boot.read_files(snapshot(DictHost(case.files, case.links, folders=case.folders)))
    assert seen.gap is None
    return {
        reader.name: {
            key: won.value if (won := reader.outcome(key).winner) and won.value is not None else start
            for key, start in BASELINE.items()
        }
        for reader in seen.readers()
    }


def really(cases: list[Case]) -> list[dict[str, dict[str, str]]]:
    job = {
        "interfaces": ["br0", "br0.100"],
        "baseline": BASELINE,
        "cases": [{"files": c.files, "links": c.links, "folders": c.folders} for c in cases],
    }
    return in_namespaces("namespace_sysctl.py", job)


KEEP = "net.ipv4.tcp_keepalive_time"
CASES = {
    "nothing": Case({}),
    "one file": Case({f"{ETC}/10.conf": f"{KEEP} = 101\n"}),
    "not a conf": Case({f"{ETC}/10.txt": f"{KEEP} = 101\n", f"{ETC}/10.conf~": f"{KEEP} = 102\n"}),
    "hidden file": Case({f"{ETC}/.hidden.conf": f"{KEEP} = 101\n"}),
    "suffix alone": Case({f"{ETC}/.conf": f"{KEEP} = 101\n"}),
    "by name not by folder": Case({f"{LIB}/90.conf": f"{KEEP} = 101\n", f"{ETC}/10.conf": f"{KEEP} = 102\n"}),
    "same name etc hides lib": Case({f"{LIB}/50.conf": f"{KEEP} = 101\n", f"{ETC}/50.conf": "# empty\n"}),
    "same name run hides local": Case(
        {f"{LOCAL}/50.conf": f"{KEEP} = 101\n", f"{RUN}/50.conf": f"{KEEP}=102\n"}
    ),
    "same name local hides lib": Case(
        {f"{LIB}/50.conf": f"{KEEP} = 101\n", f"{LOCAL}/50.conf": f"{KEEP}=102\n"}
    ),
    "masked by link": Case({f"{LIB}/50.conf": f"{KEEP} = 101\n"}, {f"{ETC}/50.conf": "/dev/null"}),
    "masked by relative link": Case(
        {f"{LIB}/50.conf": f"{KEEP} = 101\n"}, {f"{ETC}/50.conf": "../../dev/null"}
    ),
    "masked by empty file": Case({f"{LIB}/50.conf": f"{KEEP} = 101\n", f"{ETC}/50.conf": ""}),
    "dangling link": Case({f"{LIB}/50.conf": f"{KEEP} = 101\n"}, {f"{ETC}/50.conf": "nowhere"}),
    "folder named conf in etc": Case({f"{LIB}/50.conf": f"{KEEP} = 101\n"}, folders=[f"{ETC}/50.conf"]),
    "link to another file": Case({"/etc/other": f"{KEEP} = 101\n"}, {f"{ETC}/50.conf": "../other"}),
    "link to a folder": Case({f"{LIB}/50.conf": f"{KEEP} = 101\n"}, {f"{ETC}/50.conf": "/run"}),
    "upper case sorts first": Case({f"{ETC}/a.conf": f"{KEEP} = 101\n", f"{ETC}/Z.conf": f"{KEEP} = 102\n"}),
    "numbers sort as text": Case({f"{ETC}/100.conf": f"{KEEP} = 101\n", f"{ETC}/20.conf": f"{KEEP} = 102\n"}),
    "dash and dot in names": Case({f"{ETC}/a-b.conf": f"{KEEP}=101\n", f"{ETC}/a.conf": f"{KEEP}=102\n"}),
    "not ascii names": Case({f"{ETC}/é.conf": f"{KEEP}=101\n", f"{ETC}/z.conf": f"{KEEP}=102\n"}),
    "stray byte in a name": Case(
        {f"{ETC}/\udcff.conf": f"{KEEP}=101\n", f"{ETC}/\uffee.conf": f"{KEEP}=102\n"}
    ),
    "protect links": Case(
        {f"{LIB}/99-protect-links.conf": f"{KEEP}=101\n", f"{ETC}/99-zz-hardentui.conf": f"{KEEP}=102\n"}
    ),
    "etc sysctl.conf alone": Case({"/etc/sysctl.conf": f"{KEEP}=101\n"}),
    "linked sysctl.conf": Case(
        {"/etc/sysctl.conf": f"{KEEP}=101\n"}, {f"{ETC}/99-sysctl.conf": "../sysctl.conf"}
    ),
    "ours behind the link": Case(
        {"/etc/sysctl.conf": f"{KEEP}=101\n", f"{ETC}/99-zz-hardentui.conf": f"{KEEP}=102\n"},
        {f"{ETC}/99-sysctl.conf": "../sysctl.conf"},
    ),
    "excluded in sysctl.conf": Case(
        {"/etc/sysctl.conf": "-net.ipv4.conf.br0.tag\n", f"{ETC}/10.conf": "net.ipv4.conf.*.tag=101\n"}
    ),
    "glob in sysctl.conf": Case(
        {"/etc/sysctl.conf": "net.ipv4.conf.*.tag=102\n", f"{ETC}/10.conf": "net.ipv4.conf.br0.tag=101\n"}
    ),
    "dash ignores errors": Case({f"{ETC}/10.conf": f"-{KEEP} = 101\n"}),
    "space behind the dash": Case({f"{ETC}/10.conf": f"- {KEEP} = 101\n"}),
    "exclusion then value": Case({f"{ETC}/10.conf": f"-{KEEP}\n{KEEP} = 101\n"}),
    "value then exclusion": Case({f"{ETC}/10.conf": f"{KEEP} = 101\n-{KEEP}\n"}),
    "value exclusion same value": Case({f"{ETC}/10.conf": f"{KEEP} = 101\n-{KEEP}\n{KEEP} = 101\n"}),
    "glob": Case({f"{ETC}/10.conf": "net.ipv4.conf.*.tag = 101\n"}),
    "glob and explicit before": Case(
        {f"{ETC}/10.conf": "net.ipv4.conf.br0.tag=101\nnet.ipv4.conf.*.tag=102\n"}
    ),
    "glob and explicit after": Case(
        {f"{ETC}/10.conf": "net.ipv4.conf.*.tag=102\nnet.ipv4.conf.br0.tag=101\n"}
    ),
    "glob and exclusion": Case({f"{ETC}/10.conf": "net.ipv4.conf.*.tag=101\n-net.ipv4.conf.all.tag\n"}),
    "exclusion in an earlier file": Case(
        {f"{ETC}/10.conf": "-net.ipv4.conf.all.tag\n", f"{ETC}/20.conf": "net.ipv4.conf.*.tag=101\n"}
    ),
    "exclusion by glob": Case({f"{ETC}/10.conf": "net.ipv4.conf.*.tag=101\n-net.ipv4.conf.br*.tag\n"}),
    "exclusion by a wide glob": Case(
        {f"{ETC}/10.conf": "net.ipv4.conf.br0.tag=101\nnet.ipv4.conf.*.tag=102\n-net*tag\n"}
    ),
    "exclusion of the glob itself": Case(
        {f"{ETC}/10.conf": "net.ipv4.conf.*.tag=101\n-net.ipv4.conf.*.tag\n"}
    ),
    "glob again after its exclusion": Case(
        {f"{ETC}/10.conf": "net.ipv4.conf.*.tag=101\n-net.ipv4.conf.*.tag\nnet.ipv4.conf.*.tag=102\n"}
    ),
    "two globs": Case({f"{ETC}/10.conf": "net.ipv4.conf.*.tag=101\nnet.ipv4.conf.br*.tag=102\n"}),
    "two globs wide last": Case({f"{ETC}/10.conf": "net.ipv4.conf.br*.tag=102\nnet.ipv4.conf.*.tag=101\n"}),
    "a glob said again": Case(
        {f"{ETC}/10.conf": "net.ipv4.conf.*.tag=101\nnet.ipv4.conf.br*.tag=102\nnet.ipv4.conf.*.tag=101\n"}
    ),
    "a glob changed": Case(
        {f"{ETC}/10.conf": "net.ipv4.conf.*.tag=101\nnet.ipv4.conf.br*.tag=102\nnet.ipv4.conf.*.tag=103\n"}
    ),
    "question mark": Case({f"{ETC}/10.conf": "net.ipv4.conf.br?.tag=101\n"}),
    "bracket": Case({f"{ETC}/10.conf": "net.ipv4.conf.br[0-3].tag=101\nnet.ipv4.conf.[!b]*.tag=102\n"}),
    "caret bracket": Case({f"{ETC}/10.conf": "net.ipv4.conf.[^b]*.tag=101\n"}),
    "glob over the family": Case({f"{ETC}/10.conf": "net.ipv?.conf.br0.tag=101\nnet.*.tcp_fin_timeout=33\n"}),
    "glob does not cross a slash": Case({f"{ETC}/10.conf": "net.*.tag=101\nnet.*.*.tag=102\n"}),
    "slashes": Case({f"{ETC}/10.conf": "net/ipv4/conf/br0.100/tag=101\n"}),
    "dots with a slash for the dot": Case({f"{ETC}/10.conf": "net.ipv4.conf.br0/100.tag=101\n"}),
    "dots for an interface with a dot": Case({f"{ETC}/10.conf": "net.ipv4.conf.br0.100.tag=101\n"}),
    "both spellings": Case(
        {f"{ETC}/10.conf": "net/ipv4/conf/br0/tag=101\n", f"{ETC}/20.conf": "net.ipv4.conf.br0.tag=102\n"}
    ),
    "slash glob": Case({f"{ETC}/10.conf": "net/ipv4/conf/br0.*/tag=101\n"}),
    "leading slash": Case({f"{ETC}/10.conf": "/net/ipv4/conf/br0/tag=101\n"}),
    "doubled separators": Case(
        {f"{ETC}/10.conf": "net..ipv4.conf.br0.tag=101\nnet//ipv4/tcp_fin_timeout=33\n"}
    ),
    "mixed case": Case({f"{ETC}/10.conf": "net.ipv4.conf.BR0.tag=101\nNet.ipv4.tcp_fin_timeout=33\n"}),
    "comments": Case({f"{ETC}/10.conf": f"# {KEEP}=101\n;{KEEP}=102\n  # {KEEP}=103\n\t;{KEEP}=104\n"}),
    "junk": Case({f"{ETC}/10.conf": f"[section]\n(0)\n{KEEP}\n{KEEP} 101\n= 7\n=\nx\n{KEEP} = 105\n"}),
    "white space": Case({f"{ETC}/10.conf": f"\t  {KEEP}\t=\t 101  \t\n\n   \n"}),
    "dos line ends": Case({f"{ETC}/10.conf": f"{KEEP} = 101\r\nnet.ipv4.tcp_fin_timeout=33\r\n"}),
    "no newline at the end": Case({f"{ETC}/10.conf": f"{KEEP} = 101"}),
    "separators that are no line ends": Case(
        {f"{ETC}/10.conf": "".join(f"# a{odd}{KEEP}=101\n" for odd in "\x0b\x0c\x1c\x85\u2028")}
    ),
    "no-break space": Case({f"{ETC}/10.conf": f"\u00a0{KEEP} = 101\nnet.ipv4.tcp_fin_timeout\u00a0= 33\n"}),
    "stray bytes": Case({f"{ETC}/10.conf": f"\udcff\udcfe = 1\n{KEEP} = 101\n"}),
    "byte order mark": Case({f"{ETC}/10.conf": f"\ufeff{KEEP} = 101\nnet.ipv4.tcp_fin_timeout=33\n"}),
    "said twice": Case({f"{ETC}/10.conf": f"{KEEP}=101\n{KEEP}=102\n{KEEP}=101\n"}),
    "said twice over files": Case(
        {
            f"{ETC}/10.conf": f"{KEEP}=101\n",
            f"{LIB}/20.conf": f"{KEEP}=102\n",
            f"{RUN}/30.conf": f"{KEEP}=101\n",
        }
    ),
    "forwarding by its other name": Case({f"{ETC}/10.conf": "net.ipv4.conf.all.forwarding=1\n"}),
    "forwarding by both names": Case(
        {f"{ETC}/10.conf": "net.ipv4.ip_forward=2\nnet.ipv4.conf.all.forwarding=1\n"}
    ),
    "forwarding by both names the other way": Case(
        {f"{ETC}/10.conf": "net.ipv4.conf.all.forwarding=1\nnet.ipv4.ip_forward=2\n"}
    ),
    "forwarding by a pattern": Case(
        {f"{ETC}/10.conf": "net.ipv4.ip_forward=2\nnet.ipv4.conf.*.forwarding=1\n"}
    ),
    "ipv6": Case({f"{ETC}/10.conf": "net.ipv6.conf.all.max_addresses=1\nnet.ipv6.conf.*.max_addresses=2\n"}),
    "systemd's own default": Case(
        {
            f"{LIB}/50-default.conf": "net.ipv4.conf.default.tag=2\nnet.ipv4.conf.*.tag=2\n"
            "-net.ipv4.conf.all.tag\n"
        }
    ),
}

# The kernel takes or refuses the value in ways of its own, which we do not follow.
ODD_VALUES = {
    "comment behind a value": Case({f"{ETC}/10.conf": f"{KEEP}=101 # why\n"}),
    "backslash": Case({f"{ETC}/10.conf": f"{KEEP} = 101 \\\nnet.ipv4.tcp_fin_timeout = 33\n"}),
    "two equals": Case({f"{ETC}/10.conf": f"{KEEP} == 101\nnet.ipv4.tcp_fin_timeout = 33\n"}),
}

_programs = pytest.mark.skipif(
    not Path("/lib/systemd/systemd-sysctl").exists() or shutil.which("sysctl") is None,
    reason="needs systemd-sysctl and procps",
)


@pytest.fixture(scope="module")
def real() -> dict[str, dict[str, dict[str, str]]]:
    needs_namespaces()
    return dict(zip(CASES, really(list(CASES.values())), strict=True))


@_programs
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("program", [boot.SYSTEMD, boot.PROCPS])
def test_we_foresee_what_each_program_writes(name: str, program: str, real) -> None:
    assert predicted(CASES[name])[program] == real[name][program]


@pytest.mark.parametrize("name", ODD_VALUES)
def test_a_value_that_the_kernel_reads_its_own_way_never_passes(name: str) -> None:
    """It is shown as written, and compared as such: no false pass, whatever the kernel makes of it."""
    for values in predicted(ODD_VALUES[name]).values():
        assert not Comparison(Operator.EQUAL, ("101",)).accepts(values["net/ipv4/tcp_keepalive_time"])


# --- generated ------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["10-a.conf", "50-b.conf", "99-sysctl.conf", "99-zz-hardentui.conf", "zz.conf"])
_KEYS = st.sampled_from(
    [
        KEEP,
        "net/ipv4/tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.ip_forward",
        "net.ipv4.conf.all.forwarding",
        "net.ipv4.conf.*.forwarding",
        *(
            f"net.ipv4.conf.{part}.tag"
            for part in ("all", "default", "br0", "br0/100", "*", "br*", "?o", "br[0-9]")
        ),
        *(
            f"net/ipv6/conf/{part}/max_addresses"
            for part in ("all", "default", "br0", "br0.100", "*", "br0*")
        ),
    ]
)


@st.composite
def lines(draw: st.DrawFn) -> str:
    key, value = draw(_KEYS), draw(st.integers(1, 60))
    forms = [
        "{k}={v}",
        "{k} = {v}",
        "-{k} = {v}",
        "-{k}",
        "# {k}={v}",
        ";{k}={v}",
        "  {k}\t= {v} ",
        "{k}",
        "-{k} ",
    ]
    return draw(st.sampled_from(forms)).format(k=key, v=value)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    places = draw(
        st.dictionaries(
            st.tuples(st.sampled_from([ETC, RUN, LOCAL, LIB]), _NAMES),
            st.lists(lines(), max_size=6).map("\n".join),
            max_size=5,
        )
    )
    files = {f"{folder}/{name}": text for (folder, name), text in places.items()}
    links = {}
    for (_folder, name), how in zip(
        list(places), draw(st.lists(st.integers(0, 5), max_size=5)), strict=False
    ):
        if how == 0 and f"{ETC}/{name}" not in files:
            links[f"{ETC}/{name}"] = "/dev/null"
    if draw(st.booleans()):
        files["/etc/sysctl.conf"] = draw(st.lists(lines(), max_size=5).map("\n".join))
        if (
            f"{ETC}/99-sysctl.conf" not in files
            and f"{ETC}/99-sysctl.conf" not in links
            and draw(st.booleans())
        ):
            links[f"{ETC}/99-sysctl.conf"] = "../sysctl.conf"
    return Case(files, links)


@_programs
# Without shrinking: each batch costs a second, and a case that fails is short enough to read.
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
@given(batch=st.lists(cases(), min_size=20, max_size=25))
def test_we_foresee_generated_configurations(batch: list[Case]) -> None:
    needs_namespaces()
    for case, done in zip(batch, really(batch), strict=True):
        assert predicted(case) == done, case


@_programs
@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_whoever_wins_is_named_with_its_line(case: Case) -> None:
    """The screen shows file and line of the winner: that line must hold the value."""
    seen = boot.read_files(snapshot(DictHost(case.files, case.links)))
    for reader in seen.readers():
        for key in BASELINE:
            won = reader.outcome(key).winner
            if won is not None:
                path = "/etc/sysctl.conf" if won.file in case.links else won.file
                line = case.files[path].split("\n")[won.line - 1]
                assert line.partition("=")[2].strip() == won.value
