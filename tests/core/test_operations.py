"""An operation checks its own grammar: no hand-edited plan and no hostile host brings more into a script."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.changeset import ConflictError, compile_plan
from hardentui.comparison import Comparison, Operator
from hardentui.model import Action, Text
from hardentui.operations import (
    ByHand,
    EnableUnit,
    Lines,
    Phase,
    Remount,
    ReplaceLine,
    SetMode,
    SetSysctl,
    WriteFile,
    with_words,
)

from .test_closed_loop import CHECKLISTS, FIRST, begun, decided

ANY = Comparison(Operator.EQUAL, ("1",))
PATH, UNIT, KEY, VALUE = "/etc/x.conf", "tmp.mount", "kernel/kptr_restrict", "1"


def file(**changes: object) -> WriteFile:
    return WriteFile(**{"owners": ("a",), "path": PATH, "parts": (), **changes})


def line(**changes: object) -> ReplaceLine:
    return ReplaceLine(**{"owners": ("a",), "path": PATH, "before": "a", "after": "b", **changes})


def mode(**changes: object) -> SetMode:
    given_ = {
        "path": PATH,
        "before_mode": "0644",
        "before_owner": "root:root",
        "mode": "0600",
        "owner": "root:root",
    }
    return SetMode(**{"owners": ("a",), **given_, **changes})


def value(**changes: object) -> SetSysctl:
    return SetSysctl(
        **{"owners": ("a",), "key": KEY, "before": "0", "after": VALUE, "accept": ANY, **changes}
    )


def remount(**changes: object) -> Remount:
    return Remount(
        **{
            "owners": ("a",),
            "path": "/tmp",
            "before": "rw",
            "after": "ro",
            "set": "ro",
            "unset": "rw",
            **changes,
        }
    )


def unit(**changes: object) -> EnableUnit:
    return EnableUnit(**{"owners": ("a",), "unit": UNIT, **changes})


def lines(**changes: object) -> Lines:
    return Lines(owner="a", lines=(str(changes["text"]),))


BAD_PATHS = [
    "",
    "etc/x",
    "/etc/../root",
    "/..",
    "//etc",
    "/etc//x",
    "/etc/x\n",
    "/etc/x\0",
    "/etc/x y",
    "/e'x",
    '/e"x',
    "/$(x)",
    "/`x`",
    "/a;b",
    "/é",
    "/a*",
    "-x",
    "~/x",
    "/" + "a" * 2000,
]
BAD_WORDS = ["", ",", "a,,b", "ro;x", "ro x", "ro\n", "ro'", "$(x)", "ro\0", "a" * 100, "ro,"]
BAD: list[tuple[Callable[..., object], str, list[str]]] = [
    *((make, "path", BAD_PATHS) for make in (file, line, mode, remount)),
    *((remount, name, BAD_WORDS) for name in ("before", "after", "set", "unset")),
    (file, "mode", ["", "644", "0888", "u+x", "0644\n", "06444 ", "-644"]),
    (file, "before", ["x", "A" * 64, "0" * 63, "absent\n", "0" * 64 + "\n"]),
    *((mode, name, ["", "644", "09", "0644\n", "$x00"]) for name in ("mode", "before_mode")),
    *(
        (
            mode,
            name,
            ["", "root", "root:", ":root", "root:root\n", "Root:root", "-R:root", "root:root;x", "0:0;"],
        )
        for name in ("owner", "before_owner")
    ),
    (
        value,
        "key",
        [
            "",
            "kernel",
            "kernel.kptr",
            "/kernel/x",
            "kernel/../x",
            "kernel//x",
            "kernel/x\n",
            "kernel/x y",
            "kernel/*",
            "-kernel/x",
            "kernel/$x",
            "kernel/..",
        ],
    ),
    *(
        (value, name, ["1\n", "1;x", "$(x)", "1'", "1\0", "a" * 300, "1 # x", "é", "a/b", "`x`"])
        for name in ("before", "after")
    ),
    (
        unit,
        "unit",
        [
            "",
            "tmp",
            "-x.mount",
            "../x.mount",
            "a b.mount",
            "x.mount\n",
            "x.target;",
            "é.mount",
            "x.device",
            ".mount",
        ],
    ),
    *(
        (make, name, ["a\nb", "a\0b", "a\x1b[31m", "a\rb", "a\u2028b", "\udcff", "a\x7f", "a\u202eb"])
        for make, name in ((line, "before"), (line, "after"), (lines, "text"))
    ),
]
CASES = [(make, name, bad) for make, name, all_ in BAD for bad in all_]


@pytest.mark.parametrize("make", [file, line, mode, value, remount, unit])
def test_the_plain_ones_are_taken(make: Callable[..., object]) -> None:
    assert make()


@pytest.mark.parametrize(
    ("make", "name", "bad"), CASES, ids=lambda x: getattr(x, "__name__", None) or repr(x)[:24]
)
def test_a_hostile_value_is_refused(make: Callable[..., object], name: str, bad: str) -> None:
    with pytest.raises(ValueError, match="not "):
        make(**{name: bad})


SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:+=,/-%\\ \t")


@given(
    st.sampled_from(
        [(file, "path"), (remount, "set"), (value, "key"), (value, "after"), (unit, "unit"), (mode, "owner")]
    ),
    st.text(),
)
def test_nothing_that_a_shell_reads_gets_through(field: tuple[Callable[..., object], str], text: str) -> None:
    make, name = field
    try:
        made = make(**{name: text})
    except ValueError:
        return
    assert set(getattr(made, name)) <= SAFE
    assert ".." not in getattr(made, name).split("/")


def test_an_edit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="an edit"):
        line(before="", after="")


def test_lines_stand_by_rank_and_each_once() -> None:
    parts = (
        Lines(owner="b", lines=("y = 1",), rank=50),
        Lines(owner="a", lines=("x = 1",), rank=10),
        Lines(owner="c", lines=("x = 1",), rank=60),
    )
    assert file(parts=parts, unique=True).content == "x = 1\ny = 1\n"


def test_white_space_of_a_line_is_kept() -> None:
    before = "  UUID=1\t/srv   ext4\tdefaults,rw  0 2 # why"
    assert with_words(before, ["nodev"], field=3) == "  UUID=1\t/srv   ext4\tdefaults,rw,nodev  0 2 # why"


def test_a_line_without_that_field_is_refused() -> None:
    for text in ("UUID=1 /srv ext4", "UUID=1 /srv ext4 ", ""):
        with pytest.raises(ValueError, match="field"):
            with_words(text, ["nodev"], field=3)


# --- the compiler -------------------------------------------------------------------------------------


def ids(*subjects: str) -> list:
    return [e for e in CHECKLISTS.recommendations if e.subject in subjects and e.target]


def session_of(*subjects: str):
    session = begun("server", tuple(sorted((FIRST | {"routing": "no", "role": "server"}).items())))
    return decided(session, [e for e in ids(*subjects) if not session.refusal(session.finding(e.id))])


def test_decisions_on_one_file_are_one_file() -> None:
    change_set = session_of("kernel.kptr_restrict", "kernel.dmesg_restrict", "kernel.sysrq").compiled()
    (written,) = [op for op in change_set.operations if isinstance(op, WriteFile)]
    assert len(written.owners) == 3
    assert len([text for text in written.content.splitlines() if "=" in text]) == 3


def test_decisions_on_one_line_of_fstab_are_one_edit() -> None:
    session = session_of("/home")
    change_set = session.compiled()
    (edit,) = [op for op in change_set.operations if isinstance(op, ReplaceLine)]
    assert {"nosuid", "nodev", "noexec"} <= set(edit.after.split()[3].split(","))
    assert len([op for op in change_set.operations if isinstance(op, Remount)]) == 1


def test_steps_stand_in_the_order_of_their_phases_and_one_way_last() -> None:
    session = begun("server", tuple(sorted((FIRST | {"routing": "no"}).items())))
    everything = [
        e
        for e in CHECKLISTS.recommendations
        if e.target and not e.alternatives and not session.refusal(session.finding(e.id))
    ]
    operations = decided(session, everything).compiled().operations
    late = [op for op in operations if isinstance(op, WriteFile) and op.late]
    phases = [Phase.ONE_WAY if op.one_way else op.phase for op in operations if op not in late]
    assert phases == sorted(phases)
    # The lock of the audit is for the next boot: auditd, when it starts, would load it at once.
    told = [at for at, op in enumerate(operations) if op.phase is Phase.RELOADS]
    assert all(operations.index(op) > max(told) for op in late)
    assert [op.path.rpartition("/")[2] for op in late] == ["zz-hardentui-lock.rules"]
    assert {op.target for op in operations if op.one_way} == {"kernel/unprivileged_bpf_disabled"}
    values = [op.key for op in operations if isinstance(op, SetSysctl) and not op.one_way]
    assert values[0] == "net/ipv4/ip_forward"
    percent, rate = (
        values.index("kernel/perf_cpu_time_max_percent"),
        values.index("kernel/perf_event_max_sample_rate"),
    )
    assert percent < rate  # the kernel refuses the second while the first is 0 or 100 (E21)


def test_the_same_plan_compiles_to_the_same_steps() -> None:
    session = session_of("/home", "kernel.kptr_restrict", "kernel.dmesg_restrict")
    assert compile_plan(session.plan, CHECKLISTS) == compile_plan(session.plan, CHECKLISTS)


def test_what_can_cut_the_network_arms_the_guard_and_what_cannot_does_not() -> None:
    assert session_of("net.ipv4.conf.*.rp_filter").compiled().can_lock_out
    assert session_of("/home").compiled().can_lock_out
    assert not session_of("kernel.kptr_restrict", "kernel.dmesg_restrict").compiled().can_lock_out


def test_two_decisions_that_want_different_values_of_one_line_are_a_conflict() -> None:
    """Only a hand-edited plan or a site's own checklist can bring this about."""
    import dataclasses

    session = session_of("kernel.kptr_restrict")
    entry = CHECKLISTS.get(session.plan.decisions[0].id)
    other = dataclasses.replace(entry, id="site.kptr", target="1")
    section = CHECKLISTS.chapters[-1].sections[-1]
    wider = dataclasses.replace(section, recommendations=(*section.recommendations, other))
    chapter = dataclasses.replace(
        CHECKLISTS.chapters[-1], sections=(*CHECKLISTS.chapters[-1].sections[:-1], wider)
    )
    checklists = dataclasses.replace(CHECKLISTS, chapters=(*CHECKLISTS.chapters[:-1], chapter))
    first = session.plan.decisions[0]
    plan = dataclasses.replace(
        session.plan,
        decisions=(first, dataclasses.replace(first, id="site.kptr", target="1", action=Action.APPLY)),
    )
    with pytest.raises(ConflictError) as refused:
        compile_plan(plan, checklists)
    assert entry.id in str(refused.value)
    assert "site.kptr" in str(refused.value)


