"""What the verdicts say, and above all what they must never say."""

from __future__ import annotations

import dataclasses

import pytest

from hardentui import hazards
from hardentui.assess import assess
from hardentui.changeset import ConflictError
from hardentui.model import Action, Drift, Finding, Gap, GapKind, Observation, Reading, Result
from hardentui.operations import SetSysctl, WriteFile
from hardentui.rehearsal import RehearsalError, rehearse, undo
from hardentui.resources import RESOURCES
from hardentui.session import Session
from hardentui.snapshot import (
    Clock,
    File,
    Folder,
    Mounts,
    Reason,
    Unread,
)

from . import hosts
from .test_closed_loop import CHANGES, CHECKLISTS, FIRST, HOSTS, begun, decided

STATIC = FIRST | {"ipv6": "static", "routing": "no"}


def find(subject: str, aspect: str = "", **wanted: object) -> str:
    """The id of the one recommendation about a subject."""
    found = [
        e.id
        for e in CHECKLISTS.recommendations
        if e.subject == subject and e.aspect == aspect and all(getattr(e, k) == v for k, v in wanted.items())
    ]
    assert len(found) == 1, found
    return found[0]


def judge(host: hosts.DictHost, id_: str, answers: dict[str, str] = STATIC) -> Finding:
    (found,) = assess([CHECKLISTS.get(id_)], hosts.snapshot(host), answers, CHECKLISTS.questions)
    return found


KPTR, DMESG = find("kernel.kptr_restrict"), find("kernel.dmesg_restrict")
PARANOID, PID_MAX = find("kernel.perf_event_paranoid"), find("kernel.pid_max")
LOCAL = "/etc/sysctl.d/10.conf"


# --- what is not there, what cannot be read ---------------------------------------------------------


@pytest.mark.parametrize(
    "entry", [e for e in CHECKLISTS.recommendations if e.resource == "sysctl"], ids=lambda entry: entry.id
)
def test_a_key_that_the_kernel_does_not_have_is_not_applicable(entry) -> None:
    host = hosts.server()
    host.kernel = {k: v for k, v in host.kernel.items() if not k.startswith("/proc/sys/")}
    found = judge(host, entry.id, STATIC | {c.question: c.one_of[0] for c in entry.when if c.question})
    assert found.result is Result.NOTAPPLICABLE
    assert "/proc/sys" in found.message


def everything_denied() -> hosts.DictHost:
    host = hosts.server()
    denied = Unread(Reason.DENIED)
    host.kernel = dict.fromkeys(host.kernel, denied)
    host.files = dict.fromkeys(host.files, denied)
    host.answers[Mounts] = denied
    return host


@pytest.mark.parametrize("reason", [r for r in Reason if r not in {Reason.MISSING, Reason.VANISHED}])
def test_nothing_passes_that_could_not_be_read(reason: Reason) -> None:
    class Closed(hosts.DictHost):
        def _answer(self, question):
            return hosts.NOW if isinstance(question, Clock) else Unread(reason, "why")

    found = assess(CHECKLISTS.recommendations, hosts.snapshot(Closed()), STATIC, CHECKLISTS.questions)
    allowed = {Result.UNKNOWN, Result.NOTCHECKED, Result.NOTAPPLICABLE}
    assert {
        f.recommendation.id: (f.result, f.running, f.boot) for f in found if f.result not in allowed
    } == {}
    unsaid = [f.recommendation.id for f in found if not f.message]
    assert not unsaid


def test_nothing_fails_or_passes_where_everything_is_denied() -> None:
    found = assess(
        CHECKLISTS.recommendations, hosts.snapshot(everything_denied()), STATIC, CHECKLISTS.questions
    )
    wrong = {
        f.recommendation.id: f.result
        for f in found
        if f.recommendation.resource in {"sysctl", "mount"} and f.result in {Result.PASS, Result.FAIL}
    }
    wrong = {k: v for k, v in wrong.items() if CHECKLISTS.get(k).aspect != "usage"}
    assert not wrong


