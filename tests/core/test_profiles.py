"""Profiles of applications: the shipped ones, a person's own, and how mistakes in them are reported."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hardentui import checklist, schema
from hardentui.answers import cleaned
from hardentui.checklist import shipped_folder
from hardentui.flows import reader
from hardentui.flows.profile import LIBRARY, Exposure, Ports, Profile
from hardentui.model import Question, Text
from hardentui.resources.firewall.policy import Permit
from hardentui.tables import MistakesError

from .applications import PROFILES
from .test_schema import as_json

SCHEMA = Draft202012Validator(schema.application())
OWN = """\
format = 1
application = "shop"
version = "1"
title = { en = "Shop", fr = "Boutique" }
text = { en = "Sells.", fr = "Vend." }

[documents.wiki]
title = "Wiki"
edition = "3"

[[versions]]
id = "one"
en = "One"
fr = "Une"

[[versions]]
id = "two"
en = "Two"
fr = "Deux"

[[objects]]
id = "shop"
title = { en = "Shop", fr = "Boutique" }
text = { en = "The shop.", fr = "La boutique." }
role = true

[[objects]]
id = "clients"
title = { en = "Clients", fr = "Clients" }
text = { en = "Who buys.", fr = "Qui achète." }
proposed = "any"

[[components]]
id = "cache"
of = "redis"

[[components]]
id = "till"
title = { en = "Till", fr = "Caisse" }
text = { en = "Counts.", fr = "Compte." }
sources = ["wiki:1"]
[[components.ports]]
id = "till"
title = { en = "Till", fr = "Caisse" }
protocol = "tcp"
ports = "9000-9010"
single = "open"
cluster = "open"

[[flows]]
id = "buy"
title = { en = "Buying", fr = "Acheter" }
from = ["clients"]
to = ["shop"]
protocol = "tcp"
ports = "9000,9005"
component = "till"
phase = "use"
versions = ["two"]

