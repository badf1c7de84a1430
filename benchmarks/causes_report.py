"""The tables of `benchmarks.causes`, each rate with its n and its 95 % Wilson interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.simulator.faults import CAUSE
from edge.simulator.severity import LEVELS, NO_DEGREE, extent
from models.rates import wilson
from models.welds.causes import DEFECT_CAUSES, UNJUDGED_CAUSES

if TYPE_CHECKING:
    from benchmarks.causes import Tally

BEGIN, END = "<!-- begin: written by benchmarks.causes -->", "<!-- end -->\n"
COLUMNS = (*DEFECT_CAUSES, "unjudged", "ok")


def tables(tally: Tally, seeds: Sequence[int]) -> str:
    """Return everything as Markdown."""
    alarms = tally.false_alarms.total()
    low, high = wilson(alarms, tally.good)
    named = ", ".join(f"{cause} {n}" for cause, n in tally.false_alarms.most_common())
    share, least, most = (f"{1000 * float(x):.2f}" for x in (alarms / tally.good, low, high))
    false = (
        f"Seeds {', '.join(map(str, seeds))}. **False alarms: {share} per 1,000 good welds** ({alarms} of "
        f"{tally.good:,}; 95 % interval {least} to {most}; called {named or 'nothing'})."
    )
    return "\n".join(
        (
            "",
            false,
            "",
            "### Found, by true cause and level",
            "",
            *_recall(tally),
            "",
            "### Detection limit of each fault",
            "",
            *_limits(tally),
            "",
            "### What medium and gross welds were called, % of each true cause",
            "",
            *_confusion(tally),
            "",
            "### How far the scores can be believed",
            "",
            *_reliability(tally),
            "",
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _rate(found: int, n: int) -> str:
    if not n:
        return "–"
    low, high = wilson(found, n)
    return f"{found / n:.3f} ({float(low):.3f}–{float(high):.3f}, n = {n:,})"


def _causes(tally: Tally) -> list[str]:
    order = [*DEFECT_CAUSES, *UNJUDGED_CAUSES]
    return sorted({cause for cause, _ in tally.level}, key=order.index)


def _recall(tally: Tally) -> list[str]:
    return _table(
        ("true cause", *LEVELS),
        (
            (f"`{cause}`", *(_rate(tally.level_found[cause, level], tally.level[cause, level]) for level in LEVELS))
            for cause in _causes(tally)
        ),
    )


def _limits(tally: Tally) -> list[str]:
    rows = []
    for fault, cause in CAUSE.items():
        if fault in NO_DEGREE:
            found, n = tally.found[fault, 1.0], tally.swept[fault, 1.0]
            rows.append((f"`{fault}`", f"`{cause}`", extent(fault, 1.0), _rate(found, n), "no degree"))
            continue
        severity = np.array(sorted(s for name, s in tally.swept if name == fault))
        found = np.array([tally.found[fault, s] for s in severity.tolist()])
        n = np.array([tally.swept[fault, s] for s in severity.tolist()])
        half, most = (_crossing(severity, found, n, share) for share in (0.5, 0.9))
        rows.append((f"`{fault}`", f"`{cause}`", extent(fault, 1.0), _said(fault, half), _said(fault, most)))
    return _table(("fault", "cause", "severity 1 is", "50 % are found at", "90 % are found at"), rows)


def _said(fault: str, limit: tuple[float, float, float]) -> str:
    at, low, high = limit
    if np.isnan(at):
        return "never"
    upper = "never" if np.isnan(high) else f"{high:.2f}"
    return f"{at:.2f} ({low:.2f}–{upper}): {extent(fault, at)}"


def _crossing(
    severity: NDArray[np.float64], found: NDArray[np.int64], n: NDArray[np.int64], share: float
) -> tuple[float, float, float]:
    """Return the severity from which on at least `share` are found, and its interval by the rates' own intervals."""
    low, high = wilson(found, n)
    at, last, first = (_reaches(severity, rate, share) for rate in (found / n, low, high))
    return at, first, last


def _reaches(severity: NDArray[np.float64], rate: NDArray[np.float64], share: float) -> float:
    """Return where a rate, made to rise only, first reaches `share`: linear in between, from 0 at severity 0."""
    rising = np.maximum.accumulate(np.minimum.accumulate(rate[::-1])[::-1])
    if rising[-1] < share:
        return float("nan")
    k = int(np.argmax(rising >= share))
    x0, y0 = (severity[k - 1], rising[k - 1]) if k else (0.0, 0.0)
    return float(x0 + (share - y0) / max(rising[k] - y0, 1e-12) * (severity[k] - x0))


def _confusion(tally: Tally) -> list[str]:
    def row(cause: str) -> list[str]:
        told = {
            name: sum(tally.told[cause, level, name] for level in ("medium", "gross"))
            for name in ("", *DEFECT_CAUSES, *UNJUDGED_CAUSES)
        }
        n = max(sum(told.values()), 1)
        own = told[cause] if cause in UNJUDGED_CAUSES else 0
        counts = [*(told[name] for name in DEFECT_CAUSES), sum(told[name] for name in UNJUDGED_CAUSES), told[""]]
        cells = [f"{100 * count / n:.1f}" if count else "" for count in counts]
        if own:
            cells[-2] += f" ({100 * own / n:.1f} as itself)"
        return [
            f"`{cause}`",
            *(f"**{text}**" if cause == name else text for name, text in zip(COLUMNS, cells, strict=True)),
        ]

    return _table(("true \\ told", *COLUMNS), (row(cause) for cause in _causes(tally)))


def _reliability(tally: Tally) -> list[str]:
    return _table(
        ("score of the cause named", "it was the true cause"),
        (
            (f"{k / 10:.1f}–{(k + 1) / 10:.1f}", _rate(tally.sure_right[k], tally.sure[k]))
            for k in range(10)
            if tally.sure[k]
        ),
    )
