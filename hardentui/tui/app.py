"""The app: it owns the session, asks workers for facts and saves, and lets the screens show it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.message import Message
from textual.screen import Screen

from hardentui import i18n
from hardentui.errors import InputError
from hardentui.i18n import _
from hardentui.tui import terminal, theme, words
from hardentui.tui.keys import Place, bindings
from hardentui.tui.messages import FactsMoved, NotOpened, NotSaved, Opened, PassFailed, Searched, Searching
from hardentui.tui.opening import Load
from hardentui.tui.screens.base import HardenScreen
from hardentui.tui.screens.overview import OverviewScreen
from hardentui.visible import visible

if TYPE_CHECKING:
    from hardentui.flows.profile import Profile
    from hardentui.guide import Guide
    from hardentui.model import Decision, Finding, Plan
    from hardentui.resources.volume.samples import Samples
    from hardentui.session import Session
    from hardentui.snapshot import Snapshot
    from hardentui.tui.passes import Move, Restless, Watched
    from hardentui.tui.progress import Tally
    from hardentui.tui.searching import SearchRun
    from hardentui.tui.store import PlanStore

TICK_SECONDS = 5.0
USAGE = 2  # the exit status for input that cannot be used, as the command line has it
_SLOW_TICKS = 12  # after so many ticks, what costs more is asked again too


def show(load: Load, language: str, *, deep: bool = False) -> int:
    """Open the screen; what it shows is loaded after the first frame. The exit status.

    What was decided is in the plan file when it ends.
    """
    i18n.use(language)
    refused = terminal.refusal(os.environ)
    if refused:
        _complain(refused)
        return 1
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # Textual takes an empty one for a wish
    app = HardenApp(load, deep=deep)
    app.run()
    status = app.return_code or 0
    for sentence in app.last_words:
        _complain(sentence)
    try:
        app.save_now()
    except InputError as error:
        _complain(_("the last decisions are not saved: {why}").format(why=error))
        return status or 1
    return status


def _complain(sentences: str) -> None:
    for sentence in sentences.splitlines():
        print(visible(sentence), file=sys.stderr)


class HardenApp(App[int]):
    """The screen on one session."""

    CSS_PATH = "hardentui.tcss"
    ENABLE_COMMAND_PALETTE = False  # its words are English only, and it opens for 35 KB
    BINDINGS = bindings(Place.EVERYWHERE)

    def __init__(self, load: Load, *, deep: bool = False, tick_seconds: float = TICK_SECONDS) -> None:
        colours = theme.wanted(os.environ)
        super().__init__(terminal.Driver, ansi_color=True if colours == theme.PLAIN else None)
        for known in theme.THEMES:
            self.register_theme(known)
        self.theme = colours
        self.animation_level = "none"
        self.session: Session | None = None
        self.store: PlanStore | None = None
        self.guides: tuple[Guide, ...] = ()
        self.profiles: tuple[Profile, ...] = ()
        self.moved: dict[str, Move] = {}
        self.trouble = ""
        self.unsaved = ""  # why the plan could not be saved
        self.last_words: list[str] = []
        self._load = load
        self._wish: Callable[[], None] | None = None
        self._deep = deep
        self._tick_seconds = tick_seconds
        self._turn = 0  # a pass that began in an earlier turn saw other answers or another language
        self._passing = False
        self._again: bool | None = None  # whether a pass is wanted after this one, and one that re-reads
        self.searching = ""  # the search that is being made, in words
        self._search: SearchRun | None = None
        self._search_began = ""
        self._ticks = 0
        self._restless: Restless = set()  # a tick's own; passes never overlap
        self._saving = False
        self._tally: Tally | None = None
        self._samples: Samples | None = None

    # --- starting and ending ----------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        """The overview lies below all others."""
        return OverviewScreen()

    def on_mount(self) -> None:
        """Watch the terminal; paint first, then read."""
        if not self.is_headless:
            terminal.watch(self)
        self.call_after_refresh(self.read_all)

    def save_now(self) -> None:
        """Save what is not saved, waiting for it.

        Raises:
            PlanError: it cannot be saved.
        """
        plan = self._worth_saving()
        if plan is not None and self.store is not None:
            self.store.save(plan)

    async def action_leave(self) -> None:
        """End; ``run`` saves what a worker did not save yet. What cannot be saved is said first."""
        from hardentui.tui.screens.saving import SavingScreen  # noqa: PLC0415 - not for the first frame

        if self.unsaved and not isinstance(self.screen, SavingScreen):
            self.action_saving()
        else:
            self.exit(return_code=0)

    def _fatal_error(self) -> None:
        # Textual's own prints the local variables, and with them whatever the host said.
        from rich.segment import Segments  # noqa: PLC0415 - for a crash only
        from rich.traceback import Traceback  # noqa: PLC0415 - for a crash only

        lines = self.console.render(Traceback(show_locals=False), self.console.options)
        self._exit_renderables.append(Segments(lines))
        self._close_messages_no_wait()

    # --- the state --------------------------------------------------------------------------------

    @property
    def tally(self) -> Tally | None:
        """The session as the screens count it; None while the facts are being read."""
        if self.session is None:
            return None
        from hardentui.tui.progress import Tally  # noqa: PLC0415 - not on the way to the first frame

        today = datetime.now().astimezone().date()
        if self._tally is None or self._tally.session is not self.session or self._tally.today != today:
            self._tally = Tally(self.session, today)
        return self._tally

    @property
    def samples(self) -> Samples:
        """What was measured of the logs since the screen opened."""
        from hardentui.resources.volume.samples import Samples  # noqa: PLC0415 - not for the first frame

        if self._samples is None:
            self._samples = Samples()
        if self.session is not None:
            self._samples = self._samples.grown(self.session.snapshot)
        return self._samples

    def show(self) -> None:
        """Let the screen on top show the state; those below do so when they come up."""
        top = self.screen_stack[-1] if self.screen_stack else None  # none while it ends
        if isinstance(top, HardenScreen):
            top.show_state()

    def decide(self, decision: Decision) -> None:
        """Take a decision into the plan."""
        if self.session is not None:
            self.session = self.session.decided(decision)
            self._changed()

    def undo(self, id_: str) -> None:
        """Take the decision about this recommendation back."""
        if self.session is not None:
            self.session = self.session.undecided(id_)
            self._changed()

    def answer(self, question: str, answer: str | None) -> None:
        """Take an answer into the plan, or out of it; the findings follow.

        Raises:
            ValueError: it is no answer to this question; a sentence.
        """
        if self.session is None:
            return
        self.session = replace(self.session, plan=self.session.answering(question, answer))
        self._changed()
        self._pass()

    def _changed(self) -> None:
        self._save()
        self.show()

    # --- facts ------------------------------------------------------------------------------------

    def read_all(self) -> None:
        """Ask the host everything again, or for the first time."""
        self.moved.clear()
        if self.session is not None:
            self._pass(reread=True)
        elif not self._passing:
            self._passing = True
            self._work(self._first_pass)

    def _first_pass(self) -> Message:
        # The worker imports what judges a host: that takes as long as all of Textual.
        from hardentui.tui import passes  # noqa: PLC0415 - see above

        return passes.opened(self._load)

    def when_read(self, wish: Callable[[], None]) -> None:
        """Do this, at once or when the facts are read: of what is wished for until then, the last."""
        if self.session is None:
            self._wish = wish
        else:
            wish()

    def forget_wish(self) -> None:
        """Do nothing when the facts are read."""
        self._wish = None

    def action_search_host(self) -> None:
        """Make the searches that cost too much for every pass; again, to stop them."""
        from hardentui.tui.searching import SearchRun  # noqa: PLC0415 - not on the way to the first frame

        if self._search is not None:
            self._search.stop()
        elif self.session is not None and self.session.snapshot.host.name == "recording":
            self.searching = _("nothing to search: a recording shows the files that were recorded")
            self.show()
        elif self.session is not None:
            self._search = search = SearchRun(self.session, self.post_message)
            self.run_worker(search.run, thread=True, exit_on_error=True)

    def on_searching(self, message: Searching) -> None:
        """Say which one, since when, and how far it is."""
        if message.share is None:
            self._search_began = datetime.now().astimezone().strftime("%H:%M:%S")
        share = "" if message.share is None else f" {message.share} %"
        self.searching = _("searching since {time}, {number} of {count}: {what} (D stops)").format(
            time=self._search_began,
            number=message.number,
            count=message.count,
            what=words.search(message.question) + share,
        )
        self.show()

    def on_searched(self, message: Searched) -> None:
        """Judge again by what was found."""
        self._search, done = None, len(message.found)
        self.searching = ""
        if done < message.count:
            sentence = _("search stopped: {done} of {count} made")
            self.searching = sentence.format(done=done, count=message.count)
        if self.session is not None and message.found:
            snapshot = self.session.snapshot
            for question, (answer, at) in message.found.items():
                snapshot = snapshot.with_answers({question: answer}, at)
            self.session = replace(self.session, snapshot=snapshot)
            self._pass()
        self.show()

    def on_unmount(self) -> None:
        """Leave no search behind: the program would wait for it."""
        if self._search is not None:
            self._search.stop()

    def action_reread(self) -> None:
        """See ``read_all``."""
        self.read_all()
        self.show()

    def _pass(self, *, reread: bool = False) -> None:
        """Work the findings out again. Passes never overlap."""
        from hardentui.tui import passes  # noqa: PLC0415 - not on the way to the first frame

        self._turn += 1
        if self._passing:
            self._again = reread or bool(self._again)
            return
        session, turn = self.session, self._turn
        if session is not None:
            self._passing = True
            self._work(lambda: passes.again(session, turn, reread=reread))

    def _tick(self) -> None:
        from hardentui.tui import passes  # noqa: PLC0415 - as above

        session, turn = self.session, self._turn
        if session is None or self._passing:
            return
        self._ticks += 1
        slow = self._ticks % _SLOW_TICKS == 0
        self._passing = True
        watched = self._watched
        self._work(lambda: passes.tick(session, turn, self._restless, slow=slow, watched=watched))

    @property
    def _watched(self) -> Watched:
        """What the screen on top shows beside findings."""
        top = self.screen_stack[-1] if self.screen_stack else None
        return top.watches if isinstance(top, HardenScreen) else frozenset()

    def _work(self, job: Callable[[], Message]) -> None:
        """Do it in a worker thread; what it returns comes back as a message."""
        self.run_worker(lambda: self.post_message(job()), thread=True, exit_on_error=True)

    def on_opened(self, message: Opened) -> None:
        """The first pass is over."""
        self._passing = False
        self.session, self.store, self.guides = message.session, message.store, message.guides
        self.profiles = message.profiles
        self.show()
        if self._deep:
            self.action_search_host()
        wish, self._wish = self._wish, None
        if wish is not None and isinstance(self.screen, OverviewScreen):
            wish()
        if self.session.snapshot.host.name == "live":
            self.set_interval(self._tick_seconds, self._tick)

    def on_not_opened(self, message: NotOpened) -> None:
        """There is nothing to show: the sentences are printed when the screen is gone."""
        self.last_words.append(message.why)
        self.exit(return_code=USAGE)

    def on_facts_moved(self, message: FactsMoved) -> None:
        """A later pass is over: take its facts, and mark what moved. An outdated one is made again."""
        self._passing = False
        if message.turn == self._turn and message.moved is not None:
            self._take(*message.moved)
        if self._again is not None:
            reread, self._again = self._again, None
            self._pass(reread=reread)

    def _take(self, snapshot: Snapshot, findings: tuple[Finding, ...]) -> None:
        from hardentui.tui import passes  # noqa: PLC0415 - as above

        before = self.session
        if before is None:
            return
        self.session = replace(before, snapshot=snapshot, findings=findings)
        self.moved.update(passes.moves(before, self.session))
        if self._watched or passes.looks(before.findings) != passes.looks(findings):
            self.show()

    def on_pass_failed(self, message: PassFailed) -> None:
        """Say it; the next pass may succeed."""
        self._passing = False
        self.trouble = _("reading failed: {why}").format(why=message.why)
        self.show()

    # --- saving -----------------------------------------------------------------------------------

    def _worth_saving(self) -> Plan | None:
        """The plan, when it says something that is not on disk."""
        plan = self.session.plan if self.session else None
        saved = self.store.saved if self.store else None
        if plan is None or plan == saved:
            return None
        if saved is not None and (saved.answers, saved.decisions) == (plan.answers, plan.decisions):
            return None  # a newer digest or another language alone is not worth a file
        return plan if plan.answers or plan.decisions or saved is not None else None

    def _save(self) -> None:
        """Save in a worker, one save after the other; the newest plan is the last one saved."""
        from hardentui.tui import passes  # noqa: PLC0415 - as above

        plan, store = self._worth_saving(), self.store
        if plan is None or store is None or self._saving:
            return
        self._saving = True
        self._work(lambda: passes.save(store, plan))

    def on_saved(self) -> None:
        """Go on with what was decided meanwhile."""
        self._saving = False
        self.unsaved = ""
        self._save()
        self.show()

    def on_not_saved(self, message: NotSaved) -> None:
        """Say it on every screen until a save succeeds. The next decision tries again."""
        self._saving = False
        self.unsaved = message.why
        if self.session is not None and self.session.plan != message.plan:
            self._save()
        self.show()

    def action_saving(self) -> None:
        """What is to be done about a plan that could not be saved."""
        from hardentui.tui.screens.saving import SavingScreen  # noqa: PLC0415 - not for the first frame

        if self.unsaved and not isinstance(self.screen, SavingScreen):
            self.push_screen(SavingScreen())

    def go_on_with(self, session: Session, store: PlanStore) -> None:
        """This plan, kept there, from now on; the findings follow its answers."""
        self.session, self.store = session, store
        self.unsaved = ""
        self._changed()
        self._pass()

    # --- keys that work everywhere ----------------------------------------------------------------

    def action_language(self) -> None:
        """The other language, at once; the findings' own words follow with the next pass."""
        names = i18n.LANGUAGES
        i18n.use(names[(names.index(i18n.language()) + 1) % len(names)])
        if self.session is not None:
            plan = replace(self.session.plan, language=i18n.language())
            self.session = replace(self.session, plan=plan)
            self._pass()
        self.show()

    def action_next_theme(self) -> None:
        """Dark, light, high contrast; without colours there is nothing to choose."""
        self.theme = theme.after(self.theme)
        self.show()

    def action_help(self) -> None:
        """The table of keys."""
        from hardentui.tui.screens.help import HelpScreen  # noqa: PLC0415 - not on the way to the first frame

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_questions(self, question: str = "") -> None:
        """The questions, at this one."""
        self.when_read(lambda: self._open_questions(question))

    def _open_questions(self, question: str) -> None:
        from hardentui.tui.screens.questions import QuestionsScreen  # noqa: PLC0415 - as above

        if not isinstance(self.screen, QuestionsScreen):
            self.push_screen(QuestionsScreen(question))

    def action_plan(self) -> None:
        """The plan review."""
        self.when_read(self._open_plan)

    def _open_plan(self) -> None:
        from hardentui.tui.screens.plan import PlanScreen  # noqa: PLC0415 - as above

        if not isinstance(self.screen, PlanScreen):
            self.push_screen(PlanScreen())

    def action_guide(self) -> None:
        """A guide's own list of recommendations."""
        self.when_read(self._open_guide)

    def _open_guide(self) -> None:
        from hardentui.tui.screens.guide import GuideScreen  # noqa: PLC0415 - as above

        if self.guides and not isinstance(self.screen, GuideScreen):
            self.push_screen(GuideScreen())

    def action_services(self) -> None:
        """The matrix of services."""
        self.when_read(self._open_services)

    def _open_services(self) -> None:
        from hardentui.tui.screens.services import ServicesScreen  # noqa: PLC0415 - as above

        if not isinstance(self.screen, ServicesScreen):
            self.push_screen(ServicesScreen())

    def action_volume(self) -> None:
        """How fast the logs grow."""
        self.when_read(self._open_volume)

    def _open_volume(self) -> None:
        from hardentui.tui.screens.volume import VolumeScreen  # noqa: PLC0415 - as above

        if not isinstance(self.screen, VolumeScreen):
            self.push_screen(VolumeScreen())

    def action_events(self) -> None:
        """What is recorded, and the events as they come."""
        self.when_read(self._open_events)

    def _open_events(self) -> None:
        from hardentui.tui.screens.events import EventsScreen  # noqa: PLC0415 - as above

        if not isinstance(self.screen, EventsScreen):
            self.push_screen(EventsScreen())

    def action_flows(self) -> None:
        """The matrix of flows."""
        self.when_read(self._open_flows)

    def _open_flows(self) -> None:
        from hardentui.tui.screens.flows import FlowsScreen  # noqa: PLC0415 - as above

        if not isinstance(self.screen, FlowsScreen):
            self.push_screen(FlowsScreen())

    def open_chapter(self, chapter: str, at: str = "") -> None:
        """Walk a chapter, at this recommendation, in place of the screen that walks another."""
        from hardentui.tui.screens.chapter import ChapterScreen  # noqa: PLC0415 - as above

        if self.session is None:
            return
        if isinstance(self.screen, ChapterScreen):
            self.pop_screen()
        self.push_screen(ChapterScreen(chapter, at))
