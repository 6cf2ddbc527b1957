"""The tail behind the screen of events: it waits in a thread, sorts what comes, and tells twice a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from hardentui.host.tail import Followable, Stream
from hardentui.record import Record
from hardentui.resources.events.catalogue import EventClass
from hardentui.resources.events.classify import classify
from hardentui.resources.events.told import learned_keys
from hardentui.snapshot import Snapshot
from hardentui.tui.messages import Came

MOST = 200  # records that one message carries: of more, the newest
_EVERY = 0.5  # seconds between two messages at the least
_FLOOD = 50  # lines in a second, from which on the rate is worth a word


class Following:
    """Follows a host until it is stopped. ``stream`` is None until it is open.

    ``snapshot`` knows the keys of this host's own rules of audit.
    """

    def __init__(self, host: Followable, snapshot: Snapshot, tell: Callable[[Came], object]) -> None:
        self.stream: Stream | None = None
        self._host = host
        self._snapshot = snapshot
        self._learned: Mapping[str, EventClass] = {}
        self._tell = tell
        self._stopped = threading.Event()

    def run(self) -> None:
        """Follow; for a worker thread. It ends with ``stop``, or when there is nothing left to follow."""
        self.stream = stream = self._host.tail()
        self._tell(Came())
        self._learned = self._snapshot.derive(learned_keys)
        while not self._stopped.is_set() and stream.stores:
            self._turn(stream)
        stream.close()

    def stop(self) -> None:
        """End it soon, from any thread."""
        self._stopped.set()
        if self.stream is not None:
            self.stream.close()

    def _turn(self, stream: Stream) -> None:
        """Wait for something; gather what comes with it, and tell all of it at once."""
        gaps = len(stream.gaps)
        batch = stream.wait(_EVERY)
        if not batch.count:
            if len(stream.gaps) != gaps:
                self._tell(Came())
            return
        began = time.monotonic()
        found, count = self._sorted(batch.records), batch.count
        while (left := began + _EVERY - time.monotonic()) > 0 and not self._stopped.is_set():
            batch = stream.wait(left)
            found = [*found, *self._sorted(batch.records)][-MOST:]
            count += batch.count
        rate = int(count / _EVERY)
        if found or rate >= _FLOOD:
            self._tell(Came(tuple(found), rate if rate >= _FLOOD else 0))

    def _sorted(self, records: tuple[Record, ...]) -> list[tuple[EventClass, Record]]:
        """The records that belong to a class, each with it."""
        found = ((classify(record, self._learned), record) for record in records)
        return [(kind, record) for kind, record in found if kind is not None]
