"""Where trained models lie: `<id>.skops`, its card `<id>.json`, and the card for people `<id>.md`, in one folder.

A model's file is written once and never changed: a journal that is replayed finds the model that judged then. A file
that is not the one its card was written for is not used.
"""

from __future__ import annotations

import hashlib
import re
import threading
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from models.welds.trained import TrainedModel
from services.errors import OperatorError
from services.files import replace_file
from services.model_card import LAYOUT, ComparisonCard, ModelCard, render

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


class ModelFileError(OperatorError):
    """A model cannot be used; the message names the file and says why."""


class ModelRegistry:
    """The models in one folder. Safe from any thread of one process; only comparisons are ever changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing = threading.Lock()

    def add(self, model: TrainedModel, card: ModelCard) -> ModelCard:
        """Write a model and its card, and return the card with the file's hash. Raises `ModelFileError`."""
        from services.model_files import dump_model  # noqa: PLC0415 - scikit-learn takes a second to load

        path = self._path(model.id, "skops")
        if path.exists():
            raise ModelFileError(f"{path} is there already; a model's file is never changed")
        try:
            replace_file(path, lambda fresh: dump_model(model, fresh))
            card = msgspec.structs.replace(card, file_sha256=_sha256(path, path.stat().st_mtime_ns))
            self._write(card)
        except OSError as error:
            raise ModelFileError(f"{path} cannot be written: {error}") from None
        return card

    def cards(self) -> list[ModelCard]:
        """Return every readable card, newest first."""
        cards = [self.card(path.stem) for path in self._folder.glob("*.json")]
        return sorted((card for card in cards if card), key=lambda card: (card.created, card.id), reverse=True)

    def card(self, model_id: str) -> ModelCard | None:
        """Return one card, or None when there is none that can be read."""
        if not ID.fullmatch(model_id):
            return None
        try:
            return msgspec.json.decode(self._path(model_id, "json").read_bytes(), type=ModelCard)
        except (OSError, msgspec.DecodeError):
            return None

    def load(self, model_id: str) -> TrainedModel:
        """Return a model. Raises `ModelFileError` when it is missing, refused or not the file that its card names."""
        if not ID.fullmatch(model_id):
            raise ModelFileError(f"model {model_id!r} has no name of ours; expected lower-case letters, digits and -")
        from services.model_files import load_model  # noqa: PLC0415 - scikit-learn takes a second to load

        path, card = self._path(model_id, "skops"), self.card(model_id)
        if card is None:
            raise ModelFileError(f"{path.with_suffix('.json')} is missing or not a model card")
        problem = self.problem(card)
        if problem:
            raise ModelFileError(f"model {model_id!r} cannot be used: {problem}")
        model = load_model(path)
        if model.id != model_id:
            raise ModelFileError(f"{path} holds model {model.id!r}; expected {model_id!r}")
        return model

    def problem(self, card: ModelCard) -> str:
        """Return what can be told from outside: why a model's file cannot be used; empty when nothing is against it."""
        path = self._path(card.id, "skops")
        if card.layout > LAYOUT:
            return f"its card has layout {card.layout}, and this version of Lineside reads up to {LAYOUT}"
        try:
            same = _sha256(path, path.stat().st_mtime_ns) == card.file_sha256
        except OSError:
            return f"{path} is missing"
        if not same:
            return f"{path} is not the file that its card was written for"
        made, here = card.software.get("scikit-learn", ""), version("scikit-learn")
        return "" if made == here else f"it was trained with scikit-learn {made}, here is {here}; train it anew"

    def note(self, model_id: str, comparison: ComparisonCard) -> ModelCard:
        """Add a comparison to a card and return it. Raises `ModelFileError`."""
        with self._writing:
            card = self.card(model_id)
            if card is None:
                raise ModelFileError(f"there is no card of model {model_id!r}")
            card = msgspec.structs.replace(card, comparisons=[*card.comparisons, comparison])
            try:
                self._write(card)
            except OSError as error:
                raise ModelFileError(f"the card of {model_id!r} cannot be written: {error}") from None
        return card

    def _write(self, card: ModelCard) -> None:
        text = msgspec.json.format(msgspec.json.encode(card), indent=2)
        replace_file(self._path(card.id, "md"), lambda path: path.write_text(render(card), encoding="utf-8"))
        replace_file(self._path(card.id, "json"), lambda path: path.write_bytes(text))

    def _path(self, model_id: str, suffix: str) -> Path:
        return self._folder / f"{model_id}.{suffix}"


@lru_cache(maxsize=64)
def _sha256(path: Path, _mtime_ns: int) -> str:
    """Return the hash of a file; one that has not changed since is read once."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
