"""The shapes on the wire of what is learnt from: inspections, and the models made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from services.api.schemas import Model, Page


class InspectionProblem(Model):
    """Why one inspection was not taken."""

    field: str
    came: str | None
    expected: str | None
    detail: str


class InspectionTaken(Model):
    """What became of one inspection."""

    row: int = Field(description="line of the CSV, or index in the list, from 0")
    weld: str
    event: str | None = Field(description="id of the event that carries it; null when it was not taken")
    problem: InspectionProblem | None


class InspectionsTaken(Model):
    """What became of the inspections sent, in their order."""

    accepted: int
    refused: int
    items: list[InspectionTaken]


class InspectionOut(Model):
    """What an inspection found, beside the verdict that the weld had got."""

    id: str = Field(description="of the event that carries it")
    time: datetime
    weld: str
    spot: str
    gun: str
    program: str
    line: str
    cell: str
    result: str
    method: str
    nugget_mm: float | None
    by: str
    note: str
    verdict: Literal["ok", "defect", "unjudged", ""] = Field(description="empty: the weld is not in the store")
    cause: str
    risk: float | None
    shadow_risk: float | None
    agrees: bool | None = Field(description="the verdict says what the inspection found; null for an unjudged weld")
    curve_kept: bool


class FamilyOut(Model):
    """How well one programme family of a model does, on labels it had not seen."""

    name: str
    programs: list[str]
    auc: float | None = Field(description="of the risk, any fault against good")
    auc_low: float | None
    auc_high: float | None


class ModelOut(Model):
    """A model learnt from labels."""

    id: str
    created: datetime
    state: Literal["active", "shadow", "idle"]
    since: datetime | None = Field(description="when it came to that state; null for idle")
    source: str
    welds: int
    labels: dict[str, int]
    threshold: float = Field(description="a weld with this risk or more is a defect")
    families: list[FamilyOut]
    shadow_welds: int = Field(description="welds judged since it is in the shadow")
    shadow_hours: float
    problem: str = Field(description="why its file cannot be used; empty when it can")


class ModelsOut(Model):
    """Every model, newest first, and what is in use; empty: the references judge alone."""

    active: str
    shadow: str
    back_to: str | None = Field(description="what POST /models/back brings back; empty: the references; null: nothing")
    items: list[ModelOut]


class ModelDetail(ModelOut):
    """A model with its card."""

    card: dict[str, Any] = Field(description="see docs/reference/model-card.md")


class InspectionPage(Page):
    """Inspections, newest first."""

    items: list[InspectionOut]
