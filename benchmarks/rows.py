"""What each part of `make bench` found, as rows of one table: read from the JSON that the parts write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.path.contenders import NodeRed, OverDuckDB, Plain
from benchmarks.path.results import Result, ahead

Found = dict[str, Any]
CURVES_PER_CPU_S = {"packed": 25_000, "JSON": 12_000}
TIMES = {NodeRed.name: 3, Plain.name: 8}
PAINTED_MS, ANSWERED_MS, IDLE_SHARE = 500, 200, 0.03


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    figure: str
    goal: str = ""
    met: bool | None = None
    """None: there is no goal."""


def path(found: Found) -> Iterator[Row]:
    """Yield (a): curves per processor second from message to durable stored verdict, and how far ahead that is."""
    results = [Result(**one) for one in found["found"]]
    own = [one for one in results if one.contender == OverDuckDB.name]
    for one in own:
        per_s, goal = one.per_cpu_s(with_store=True), CURVES_PER_CPU_S[one.encoding]
        yield Row(f"curves per processor second, {one.kind}", f"{per_s:,.0f}", f"≥ {goal:,}", per_s >= goal)
    for other, goal in TIMES.items():
        for one in own:
            times = ahead(results, one, other, with_store=True)
            alone = ahead(results, one, other, with_store=False)
            if times and alone:
                figure = f"{times:.1f} times; {alone:.1f} if influxd cost nothing"
                yield Row(f"the same, {one.kind}, over {other}", figure, f"≥ {goal} times", times >= goal)


def rate(found: Found) -> Iterator[Row]:
    """Yield (b): a rate held through mosquitto."""
    for one in found["rates"]:
        figure = f"lag p50 {one['lag_s']['p50']} s, {one['lag_growth']}; all stored {one['drained_s']} s after the end"
        name = f"{one['welds_per_s']:,.0f} welds/s for {one['measured_s'] / 60:.0f} min"
        yield Row(name, figure, "held", one["held"])


def pixel(found: Found) -> Iterator[Row]:
    """Yield (c): from publishing a weld to its paint in the browser."""
    painted = found["published_to_painted_ms"]
    load = f"{found['welds_per_s']:.0f} welds/s, {found['spots']:,} spots, {found['vehicles']} vehicles"
    browsers = f"{found['pages']} page(s), {found['viewers']} clients that ask and listen as one"
    yield Row(f"weld published to painted, p50; {load}, {browsers}", f"{painted['p50']:.0f} ms")
    yield Row("the same, p99", f"{painted['p99']:.0f} ms", f"< {PAINTED_MS} ms", painted["p99"] < PAINTED_MS)


def idle(found: Found) -> Iterator[Row]:
    """Yield what Lineside takes when there is little to do."""
    for name, one in found["cores_taken"].items():
        share = one["lineside"]
        is_idle = name.startswith("0 welds/s, 0")
        goal = {"goal": f"< {IDLE_SHARE:.0%}", "met": share < IDLE_SHARE} if is_idle else {}
        yield Row(f"share of a core, {name}", f"{share:.1%}", **goal)


def browsers(found: Found) -> Iterator[Row]:
    """Yield what a connected browser costs the server."""
    for n, one in found["per_browser"].items():
        figure = f"{one['cpu_share_per_browser']:.2%} of a core, {one['mib_per_browser']:.2f} MiB"
        yield Row(f"server, for each of {n} browsers", figure)


def judge(found: Found) -> Iterator[Row]:
    """Yield (d): the judge alone."""
    for name, figures in found["rows"].items():
        yield Row(name, "{median:,.2f} ({smallest:,.2f} to {largest:,.2f})".format(**figures))


def queries(found: Found) -> Iterator[Row]:
    """Yield (e) and (f): questions over many welds; start, memory, disk."""
    of = f"{found['rows'] / 1e6:.0f} million welds"
    for one in found["found"]:
        figure, met = f"p50 {one['p50']:.0f} ms, p95 {one['p95']:.0f} ms", one["p95"] < ANSWERED_MS
        yield Row(f"{one['question']}; {of}", figure, f"p95 < {ANSWERED_MS} ms", met)
    yield Row("disk per million welds", f"{found['mb_per_million']:.0f} MB")
    yield Row(f"start, empty / {of}", " / ".join(f"{median(starts):.2f} s" for starts in found["start_s"].values()))
    yield Row("memory of all processes, at the start", f"{found['resident_mb_at_start']:,.0f} MB")
    yield Row("memory of all processes, after the questions", f"{found['resident_mb']:,.0f} MB")


def influx(found: Found) -> Iterator[Row]:
    """Yield (e) over InfluxDB."""
    yield Row("InfluxDB: closing a day of 330,000 welds", f"{found['close_s_per_day']:.0f} s")
    for kind in ("counted", "searched"):
        of = f"{found[kind]['rows'] / 1e6:g} million welds"
        for one in found[kind]["found"]:
            yield Row(f"InfluxDB: {one['question']}; {of}", f"p50 {one['p50']:.0f} ms, p95 {one['p95']:.0f} ms")


def soak(found: Found) -> Iterator[Row]:
    """Yield (g): memory over time."""
    load = f"{found['stored_per_s']} welds/s for {found['minutes']:.0f} min, {found['pages']} page(s), "
    yield Row(f"memory, {load}{found['viewers']} clients", found["verdict"], "flat", found["verdict"] == "flat")
