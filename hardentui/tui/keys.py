"""The one table of keys: bindings, the key bar and the help are all made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding

from hardentui.i18n import N_


class Place(StrEnum):
    """Where a key works."""

    EVERYWHERE = N_("Everywhere")
    LISTS = N_("In a list")
    OVERVIEW = N_("Overview")
    WALK = N_("Chapter")
    QUESTIONS = N_("Questions")
    PLAN = N_("Plan")
    GUIDE = N_("ANSSI's list")
    SERVICES = N_("Matrix of services")
    VOLUME = N_("Volume of logs")
    EVENTS = N_("What is recorded")
    WORKBENCH = N_("Workbench")
    FLOWS = N_("Matrix of flows")
    SAVING = N_("Not saved")
    PANEL = N_("Decision panel")
    SEARCH = N_("Word to find")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what is pressed (Textual's names), what a reader sees of it, what it does.

    ``bar`` orders the keys of the key bar, which holds seven at most; 0 keeps a key out of it. ``view``
    says that it opens a screen beside the walk: the overview names those.
    """

    place: Place
    keys: str
    shown: str
    action: str
    label: str
    help: str
    bar: int = 0
    view: bool = False


KEYS: tuple[Key, ...] = (
    Key(Place.EVERYWHERE, "question_mark", "?", "app.help", N_("Help"), N_("this list of keys"), 70),
    Key(Place.EVERYWHERE, "escape", "Esc", "screen.back", N_("Back"), N_("close the panel, or go back"), 0),
    Key(
        Place.EVERYWHERE,
        "q",
        "q",
        "app.leave",
        N_("Quit"),
        N_("leave; what was decided is already saved"),
        0,
    ),
    Key(
        Place.EVERYWHERE,
        "A",
        "A",
        "app.questions",
        N_("Answer"),
        N_("answer what the machine cannot know"),
        0,
    ),
    Key(Place.EVERYWHERE, "p", "p", "app.plan", N_("Plan"), N_("review the plan and export the script"), 0),
    Key(
        Place.EVERYWHERE,
        "R",
        "R",
        "app.guide",
        N_("ANSSI's list"),
        N_("ANSSI's own list, and what accounts for each"),
        view=True,
    ),
    Key(
        Place.EVERYWHERE,
        "M",
        "M",
        "app.services",
        N_("Services"),
        N_("the matrix of services: what holds each that runs"),
        view=True,
    ),
    Key(
        Place.EVERYWHERE,
        "F",
        "F",
        "app.volume",
        N_("Filling"),
        N_("how fast the logs grow, and when their file systems are full"),
        view=True,
    ),
    Key(
        Place.EVERYWHERE,
        "E",
        "E",
        "app.events",
        N_("Events"),
        N_("what is recorded, now and after a reboot; and events as they come"),
        view=True,
    ),
    Key(
        Place.EVERYWHERE,
        "P",
        "P",
        "app.flows",
        N_("Ports"),
        N_("the matrix of flows: what applications need, and the firewall policy for it"),
        view=True,
    ),
    Key(Place.EVERYWHERE, "r", "r", "app.reread", N_("Re-read"), N_("read all facts of the host again"), 0),
    Key(
        Place.EVERYWHERE,
        "D",
        "D",
        "app.search_host",
        N_("Search"),
        N_("search the file systems, which is slow; D again stops it"),
    ),
    Key(Place.EVERYWHERE, "S", "S", "app.saving", N_("Save"), N_("what to do when the plan is not saved")),
    Key(Place.EVERYWHERE, "L", "L", "app.language", N_("Language"), N_("English or French"), 0),
    Key(Place.EVERYWHERE, "T", "T", "app.next_theme", N_("Colours"), N_("dark, light, high contrast"), 0),
    Key(Place.EVERYWHERE, "J", "J", "screen.text_down", N_("Scroll"), N_("scroll the details down")),
    Key(Place.EVERYWHERE, "K", "K", "screen.text_up", N_("Scroll up"), N_("scroll the details up")),
    Key(Place.LISTS, "down,j", "j", "cursor_down", N_("Down"), N_("next line (or arrow down)")),
    Key(Place.LISTS, "up,k", "k", "cursor_up", N_("Up"), N_("previous line (or arrow up)")),
    Key(
        Place.LISTS, "pagedown,space", N_("Space"), "page_down", N_("Page"), N_("a page down (or page down)")
    ),
    Key(Place.LISTS, "pageup,b", "b", "page_up", N_("Page up"), N_("a page up (or page up)")),
    Key(Place.LISTS, "home,g", "g", "scroll_top", N_("Top"), N_("first line (or Home)")),
    Key(Place.LISTS, "end,G", "G", "scroll_bottom", N_("End"), N_("last line (or End)")),
    Key(Place.LISTS, "enter", N_("Enter"), "select_cursor", N_("Open"), N_("open, choose, or show more")),
    Key(Place.OVERVIEW, "enter", N_("Enter"), "open", N_("Open"), N_("walk the chapter"), 10),
    Key(
        Place.OVERVIEW,
        "n",
        "n",
        "next_open",
        N_("Next"),
        N_("the next point that waits for a decision"),
        20,
    ),
    Key(
        Place.OVERVIEW,
        "A",
        "A",
        "app.questions",
        N_("Answer"),
        N_("answer what the machine cannot know"),
        30,
    ),
    Key(Place.OVERVIEW, "p", "p", "app.plan", N_("Plan"), N_("review the plan and export the script"), 40),
    Key(Place.OVERVIEW, "r", "r", "app.reread", N_("Re-read"), N_("read all facts of the host again"), 50),
    Key(
        Place.OVERVIEW,
        "q",
        "q",
        "app.leave",
        N_("Quit"),
        N_("leave; what was decided is already saved"),
        60,
    ),
    Key(Place.OVERVIEW, "1,2,3,4,5,6", "1-6", "chapter", N_("Chapter"), N_("walk that chapter")),
    Key(Place.WALK, "a", "a", "apply", N_("Apply"), N_("put the change into the plan, with a value"), 10),
    Key(Place.WALK, "w", "w", "waive", N_("Waive"), N_("leave it as it is: a reason and an end date"), 20),
    Key(Place.WALK, "d", "d", "defer", N_("Defer"), N_("decide later"), 30),
    Key(Place.WALK, "e", "e", "attest", N_("Attest"), N_("say what you have seen, where no tool can see")),
    Key(Place.WALK, "A", "A", "answer", N_("Answer"), N_("answer the question that a finding waits for")),
    Key(Place.WALK, "u", "u", "undo", N_("Undo"), N_("take the decision back")),
    Key(
        Place.WALK,
        "n",
        "n",
        "next_open",
        N_("Next"),
        N_("the next point that waits for a decision"),
        40,
    ),
    Key(Place.WALK, "f", "f", "filter", N_("Filter"), N_("all, failing, undecided, unknown"), 50),
    Key(Place.WALK, "slash", "/", "search", N_("Find"), N_("show only what contains a word"), 60),
    Key(Place.WALK, "t", "t", "lesson", N_("Lesson"), N_("the course's text of this section, and back")),
    Key(Place.WALK, "enter", N_("Enter"), "more", N_("More"), N_("the details alone, and back")),
    Key(Place.WALK, "right_square_bracket", "]", "chapter(1)", N_("Chapter"), N_("the next chapter")),
    Key(Place.WALK, "left_square_bracket", "[", "chapter(-1)", N_("Chapter"), N_("the chapter before")),
    Key(Place.QUESTIONS, "enter", N_("Enter"), "choose", N_("Choose"), N_("this is the answer"), 10),
    Key(Place.QUESTIONS, "u", "u", "undo", N_("Undo"), N_("take the answer back"), 20),
    Key(Place.QUESTIONS, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 30),
    Key(Place.PLAN, "v,tab", "v", "view", N_("View"), N_("changes, rehearsed result, script"), 10),
    Key(Place.PLAN, "x", "x", "export", N_("Export"), N_("write the script beside the plan"), 20),
    Key(Place.PLAN, "J", "J", "screen.text_down", N_("Scroll"), N_("scroll the details down"), 30),
    Key(Place.PLAN, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 40),
    Key(Place.GUIDE, "enter", N_("Enter"), "walk", N_("Walk"), N_("walk on where it is treated"), 10),
    Key(Place.GUIDE, "J", "J", "screen.text_down", N_("Scroll"), N_("scroll the details down"), 20),
    Key(Place.GUIDE, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 30),
    Key(Place.SERVICES, "enter", N_("Enter"), "more", N_("More"), N_("the details alone, and back"), 10),
    Key(
        Place.SERVICES,
        "right,l",
        "l",
        "columns(1)",
        N_("Columns"),
        N_("more columns (or arrow right)"),
    ),
    Key(Place.SERVICES, "left,h", "h", "columns(-1)", N_("Columns"), N_("columns back (or arrow left)")),
    Key(Place.SERVICES, "o", "o", "order", N_("Order"), N_("by exposure, open doors or name"), 30),
    Key(
        Place.SERVICES,
        "f",
        "f",
        "filter",
        N_("Filter"),
        N_("all, reached from other machines, as root, held by nothing, not all known"),
        40,
    ),
    Key(Place.SERVICES, "slash", "/", "search", N_("Find"), N_("show only what contains a word"), 50),
    Key(Place.SERVICES, "w", "w", "workbench", N_("Workbench"), N_("confine this service by directives"), 25),
    Key(Place.VOLUME, "enter", N_("Enter"), "more", N_("More"), N_("the details alone, and back"), 10),
    Key(Place.VOLUME, "slash", "/", "search", N_("Find"), N_("show only what contains a word"), 20),
    Key(Place.VOLUME, "J", "J", "screen.text_down", N_("Scroll"), N_("scroll the details down"), 30),
    Key(Place.VOLUME, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 40),
    Key(Place.EVENTS, "enter", N_("Enter"), "more", N_("More"), N_("the details alone, and back"), 10),
    Key(Place.EVENTS, "t", "t", "live", N_("Live"), N_("the events alone, as they come, and back"), 20),
    Key(Place.EVENTS, "o", "o", "only", N_("Only this"), N_("events of this class alone, and of all"), 30),
    Key(
        Place.EVENTS,
        "f",
        "f",
        "filter",
        N_("Filter"),
        N_("all, not recorded, not the same after a reboot, not all known"),
        40,
    ),
    Key(Place.EVENTS, "slash", "/", "search", N_("Find"), N_("show only what contains a word"), 50),
    Key(Place.EVENTS, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 60),
    Key(
        Place.WORKBENCH,
        "v,right",
        "v",
        "value(1)",
        N_("Value"),
        N_("the next value of this directive (or arrow right)"),
        10,
    ),
    Key(Place.WORKBENCH, "V,left", "V", "value(-1)", N_("Value"), N_("the value before (or arrow left)")),
    Key(Place.WORKBENCH, "s", "s", "propose('safe')", N_("Safe"), N_("choose all that is safe as seen"), 20),
    Key(
        Place.WORKBENCH,
        "m",
        "m",
        "propose('recommended')",
        N_("Recommended"),
        N_("choose what cannot be told too, but nothing that would break"),
        30,
    ),
    Key(Place.WORKBENCH, "N", "N", "propose('nothing')", N_("Nothing"), N_("choose nothing")),
    Key(Place.WORKBENCH, "c", "c", "complete", N_("Complete"), N_("choose what the chosen ones need too")),
    Key(Place.WORKBENCH, "d", "d", "dropin", N_("Drop-in"), N_("the file to be written, and back"), 50),
    Key(Place.WORKBENCH, "a", "a", "plan", N_("Into the plan"), N_("put what is chosen into the plan"), 40),
    Key(Place.WORKBENCH, "u", "u", "undo", N_("Undo"), N_("take the decision back")),
    Key(Place.WORKBENCH, "slash", "/", "search", N_("Find"), N_("show only what contains a word")),
    Key(
        Place.WORKBENCH,
        "enter",
        N_("Enter"),
        "more",
        N_("Type"),
        N_("type a value where any is taken; elsewhere the details alone, and back"),
    ),
    Key(Place.WORKBENCH, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 60),
    Key(Place.SERVICES, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 60),
    Key(Place.FLOWS, "enter", N_("Enter"), "more", N_("Open"), N_("the details alone; answer; say why"), 10),
    Key(Place.FLOWS, "v,tab", "v", "view", N_("View"), N_("the matrix, who is who, the policy"), 20),
    Key(Place.FLOWS, "plus", "+", "add", N_("Add"), N_("add a flow that no profile knows"), 30),
    Key(Place.FLOWS, "a", "a", "plan", N_("Into the plan"), N_("put the policy into the plan"), 40),
    Key(Place.FLOWS, "c", "c", "cut", N_("Cut"), N_("why an open connection that it cuts may end")),
    Key(
        Place.FLOWS,
        "w",
        "w",
        "waive",
        N_("Waive"),
        N_("bear for a time what a vendor asks of this host (on its line)"),
    ),
    Key(Place.FLOWS, "u", "u", "undo", N_("Undo"), N_("take the decision or the answer back")),
    Key(Place.FLOWS, "f", "f", "filter", N_("Filter"), N_("all rows, or those to look at"), 50),
    Key(Place.FLOWS, "right,l", "l", "columns(1)", N_("Columns"), N_("more columns (or arrow right)")),
    Key(Place.FLOWS, "left,h", "h", "columns(-1)", N_("Columns"), N_("columns back (or arrow left)")),
    Key(Place.FLOWS, "slash", "/", "search", N_("Find"), N_("show only what contains a word")),
    Key(Place.FLOWS, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 60),
    Key(
        Place.SAVING,
        "enter",
        N_("Enter"),
        "choose",
        N_("Other side"),
        N_("keep the other side of this difference"),
        10,
    ),
    Key(
        Place.SAVING,
        "R",
        "R",
        "reload",
        N_("Reload"),
        N_("take the plan on disk, with what is kept of yours on top, and save"),
        20,
    ),
    Key(
        Place.SAVING, "o", "o", "elsewhere", N_("Other name"), N_("save to another file, and go on there"), 30
    ),
    Key(Place.SAVING, "escape", "Esc", "screen.back", N_("Back"), N_("back to where you were"), 40),
    Key(Place.SAVING, "q", "q", "app.leave", N_("Leave unsaved"), N_("leave without the last decisions"), 50),
    Key(Place.PANEL, "enter", N_("Enter"), "record", N_("Record"), N_("put the decision into the plan"), 10),
    Key(Place.PANEL, "tab", "Tab", "app.focus_next", N_("Next field"), N_("the next field"), 20),
    Key(Place.PANEL, "escape", "Esc", "screen.back", N_("Leave"), N_("leave without a decision"), 30),
    Key(
        Place.SEARCH,
        "enter",
        N_("Enter"),
        "keep_search",
        N_("Keep"),
        N_("back to the list, by this word"),
        10,
    ),
    Key(Place.SEARCH, "escape", "Esc", "screen.back", N_("All"), N_("back to the whole list"), 20),
)


def bindings(*places: Place) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """The Textual bindings of some places."""
    found: list[Binding | tuple[str, str] | tuple[str, str, str]] = []
    for key in KEYS:
        if key.place not in places:
            continue
        for one in key.keys.split(","):
            action = f"{key.action}({one})" if one.isdigit() else key.action
            found.append(Binding(one, action, key.label, show=False))
    return found


def scrolling() -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """The keys of a list, for a text that has no line to choose."""
    return [b for b in bindings(Place.LISTS) if isinstance(b, Binding) and b.action != "select_cursor"]


def views() -> tuple[Key, ...]:
    """The keys that open a screen beside the walk."""
    return tuple(key for key in KEYS if key.view)


def bar(place: Place) -> tuple[Key, ...]:
    """The keys that the key bar shows at this place, in its order."""
    common = set() if place in {Place.PANEL, Place.SEARCH} else {Place.EVERYWHERE}
    shown = [key for key in KEYS if key.bar and key.place in {place, *common}]
    return tuple(sorted(shown, key=lambda key: key.bar))
