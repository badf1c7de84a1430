"""Model events, as the pipeline applies them: which learnt model refines the verdicts from then on."""

from __future__ import annotations

import logging

from edge.sources import PlacedEvent
from models.welds.judge import WeldJudge
from models.welds.trained import TrainedModel
from services.models_in_use import MODEL_KINDS, ModelsInUse
from services.models_registry import ModelFileError, ModelRegistry


class JudgeModels:
    """Hands the models in use to the judge.

    A model whose file is missing or refused is told in the log and judges nothing: an order for it has no effect, and
    one that was in use before a restart leaves the references to judge alone, until its file is back at a next start.
    """

    def __init__(self, judge: WeldJudge, in_use: ModelsInUse, registry: ModelRegistry, log: logging.Logger) -> None:
        self._judge, self._in_use, self._registry, self._log = judge, in_use, registry, log
        self._loaded: dict[str, TrainedModel] = {}
        for model_id in (in_use.active, in_use.shadow):
            self._load(model_id)
        self._use()

    def apply(self, event: PlacedEvent) -> None:
        """Take note of an event; one that is not of `MODEL_KINDS` changes nothing."""
        if event.kind not in MODEL_KINDS:
            return
        model_id = str(event.details["model"])
        if event.kind != "model_retire" and not self._load(model_id):
            return
        self._in_use.apply(event.kind, model_id)
        self._use()

    def _use(self) -> None:
        in_use = self._in_use
        self._loaded = {name: model for name, model in self._loaded.items() if name in {in_use.active, in_use.shadow}}
        self._judge.use(self._loaded.get(in_use.active), self._loaded.get(in_use.shadow))

    def _load(self, model_id: str) -> bool:
        if model_id and model_id not in self._loaded:
            try:
                self._loaded[model_id] = self._registry.load(model_id)
            except ModelFileError as error:
                self._log.error("model %s is not used: %s", model_id, error)
        return model_id in self._loaded