def test_a_denied_value_is_said_to_need_root() -> None:
    host = hosts.with_kernel(
        hosts.server(files={LOCAL: "net.core.bpf_jit_harden = 2\n"}),
        {"net/core/bpf_jit_harden": Unread(Reason.DENIED)},
    )
    found = judge(host, find("net.core.bpf_jit_harden"))
    assert found.result is Result.UNKNOWN
    assert "root" in found.message


@pytest.mark.parametrize("place", [LOCAL, "/usr/lib/sysctl.d/50-pid-max.conf", "/etc/sysctl.conf"])
def test_one_unreadable_file_leaves_the_boot_unknown(place: str) -> None:
    """It might hold the line that wins."""
    host = hosts.with_kernel(
        hosts.server(files={"/etc/sysctl.d/20.conf": "kernel.kptr_restrict = 2\n"}),
        {"kernel/kptr_restrict": "2"},
    )
    assert judge(host, KPTR).result is Result.PASS
    host.files[place] = Unread(Reason.DENIED)
    assert judge(host, KPTR).result is Result.UNKNOWN


@pytest.mark.parametrize(
    "folder", ["/etc/sysctl.d", "/usr/lib/sysctl.d", "/etc/systemd/system/multi-user.target.wants"]
)
def test_one_unreadable_folder_leaves_the_boot_unknown(folder: str) -> None:
    class Half(hosts.DictHost):
        def _answer(self, question):
            return Unread(Reason.DENIED) if question == Folder(folder) else super()._answer(question)

    host = Half(
        {"/run/sysctl.d/20.conf": "kernel.kptr_restrict = 2\n"},
        kernel={"/proc/sys/kernel/kptr_restrict": "2"},
    )
    assert judge(host, KPTR).result is Result.UNKNOWN


@pytest.mark.parametrize(
    "folder", ["/etc/systemd/system/var-log.mount.d", "/run/systemd/system/var-log.mount.d"]
)
def test_an_unreadable_folder_of_drop_ins_leaves_the_mount_unknown(folder: str) -> None:
    host = hosts.with_mount(hosts.server(), "/var/log", options="rw,nosuid,nodev,noexec")
    host.files["/etc/fstab"] = "UUID=1 /var/log ext4 nosuid,nodev,noexec 0 2\n"
    id_ = find("/var/log", "options")
    assert judge(host, id_).result is Result.PASS
    answer = host._answer
    host._answer = lambda q: Unread(Reason.DENIED) if q == Folder(folder) else answer(q)
    assert judge(host, id_).result is Result.UNKNOWN


def test_a_line_that_the_two_programs_end_differently_leaves_the_boot_unknown() -> None:
    """Measured: behind a lone carriage return systemd-sysctl reads a line that procps takes for a comment."""
    text = "kernel.dmesg_restrict = 1\n# note\rkernel.dmesg_restrict = 0\n"
    host = hosts.with_kernel(hosts.server(files={LOCAL: text}), {"kernel/dmesg_restrict": "1"})
    found = judge(host, DMESG)
    assert found.result is Result.UNKNOWN
    assert LOCAL in found.message
    host.files[LOCAL] = "kernel.dmesg_restrict = 1\r\n# dos\r\n"
    assert judge(host, DMESG).result is Result.PASS


def test_no_file_and_no_known_default_is_unknown() -> None:
    id_ = find("fs.protected_symlinks")
    host = hosts.with_kernel(hosts.server(), {"fs/protected_symlinks": "1"})
    found = judge(host, id_)
    assert found.result is Result.UNKNOWN
    assert "fs.protected_symlinks" in found.message


def test_a_default_that_is_known_counts_at_boot() -> None:
    host = hosts.with_kernel(hosts.server(), {"net/ipv4/tcp_syncookies": "1"})
    assert judge(host, find("net.ipv4.tcp_syncookies")).result is Result.PASS


