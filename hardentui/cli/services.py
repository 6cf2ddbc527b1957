"""The command that prints the matrix of services."""

from __future__ import annotations

import argparse

from hardentui.cli import inputs, output
from hardentui.export import services as export
from hardentui.export import services_json
from hardentui.i18n import _
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.resources.confinement.matrix import Matrix, Service, matrix


def services(options: argparse.Namespace) -> int:
    """What holds each service that runs, or all about one of them."""
    snapshot = inputs.snapshot(options)
    found = matrix(snapshot)
    if isinstance(found, Gap):
        output.complain(explain(found))
        return output.NOT_EVALUATED
    one = _wanted(found, options.unit) if options.unit else None
    if options.json:
        shown = [one] if one else found.services
        output.put(services_json.document(found, shown, snapshot.taken_at) + "\n")
    elif one:
        output.show(export.text(one, output.width()))
        output.show(export.unread(found, output.width()))
    else:
        output.show(export.table(found, output.width()))
    return output.NOT_EVALUATED if found.gaps else 0


def _wanted(found: Matrix, name: str) -> Service:
    """The service that was named.

    Raises:
        CommandError: none of this name runs.
    """
    one = found.service(name)
    unit = f"{name.removesuffix('.service')}.socket"
    if one is None and unit in found.waiting:
        raise output.CommandError(
            _("{name} does not run: systemd listens for it ({unit}), and starts it at the first call").format(
                name=name, unit=unit
            )
        )
    if one is None:
        near = ", ".join([each.unit for each in found.services if name in each.unit][:5])
        hint = _("; did you mean {names}?").format(names=near) if near else ""
        raise output.CommandError(_("no service {name} runs here{hint}").format(name=name, hint=hint))
    return one