[[clauses]]
id = "sudo"
title = { en = "sudo", fr = "sudo" }
says = { en = "Give all.", fr = "Donnez tout." }
instead = { en = "Give little.", fr = "Donnez peu." }
recommendation = "sudo.x"
reason = { en = "the vendor asks for it", fr = "l'éditeur le demande" }
months = 3
"""
MISTAKES = [
    ("format = 1", "format = 2", ":1: format: expected 1, found 2"),
    ('application = "shop"', 'application = "The Shop"', ":2: application: expected lower-case words"),
    ('application = "shop"', "", "application: missing"),
    ('fr = "Boutique" }\ntext', 'fr = "" }\ntext', "title.fr: the text is empty"),
    ('[[versions]]\nid = "two"\nen = "Two"\nfr = "Deux"\n', "", "versions: expected two versions at least"),
    ('proposed = "any"', 'proposed = "nobody at all"', "proposed: 'nobody at all' is no list of addresses"),
    ("role = true", 'role = "yes"', "role: expected true or false"),
    ("role = true", "roll = true", "roll: unknown key"),
    ('id = "clients"', 'id = "shop"', "objects[1].id: 'shop' stands twice"),
    ('of = "redis"', 'of = "reddis"', "of: unknown component 'reddis'; known in components.toml"),
    ('sources = ["wiki:1"]', 'sources = ["book:1"]', "expected DOCUMENT:PLACE with a document of wiki"),
    ('ports = "9000-9010"', 'ports = "9000-"', "ports: '' is no port"),
    (
        'protocol = "tcp"\nports = "9000-9010"',
        'protocol = "sctp"\nports = "9000-9010"',
        "expected tcp or udp",
    ),
    ('single = "open"', 'single = "shut"', "single: expected one of closed, restricted, open, absent"),
    (
        'from = ["clients"]',
        'from = ["people"]',
        "from[0]: unknown object 'people'; in this file: shop, clients",
    ),
    ('from = ["clients"]', "from = []", "from: expected at least one object"),
    ('ports = "9000,9005"', 'ports = "9100"', "ports: tcp 9100 are no ports of till; it has tcp 9000-9010"),
    ('component = "till"', 'component = "tills"', "component: unknown component 'tills'"),
    ('phase = "use"', 'phase = "always"', "phase: expected one of install, administration, use, events"),
    ('versions = ["two"]', 'versions = ["three"]', "versions[0]: unknown version 'three'"),
    ('versions = ["two"]', 'needs = "luck"', "needs: expected one of dhcp, ntp, relp"),
    ("months = 3", "months = 0", "months: expected one month at least"),
]


def read(tmp_path: Path, text: str) -> tuple[Profile, ...]:
    path = tmp_path / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return reader.load_files([path], beside=PROFILES)


# --- a person's own -----------------------------------------------------------------------------------


def test_an_own_profile_is_read_and_builds_on_ours(tmp_path: Path) -> None:
    (shop,) = read(tmp_path, OWN)
    assert [str(port.ports) for port in shop.component("cache").ports] == ["tcp 6379", "tcp 26379"]
    assert [one.id for one in shop.flows_of("one")] == []
    assert [one.id for one in shop.flows_of("two")] == ["buy"]
    assert [q.id for q in shop.questions] == ["shop-version", "shop-roles", "shop-shop", "shop-clients"]


@pytest.mark.parametrize(("good", "bad", "said"), MISTAKES, ids=[said[:40] for *_rest, said in MISTAKES])
def test_a_mistake_is_reported_with_file_line_and_key(tmp_path: Path, good: str, bad: str, said: str) -> None:
    assert good in OWN
    with pytest.raises(MistakesError) as caught:
        read(tmp_path, OWN.replace(good, bad, 1))
    found = str(caught.value)
    assert said in found
    assert found.startswith(f"{tmp_path / 'shop.toml'}:")


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(MistakesError) as caught:
        read(tmp_path, OWN.replace('phase = "use"', 'phase = "x"').replace("months = 3", "months = -1"))
    assert len(caught.value.mistakes) == 2


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(OWN, encoding="utf-8")
    with pytest.raises(MistakesError, match="stands already in another file"):
        reader.load_files([tmp_path / "a.toml", tmp_path / "b.toml"], beside=PROFILES)


def test_a_folder_of_checklists_may_hold_profiles_only(tmp_path: Path) -> None:
    (tmp_path / reader.FOLDER).mkdir()
    (tmp_path / reader.FOLDER / "shop.toml").write_text(OWN, encoding="utf-8")
    lists = checklist.load([tmp_path], lambda *_: None, ())
    assert lists.chapters == ()
    assert {p.id for p in reader.load([shipped_folder(), tmp_path])} >= {"shop", "canopsis"}


def test_the_schema_takes_it_and_refuses_what_the_reader_refuses() -> None:
    assert SCHEMA.is_valid(as_json(tomllib.loads(OWN)))
    beyond = (
        "twice",
        "unknown object",
        "unknown version",
        "unknown component",
        "no ports of",
        "no list",
        "a document of",
    )
    for good, bad, said in MISTAKES:
        if not any(words in said for words in beyond):
            assert not SCHEMA.is_valid(as_json(tomllib.loads(OWN.replace(good, bad, 1)))), said


# --- the shipped ones ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", reader.paths([shipped_folder()]), ids=lambda path: path.stem)
def test_a_shipped_profile_fits_the_schema(path: Path) -> None:
    errors = SCHEMA.iter_errors(as_json(tomllib.loads(path.read_text(encoding="utf-8"))))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def shipped(name: str) -> Profile:
    return next(profile for profile in PROFILES if profile.id == name)


def every_text() -> list[str]:
    """All that the profiles say, in both languages."""
    return [path.read_text(encoding="utf-8") for path in reader.paths([shipped_folder()])]


def test_no_profile_prints_a_misprinted_port() -> None:
    assert not any("6739" in text for text in every_text())


def test_canopsis_has_the_eleven_flows_of_its_matrix_and_marks_the_others() -> None:
    current = [flow for flow in shipped("canopsis").flows_of("packages") if not flow.upstream]
    assert len(current) == 11
    assert {str(flow.ports) for flow in current} == {
        "tcp 443",
        "tcp 8080,8443",
        "tcp 22",
        "tcp 15672",
        "tcp 5672",
        "udp 162",
        "tcp 389,636",
        "tcp 27017",
        "tcp 5432",
        "tcp 6379,26379",
    }
    added = {flow.id for flow in shipped("canopsis").flows if flow.upstream}
    assert {"rabbitmq", "admins-ssh-others"} <= added


def test_clear_text_flows_name_their_encrypted_alternative() -> None:
    clear = {"tcp 5672", "tcp 15672", "tcp 389,636", "udp 162", "tcp 8080,8443"}
    for profile in PROFILES:
        for flow in profile.flows:
            assert str(flow.ports) not in clear or flow.tls, f"{profile.id}.{flow.id}"


def test_a_lone_database_is_closed_and_says_where_its_address_is_set() -> None:
    for name in ("mongodb", "redis", "postgresql", "influxdb"):
        component = shipped(LIBRARY).component(name)
        assert all(port.single is Exposure.CLOSED for port in component.ports)
        assert component.settings


def test_every_flow_can_stand_in_a_policy() -> None:
    for profile in PROFILES:
        for flow in profile.flows:
            Permit("in", flow.ports.protocol, flow.ports.spans, (), f"{profile.id}.{flow.id}")


def test_a_question_that_two_profiles_ask_is_the_same() -> None:
    asked: dict[str, str] = {}
    for profile in PROFILES:
        for question in profile.questions:
            assert asked.setdefault(question.id, question.format) == question.format


# --- ports, and the answers ------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=6, unique=True))
def test_ports_are_read_back_from_their_text(numbers: list[int]) -> None:
    ports = Ports.parse("tcp", ",".join(map(str, numbers)))
    assert Ports.parse("tcp", ports.numbers) == ports
    assert all(ports.holds("tcp", number) and not ports.holds("udp", number) for number in numbers)
    assert ports.within([Ports.parse("tcp", "1-65535")])


NETWORKS = Question("q", Text("", ""), Text("", ""), format="networks")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("10.0.0.0/24 ,2001:db8::/32", "10.0.0.0/24, 2001:db8::/32"),
        ("any", "any"),
        ("bastion.example.org,192.0.2.7", "bastion.example.org, 192.0.2.7"),
    ],
)
def test_networks_are_an_answer(given: str, kept: str) -> None:
    assert cleaned(NETWORKS, given) == kept


@pytest.mark.parametrize(
    "given", ["", "10.0.0.0/33", "fe80::1%eth0/64", "10.0.0", "a b", "10.0.0.0/24; rm -rf /"]
)
def test_anything_else_is_none(given: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        cleaned(NETWORKS, given)
