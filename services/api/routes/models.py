"""Models learnt from inspections: what there is, what is in use, and the steps to use one: shadow, judge, back."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from edge.sources.event import MAX_NOTE
from edge.sources.fields import MAX_NAME
from edge.topics import Place
from models.splits import MIN_FAULT, MIN_GOOD
from models.welds.trained import TrainedModel
from services.api.context import Context, Ctx
from services.api.documenting import listing, problems_of
from services.api.gate import BY, Asking, Who, check_named
from services.api.models_use import Use, compare, held_out, read_use, say
from services.api.problems import ProblemError, not_found
from services.api.query import no_parameters
from services.api.schemas import Model
from services.api.schemas_learning import FamilyOut, ModelDetail, ModelOut, ModelsOut
from services.api.tables import AsListing
from services.feed import NOWHERE
from services.layout import DataLayout
from services.model_card import FamilyCard, ModelCard
from services.models_registry import ModelFileError, ModelRegistry
from services.store.protocol import Filters
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["models"])

HOUR_NS = 3600 * 10**9
CHANGES = problems_of(400, 403, 404, 409, 413, 415, 503)


class ModelOrder(Model):
    """Who orders it, and why."""

    by: str | None = Field(default=None, min_length=1, max_length=MAX_NAME, description=BY)
    note: str = Field(default="", max_length=MAX_NOTE, description="why")


class ModelOrderTaken(Model):
    """A command that the broker has; its effect and its record follow in a moment."""

    event: str = Field(description="id of the event that carries it, see GET /api/v1/events")
    kind: str
    model: str
    reason: str = Field(description="the figures that allowed it, in words")


@router.get(
    "/models",
    summary="Models learnt from labels, newest first",
    dependencies=[Depends(no_parameters)],
    response_model=ModelsOut,
    responses=listing(),
)
def list_models(ctx: Ctx, wanted: AsListing) -> Response:
    """List every model with what it was trained on, how well it does, and whether it judges or is in the shadow."""
    registry = _registry(ctx)
    cards = registry.cards()
    use = read_use(ctx.store, {card.id for card in cards})
    items = [ModelOut(**_fields(ctx, registry, card, use)) for card in cards]
    if wanted.tabular:
        return wanted.answer(ModelOut, items)
    back = use.models.before[-1] if use.models.before else None
    return wanted.json(ModelsOut(active=use.models.active, shadow=use.models.shadow, back_to=back, items=items))


@router.get(
    "/models/{id}",
    summary="One model with its card",
    dependencies=[Depends(no_parameters)],
    responses=problems_of(400, 404, 503),
)
def read_model(id: str, ctx: Ctx) -> ModelDetail:  # noqa: A002 - the name in the address
    """Give a model's card: data, split, figures with intervals, calibration, threshold, comparisons, software."""
    registry = _registry(ctx)
    card = _card(registry, id)
    use = read_use(ctx.store, {known.id for known in registry.cards()})
    return ModelDetail(**_fields(ctx, registry, card, use), card=msgspec.to_builtins(card))


@router.post("/models/{id}/shadow", summary="Show what a model would say", status_code=202, responses=CHANGES)
def shadow_model(id: str, order: ModelOrder, ctx: Ctx, who: Who) -> ModelOrderTaken:  # noqa: A002 - the name in the address
    """Put a model in the shadow: its risk stands beside every weld's, its verdict decides nothing.

    It takes the place of the model that is there.
    """
    check_named(who, order.by)
    registry = _registry(ctx)
    use, _ = _usable(ctx, registry, id)
    if id in {use.models.active, use.models.shadow}:
        state = "active" if id == use.models.active else "in the shadow"
        raise ProblemError(409, f"model {id!r} is {state} already", field="model", came=id)
    return _order(ctx, who, "model_shadow", id, order)


@router.post("/models/{id}/activate", summary="Let a model judge", status_code=202, responses=CHANGES)
def activate_model(id: str, order: ModelOrder, ctx: Ctx, who: Who) -> ModelOrderTaken:  # noqa: A002 - the name in the address
    """Let the model in the shadow refine verdicts, when it has been there long enough and beats what is in use.

    Both are compared on inspected welds made since they came to their place, which neither was trained on; better
    means a larger area under the ROC curve at the 5 % level (DeLong). The comparison is kept in the model's card,
    whatever comes of it. Refused (409) with the figures otherwise.
    """
    check_named(who, order.by)
    registry = _registry(ctx)
    use, model = _usable(ctx, registry, id)
    if id != use.models.shadow:
        state = "active already" if id == use.models.active else "not in the shadow; POST its /shadow first"
        raise ProblemError(409, f"model {id!r} is {state}", field="model", came=id)
    _check_shadow_time(ctx, use)
    trained_on = set(model.trained_on)
    if use.models.active:
        trained_on |= _load(registry, use.models.active).trained_on
    held = held_out(ctx.store, use, trained_on)
    if not held.enough:
        good, faulty = int((~held.faulty).sum()), int(held.faulty.sum())
        detail = (
            f"since the model came to the shadow {good} good and {faulty} faulty welds were inspected that both could "
            f"judge and neither was trained on; expected at least {MIN_GOOD} good and {MIN_FAULT} faulty to compare by"
        )
        raise ProblemError(409, detail, field="inspections", came=f"{good} good, {faulty} faulty")
    comparison = compare(model, use.models.active, held, ctx.clock())
    try:
        registry.note(id, comparison)
    except ModelFileError as error:
        raise ProblemError(409, str(error), field="model", came=id) from None
    if not comparison.better:
        detail = f"model {id!r} is not shown to be better than what is in use: {say(comparison)}"
        raise ProblemError(409, detail, field="model", came=id, expected="a difference above 0 at the 5 % level")
    return _order(ctx, who, "model_activate", id, order, say(comparison))


