"""The machines that the system tests run on: brought up from nothing, taken away in the end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from rig import lab as rig_lab
from rig.lab import Lab
from rig.nspawn import Nspawn, groups_gone
from rig.product import build_layer
from rig.vm import Vm

HERE = Path(__file__).parent
NOTE = "note"  # the property of a report that carries a line for the summary


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.system)
            asked = set(getattr(item, "fixturenames", ()))
            # A worker has one virtual machine at a time; a module may ask for another worker.
            if {"vm", "selinux_vm"} & asked and item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group("vm"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Booting systems takes rights and programs; without them nothing here is skipped in silence."""
    if any(item.get_closest_marker("system") for item in session.items) and (lacking := rig_lab.missing()):
        listing = "\n".join(f"  - {each}" for each in lacking)
        pytest.exit(f"the system tests cannot run here; missing:\n{listing}", returncode=1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was seen, in a few lines that can be quoted."""
    notes = [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == NOTE and getattr(report, "when", "") == "call"
    ]
    if notes:
        terminalreporter.section("what the machines showed")
        for note in notes:
            terminalreporter.write_line(note)


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say a line in the summary of the run."""
    return lambda line: record_property(NOTE, line)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The folder with the tree, the disk and the key."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the finalizers run then, too
    found = Lab.here()
    for name in found.sweep():
        groups_gone(name)
    assert found.tree.is_dir()
    return found


@pytest.fixture(scope="session")
def layer(lab: Lab) -> Iterator[Path]:
    """The product as it stands in this tree, to be laid over a machine."""
    with lab.scratch("layer") as folder:
        build_layer(lab, folder)
        yield folder


@pytest.fixture
def bare(lab: Lab) -> Iterator[Nspawn]:
    """A fresh container without the product."""
    with Nspawn(lab, "bare") as machine:
        yield machine


@pytest.fixture
def host(lab: Lab, layer: Path) -> Iterator[Nspawn]:
    """A fresh container with the product."""
    with Nspawn(lab, "host", [layer]) as machine:
        yield machine


@pytest.fixture
def new_host(lab: Lab, layer: Path) -> Iterator[Callable[[str], Nspawn]]:
    """Fresh containers with the product, as many as are asked for."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(Nspawn(lab, name, [layer]))


@pytest.fixture(scope="session")
def boots() -> list[Future[Vm]]:
    """The virtual machine that was switched on ahead, if any test wants it."""
    return []


@pytest.fixture(scope="session")
def booting_vm(lab: Lab, boots: list[Future[Vm]]) -> Iterator[Future[Vm]]:
    """The one virtual machine, which boots while the containers are at work."""
    machine = Vm(lab, "vm")

    def boot() -> Vm:
        machine.boot()
        return machine

    with ThreadPoolExecutor(1) as pool:
        try:
            boots.append(pool.submit(boot))
            yield boots[0]
        finally:
            machine.stop()


@pytest.fixture(scope="session", autouse=True)
def ahead(request: pytest.FixtureRequest) -> None:
    """Switch the virtual machine on at once if any test of this process will want it."""
    alone = not hasattr(request.config, "workerinput")  # a worker of xdist does not know what it will run
    if alone and any("vm" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("booting_vm")


@pytest.fixture(scope="session")
def booted_vm(booting_vm: Future[Vm], layer: Path) -> Vm:
    """Up, with the product, and remembered in that state."""
    machine = booting_vm.result()
    machine.put_tree(layer)
    machine.save()
    return machine


@pytest.fixture
def vm(booted_vm: Vm) -> Vm:
    """The virtual machine as it was when it had booted."""
    booted_vm.reset()
    return booted_vm


@pytest.fixture(scope="module")
def booted_selinux_vm(lab: Lab, layer: Path, boots: list[Future[Vm]]) -> Iterator[Vm]:
    """One whose kernel runs SELinux, permissive. The other is off meanwhile; its snapshot brings it back."""
    for boot in boots:
        boot.result().crash()
    machine = Vm(lab, "selinux", lab.selinux_disk, "security=selinux")
    try:
        machine.boot()
        machine.put_tree(layer)
        machine.save()
        yield machine
    finally:
        machine.stop()


@pytest.fixture
def selinux_vm(booted_selinux_vm: Vm) -> Vm:
    """The virtual machine with SELinux as it was when it had booted."""
    booted_selinux_vm.reset()
    return booted_selinux_vm
