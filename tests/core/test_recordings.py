"""Recordings: no secret gets into one, none of a wrong form gets in unnoticed; and whose plan is whose."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.host import recording
from hardentui.host.recording import RecordedHost, RecordingError, record
from hardentui.model import HostIdentity
from hardentui.operations import ReplaceLine
from hardentui.plan import render
from hardentui.rehearsal import rehearse
from hardentui.session import Session, identity
from hardentui.snapshot import HIDDEN, File, KernelFile, Mounts, Question, Reason, Snapshot, Unread

from . import hosts
from .images import image
from .test_closed_loop import CHANGES, CHECKLISTS, decided
from .test_judgement import find

DEMO = Path(__file__).parents[2] / "hardentui/host/demo.json"


# --- forms ------------------------------------------------------------------------------------------


def broken(tmp_path: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> str:
    """What is said of the demo's recording with one entry changed."""
    document = json.loads(DEMO.read_text(encoding="utf-8"))
    known = (e for e in document["answers"] if e["question"][0] == name)
    change(next(e for e in known if not isinstance(e["answer"], dict) or e["answer"]["is"] != "Unread"))
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(RecordingError) as refused:
        RecordedHost(path)
    return str(refused.value)


def test_one_that_gzip_compressed_is_the_same_and_a_damaged_one_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, path = DEMO.read_bytes(), tmp_path / "demo.json.gz"
    path.write_bytes(gzip.compress(text))
    asked = Snapshot(RecordedHost(DEMO)).ask(Mounts())
    assert Snapshot(RecordedHost(path)).ask(Mounts()) == asked != ()
    for damaged in (path.read_bytes()[:-9], b"\x1f\x8b" + text[:80], b"\x1f\x8b"):
        path.write_bytes(damaged)
        with pytest.raises(RecordingError, match="damaged gzip"):
            RecordedHost(path)
    monkeypatch.setattr(recording, "_LONGEST", 1 << 20)
    path.write_bytes(gzip.compress(b" " * (1 << 20) + b"{}"))
    assert path.stat().st_size < 4096
    with pytest.raises(RecordingError, match="at most 1 MiB of JSON"):
        RecordedHost(path)


WRONG: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("File", lambda e: e.update(answer=3), "expected str, found 3"),
    ("File", lambda e: e.update(answer=None), "expected str"),
    ("KernelFile", lambda e: e.update(answer=["1"]), "expected str"),
    ("Clock", lambda e: e.update(answer=1e300), "too large"),
    ("Clock", lambda e: e.update(answer="now"), "expected float"),
    ("Clock", lambda e: e.update(at="now"), "expected float"),
    ("Clock", lambda e: e.update(at=float("nan")), "too large"),
    ("Mounts", lambda e: e.update(answer=[1]), "expected Mount"),
    ("Mounts", lambda e: e["answer"][0].update(options=[]), "options: expected str"),
    ("Mounts", lambda e: e["answer"][0].update(id=True), "id: expected int"),
    ("Stat", lambda e: e["answer"].update(mode=10**40), "mode: the number"),
    ("Stat", lambda e: e["answer"].pop("mode"), "mode"),
    ("Stat", lambda e: e.update(answer={"is": "Output", "stdout": ""}), "expected Status"),
    ("Stat", lambda e: e.update(answer={"is": "Unread", "reason": "bored"}), "bored"),
    ("Stat", lambda e: e.update(answer={"is": "Unread", "reason": "failed", "detail": 7}), "detail"),
    ("Stat", lambda e: e.update(question=["Stat", 7]), "expected str, found 7"),
    ("Stat", lambda e: e.update(question=["Stat"]), "path"),
    ("Stat", lambda e: e.update(question=["Start", "/"]), "Start"),
    ("Command", lambda e: e.update(question=["Command", ["a", 1], False]), "expected str"),
    ("Sockets", lambda e: e.update(answer={}), "is"),
]