@pytest.mark.parametrize("unit", ["docker.service", "libvirtd.service", "lxc-net.service"])
def test_a_writer_that_we_do_not_model_leaves_the_boot_unknown(unit: str) -> None:
    id_ = find("net.ipv4.ip_forward")
    host = hosts.with_kernel(hosts.server(), {"net/ipv4/ip_forward": "0"})
    assert judge(host, id_).result is Result.PASS
    host.links[f"/etc/systemd/system/multi-user.target.wants/{unit}"] = f"/usr/lib/systemd/system/{unit}"
    found = judge(host, id_)
    assert found.result is Result.UNKNOWN
    assert unit in found.message


@pytest.mark.parametrize(
    ("profile", "result"),
    [
        ("[sysctl]\nkernel.kptr_restrict = 0\n", Result.UNKNOWN),
        ("[sysctl]\nvm.swappiness = 10\n", Result.PASS),
        ("[main]\ninclude = other\n", Result.UNKNOWN),
        ("not an ini", Result.UNKNOWN),
    ],
)
def test_tuned_leaves_unknown_what_its_profile_writes(profile: str, result: Result) -> None:
    host = hosts.with_kernel(
        hosts.server(files={LOCAL: "kernel.kptr_restrict = 2\n"}), {"kernel/kptr_restrict": "2"}
    )
    host.links["/etc/systemd/system/multi-user.target.wants/tuned.service"] = (
        "/usr/lib/systemd/system/tuned.service"
    )
    host.files |= {"/etc/tuned/active_profile": "mine\n", "/etc/tuned/mine/tuned.conf": profile}
    assert judge(host, KPTR).result is result


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "id_", "high"),
    [
        ("kernel/perf_event_paranoid", PARANOID, "3"),  # E04: Debian ships 3, the course says 2
        ("kernel/pid_max", PID_MAX, "4194304"),  # E16: systemd sets 4194304, the course says 65536
        ("kernel/kptr_restrict", KPTR, "2"),  # E17: the course says 1
    ],
)
@pytest.mark.parametrize("seen_in", ["running", "boot"])
def test_a_higher_value_is_kept(key: str, id_: str, high: str, seen_in: str) -> None:
    dotted = key.replace("/", ".")
    host = hosts.with_kernel(hosts.server(), {key: high if seen_in == "running" else "0"})
    host.files.pop("/usr/lib/sysctl.d/50-pid-max.conf")
    host.files[LOCAL] = f"{dotted} = {high if seen_in == 'boot' else 0}\n"
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    session = decided(session, [CHECKLISTS.get(id_)])
    operations = session.compiled().operations
    (written,) = [op for op in operations if isinstance(op, WriteFile)]
    assert f"{dotted} = {high}\n" in written.content
    assert [op.after for op in operations if isinstance(op, SetSysctl)] == (
        [] if seen_in == "running" else [high]
    )


@pytest.mark.parametrize("host", HOSTS)
def test_no_change_lowers_what_only_has_a_least_value(host: str) -> None:
    session = begun(host, tuple(sorted(STATIC.items())))
    session = decided(
        session, [e for e in CHANGES if not e.alternatives and not session.refusal(session.finding(e.id))]
    )
    steps = [
        op
        for op in session.compiled().operations
        if isinstance(op, SetSysctl) and op.accept.operator.value == "at-least"
    ]
    assert steps
    assert not [op for op in steps if int(op.after) < int(op.before)]


def test_a_target_that_would_not_pass_is_refused() -> None:
    session = begun("server", tuple(sorted(STATIC.items())))
    finding = session.finding(PARANOID)
    assert "1" in session.refusal(finding, "1")
    assert session.refusal(finding, "3") == ""


@pytest.mark.parametrize("value", ["1\nkernel.x = 2", "2; reboot", "$(reboot)", "2 # x"])
def test_a_hostile_target_is_refused(value: str) -> None:
    session = begun("server", tuple(sorted(STATIC.items())))
    assert session.refusal(session.finding(KPTR), value)


