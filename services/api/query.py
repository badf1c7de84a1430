"""Query parameters: read once, checked once, the same everywhere.

Parameters                     unknown names are errors that suggest the right one; blank values count as not given
 ├─ Window                     since, until
 │   ├─ PlaceQuery             site … program
 │   │   ├─ Selection          cause, verdict, body: which welds
 │   │   │   ├─ RateQuery      by, level
 │   │   │   │   └─ TrendQuery bucket
 │   │   │   └─ WeldQuery      limit, cursor
 │   │   ├─ ChangeQuery        only, feature
 │   │   ├─ RateSpcQuery       by, bucket
 │   │   ├─ InspectionQuery    weld, result, verdict, limit, cursor
 │   │   └─ EventQuery         limit
 │   ├─ BodyQuery              body, verdict, limit, cursor
 │   ├─ SpotQuery              program, limit
 │   └─ SpcQuery               spot, feature, program, rules, limit
 └─ RejectQuery                source, limit, cursor
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import HTTPConnection

from models.spc.nelson import RULES
from models.welds.causes import CAUSES
from models.welds.features import FEATURES
from services.api.moments import (
    DURATION,
    DURATION_PATTERN,
    MOMENT,
    MOMENT_PATTERN,
    Duration,
    parse_duration,
    parse_moment,
)
from services.api.problems import FACTS, ProblemError, wrong
from services.store.protocol import Filters
from services.store.schema import TALLY_GROUPS, VERDICTS

GROUPS = (*TALLY_GROUPS, "shift")
NAME_LENGTH = 200
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


def _refuse(field: str, came: str, expected: str) -> PydanticCustomError:
    problem = wrong(field, came, expected).problem
    return PydanticCustomError(
        FACTS, "{detail}", {"detail": problem.detail, "field": field, "came": problem.came, "expected": expected}
    )


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    """Return a validator that keeps the text when `parse` takes it; its ValueError says what was expected."""

    def check(value: str, info: ValidationInfo) -> str:
        try:
            parse(value)
        except ValueError as error:
            raise _refuse(str(info.field_name), value, str(error)) from None
        return value

    return AfterValidator(check)


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> None:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")

    return _checked(check)


def _choice(names: Iterable[str]) -> Any:
    """Document a choice."""
    return Field(json_schema_extra={"enum": list(names)})


def _list_of(names: Iterable[object]) -> Any:
    """Document a comma-separated list."""
    one = "|".join(map(str, names))
    return Field(json_schema_extra={"pattern": f"^({one})(,({one}))*$"})


def _check_groups(value: str) -> None:
    names = value.split(",")
    if not set(names) <= set(GROUPS):
        raise ValueError(f"a comma-separated list of {', '.join(GROUPS)}")
    if len(set(names)) < len(names):
        raise ValueError("each group once")


Name = Annotated[str, Field(max_length=NAME_LENGTH)]
Moment = Annotated[
    str, _checked(lambda text: parse_moment(text, 2**62)), Field(json_schema_extra={"pattern": MOMENT_PATTERN})
]
Step = Annotated[str, _checked(parse_duration), Field(json_schema_extra={"pattern": DURATION_PATTERN})]
Verdict = Annotated[str, _one_of(VERDICTS), _choice(VERDICTS)]
Cause = Annotated[str, _one_of(tuple(CAUSES)), _choice(CAUSES)]
Feature = Annotated[str, _one_of(FEATURES), _choice(FEATURES)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many items at most.")]
Cursor = Annotated[str, Field(max_length=1000, description="Where to go on: `next` of the page before.")]


async def check_repeated(connection: HTTPConnection) -> None:
    """Refuse a parameter that is given twice, of which only one would count. A dependency of every route."""
    seen: set[str] = set()
    for name, value in connection.query_params.multi_items():
        if name in seen and connection.scope["type"] == "http":
            raise wrong(name, value, f"{name} only once")
        seen.add(name)


async def no_parameters(request: Request) -> None:
    """Refuse parameters where there are none. A dependency."""
    for name in request.query_params:
        raise ProblemError(400, f"unknown parameter {name!r}; this resource takes none", field=name)


class Parameters(BaseModel):
    """Base of all query parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, raw: dict[str, Any]) -> dict[str, Any]:
        for name in raw:
            if name not in cls.model_fields:
                close = difflib.get_close_matches(name.lower(), list(cls.model_fields), n=1, cutoff=0.5)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                detail = f"unknown parameter {name!r}{hint}"
                expected = f"one of {', '.join(cls.model_fields)}"
                raise PydanticCustomError(FACTS, "{detail}", {"detail": detail, "field": name, "expected": expected})
        return {name: value for name, value in raw.items() if value != ""}


def _moment(field: str, text: str | None, now_ns: int) -> int | None:
    """Return a moment; a time before now that is well written may still lie before 1970. Raises `ProblemError`."""
    try:
        return None if text is None else parse_moment(text, now_ns)
    except ValueError as error:
        raise wrong(field, text, str(error)) from None


