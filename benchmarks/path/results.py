"""What `python -m benchmarks.path` found, and how its contenders compare."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from benchmarks.path.contenders import NodeRed, OverDuckDB, OverInfluxDB, Plain


@dataclass(frozen=True, slots=True)
class Result:
    """One contender with one kind of load."""

    contender: str
    encoding: str
    per_message: int
    curves: int
    cpu_s: float
    store_cpu_s: float
    """Of a store that is a process of its own."""
    wall_s: float

    @property
    def kind(self) -> str:
        """What was sent."""
        return f"{self.encoding}, {self.per_message} a message"

    def per_cpu_s(self, *, with_store: bool) -> float:
        """Return curves per processor second."""
        return self.curves / (self.cpu_s + self.store_cpu_s * with_store)


def ahead(found: list[Result], own: Result, other: str, *, with_store: bool) -> float | None:
    """Return how many times as many curves as another contender a result has; None where there is none of its kind."""
    for one in found:
        if one.contender == other and one.kind == own.kind:
            return own.per_cpu_s(with_store=with_store) / one.per_cpu_s(with_store=with_store)
    return None


def table(found: list[Result], *, with_store: bool) -> Table:
    """Return curves per processor second, and how far Lineside is ahead of each other contender in the same run."""
    kinds = list(dict.fromkeys(one.kind for one in found))
    counted = "influxd's counted" if with_store else "influxd's not counted"
    made = Table("contender", *kinds, title=f"curves per processor second, {counted}")
    of = {(one.contender, one.kind): one for one in found}
    names = list(dict.fromkeys(one.contender for one in found))
    for name in names:
        rates = {kind: of[name, kind].per_cpu_s(with_store=with_store) for kind in kinds if (name, kind) in of}
        made.add_row(name, *(f"{rates[kind]:,.0f}" if kind in rates else "" for kind in kinds))
    for other in (Plain.name, NodeRed.name):
        for own in (OverDuckDB.name, OverInfluxDB.name):
            if other in names and own in names:
                times = [ahead(found, of[own, kind], other, with_store=with_store) for kind in kinds]
                made.add_row(f"{own} / {other}", *(f"{one:.1f}" if one else "" for one in times))
    return made