def test_the_key_that_the_course_mistypes_sets_nothing() -> None:
    """E03: "kernel.perf_event Paranoid = 2" is a line that both programs skip."""
    found = judge(hosts.server(files={LOCAL: "kernel.perf_event Paranoid = 2\n"}), PARANOID)
    assert found.result is Result.FAIL
    assert LOCAL not in {place.place for place in found.provenance}


def test_a_port_range_is_compared_as_numbers() -> None:
    """E13: the kernel prints a tab, files hold a blank, and a wider range is as good."""
    id_ = find("net.ipv4.ip_local_port_range")
    for shown, written in (("32768\t65535", "32768 65535"), ("1024\t65535", "1024   65535")):
        host = hosts.with_kernel(
            hosts.server(files={LOCAL: f"net.ipv4.ip_local_port_range = {written}\n"}),
            {"net/ipv4/ip_local_port_range": shown},
        )
        assert judge(host, id_).result is Result.PASS
    host = hosts.server(files={LOCAL: "net.ipv4.ip_local_port_range = 32768 60999\n"})
    assert judge(host, id_).result is Result.FAIL


# --- drift ----------------------------------------------------------------------------------------


def test_right_now_and_lost_at_reboot_is_a_failure_and_said_so() -> None:
    host = hosts.with_kernel(
        hosts.server(files={LOCAL: "kernel.dmesg_restrict = 0\n"}), {"kernel/dmesg_restrict": "1"}
    )
    found = judge(host, DMESG)
    assert (found.result, found.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)


def test_right_after_a_reboot_and_not_yet_is_a_failure_and_said_so() -> None:
    found = judge(hosts.server(files={LOCAL: "kernel.dmesg_restrict = 1\n"}), DMESG)
    assert (found.result, found.drift) == (Result.FAIL, Drift.NOT_YET)


def test_one_of_two_readers_wrong_is_a_failure_that_names_both() -> None:
    """procps reads /etc/sysctl.conf last; systemd-sysctl does not, without the link."""
    host = hosts.with_kernel(
        hosts.server(files={LOCAL: "kernel.dmesg_restrict = 1\n"}), {"kernel/dmesg_restrict": "1"}
    )
    assert judge(host, DMESG).result is Result.PASS
    host.files["/etc/sysctl.conf"] = "kernel.dmesg_restrict = 0\n"
    del host.links["/etc/sysctl.d/99-sysctl.conf"]
    found = judge(host, DMESG)
    assert (found.result, found.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)
    assert found.boot == "systemd-sysctl: 1; procps: 0"
    assert {p.place for p in found.provenance} >= {LOCAL, "/etc/sysctl.conf"}


def test_a_waiting_mount_option_is_no_pass() -> None:
    host = hosts.server()
    host.files["/etc/fstab"] = "UUID=1 /var/log ext4 nosuid,nodev,noexec 0 2\n"
    found = judge(host, find("/var/log", "options"))
    assert (found.result, found.drift) == (Result.FAIL, Drift.NOT_YET)
    host.files["/etc/fstab"] = "UUID=1 /var/log ext4 defaults 0 2\n"
    found = judge(
        hosts.with_mount(host, "/var/log", options="rw,nosuid,nodev,noexec"), find("/var/log", "options")
    )
    assert (found.result, found.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)


# --- interfaces -----------------------------------------------------------------------------------


def interfaces(leaf: str, values: dict[str, str], family: str = "ipv4", boot: str = "") -> hosts.DictHost:
    host = hosts.server(("lo", "eth0", "eth0.100"), files={LOCAL: boot})
    return hosts.with_kernel(
        host, {f"net/{family}/conf/{part}/{leaf}": value for part, value in values.items()}
    )


REDIRECTS4, REDIRECTS6 = find("net.ipv4.conf.*.accept_redirects"), find("net.ipv6.conf.*.accept_redirects")
GLOB4 = "net.ipv4.conf.*.accept_redirects = 0\n"