class Window(Parameters):
    """A range of time."""

    since: Moment | None = Field(default=None, description=f"From then on: {MOMENT}.", examples=["-8h"])
    until: Moment | None = Field(default=None, description=f"Before then: {MOMENT}.", examples=["now"])

    def range_ns(self, now_ns: int) -> tuple[int | None, int | None]:
        """Return (since, until), ns UTC, None where open. Raises `ProblemError` when there is nothing in between."""
        since, until = _moment("since", self.since, now_ns), _moment("until", self.until, now_ns)
        if since is not None and until is not None and since >= until:
            raise wrong("since", self.since, f"a time before until ({self.until})")
        return since, until


class PlaceQuery(Window):
    """A range of time and a place, by ISA-95 names."""

    site: Name = ""
    area: Name = ""
    line: Name = Field(default="", examples=["L1"])
    cell: Name = ""
    gun: Name = ""
    spot: Name = ""
    program: Name = Field(default="", description="The weld schedule.")

    def filters(self, now_ns: int) -> Filters:
        """Return what is asked for. Raises `ProblemError`."""
        since, until = self.range_ns(now_ns)
        names = {name: getattr(self, name) for name in Filters.__slots__ if name in type(self).model_fields}
        return Filters(**names, since_ns=since, until_ns=until)


class Selection(PlaceQuery):
    """Which welds."""

    cause: Cause = Field(default="", description="Why a weld is a defect, or was not judged.")
    verdict: Verdict = ""
    body: Name = ""


class RateQuery(Selection):
    """Which welds, and how to group them."""

    by: Annotated[str, _checked(_check_groups), _list_of(GROUPS)] | None = Field(
        default=None, description=f"Groups, separated by commas: {', '.join(GROUPS)}.", examples=["line,cell"]
    )
    level: Literal["weld", "body"] = Field(
        default="weld", description="Count welds, or bodies (of which only `since`, `until` and `by=shift` select)."
    )

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups asked for."""
        return tuple(self.by.split(",")) if self.by else ()


class TrendQuery(RateQuery):
    """Which welds, how to group them, in which steps of time."""

    bucket: Step | None = Field(
        default=None,
        description=f"Step: {DURATION}. Whole days begin at the plant's midnight, weeks on Monday; shorter steps are "
        "multiples since 1970 UTC. Without it, one that gives 24 to 96 points.",
        examples=["15m"],
    )

    @property
    def step(self) -> Duration | None:
        """The step asked for."""
        return parse_duration(self.bucket) if self.bucket else None


class WeldQuery(Selection):
    """One page of welds."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class EventQuery(PlaceQuery):
    """The newest events."""

    kind: Name = Field(default="", description="Only events of this kind.", examples=["reference_pin"])
    limit: Limit = DEFAULT_LIMIT


class InspectionQuery(PlaceQuery):
    """One page of inspections."""

    weld: Name = Field(default="", description="Only of this weld.")
    result: Name = Field(default="", description="Only those that found this.", examples=["stick"])
    verdict: Verdict = Field(default="", description="Only of welds with this verdict.")
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None

    def filters(self, now_ns: int) -> Filters:
        """Return which events are looked at; the rest is up to `wants`."""
        return replace(super().filters(now_ns), kind="inspection", verdict="")

    def wants(self, details: Mapping[str, Any], weld: Mapping[str, Any]) -> bool:
        """Tell whether an inspection with these details, of the weld with this row, is asked for."""
        return (
            self.weld in {"", details["weld"]}
            and self.result in {"", details["result"]}
            and self.verdict in {"", weld.get("verdict", "")}
        )


def _check_rules(value: str) -> None:
    if not set(value.split(",")) <= {str(rule) for rule in RULES}:
        raise ValueError(f"a comma-separated list of {', '.join(str(rule) for rule in RULES)}")


class ChangeQuery(PlaceQuery):
    """Where to look for changes."""

    only: Literal["defect_rate", "feature", ""] = Field(default="", description="Only changes of this kind.")
    feature: Feature = Field(default="", description="Only this feature; without it those that the drift charts watch.")


class SpcQuery(Window):
    """Which control chart."""

    spot: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
    feature: Feature = Field(default="r_beta_uohm", description="Which feature.")
    program: Name = Field(default="", description="Only this schedule.")
    rules: Annotated[str, _checked(_check_rules), _list_of(RULES)] = Field(
        default=",".join(str(rule) for rule in RULES), description="Which of Nelson's rules are looked at."
    )
    limit: Limit = 500

    @property
    def rule_numbers(self) -> tuple[int, ...]:
        """The rules asked for."""
        return tuple(sorted({int(rule) for rule in self.rules.split(",")}))


RATE_GROUPS = ("line", "cell", "gun", "program")


class RateSpcQuery(PlaceQuery):
    """Which rate charts."""

    by: Annotated[str, _one_of(RATE_GROUPS), _choice(RATE_GROUPS)] = Field(
        default="cell", description="One chart for each line, cell, gun or program."
    )
    bucket: Step | None = Field(
        default=None, description=f"Step: {DURATION}. Without it, one that gives 24 to 96 points.", examples=["15m"]
    )


class BodyQuery(Window):
    """One page of bodies."""

    body: Name = ""
    verdict: Verdict = ""
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class SpotQuery(Window):
    """What of a spot."""

    program: Name = Field(default="", description="Only the welds of this schedule.")
    limit: Limit = DEFAULT_LIMIT


class RejectQuery(Parameters):
    """One page of rejects."""

    source: Name = ""
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None