def test_a_target_in_a_plan_does_not_make_a_script_of_what_is_done_by_hand() -> None:
    session = begun("server", tuple(sorted(FIRST.items())))
    finding = session.finding("sysctl.v2.modules-disabled")
    decision = session.decision(finding, Action.APPLY, target="1")
    assert [type(op) for op in session.decided(decision).compiled().operations] == [ByHand]


def test_two_procedures_for_one_subject_are_two_steps() -> None:
    session = begun("server", tuple(sorted(FIRST.items())))
    entries = [CHECKLISTS.get(id_) for id_ in ("mount.var.separate", "mount.var.exec-for-dpkg")]
    steps = [op for op in decided(session, entries).compiled().operations if isinstance(op, ByHand)]
    assert [op.owners for op in steps] == [("mount.var.separate",), ("mount.var.exec-for-dpkg",)]


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x1b[2K", "\x85", "\u2028"])
def test_instructions_have_no_other_lines_than_their_own(end: str) -> None:
    ByHand(owners=("x",), subject="x", instructions=Text("First.\n\tThen\u00a0: this.", "D'abord."))
    for text in (Text(f"First.{end}2. rm -rf /", ""), Text("", f"D'abord.{end}2. rm -rf /")):
        with pytest.raises(ValueError, match="plain text"):
            ByHand(owners=("x",), subject="x", instructions=text)