@pytest.mark.parametrize(("name", "change", "said"), WRONG)
def test_an_answer_of_a_wrong_form_is_named_with_its_place(
    tmp_path: Path, name: str, change, said: str
) -> None:
    message = broken(tmp_path, name, change)
    assert message.startswith(f"{tmp_path}/broken.json: answers[")
    assert said in message
    assert "\n" not in message


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["is", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(entry=_JSON | st.fixed_dictionaries({"question": _JSON, "answer": _JSON, "at": _JSON}))
def test_no_entry_brings_a_traceback(tmp_path_factory, entry: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "entry.json"
    path.write_text(
        json.dumps({"hardentui-recording": 1, "host": "live", "answers": [entry]}), encoding="utf-8"
    )
    with pytest.raises(RecordingError, match=r"entry\.json"):
        RecordedHost(path)


def test_what_is_recorded_can_be_read_again(tmp_path: Path) -> None:
    snapshot = Snapshot(hosts.server(), deep=True)
    found = assess(CHECKLISTS.recommendations, snapshot, {})
    path = tmp_path / "host.json"
    path.write_text(record(snapshot), encoding="utf-8")
    again = assess(CHECKLISTS.recommendations, Snapshot(RecordedHost(path)), {})
    assert [(f.result, f.message) for f in again] == [(f.result, f.message) for f in found]


# --- secrets ----------------------------------------------------------------------------------------

SECRET = "hunter2"
FSTAB = hosts.FSTAB + (
    "//nas/a /srv/a cifs username=bob,password=hunter2,uid=0 0 0\n"
    "//nas/b /srv/b cifs user=dom/bob%hunter2,nosuid 0 0\n"
    "//nas/c /srv/c cifs pass=hunter2 0 0\n"
    "curlftpfs#ftp://bob:hunter2@nas /srv/d fuse rw 0 0\n"
    "# //nas/e /srv/e cifs password=hunter2 0 0\n"
)
CMDLINE = (
    "root=UUID=0a1b rd.luks.key=hunter2 rd.iscsi.password=hunter2 netroot=iscsi:bob:hunter2@10.0.0.1::: "
    "systemd.set_credential=a:hunter2 inst.vncpassword=hunter2 sysctl.kernel.kptr_restrict=2 quiet"
)


def with_secrets() -> hosts.DictHost:
    host = hosts.server(
        files={"/etc/systemd/system/srv.mount.d/x.conf": "[Mount]\nOptions=password=hunter2\n"}
    )
    host.files["/etc/fstab"] = FSTAB
    host.kernel["/proc/cmdline"] = CMDLINE
    return hosts.with_mount(host, "/opt", super_options="rw,username=bob,password=hunter2")


def test_no_password_of_a_host_gets_into_a_recording_or_a_plan() -> None:
    snapshot = Snapshot(with_secrets())
    session = Session.begin(CHECKLISTS, snapshot)
    wanted = [entry for entry in CHANGES if not entry.alternatives]
    session = decided(session, [e for e in wanted if not session.refusal(session.finding(e.id))])
    assert len(session.plan.decisions) > 20
    snapshot.ask(Mounts())
    for text in (record(snapshot), render(session.plan), str(session.compiled()), str(session.findings)):
        assert SECRET not in text
    assert record(snapshot).count(HIDDEN) > 8


def test_what_is_no_secret_stays(tmp_path: Path) -> None:
    snapshot = Snapshot(with_secrets())
    assert snapshot.ask(KernelFile("/proc/cmdline")).endswith("sysctl.kernel.kptr_restrict=2 quiet")
    text = snapshot.ask(File("/etc/fstab"))
    assert f"username=bob,password={HIDDEN},uid=0 0 0\n" in text
    assert text.startswith(hosts.FSTAB)
    assert Snapshot(image(tmp_path, {"/etc/fstab": FSTAB})).ask(File("/etc/fstab")) == text


def test_a_recording_of_before_is_cut_as_well(tmp_path: Path) -> None:
    entry = {"question": ["File", "/etc/fstab"], "answer": FSTAB, "at": 0.0}
    path = tmp_path / "old.json"
    path.write_text(
        json.dumps({"hardentui-recording": 1, "host": "live", "answers": [entry]}), encoding="utf-8"
    )
    assert SECRET not in str(Snapshot(RecordedHost(path)).ask(File("/etc/fstab")))


def test_another_line_of_such_an_fstab_is_edited_and_the_one_with_the_password_by_hand() -> None:
    host = hosts.server()
    host.files["/etc/fstab"] = hosts.FSTAB.replace(
        "UUID=0a8b /srv            ext4  defaults           0 2", "//nas/a /srv cifs password=hunter2 0 0"
    )
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    refused = session.refusal(session.finding(find("/srv", "options", id="mount.srv.options")))
    assert "password" in refused
    assert "by hand" in refused
    session = decided(session, [CHECKLISTS.get(find("/var/log", "options"))])
    (edit,) = (step for step in session.compiled().operations if isinstance(step, ReplaceLine))
    assert edit.before in host.files["/etc/fstab"].split("\n")  # as it stands on the host
    assert rehearse(session.snapshot, session.compiled())


def test_a_secret_in_a_very_long_line_costs_no_time() -> None:
    class Long(hosts.DictHost):
        def _answer(self, question: Question[Any]) -> Any:
            return "a." * (1 << 20) if question == File("/etc/fstab") else super()._answer(question)

    assert len(Snapshot(Long()).ask(File("/etc/fstab"))) == 1 << 21


# --- whose plan it is ---------------------------------------------------------------------------------

ID = "0123456789abcdef0123456789abcdef"
WEB = HostIdentity(ID, "web01", "Debian", "6.1")


@pytest.mark.parametrize("text", ["", "\n", "uninitialized\n", "0" * 31, Unread(Reason.DENIED)])
def test_a_machine_without_an_id_has_none(text: str | Unread) -> None:
    assert identity(hosts.snapshot(hosts.server(files={"/etc/machine-id": text}))).machine_id == ""


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"hostname": "renamed", "kernel": "6.12"}, True),
        ({"machine_id": "f" * 32}, False),
        ({"machine_id": ""}, False),
    ],
)
def test_a_plan_fits_the_host_of_its_id(changes: dict[str, str], fits: bool) -> None:
    assert WEB.fits(dataclasses.replace(WEB, **changes)) is fits
    assert dataclasses.replace(WEB, **changes).fits(WEB) is fits


@pytest.mark.parametrize(
    ("changes", "fits"), [({}, True), ({"hostname": "db01"}, False), ({"kernel": "5.10"}, False)]
)
def test_without_an_id_all_else_must_agree(changes: dict[str, str], fits: bool) -> None:
    plain = dataclasses.replace(WEB, machine_id="")
    assert plain.fits(dataclasses.replace(plain, **changes)) is fits


def test_nothing_at_all_fits_nothing() -> None:
    nobody = HostIdentity("", "", "", "")
    assert not nobody.fits(nobody)