@router.post("/models/{id}/retire", summary="Take a model out of use", status_code=202, responses=CHANGES)
def retire_model(id: str, order: ModelOrder, ctx: Ctx, who: Who) -> ModelOrderTaken:  # noqa: A002 - the name in the address
    """Take a model out of the shadow, or from judging: then the references judge alone."""
    check_named(who, order.by)
    registry = _registry(ctx)
    _card(registry, id)
    use = read_use(ctx.store, {card.id for card in registry.cards()})
    if id not in {use.models.active, use.models.shadow}:
        raise ProblemError(409, f"model {id!r} is not in use", field="model", came=id)
    return _order(ctx, who, "model_retire", id, order)


@router.post("/models/back", summary="Back to what judged before", status_code=202, responses=CHANGES)
def go_back(order: ModelOrder, ctx: Ctx, who: Who) -> ModelOrderTaken:
    """Let judge again what judged before the last change, a model or the references alone. Nothing is compared."""
    check_named(who, order.by)
    registry = _registry(ctx)
    use = read_use(ctx.store, {card.id for card in registry.cards()})
    if not use.models.before:
        raise ProblemError(409, "nothing judged before that could be gone back to")
    before = use.models.before[-1]
    if before:
        _usable(ctx, registry, before)
        return _order(ctx, who, "model_activate", before, order, f"back from {use.models.active or 'the references'}")
    return _order(ctx, who, "model_retire", use.models.active, order, "back to the references alone")


def _registry(ctx: Context) -> ModelRegistry:
    return ModelRegistry(DataLayout(ctx.config.data).models)


def _card(registry: ModelRegistry, model_id: str) -> ModelCard:
    card = registry.card(model_id)
    if card is None:
        raise not_found("model", model_id, "GET /api/v1/models lists what there is")
    return card


def _load(registry: ModelRegistry, model_id: str) -> TrainedModel:
    try:
        return registry.load(model_id)
    except ModelFileError as error:
        raise ProblemError(409, str(error), field="model", came=model_id) from None


def _usable(ctx: Context, registry: ModelRegistry, model_id: str) -> tuple[Use, TrainedModel]:
    """Return what is in use, and the model. Raises `ProblemError`: 404 without a card, 409 for a file that is not."""
    _card(registry, model_id)
    model = _load(registry, model_id)
    return read_use(ctx.store, {card.id for card in registry.cards()}), model


def _check_shadow_time(ctx: Context, use: Use) -> None:
    welds, hours = _shadow_time(ctx, use)
    needs = ctx.config.models
    if welds < needs.min_shadow_welds and hours < needs.min_shadow_hours:
        expected = f"{needs.min_shadow_welds} welds or {needs.min_shadow_hours:g} hours"
        came = f"{welds} welds and {hours:.1f} hours"
        detail = f"model {use.models.shadow!r} has been in the shadow for {came}; expected at least {expected}"
        raise ProblemError(409, detail, field="shadow", came=came, expected=expected)


def _shadow_time(ctx: Context, use: Use) -> tuple[int, float]:
    since_ns = use.shadow_since_ns
    counts = ctx.store.tally(Filters(since_ns=since_ns)).to_pylist()[0]
    return sum(counts.values()), (ctx.clock() - since_ns) / HOUR_NS


def _order(ctx: Context, who: Asking, kind: str, model_id: str, order: ModelOrder, reason: str = "") -> ModelOrderTaken:
    note = "; ".join(text for text in (order.note, reason) if text)[:MAX_NOTE]
    place = Place(ctx.plant.site or NOWHERE, ctx.plant.area or NOWHERE, NOWHERE, NOWHERE)
    event = {"kind": kind, "model": model_id, "by": order.by, "note": note}
    return ModelOrderTaken(event=ctx.commands.send(place, event, who), kind=kind, model=model_id, reason=reason)


def _fields(ctx: Context, registry: ModelRegistry, card: ModelCard, use: Use) -> dict[str, Any]:
    state: Literal["active", "shadow", "idle"] = "idle"
    since_ns, shadow = 0, (0, 0.0)
    if card.id == use.models.active:
        state, since_ns = "active", use.active_since_ns
    elif card.id == use.models.shadow:
        state, since_ns, shadow = "shadow", use.shadow_since_ns, _shadow_time(ctx, use)
    return {
        "id": card.id,
        "created": card.created,
        "state": state,
        "since": utc(since_ns) if since_ns else None,
        "source": card.source,
        "welds": card.welds,
        "labels": card.labels,
        "threshold": card.threshold.value,
        "families": [_family(family) for family in card.families],
        "shadow_welds": shadow[0],
        "shadow_hours": round(shadow[1], 2),
        "problem": registry.problem(card),
    }


def _family(family: FamilyCard) -> FamilyOut:
    auc, low, high = family.all_faults
    return FamilyOut(name=family.name, programs=list(family.programs), auc=auc, auc_low=low, auc_high=high)