def test_all_at_zero_does_not_cover_an_interface_at_one() -> None:
    """E19: on a host the kernel takes either of the two."""
    host = interfaces(
        "accept_redirects", {"all": "0", "default": "0", "lo": "0", "eth0": "0", "eth0.100": "1"}, boot=GLOB4
    )
    hosts.with_kernel(
        host, {f"net/ipv4/conf/{p}/forwarding": "0" for p in ("all", "default", "lo", "eth0", "eth0.100")}
    )
    found = judge(host, REDIRECTS4)
    assert found.result is Result.FAIL
    assert "eth0.100" in found.message
    assert found.drift is Drift.NOT_YET


def test_ipv6_all_and_default_do_not_reach_an_interface() -> None:
    host = interfaces(
        "accept_redirects",
        {"all": "0", "default": "0"},
        "ipv6",
        "net.ipv6.conf.all.accept_redirects=0\nnet.ipv6.conf.default.accept_redirects=0\n",
    )
    found = judge(host, REDIRECTS6)
    assert found.result is Result.FAIL
    assert "eth0 1" in found.running
    assert "lo" not in found.running.replace("eth0", "")


def test_all_and_default_at_zero_are_enough_for_ipv4_where_all_must_agree() -> None:
    """accept_source_route needs both; a file that sets all alone is enough."""
    host = interfaces("accept_source_route", {"all": "0"}, boot="net.ipv4.conf.all.accept_source_route = 0\n")
    assert judge(host, find("net.ipv4.conf.*.accept_source_route")).result is Result.PASS


def test_one_loose_interface_defeats_strict_filtering() -> None:
    values = {"all": "1", "default": "1", "lo": "1", "eth0": "1", "eth0.100": "2"}
    found = judge(
        interfaces("rp_filter", values, boot="net.ipv4.conf.*.rp_filter = 1\n"),
        find("net.ipv4.conf.*.rp_filter"),
    )
    assert found.result is Result.FAIL
    assert "eth0.100 2" in found.message


def test_a_file_for_one_interface_with_a_dot_beats_the_pattern() -> None:
    values = dict.fromkeys(("all", "default", "lo", "eth0", "eth0.100"), "1")
    right = "net.ipv4.conf.*.rp_filter = 1\n"
    assert (
        judge(interfaces("rp_filter", values, boot=right), find("net.ipv4.conf.*.rp_filter")).result
        is Result.PASS
    )
    for spelling in ("net/ipv4/conf/eth0.100/rp_filter = 2\n", "net.ipv4.conf.eth0/100.rp_filter = 2\n"):
        found = judge(
            interfaces("rp_filter", values, boot=spelling + right), find("net.ipv4.conf.*.rp_filter")
        )
        assert (found.result, found.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)


def test_loopback_does_not_inherit_from_default() -> None:
    """It has its address before the files are read; only a line that names or matches it reaches it."""
    values = dict.fromkeys(("all", "default", "lo", "eth0", "eth0.100"), "0")
    both = "net.ipv4.conf.all.send_redirects = 0\nnet.ipv4.conf.default.send_redirects = 0\n"
    found = judge(interfaces("send_redirects", values, boot=both), find("net.ipv4.conf.*.send_redirects"))
    assert found.result is Result.FAIL
    assert "lo 1" in found.message


def test_forwarding_by_its_other_name_is_forwarding() -> None:
    """net.ipv4.conf.all.forwarding is the same value; a boot that sets it to 1 makes a router."""
    host = hosts.with_kernel(
        hosts.server(files={LOCAL: "net.ipv4.conf.all.forwarding = 1\n"}), {"net/ipv4/ip_forward": "0"}
    )
    host.files["/etc/sysctl.conf"] = "net.ipv4.conf.all.forwarding = 1\n"
    found = judge(host, find("net.ipv4.ip_forward"))
    assert (found.result, found.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)
    session = Session.begin(CHECKLISTS, hosts.snapshot(host)).answered("routing", "no")
    session = decided(session, [found.recommendation])
    after = rehearse(session.snapshot, session.compiled())
    (again,) = assess([found.recommendation], after, session.plan.answers)
    assert again.result is Result.PASS


