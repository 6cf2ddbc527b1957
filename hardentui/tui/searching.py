"""The searches of file systems that a person asked for: one after the other, in a thread, until stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from hardentui.assess import assess
from hardentui.host.search import Walk, Walkable
from hardentui.session import Session
from hardentui.snapshot import Cost, FileSurvey, Host, Question, Reason, Snapshot, Survey, Unread
from hardentui.tui.messages import Searched, Searching

T = TypeVar("T")
_EVERY = 0.2  # seconds between looks at whether to stop


class SearchRun:
    """All searches that the recommendations ask for.

    A walk over the files that was stopped leaves what it found, other searches leave no answer.
    """

    def __init__(self, session: Session, tell: Callable[[Searching | Searched], object]) -> None:
        self._session = session
        self._tell = tell
        self._stopped = threading.Event()

    def run(self) -> None:
        """Make them, telling before each one, and what was found after the last. For a worker thread."""
        host = self._session.snapshot.host
        found: dict[Question[Any], tuple[Any, float]] = {}
        wanted = _wanted(self._session)
        for number, question in enumerate(wanted, 1):
            if self._stopped.is_set():
                break
            self._tell(Searching(number, len(wanted), question))
            if isinstance(question, FileSurvey) and isinstance(host, Walkable):
                tell = partial(Searching, number, len(wanted), question)
                found[question] = (self._walked(host.walk(), tell), time.time())
                continue
            answer, at = host.answer(question)
            if self._stopped.is_set():
                break
            found[question] = (answer, at)
        self._tell(Searched(found, len(wanted)))

    def _walked(self, walk: Walk, step: Callable[[int], Searching]) -> Survey | Unread:
        """What a walk found until it ended or was stopped: it says itself how complete it is."""
        walk.start()
        told = 0
        while (found := walk.result(_EVERY)) is None:
            if self._stopped.is_set():
                walk.stop()
            # Said in tens: a counter would write to the terminal all the time.
            if (share := (walk.progress().share or 0) // 10 * 10) > told:
                told = share
                self._tell(step(share))
        return found

    def stop(self) -> None:
        """End the search that is being made, and make no other. From any thread."""
        self._stopped.set()
        stop = getattr(self._session.snapshot.host, "stop_search", None)
        if stop is not None:
            stop()


class _Listening:
    """A host that makes no search, and notes which ones are asked for."""

    def __init__(self, host: Host) -> None:
        self.name, self.label = host.name, host.label
        self.asked: dict[Question[Any], None] = {}
        self._host = host

    def answer(self, question: Question[T]) -> tuple[T | Unread, float]:
        """See snapshot.Host."""
        if question.cost is not Cost.DEMAND:
            return self._host.answer(question)
        self.asked[question] = None
        return Unread(Reason.ON_DEMAND), 0.0


def _wanted(session: Session) -> tuple[Question[Any], ...]:
    listening = _Listening(session.snapshot.host)
    kept = {q: (answer, at) for q, answer, at in session.snapshot.items() if q.cost is not Cost.DEMAND}
    lists = session.checklists
    snapshot = Snapshot(listening, kept, deep=True)
    assess(lists.recommendations, snapshot, session.plan.answers, lists.questions)
    return tuple(listening.asked)
