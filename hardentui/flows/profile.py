"""The nouns of application profiles: who speaks with whom, at which ports, and how open that should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from hardentui.i18n import N_
from hardentui.model import Choice, Document, Erratum, Question, Source, Text
from hardentui.resources.firewall.policy import PROTOCOLS, Protocol, parse_ports, span_text

LIBRARY = "components"  # the profile whose components others build on
ANY = "any"


class Phase(StrEnum):
    """When a flow is needed."""

    INSTALL = N_("install")
    ADMINISTRATION = N_("administration")
    USE = N_("use")
    EVENTS = N_("events")


class Exposure(StrEnum):
    """How open a port should be."""

    CLOSED = N_("closed")  # loopback, or nobody
    RESTRICTED = N_("restricted")  # to the machines that are named
    OPEN = "open"  # to everybody who uses the application
    ABSENT = N_("absent")  # nothing should listen there any more

    @property
    def word(self) -> str:
        """The word that a reader is told."""
        return N_("open to all") if self is Exposure.OPEN else self.value


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of one protocol: numbers, and ranges with both ends."""

    protocol: Protocol
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, protocol: str, text: str) -> Ports:
        """From "8080,8443" or "35672-35682".

        Raises:
            ValueError: it is no list of ports, or no such protocol; a sentence.
        """
        spoken = next((known for known in PROTOCOLS if known == protocol), None)
        if spoken is None:
            raise ValueError(f"expected {' or '.join(PROTOCOLS)}, found {protocol!r}")
        return cls(spoken, parse_ports(text))

    def holds(self, protocol: str, port: int) -> bool:
        """Whether a port is one of these."""
        return protocol == self.protocol and any(low <= port <= high for low, high in self.spans)

    def within(self, others: Iterable[Ports]) -> bool:
        """Whether all of these ports are among those of others."""
        known = [span for one in others if one.protocol == self.protocol for span in one.spans]
        return all(any(a <= low and high <= b for a, b in known) for low, high in self.spans)

    @property
    def numbers(self) -> str:
        """The ports alone, as ``parse`` reads them."""
        return ",".join(span_text(*span) for span in self.spans)

    def __str__(self) -> str:
        return f"{self.protocol} {self.numbers}"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a component: who should reach it alone and in a cluster, and its encrypted alternative."""

    id: str
    title: Text
    ports: Ports
    single: Exposure
    cluster: Exposure
    tls: Text | None = None
    versions: tuple[str, ...] = ()  # of the application; () for all
    errata: tuple[Erratum, ...] = ()
    upstream: bool = False  # named by the makers of the program, not by the source of the profile


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a component is told on which address to listen, and what to say there."""

    file: str
    key: str
    single: str
    cluster: str
    text: Text


@dataclass(frozen=True, slots=True)
class Component:
    """A program of an application, with its ports and the advice about it."""

    id: str
    title: Text
    text: Text
    ports: tuple[Port, ...]
    settings: tuple[Setting, ...] = ()
    cited: tuple[Source, ...] = ()
    errata: tuple[Erratum, ...] = ()


@dataclass(frozen=True, slots=True)
class Object:
    """Machines that the matrix speaks of by one name; the admin says which they are here.

    ``question`` is the id of the question about their addresses; ``role`` says that this host may be one;
    ``seen`` names what the host itself shows of them.
    """

    id: str
    title: Text
    text: Text
    question: str
    role: bool = False
    proposed: str = ""
    seen: str = ""
    upstream: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """One line of a flow matrix.

    ``needs`` names what must be seen on a host for it to be proposed; where a process called ``program``
    listens here, its ports take the place of ``ports``.
    """

    id: str
    title: Text
    origins: tuple[str, ...]  # ids of objects
    destinations: tuple[str, ...]
    ports: Ports
    phase: Phase
    component: str = ""
    versions: tuple[str, ...] = ()
    tls: Text | None = None
    text: Text | None = None
    upstream: bool = False
    needs: str = ""
    program: str = ""
    cited: tuple[Source, ...] = ()
    errata: tuple[Erratum, ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """What a vendor asks of the host that weakens it, what to do instead, and for how long to bear it."""

    id: str
    title: Text
    says: Text
    instead: Text
    recommendation: str  # the id of the recommendation that is waived meanwhile
    reason: Text
    months: int
    cited: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Profile:
    """An application: versions, objects, components, flows. Never a complete list: the sources say so."""

    id: str
    title: Text
    text: Text
    version: str
    documents: tuple[Document, ...] = ()
    versions: tuple[Choice, ...] = ()
    objects: tuple[Object, ...] = ()
    components: tuple[Component, ...] = ()
    flows: tuple[Flow, ...] = ()
    clauses: tuple[Clause, ...] = ()
    questions: tuple[Question, ...] = field(default=())

    @property
    def version_question(self) -> str:
        """The id of the question about the version; "" where there is one version only."""
        return f"{self.id}-version" if self.versions else ""

    @property
    def roles_question(self) -> str:
        """The id of the question which of the objects this host is."""
        return f"{self.id}-roles"

    def object(self, id_: str) -> Object | None:
        """The object of this id."""
        return next((one for one in self.objects if one.id == id_), None)

    def component(self, id_: str) -> Component | None:
        """The component of this id."""
        return next((one for one in self.components if one.id == id_), None)

    def flows_of(self, version: str) -> Iterator[Flow]:
        """The flows of a version of the application."""
        return (one for one in self.flows if not one.versions or version in one.versions)

    def ports_of(self, version: str) -> Iterator[tuple[Component, Port]]:
        """The ports of a version, each with its component."""
        return (
            (component, port)
            for component in self.components
            for port in component.ports
            if not port.versions or version in port.versions
        )