def test_forwarding_is_written_before_what_it_resets() -> None:
    """E20: turning it off puts accept_redirects back to 1."""
    session = begun("server", tuple(sorted(STATIC.items())))
    session = decided(session, [CHECKLISTS.get(find("net.ipv4.ip_forward")), CHECKLISTS.get(REDIRECTS4)])
    change_set = session.compiled()
    steps = [op.key for op in change_set.operations if isinstance(op, SetSysctl)]
    assert steps[0] == "net/ipv4/ip_forward"
    lines = [
        line
        for op in change_set.operations
        if isinstance(op, WriteFile)
        for line in op.content.splitlines()
        if "=" in line
    ]
    assert lines[0].startswith("net.ipv4.ip_forward")


def test_forwarding_alone_leaves_redirects_as_they_were() -> None:
    host = hosts.with_kernel(hosts.server(), {"net/ipv4/conf/all/accept_redirects": "0"})
    session = Session.begin(CHECKLISTS, hosts.snapshot(host)).answered("routing", "no")
    session = decided(session, [CHECKLISTS.get(find("net.ipv4.ip_forward"))])
    after = rehearse(session.snapshot, session.compiled())
    seen = {q.path: a for q, a, _at in after.items() if hasattr(q, "path")}
    assert seen["/proc/sys/net/ipv4/ip_forward"] == "0"
    assert seen["/proc/sys/net/ipv4/conf/all/accept_redirects"] == "0"


# --- questions, alternatives, refusals ---------------------------------------------------------------


@pytest.mark.parametrize(
    "entry", [e for e in CHECKLISTS.recommendations if any(c.question for c in e.when)], ids=lambda e: e.id
)
def test_what_depends_on_an_open_question_is_not_checked_and_cannot_be_applied(entry) -> None:
    session = begun("server" if all(c.one_of != ("rhel",) for c in entry.when) else "rhel", ())
    finding = session.finding(entry.id)
    assert finding.result is Result.NOTCHECKED
    assert session.refusal(finding)


@pytest.mark.parametrize(
    "entry", [e for e in CHECKLISTS.recommendations if any(c.question for c in e.when)], ids=lambda e: e.id
)
def test_another_answer_takes_a_recommendation_away(entry) -> None:
    condition = next(c for c in entry.when if c.question)
    question = next(q for q in CHECKLISTS.questions if q.id == condition.question)
    for choice in question.choices:
        finding = judge(hosts.server(), entry.id, STATIC | {question.id: choice.id})
        assert (finding.result is Result.NOTAPPLICABLE) >= (choice.id not in condition.one_of)


def test_alternatives_are_never_applied_together() -> None:
    """E27: IPv6 is switched off, or hardened."""
    off, hard = find("net.ipv6.conf.*.disable_ipv6"), REDIRECTS6
    session = begun("server", (("ipv6", "unused"),))
    session = decided(session, [CHECKLISTS.get(off)]).answered("ipv6", "static")
    session = decided(session, [CHECKLISTS.get(hard)])
    with pytest.raises(ConflictError) as refused:
        session.compiled()
    assert off in str(refused.value)
    assert hard in str(refused.value)


def test_noexec_is_refused_where_dpkg_lives() -> None:
    """E09: even by a hand-written target, and even on another mount point that holds /var/lib/dpkg."""
    session = begun("server", tuple(sorted(STATIC.items())))
    refusal = session.refusal(session.finding(find("/var", "options", target="nodev")), "nodev,noexec")
    assert "dpkg" in refusal
    host = hosts.server(mounts=tuple(m for m in hosts.mounts() if m.path != "/var"))
    alone = Session.begin(CHECKLISTS, hosts.snapshot(host))
    assert not [
        op
        for op in _all_of(alone).operations
        if "noexec" in str(op) and getattr(op, "path", "") in {"/", "/var"}
    ]


def _all_of(session: Session):
    applied = [e for e in CHANGES if not e.alternatives and not session.refusal(session.finding(e.id))]
    return decided(session, applied).compiled()


