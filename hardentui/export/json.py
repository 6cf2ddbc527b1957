"""Findings as JSON, for other programs. Keys are stable; texts are in the language in use."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hardentui import __version__
from hardentui.model import Finding, HostIdentity, Plan


def findings(found: Iterable[Finding], host: HostIdentity, plan: Plan, taken_at: float) -> str:
    """A JSON document of findings, one object each, in checklist order."""
    document = {
        "hardentui": __version__,
        "host": {"machine-id": host.machine_id, "hostname": host.hostname, "distribution": host.distribution},
        "taken-at": taken_at,
        "findings": [_finding(finding, plan) for finding in found],
    }
    # ASCII: bytes of the host that are not UTF-8 survive as lone surrogates.
    return json.dumps(document, indent=2, ensure_ascii=True)


def _finding(finding: Finding, plan: Plan) -> dict[str, Any]:
    entry = finding.recommendation
    decision = plan.decision(entry.id)
    return {
        "id": entry.id,
        "chapter": entry.chapter,
        "section": entry.section,
        "title": str(entry.title),
        "level": entry.level.value,
        "severity": entry.severity.value,
        "resource": entry.resource,
        "subject": entry.subject,
        "aspect": entry.aspect,
        "optional": entry.optional,
        "result": finding.result.value,
        "drift": finding.drift.name.lower().replace("_", "-") if finding.drift else None,
        "running": finding.running or None,
        "boot": finding.boot or None,
        "expected": finding.expected or None,
        "target": entry.aim or None,
        "provenance": [
            {"place": p.place, "line": p.line or None, "role": p.role.value, "text": p.text}
            for p in finding.provenance
        ],
        "hazards": [{"id": h.id, "text": h.text, "refuses": h.refuses} for h in finding.hazards],
        "errata": [erratum.id for erratum in entry.errata],
        "covers": list(entry.covers),
        "decision": decision.action.value if decision else None,
        "message": finding.message,
    }
