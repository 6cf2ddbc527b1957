"""Application profiles from TOML (applications/*.toml beside the checklists); mistakes are a checklist's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from hardentui import answers
from hardentui.checklist import ID, read_text
from hardentui.flows.profile import (
    LIBRARY,
    Clause,
    Component,
    Exposure,
    Flow,
    Object,
    Phase,
    Port,
    Ports,
    Profile,
    Setting,
)
from hardentui.model import Choice, Document, Erratum, Question, Source, Text
from hardentui.tables import MistakesError, Report, Table, read_toml

FORMAT = 1
FOLDER = "applications"
NEEDS = ("dhcp", "ntp", "relp")  # what must be seen on a host for a flow to be proposed
SEEN = ("resolvers", "time-servers", "log-servers")  # what a host shows of an object without being asked
_NO_PORTS = Ports("tcp", ())


class _Named(Protocol):
    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=_Named)


def paths(folders: Iterable[Path]) -> list[Path]:
    """The files of profiles that stand in these folders of checklists."""
    return [path for folder in folders for path in sorted((folder / FOLDER).glob("*.toml"))]


def load(folders: Iterable[Path]) -> tuple[Profile, ...]:
    """The profiles of these folders, the library of components first.

    Raises:
        MistakesError: with every mistake of every file.
    """
    return load_files(paths(folders))


def load_files(files: Iterable[Path], beside: Iterable[Profile] = ()) -> tuple[Profile, ...]:
    """The profiles of these files, as ``load``; they may build on the components of those ``beside``."""
    mistakes: list[str] = []
    tops: list[Table] = []
    for path in files:
        try:
            text, data = read_toml(path)
        except MistakesError as error:
            mistakes += error.mistakes
            continue
        tops.append(Table(Report(str(path), text), data))
    library = {c.id: c for profile in beside if profile.id == LIBRARY for c in profile.components}
    found: dict[str, Profile] = {}
    for top in sorted(tops, key=lambda one: one.rest().get("application") != LIBRARY):
        profile = _Reader(top, library).profile()
        if profile.id in found:
            top.wrong("application", f"{profile.id!r} stands already in another file")
        found[profile.id] = profile
        if profile.id == LIBRARY:
            library |= {component.id: component for component in profile.components}
        mistakes += top.report.mistakes
    if mistakes:
        raise MistakesError(mistakes)
    return tuple(found.values())


class _Reader:
    """Reads one profile, holding what its tables may refer to."""

    def __init__(self, top: Table, library: Mapping[str, Component]) -> None:
        self._top = top
        self._library = library
        self._name = top.string("application")
        self._documents = tuple(_document(name, table) for name, table in top.named_tables("documents"))
        self._versions = tuple(_choice(table) for table in top.tables("versions"))
        self._objects = self._all("objects", self._object)
        self._components = self._all("components", self._component)

    def profile(self) -> Profile:
        """All of it; what is wrong stands in the report."""
        top = self._top
        found = top.get("format", int)
        if found != FORMAT:
            top.wrong("format", f"expected {FORMAT}, found {found}")
        if "application" in top and not ID.fullmatch(self._name):
            top.wrong(
                "application", f"expected lower-case words joined by dots and dashes, found {self._name!r}"
            )
        if len(self._versions) == 1:
            top.wrong("versions", "expected two versions at least, or none")
        top.strings("covers")
        profile = Profile(
            id=self._name,
            title=read_text(top, "title"),
            text=read_text(top, "text"),
            version=top.string("version"),
            documents=self._documents,
            versions=self._versions,
            objects=self._objects,
            components=self._components,
            flows=self._all("flows", self._flow),
            clauses=self._all("clauses", self._clause),
        )
        top.close()
        return replace(profile, questions=tuple(questions(profile)))

    def _all(self, name: str, read: Callable[[Table], N]) -> tuple[N, ...]:
        """What ``read`` makes of each table of an array; an id stands once."""
        found: dict[str, N] = {}
        for table in self._top.tables(name):
            one = read(table)
            if "id" in table and not ID.fullmatch(one.id):
                table.wrong("id", f"expected lower-case words joined by dots and dashes, found {one.id!r}")
            if one.id in found:
                table.wrong("id", f"{one.id!r} stands twice in this file")
            table.strings("covers")
            table.close()
            found[one.id] = one
        return tuple(found.values())

    def _object(self, table: Table) -> Object:
        id_ = table.string("id")
        seen = table.string("seen", "")
        if seen and seen not in SEEN:
            table.wrong("seen", f"expected one of {', '.join(SEEN)}, found {seen!r}")
        proposed = table.string("proposed", "")
        question = table.string("question", f"{self._name}-{id_}")
        one = Object(
            id=id_,
            title=read_text(table, "title"),
            text=read_text(table, "text"),
            question=question,
            role=table.get("role", bool, default=False),
            proposed=proposed,
            seen=seen,
            upstream=table.get("upstream", bool, default=False),
        )
        if proposed and not answers.fits(bound(one), proposed):
            table.wrong("proposed", f"{proposed!r} is no list of addresses, networks or names")
        return one

    def _component(self, table: Table) -> Component:
        of = table.string("of", "")
        known = self._library.get(of)
        if of and known is None:
            names = ", ".join(sorted(self._library)) or "none"
            table.wrong("of", f"unknown component {of!r}; known in {LIBRARY}.toml: {names}")
        ports = tuple(self._port(inner) for inner in table.tables("ports"))
        settings = tuple(_setting(inner) for inner in table.tables("settings"))
        text = read_text(table, "text") if "text" in table or known is None else known.text
        title = read_text(table, "title") if "title" in table or known is None else known.title
        return Component(
            id=table.string("id"),
            title=title,
            text=text,
            ports=ports or (known.ports if known else ()),
            settings=settings or (known.settings if known else ()),
            cited=self._sources(table),
            errata=_errata(table),
        )

    def _port(self, table: Table) -> Port:
        either = Exposure.RESTRICTED
        port = Port(
            id=table.string("id"),
            title=read_text(table, "title"),
            ports=_ports(table),
            single=table.choice("single", Exposure, either),
            cluster=table.choice("cluster", Exposure, either),
            tls=read_text(table, "tls") if "tls" in table else None,
            versions=self._of_versions(table),
            errata=_errata(table),
            upstream=table.get("upstream", bool, default=False),
        )
        table.strings("covers")
        table.close()
        return port

    def _flow(self, table: Table) -> Flow:
        component = table.string("component", "")
        flow = Flow(
            id=table.string("id"),
            title=read_text(table, "title"),
            origins=self._ends(table, "from"),
            destinations=self._ends(table, "to"),
            ports=_ports(table),
            phase=table.choice("phase", Phase),
            component=component,
            versions=self._of_versions(table),
            tls=read_text(table, "tls") if "tls" in table else None,
            text=read_text(table, "text") if "text" in table else None,
            upstream=table.get("upstream", bool, default=False),
            needs=table.string("needs", ""),
            program=table.string("program", ""),
            cited=self._sources(table),
            errata=_errata(table),
        )
        if flow.needs and flow.needs not in NEEDS:
            table.wrong("needs", f"expected one of {', '.join(NEEDS)}, found {flow.needs!r}")
        known = next((one for one in self._components if one.id == component), None)
        if component and known is None:
            names = ", ".join(one.id for one in self._components) or "none"
            table.wrong("component", f"unknown component {component!r}; in this file: {names}")
        elif known is not None and not flow.ports.within(port.ports for port in known.ports):
            has = "; ".join(str(port.ports) for port in known.ports) or "none"
            table.wrong("ports", f"{flow.ports} are no ports of {component}; it has {has}")
        return flow

    def _ends(self, table: Table, name: str) -> tuple[str, ...]:
        named = table.strings(name)
        known = [one.id for one in self._objects]
        for position, one in enumerate(named):
            if one not in known:
                table.report.add(
                    (*table.key, name, position),
                    f"unknown object {one!r}; in this file: {', '.join(known) or 'none'}",
                )
        if not named:
            table.wrong(name, "expected at least one object")
        return named

    def _of_versions(self, table: Table) -> tuple[str, ...]:
        named = table.strings("versions")
        known = [one.id for one in self._versions]
        for position, one in enumerate(named):
            if one not in known:
                table.report.add(
                    (*table.key, "versions", position),
                    f"unknown version {one!r}; in this file: {', '.join(known) or 'none'}",
                )
        return named

    def _clause(self, table: Table) -> Clause:
        return Clause(
            id=table.string("id"),
            title=read_text(table, "title"),
            says=read_text(table, "says"),
            instead=read_text(table, "instead"),
            recommendation=table.string("recommendation"),
            reason=read_text(table, "reason"),
            months=self._months(table),
            cited=self._sources(table),
        )

    @staticmethod
    def _months(table: Table) -> int:
        months = table.get("months", int)
        if "months" in table and months < 1:
            table.wrong("months", f"expected one month at least, found {months}")
        return months

    def _sources(self, table: Table) -> tuple[Source, ...]:
        found = []
        known = {document.id for document in self._documents}
        for position, written in enumerate(table.strings("sources")):
            document, colon, place = written.partition(":")
            if not colon or document not in known:
                table.report.add(
                    (*table.key, "sources", position),
                    f"expected DOCUMENT:PLACE with a document of {', '.join(sorted(known))}, "
                    f"found {written!r}",
                )
            found.append(Source(document, place))
        return tuple(found)


def questions(profile: Profile) -> Iterator[Question]:
    """What a person is asked about an application: its version, what this host is, and who is who."""
    name = profile.title
    if profile.versions:
        yield Question(
            profile.version_question,
            Text(f"{name.en}: which version?", f"{name.fr} : quelle version ?"),
            Text(
                "Ports and flows changed between versions.",
                "Des ports et des flux ont changé d'une version à l'autre.",
            ),
            profile.versions,
        )
    roles = [one.id for one in profile.objects if one.role]
    if roles:
        listed = ", ".join(roles)
        yield Question(
            profile.roles_question,
            Text(f"{name.en}: what is this host?", f"{name.fr} : qu'est cette machine ?"),
            Text(
                f"Only the flows that begin or end here concern its firewall. Several with commas: {listed}.",
                "Seuls les flux qui partent d'ici ou y arrivent concernent son pare-feu. "
                f"Plusieurs avec des virgules : {listed}.",
            ),
            format="words",
            proposed=roles[0],
            names=tuple(roles),
        )
    yield from (bound(one) for one in profile.objects)


def bound(one: Object) -> Question:
    """The question for the addresses of an object."""
    return Question(one.question, one.title, one.text, format="networks", proposed=one.proposed)


def _document(id_: str, table: Table) -> Document:
    document = Document(id_, table.string("title"), table.string("edition"), table.string("licence", ""))
    table.close()
    return document


def _choice(table: Table) -> Choice:
    choice = Choice(table.string("id"), Text(table.string("en"), table.string("fr")))
    table.strings("covers")
    table.close()
    return choice


def _ports(table: Table) -> Ports:
    protocol, written = table.string("protocol"), table.string("ports")
    if not protocol or not written:
        return _NO_PORTS  # noted as missing already
    return table.attempt("ports", lambda: Ports.parse(protocol, written), _NO_PORTS)


def _setting(table: Table) -> Setting:
    setting = Setting(
        file=table.string("file"),
        key=table.string("key"),
        single=table.string("single"),
        cluster=table.string("cluster"),
        text=read_text(table, "text"),
    )
    table.close()
    return setting


def _errata(table: Table) -> tuple[Erratum, ...]:
    found = []
    for inner in table.tables("errata"):
        found.append(
            Erratum(
                inner.string("id"),
                read_text(inner, "says"),
                read_text(inner, "right"),
                read_text(inner, "why"),
            )
        )
        inner.close()
    return tuple(found)
