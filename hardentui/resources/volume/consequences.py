"""What happens when a file system of logs is full: a sentence for each that writes there."""

from __future__ import annotations

from hardentui.i18n import _
from hardentui.resources.volume.forecast import LogSystem
from hardentui.resources.volume.words import amount
from hardentui.snapshot import Snapshot


def when_full(snapshot: Snapshot, system: LogSystem) -> tuple[str, ...]:  # noqa: ARG001
    """What happens then, what concerns most of the host first."""
    return (_alone(system), *_reserve(system))


def _alone(system: LogSystem) -> str:
    if system.own:
        return _("{path} is for logs alone: when it is full, logs are lost, and the services go on").format(
            path=system.path
        )
    return _(
        "{path} is not for logs alone: when it is full, every service that writes there fails, "
        "databases and updates too, and nobody may be able to log in"
    ).format(path=system.path)


def _reserve(system: LogSystem) -> tuple[str, ...]:
    reserved = system.usage.reserved if system.usage else 0
    if reserved <= 0:
        return ()
    return (
        _("{size} more are kept for root: its services write on a while longer than others").format(
            size=amount(reserved)
        ),
    )
