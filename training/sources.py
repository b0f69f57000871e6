"""What and whom a model has learned from, itself and through the models before it, and what that allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OPEN = ("ODC-BY 1.0", "CC BY 4.0", "Apache-2.0")  # what the licence of data begins with that is given on
RESEARCH = "research only: see the licences of the data"
# Of a teacher known by its outputs, if whoever wrote them said nothing.
UNKNOWN = {"dataset": "not stated", "licence": "not stated", "citation": "not stated"}
SEPARATORS = {"dataset": "+", "licence": "; ", "citation": "; "}


def joined(*sources: Mapping[str, Any]) -> dict[str, str]:
    """One statement (dataset, licence, citation) of several: each data set, licence and citation once."""
    return {
        key: between.join(dict.fromkeys(part for each in sources for part in each[key].split(between)))
        for key, between in SEPARATORS.items()
    }


def stated(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the meta of a checkpoint says its model has learned from."""
    return meta.get("sources") or meta.get("data") or UNKNOWN


def people(meta: Mapping[str, Any]) -> set[str]:
    """Everyone whose labels a model has heard: itself, its teachers, and the models that it started from.

    meta: of its checkpoint, its run.json, or what a store says of its teacher.
    """
    subjects = meta.get("subjects", ())
    own = (*subjects["train"], *subjects["validation"]) if isinstance(subjects, Mapping) else subjects
    return {*own, *meta.get("inherited", ())}


def use_of(licence: str) -> str:
    """What the joined licences of the data allow: "open", or that it is for research only."""
    return "open" if all(part.strip().startswith(OPEN) for part in licence.split(";")) else RESEARCH