@pytest.mark.parametrize("host", HOSTS)
def test_no_plan_makes_the_mount_with_dpkg_noexec(host: str) -> None:
    session = begun(host, tuple(sorted(STATIC.items())))
    holders = {"server": "/var", "two-interfaces": "/var", "rivals": "/var", "rhel": None}
    for op in _all_of(session).operations:
        if getattr(op, "path", "") == holders[host]:
            assert "noexec" not in getattr(op, "set", "").split(",")


def test_a_decision_on_a_line_that_stands_twice_is_refused() -> None:
    """procps reads /etc/sysctl.conf last; which of two equal lines to edit cannot be said."""
    host = hosts.server(
        files={"/etc/sysctl.conf": "kernel.dmesg_restrict = 0\n# x\nkernel.dmesg_restrict = 0\n"}
    )
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    assert "/etc/sysctl.conf" in session.refusal(session.finding(DMESG))


@pytest.mark.parametrize(
    "second", ["kernel/dmesg_restrict=0", "kernel.dmesg_restrict = 1", "kernel.dmesg_restrict=2"]
)
def test_a_key_that_stands_twice_in_different_words_is_put_back_or_refused(second: str) -> None:
    conf = f"{second}\n# x\nkernel.dmesg_restrict = 0\n"
    host = hosts.server(files={"/etc/sysctl.conf": conf})
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    if "/etc/sysctl.conf" in session.refusal(session.finding(DMESG)):
        return  # saying so is as good
    session = decided(session, [CHECKLISTS.get(DMESG)])
    change_set = session.compiled()
    after = rehearse(session.snapshot, change_set)
    assert undo(after, change_set, session.snapshot).ask(File("/etc/sysctl.conf")) == conf


@pytest.mark.parametrize("name", ["br$(x)", "a;b", "a b", "-x", "é", "a*b", "a\x1bb", "x'y"])
def test_an_interface_with_a_hostile_name_reaches_no_file(name: str) -> None:
    host = hosts.server(("lo", name))
    session = Session.begin(CHECKLISTS, hosts.snapshot(host)).answered("ipv6", "static")
    session = decided(session, [CHECKLISTS.get(REDIRECTS4), CHECKLISTS.get(REDIRECTS6)])
    texts = [op.content for op in session.compiled().operations if isinstance(op, WriteFile)]
    assert name == "-x" or not [text for text in texts if name in text]
    assert not [
        op
        for op in session.compiled().operations
        if isinstance(op, SetSysctl) and "/-" not in op.key and name in op.key
    ]


def test_a_mount_line_without_options_is_refused_not_broken() -> None:
    host = hosts.server()
    host.files["/etc/fstab"] = "UUID=1 /var/log ext4\n"
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    assert session.refusal(session.finding(find("/var/log", "options")))


def test_a_plan_that_no_longer_fits_the_facts_is_not_rehearsed() -> None:
    session = begun("server", tuple(sorted(STATIC.items())))
    session = decided(session, [CHECKLISTS.get(find("/var/log", "options"))])
    moved = session.snapshot.with_answers({File("/etc/fstab"): "# empty\n"}, hosts.NOW)
    with pytest.raises(RehearsalError, match="/etc/fstab"):
        rehearse(moved, session.compiled())


# --- our own failures -------------------------------------------------------------------------------


def test_a_probe_that_breaks_is_one_error_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(snapshot, entry):
        if entry.id == KPTR:
            raise RuntimeError("the probe broke")
        return observe(snapshot, entry)

    observe = RESOURCES["sysctl"].observe
    monkeypatch.setattr(
        type(RESOURCES["sysctl"]), "observe", lambda self, snapshot, entry: broken(snapshot, entry)
    )
    found = assess(CHECKLISTS.recommendations, hosts.snapshot(hosts.server()), STATIC)
    assert [f.recommendation.id for f in found if f.result is Result.ERROR] == [KPTR]
    assert len(found) == len(CHECKLISTS.recommendations)
    assert "the probe broke" in next(f.message for f in found if f.result is Result.ERROR)


