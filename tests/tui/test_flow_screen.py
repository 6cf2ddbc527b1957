"""The matrix of flows on the screen: choose, bind, look, add, acknowledge, decide; legible at 80x24."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from core.applications import ADMIN, ANSWERS, CHECKLISTS, LDAP, PROFILES, SSH, host
from textual.pilot import Pilot

from hardentui.flows.bindings import asking
from hardentui.flows.draft import ADDED, DECISION
from hardentui.model import Action, Plan
from hardentui.plan import PlanFile
from hardentui.resources.firewall.policy import parse
from hardentui.session import identity
from hardentui.snapshot import Connections, Snapshot, Socket
from hardentui.tui.app import HardenApp
from hardentui.tui.opening import Opening
from hardentui.tui.screens.flows import FlowsScreen, View
from hardentui.tui.widgets.plain import Page
from tui.house import ready, screen_text, typed, until

SIZES = [(80, 24), (120, 36)]


def app_on(folder: Path, on: Any, answers: dict[str, str] | None = None, **options: Any) -> HardenApp:
    """The app with the shipped chapter and profiles; the plan holds these answers."""
    on.files["/usr/sbin/nft"] = "a program"
    path = folder / "plan.toml"
    given = ANSWERS if answers is None else answers
    plan = Plan(identity(Snapshot(on)), CHECKLISTS.digest, "en", given)
    PlanFile(path, plan, "").save(plan)
    opening = Opening(CHECKLISTS, on, PlanFile.read(path), path, (), PROFILES)
    return HardenApp(lambda: opening, **options)


async def opened(pilot: Pilot[int]) -> FlowsScreen:
    """The screen, with the flows worked out."""
    await ready(pilot)
    await pilot.press("P")
    await until(pilot, lambda: isinstance(pilot.app.screen, FlowsScreen) and pilot.app.screen.table.keys)
    screen = pilot.app.screen
    assert isinstance(screen, FlowsScreen)
    return screen


async def view(pilot: Pilot[int], wanted: View) -> FlowsScreen:
    """The screen with another view."""
    screen = pilot.app.screen
    assert isinstance(screen, FlowsScreen)
    while screen._view is not wanted:
        await pilot.press("v")
    return screen


async def at(pilot: Pilot[int], screen: FlowsScreen, key: str) -> None:
    """Put the cursor on a row, and wait for its detail."""
    assert screen.table.go_to(key), screen.table.keys
    await pilot.pause(0.2)


def detail(screen: FlowsScreen) -> str:
    return screen.query_one("#detail", Page).shown.plain


def saved(folder: Path) -> Plan:
    return PlanFile.read(folder / "plan.toml").plan


def headings(app: HardenApp) -> str:
    """The line above the rows."""
    return next(line for line in screen_text(app).splitlines() if line.startswith("Port"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_the_matrix_is_legible(tmp_path: Path, size: tuple[int, int], language: str) -> None:
    async with app_on(tmp_path, host(connections=(ADMIN, LDAP))).run_test(size=size) as pilot:
        await ready(pilot)
        if language == "fr":
            await pilot.press("L")
        screen = await opened(pilot)
        words = {"en": ("passes 1", "Users"), "fr": ("Utilisateurs",)}[language]
        await until(pilot, lambda: all(word in screen_text(pilot.app) for word in words))
        assert "22/tcp sshd" in screen_text(pilot.app)
        assert "8443/tcp nginx" in screen_text(pilot.app)
        assert all(len(line) <= size[0] for line in screen_text(pilot.app).splitlines())
        await until(pilot, lambda: "ssh.service" in detail(screen))
        assert "never complete" in screen_text(pilot.app) or language == "fr"


async def test_columns_move_and_the_port_stays(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(60, 24)) as pilot:
        await opened(pilot)
        assert headings(pilot.app).startswith("Port")
        assert "others" in headings(pilot.app)
        assert "SNMP" not in headings(pilot.app)
        await pilot.press("l", "l", "l", "l", "l", "l")
        assert headings(pilot.app).startswith("Port")
        assert "SNMP" in headings(pilot.app)
        await pilot.press("h", "h", "h", "h", "h", "h")
        assert "others" in headings(pilot.app)


async def test_only_what_should_be_looked_at_and_a_word(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        everything = screen.table.keys
        await pilot.press("f")
        assert "in tcp 27017" in everything
        assert "in tcp 27017" not in screen.table.keys
        await pilot.press("f", "slash", *"events", "enter")
        assert set(screen.table.keys) == {"in udp 162", "in tcp 5672", "in tcp 8080", "in tcp 8443"}


async def test_from_no_answer_to_the_policy_in_the_plan(tmp_path: Path) -> None:
    async with app_on(tmp_path, host(), {}).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await view(pilot, View.WHO)
        await at(pilot, screen, "question applications")
        await pilot.press("enter", *["backspace"] * 6)
        await typed(pilot, "canopsis")
        await pilot.press("enter")
        await until(pilot, lambda: "question canopsis-version" in screen.table.keys)
        await at(pilot, screen, "question canopsis-version")
        await pilot.press("enter")
        await until(pilot, lambda: saved(tmp_path).answers.get("canopsis-version") == "packages")
        await at(pilot, screen, "question canopsis-roles")
        await pilot.press("enter", "enter")  # what is proposed: the host of the application
        await until(pilot, lambda: saved(tmp_path).answers.get("canopsis-roles") == "canopsis")
        for question, answer in (("canopsis-users", "10.1.0.0/16"), ("administrators", "10.0.0.0/24")):
            await at(pilot, screen, f"question {question}")
            await pilot.press("enter")
            await typed(pilot, answer)
            await pilot.press("enter")
            await until(pilot, lambda a=answer: a in screen_text(pilot.app))
        await until(pilot, lambda: "canopsis.users-web" in screen._draft.text)
        await pilot.press("a")
        await until(pilot, lambda: saved(tmp_path).decision(DECISION) is not None)
        decision = saved(tmp_path).decision(DECISION)
        assert decision.action is Action.APPLY
        assert "in tcp 8080,8443 from 10.1.0.0/16 canopsis.users-web" in decision.target.splitlines()
        assert "in the plan" in screen_text(pilot.app)
        await view(pilot, View.MATRIX)
        await pilot.press("u")
        await until(pilot, lambda: saved(tmp_path).decision(DECISION) is None)


async def test_an_answer_that_does_not_fit_is_said(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await view(pilot, View.WHO)
        await at(pilot, screen, "question canopsis-ldap")
        await pilot.press("enter")
        await typed(pilot, "10.0.0.0/99")
        await pilot.press("enter")
        assert screen.has_class("asking")
        assert "does not fit" in screen_text(pilot.app)
        await pilot.press("escape")
        assert not screen.has_class("asking")
        assert "canopsis-ldap" not in saved(tmp_path).answers


async def test_an_application_that_nobody_knows_is_said(tmp_path: Path) -> None:
    async with app_on(tmp_path, host(), {}).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await view(pilot, View.WHO)
        await at(pilot, screen, "question applications")
        await pilot.press("enter")
        await typed(pilot, "canopsis")  # behind what is proposed
        await pilot.press("enter")
        assert screen.has_class("asking")
        assert "'coursecanopsis' is not known" in screen_text(pilot.app)
        assert "applications" not in saved(tmp_path).answers


async def test_what_would_be_cut_is_acknowledged_or_added(tmp_path: Path) -> None:
    ntp = replace(LDAP, protocol="udp", peer="192.0.2.123", peer_port=123, process="ntpd", unit="")
    async with app_on(tmp_path, host(connections=(ADMIN, LDAP, ntp))).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("a")
        assert saved(tmp_path).decision(DECISION) is None
        assert "would cut" in screen_text(pilot.app)
        await pilot.press("c")
        await typed(pilot, "the directory moves")
        await pilot.press("enter")
        await until(pilot, lambda: screen._draft.policy.cuts)
        # The time server has its flow already: this host is seen to use it.
        await pilot.press("a")
        await until(pilot, lambda: saved(tmp_path).decision(DECISION) is not None)
        policy = parse(saved(tmp_path).decision(DECISION).target)
        assert [cut.reason for cut in policy.cuts] == ["the directory moves"]
        assert any(permit.name == "course.ntp" for permit in policy.permits)


async def test_a_policy_that_locks_its_administrator_out_is_permitted_or_meant(tmp_path: Path) -> None:
    app = app_on(tmp_path, host(connections=()), {"applications": "course"})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        shown = " ".join(screen_text(app).split())
        assert "sshd listens on tcp 22 (IPv4), and no line of the policy lets anybody in" in shown
        await pilot.press("a")
        assert saved(tmp_path).decision(DECISION) is None
        assert "(+: permit it; c: say why)" in " ".join(screen_text(app).split())
        await pilot.press("c")
        assert "cut in tcp 22 any" in screen.table.current
        await until(pilot, lambda: "This is how administrators come in" in detail(screen))
        await typed(pilot, "a console is at hand")
        await pilot.press("enter")
        await until(pilot, lambda: screen._draft.policy.cuts)
        assert "sshd listens" not in screen_text(app)
        await pilot.press("a")
        await until(pilot, lambda: saved(tmp_path).decision(DECISION) is not None)
        assert "cut in tcp 22 any: a console is at hand" in saved(tmp_path).decision(DECISION).target


async def test_a_flow_is_added_and_kept_with_the_plan(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("plus")
        await typed(pilot, "in tcp 9100 from 10.0.0.7")
        await pilot.press("enter")
        assert "does not fit" in screen_text(pilot.app)
        await typed(pilot, " site.metrics")
        await pilot.press("enter")
        await until(pilot, lambda: "in tcp 9100" in screen.table.keys)
        assert saved(tmp_path).answers[ADDED] == "in tcp 9100 from 10.0.0.7 site.metrics"


async def test_the_policy_is_shown_line_by_line_with_what_its_lines_are_for(tmp_path: Path) -> None:
    async with app_on(tmp_path, host()).run_test(size=(120, 36)) as pilot:
        screen = await opened(pilot)
        await view(pilot, View.POLICY)
        line = "policy in tcp 5672 from 10.2.0.5 canopsis.events-amqp"
        await at(pilot, screen, line)
        await until(pilot, lambda: "Every connector publishes here" in detail(screen))


async def test_what_the_vendor_asks_is_borne_for_a_time(tmp_path: Path) -> None:
    from core.test_openings import CHECKLISTS as ALL

    on = host()
    path = tmp_path / "plan.toml"
    lists = asking(ALL, PROFILES)
    plan = Plan(identity(Snapshot(on)), lists.digest, "en", ANSWERS)
    PlanFile(path, plan, "").save(plan)
    app = HardenApp(lambda: Opening(lists, on, PlanFile.read(path), path, (), PROFILES))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await view(pilot, View.POLICY)
        await at(pilot, screen, "clause selinux")
        await until(pilot, lambda: "Permissive at the least, never disabled" in detail(screen))
        await pilot.press("w")
        await until(pilot, lambda: saved(tmp_path).decisions)
        decision = saved(tmp_path).decision("selinux.enforcing")
        assert decision.action is Action.WAIVE
        assert decision.until is not None
        assert "Canopsis does not support SELinux" in decision.reason


async def test_connections_are_counted_live(tmp_path: Path) -> None:
    on = host(connections=(ADMIN,))
    on.replays = False
    async with app_on(tmp_path, on, tick_seconds=0.05).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: "= passes 1" in screen_text(pilot.app))
        on.answers[Connections] = (ADMIN, replace(ADMIN, peer_port=50222), LDAP)
        await until(pilot, lambda: "= passes 2" in screen_text(pilot.app))
        await until(pilot, lambda: any("389" in key for key in screen.table.keys))


async def test_no_host_draws_on_the_screen(tmp_path: Path) -> None:
    evil = "[@click=app.quit]q[/]\x1b[2J"
    odd = Socket("tcp", "0.0.0.0", 4444, evil, 66, evil, evil)
    calls = replace(LDAP, process=evil, unit=evil)
    async with app_on(tmp_path, host(sockets=(SSH, odd), connections=(calls,))).run_test(
        size=(80, 24)
    ) as pilot:
        screen = await opened(pilot)
        await at(pilot, screen, "in tcp 4444")
        await until(pilot, lambda: "[@click=app.quit]" in detail(screen))
        assert "\x1b[2J" not in screen_text(pilot.app)


async def test_two_thousand_listeners_stand_in_one_list(tmp_path: Path) -> None:
    many = tuple(
        Socket("tcp", "0.0.0.0", 10000 + n, f"service{n}", 100 + n, "root", f"s{n}.service")
        for n in range(2000)
    )
    async with app_on(tmp_path, host(sockets=(SSH, *many))).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        assert len(screen.table.keys) > 2000
        for _page in range(20):
            await pilot.press("pagedown")
        assert screen.table.cursor_row > 100  # how long that takes, the benchmark says
        await pilot.press("ctrl+end")
        assert screen.table.cursor_row == len(screen.table.keys) - 1


async def test_who_is_left_out_is_said_before_the_policy_is_put_into_the_plan(tmp_path: Path) -> None:
    app = app_on(tmp_path, host(connections=()), {"applications": "course"})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        assert screen._view is View.MATRIX
        assert "left out: course.ssh" in " ".join(screen_text(app).split())
