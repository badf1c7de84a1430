"""Which trained model judges, which is only shown beside, and what judged before: what model events add up to."""

from __future__ import annotations

from dataclasses import dataclass, field

MODEL_KINDS = ("model_activate", "model_shadow", "model_retire")
REMEMBERED = 20
"""Models that judged before, so many steps back."""


@dataclass(slots=True)
class ModelsInUse:
    """Ids of models; empty: none, the references judge alone."""

    active: str = ""
    shadow: str = ""
    before: list[str] = field(default_factory=list)
    """What was active before, the newest last; "" stands for the references alone."""

    def apply(self, kind: str, model: str) -> None:
        """Take note of an event of one of `MODEL_KINDS`; others change nothing."""
        if kind == "model_shadow":
            self.shadow = model
        elif kind == "model_activate":
            self._switch(model)
        elif kind == "model_retire" and model == self.active:
            self._switch("")
        if kind in {"model_activate", "model_retire"} and model == self.shadow:
            self.shadow = ""

    def _switch(self, to: str) -> None:
        """Let another one judge. What judged just before is gone back to, and does not count as a new step."""
        if to == self.active:
            return
        if self.before and self.before[-1] == to:
            self.before.pop()
        else:
            self.before = [*self.before, self.active][-REMEMBERED:]
        self.active = to