# --- the judge alone --------------------------------------------------------------------------------


class _Fixed:
    """A resource that shows one observation."""

    def __init__(self, seen: Observation) -> None:
        self._seen = seen

    def observe(self, snapshot, entry) -> Observation:
        return self._seen


SIDES = {
    "right": Reading({"": "1"}),
    "wrong": Reading({"": "0"}),
    "denied": Reading(gap=Gap(GapKind.DENIED, "/x")),
    "half": Reading({"eth0": "1"}, Gap(GapKind.DENIED, "/x")),
    "half wrong": Reading({"eth0": "0"}, Gap(GapKind.DENIED, "/x")),
    "absent": Reading(gap=Gap(GapKind.ABSENT, "/x")),
    "unmodelled": Reading({"": "1"}, Gap(GapKind.UNMODELLED, "docker")),
}


@pytest.mark.parametrize("boot", SIDES)
@pytest.mark.parametrize("running", SIDES)
def test_a_pass_needs_every_side_right_and_whole(
    running: str, boot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = dataclasses.replace(CHECKLISTS.get(DMESG), hazards=())
    monkeypatch.setitem(
        RESOURCES, "sysctl", _Fixed(Observation(SIDES[running], (SIDES[boot], SIDES["right"])))
    )
    (found,) = assess([entry], hosts.snapshot(hosts.server()), {})
    sides = {running, boot} - {"absent"}
    if sides & {"wrong", "half wrong"}:
        assert found.result is Result.FAIL
    elif sides & {"denied", "half", "unmodelled"}:
        assert found.result is Result.UNKNOWN
    else:
        assert found.result is Result.PASS
    if found.drift is Drift.LOST_AT_REBOOT:
        assert running == "right"
    if found.drift is Drift.NOT_YET:
        assert boot == "right"


def test_every_hazard_that_a_checklist_names_is_probed_on_every_host() -> None:
    """A probe that cannot cope with what is denied would take its recommendation along."""
    snapshot = hosts.snapshot(everything_denied())
    for entry in CHECKLISTS.recommendations:
        assert all(hazard.text for hazard in hazards.find(snapshot, entry))


def test_a_refusal_is_kept_beside_the_operations_of_the_others() -> None:
    session = begun("server", tuple(sorted(STATIC.items())))
    session = decided(session, [CHECKLISTS.get(KPTR)])
    unknown = dataclasses.replace(session.plan.decisions[0], id="no.such-entry")
    bad = dataclasses.replace(session.plan, decisions=(*session.plan.decisions, unknown))
    change_set = dataclasses.replace(session, plan=bad).compiled()
    assert change_set.operations
    assert set(change_set.refused) == {"no.such-entry"}


def test_what_is_waived_or_deferred_changes_nothing() -> None:
    session = begun("server", tuple(sorted(STATIC.items())))
    for action in (Action.WAIVE, Action.DEFER, Action.ATTEST):
        done = session.decided(session.decision(session.finding(KPTR), action, reason="because we must"))
        assert done.compiled().operations == ()


def test_a_value_that_the_kernel_refuses_never_passes_and_never_becomes_the_target() -> None:
    host = hosts.server()
    host.files["/etc/sysctl.d/90-odd.conf"] = "kernel.kptr_restrict = 9\n"
    host.kernel["/proc/sys/kernel/kptr_restrict"] = "2"
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    finding = session.finding("sysctl.kernel-kptr-restrict")
    assert finding is not None
    assert finding.result is Result.UNKNOWN
    assert "refuses 9" in finding.message
    host.kernel["/proc/sys/kernel/kptr_restrict"] = "0"
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    finding = session.finding("sysctl.kernel-kptr-restrict")
    assert finding is not None
    decided = session.decided(session.decision(finding, Action.APPLY))
    values = [step.after for step in decided.compiled().operations if isinstance(step, SetSysctl)]
    assert values == ["2"]
