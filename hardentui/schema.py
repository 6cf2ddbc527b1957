"""JSON Schemas of checklists and plans, for editors that complete and check TOML while one writes.

The words come from where the readers have theirs. What a schema cannot say (that a question is asked
somewhere, that an id stands once) is left to the readers: `checklist check` and `plan check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hardentui import checklist as checklists
from hardentui import hazards, i18n
from hardentui import plan as plans
from hardentui.answers import FORMATS
from hardentui.comparison import Operator
from hardentui.flows import reader as profiles
from hardentui.flows.profile import Exposure, Phase
from hardentui.model import Action, Level, Severity
from hardentui.resources import RESOURCES
from hardentui.resources.firewall.policy import PROTOCOLS

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_STRING: Schema = {"type": "string"}
_FILLED: Schema = {"type": "string", "minLength": 1}
_STRINGS: Schema = {"type": "array", "items": _STRING}
_ID: Schema = {"type": "string", "pattern": f"^(?:{checklists.ID.pattern})$"}
_SOURCES: Schema = {"type": "array", "items": {"type": "string", "pattern": "^[^:]*:"}}
_LABELS = dict.fromkeys(i18n.LANGUAGES, _STRING)
_PORTS: dict[str, Schema] = {
    "protocol": {"enum": list(PROTOCOLS)},
    "ports": {
        "type": "string",
        "pattern": r"^[1-9][0-9]*(?:-[1-9][0-9]*)?(?:,[1-9][0-9]*(?:-[1-9][0-9]*)?)*$",
    },
}
_TEXT = "#/$defs/text"
_FACT = "#/$defs/fact"


def checklist() -> Schema:
    """The schema of a checklist."""
    top = _table(
        {
            "format": {"const": checklists.FORMAT},
            "chapter": _STRING,
            "number": {"type": "integer"},
            "version": _STRING,
            "title": {"$ref": _TEXT},
            "documents": {"type": "object", "additionalProperties": _document()},
            "questions": _array(_question()),
            "sections": _array(_section()),
        },
        optional={"documents", "questions", "sections"},
    )
    text = _table({language: {"type": "string", "pattern": r"\S"} for language in i18n.LANGUAGES})
    return {"$schema": _DRAFT, "title": "hardentui checklist", **top, "$defs": {"text": text}}


def application() -> Schema:
    """The schema of a profile of an application."""
    top = _table(
        {
            "format": {"const": profiles.FORMAT},
            "application": _ID,
            "version": _STRING,
            "title": {"$ref": _TEXT},
            "text": {"$ref": _TEXT},
            "covers": _STRINGS,
            "documents": {"type": "object", "additionalProperties": _document()},
            "versions": _array(_table({"id": _ID, **_LABELS, "covers": _STRINGS}, optional={"covers"}), 2),
            "objects": _array(_object()),
            "components": _array(_component()),
            "flows": _array(_flow()),
            "clauses": _array(_clause()),
        },
        optional={"covers", "documents", "versions", "objects", "components", "flows", "clauses"},
    )
    text = _table({language: {"type": "string", "pattern": r"\S"} for language in i18n.LANGUAGES})
    return {"$schema": _DRAFT, "title": "hardentui application", **top, "$defs": {"text": text}}


def plan() -> Schema:
    """The schema of a plan."""
    host = _table(dict.fromkeys(("machine-id", "hostname", "distribution", "kernel"), _STRING))
    top = _table(
        {
            "format": {"const": plans.FORMAT},
            "hardentui": _STRING,
            "language": _one_of(i18n.LANGUAGES),
            "checklists": _STRING,
            "host": host,
            "answers": {"type": "object", "additionalProperties": _STRING},
            "decision": _array(_decision()),
            "files": {"type": "object", "additionalProperties": _STRINGS},
        },
        optional={"answers", "decision", "files"},
    )
    fact: Schema = {
        "anyOf": [
            {"type": ["boolean", "integer", "string"]},
            {"type": "array", "items": {"$ref": _FACT}},
            {"type": "object", "additionalProperties": {"$ref": _FACT}},
        ]
    }
    return {"$schema": _DRAFT, "title": "hardentui plan", **top, "$defs": {"fact": fact}}


def _table(properties: Mapping[str, Schema], optional: Iterable[str] = ()) -> Schema:
    """A TOML table of which every key is known."""
    required = [name for name in properties if name not in set(optional)]
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def _array(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def _one_of(words: Iterable[str]) -> Schema:
    return {"enum": [str(word) for word in words]}


def _document() -> Schema:
    return _table({"title": _STRING, "edition": _STRING, "licence": _STRING}, optional={"licence"})


def _question() -> Schema:
    choice = _table({"id": _STRING, **dict.fromkeys(i18n.LANGUAGES, _STRING)})
    table = _table(
        {
            "id": _STRING,
            "title": {"$ref": _TEXT},
            "why": {"$ref": _TEXT},
            "choices": _array(choice, 2),
            "format": _one_of(FORMATS),
            "proposed": _STRING,
        },
        optional={"choices", "format", "proposed"},
    )
    return {**table, "oneOf": [{"required": ["choices"]}, {"required": ["format"]}]}


def _section() -> Schema:
    return _table(
        {
            "id": _STRING,
            "title": {"$ref": _TEXT},
            "text": {"$ref": _TEXT},
            "covers": _STRINGS,
            "recommendations": _array(_recommendation()),
        },
        optional={"covers", "recommendations"},
    )


def _recommendation() -> Schema:
    text: Schema = {"$ref": _TEXT}
    required: dict[str, Schema] = {
        "id": {"type": "string", "pattern": f"^(?:{checklists.ID.pattern})$"},
        "title": text,
        "resource": _one_of(sorted(RESOURCES)),
        "subject": _STRING,
        "level": _one_of(Level),
        "level-by": _one_of(checklists.LEVEL_BY),
        "severity": _one_of(Severity),
        "why": text,
        "risk": text,
        "sources": _array({"type": "string", "pattern": "^[^:]*:"}, 1),
    }
    optional: dict[str, Schema] = {
        "aspect": _STRING,
        "accept": _accept(),
        "target": _STRING,
        "absent": _one_of(checklists.ABSENT),
        "covers": _STRINGS,
        "errata": _array(_erratum()),
        "hazards": _array(_one_of(sorted(hazards.PROBES))),
        "when": _array(_condition()),
        "alternatives": _STRING,
        "optional": {"type": "boolean"},
        "attest": text,
        "procedure": text,
        "passes": text,
        "default": _STRING,
        "default-config": _STRING,
        "renamed-from": _STRINGS,
    }
    table = _table({**required, **optional}, optional)
    filled = {"required": ["target"], "properties": {"target": _FILLED}}
    return {**table, "allOf": [{"if": filled, "then": {"required": ["accept"]}}, {"not": _both_defaults()}]}


def _both_defaults() -> Schema:
    names = ["default", "default-config"]
    return {"required": names, "properties": dict.fromkeys(names, _FILLED)}


def _accept() -> Schema:
    operand: Schema = {"type": ["string", "integer", "boolean"]}
    either: Schema = {"anyOf": [operand, {"type": "array", "items": operand, "minItems": 1}]}
    return {
        "type": "object",
        "properties": {str(operator): either for operator in Operator},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _condition() -> Schema:
    words = {"type": "array", "items": _STRING, "minItems": 1}
    return {"oneOf": [_table({"family": words}), _table({"question": _STRING, "is": words})]}


def _object() -> Schema:
    required: dict[str, Schema] = {"id": _ID, "title": {"$ref": _TEXT}, "text": {"$ref": _TEXT}}
    optional: dict[str, Schema] = {
        "question": _ID,
        "role": {"type": "boolean"},
        "proposed": _STRING,
        "seen": _one_of(profiles.SEEN),
        "upstream": {"type": "boolean"},
        "covers": _STRINGS,
    }
    return _table({**required, **optional}, optional)


def _component() -> Schema:
    text: Schema = {"$ref": _TEXT}
    port_optional: dict[str, Schema] = {
        "single": _one_of(Exposure),
        "cluster": _one_of(Exposure),
        "tls": text,
        "versions": _STRINGS,
        "errata": _array(_erratum()),
        "upstream": {"type": "boolean"},
        "covers": _STRINGS,
    }
    port = _table({"id": _STRING, "title": text, **_PORTS, **port_optional}, port_optional)
    setting = _table({**dict.fromkeys(("file", "key", "single", "cluster"), _STRING), "text": text})
    optional: dict[str, Schema] = {
        "of": _ID,
        "title": text,
        "text": text,
        "ports": _array(port),
        "settings": _array(setting),
        "sources": _SOURCES,
        "errata": _array(_erratum()),
        "covers": _STRINGS,
    }
    table = _table({"id": _ID, **optional}, optional)
    return {**table, "anyOf": [{"required": ["of"]}, {"required": ["title", "text"]}]}


def _flow() -> Schema:
    text: Schema = {"$ref": _TEXT}
    ends: Schema = {"type": "array", "items": _ID, "minItems": 1}
    required: dict[str, Schema] = {
        "id": _ID,
        "title": text,
        "from": ends,
        "to": ends,
        **_PORTS,
        "phase": _one_of(Phase),
    }
    optional: dict[str, Schema] = {
        "component": _ID,
        "versions": _STRINGS,
        "tls": text,
        "text": text,
        "upstream": {"type": "boolean"},
        "needs": _one_of(profiles.NEEDS),
        "program": _STRING,
        "sources": _SOURCES,
        "errata": _array(_erratum()),
        "covers": _STRINGS,
    }
    return _table({**required, **optional}, optional)


def _clause() -> Schema:
    text: Schema = {"$ref": _TEXT}
    texts = dict.fromkeys(("title", "says", "instead", "reason"), text)
    optional: dict[str, Schema] = {"sources": _SOURCES, "covers": _STRINGS}
    required: dict[str, Schema] = {
        "id": _ID,
        **texts,
        "recommendation": _ID,
        "months": {"type": "integer", "minimum": 1},
    }
    return _table({**required, **optional}, optional)


def _erratum() -> Schema:
    text: Schema = {"$ref": _TEXT}
    return _table({"id": _STRING, "says": text, "right": text, "why": text})


def _decision() -> Schema:
    optional: dict[str, Schema] = {
        **dict.fromkeys(("title", "source", "running", "boot", "recommended", "target", "reason"), _STRING),
        # TOML's own dates: editors hand them to the schema as text.
        "until": {"type": "string", "format": "date"},
        "facts": {"type": "object", "additionalProperties": {"$ref": _FACT}},
    }
    required: dict[str, Schema] = {
        "id": _STRING,
        "action": _one_of(Action),
        "at": {"type": "string", "format": "date-time"},
        "by": _STRING,
    }
    waiver = _is(Action.WAIVE)
    reason = {"required": ["reason"], "properties": {"reason": {"minLength": plans.REASON_LENGTH}}}
    return {
        **_table({**required, **optional}, optional),
        "allOf": [
            {"if": waiver, "then": reason, "else": {"not": {"required": ["until"]}}},
            {
                "if": _is(Action.ATTEST),
                "then": {"required": ["reason"], "properties": {"reason": {"minLength": 1}}},
            },
        ],
    }


def _is(action: Action) -> Schema:
    return {"required": ["action"], "properties": {"action": {"const": str(action)}}}
