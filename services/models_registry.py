"""Where trained models lie: `<id>.skops`, its card `<id>.json`, and the card for people `<id>.md`, in one folder.

A model's file is written once and never changed: a journal that is replayed finds the model that judged then. Files
are read by skops, which makes objects of known types only; anything else, a pickle above all, is refused.
"""

from __future__ import annotations

import hashlib
import re
import threading
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import skops.io
from models.welds.learned import LearnedModel
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

from models.welds.trained import Family, TrainedModel
from services.errors import OperatorError
from services.files import replace_file
from services.model_card import ComparisonCard, ModelCard, render

FORMAT = "lineside-weld-model"
LAYOUT = 1
MAX_BYTES = 512 * 2**20
"""Unpacked; a file that claims more is no model of ours."""
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
TRUSTED: tuple[str, ...] = ()
"""Types that our models are made of, beyond those that skops trusts by itself (scikit-learn's, numpy's)."""
_BROKEN = (
    OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, EOFError, RecursionError,
    NotImplementedError, zipfile.BadZipFile, UnsupportedTypeException, InconsistentVersionWarning,
)  # fmt: skip


class ModelFileError(OperatorError):
    """A model cannot be used; the message names the file and says why."""


class ModelRegistry:
    """The models in one folder. Safe from any thread of one process; only comparisons are ever changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing = threading.Lock()

    def add(self, model: TrainedModel, card: ModelCard) -> ModelCard:
        """Write a model and its card, and return the card with the file's hash. Raises `ModelFileError`."""
        path = self._path(model.id, "skops")
        if path.exists():
            raise ModelFileError(f"{path} is there already; a model's file is never changed")
        try:
            replace_file(path, partial(_dump, model))
            card = msgspec.structs.replace(card, file_sha256=_sha256(path))
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
        path, card = self._path(model_id, "skops"), self.card(model_id)
        if card is None:
            raise ModelFileError(f"{path.with_suffix('.json')} is missing or not a model card")
        if not path.exists() or _sha256(path) != card.file_sha256:
            raise ModelFileError(f"{path} is missing, or not the file that its card was written for")
        model = load_model(path)
        if model.id != model_id:
            raise ModelFileError(f"{path} holds model {model.id!r}; expected {model_id!r}")
        return model

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


def load_model(path: Path) -> TrainedModel:
    """Return the model in a file. Raises `ModelFileError` for a file of unknown types, or one that is no model."""
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(info.file_size for info in packed.infolist())
        if size > MAX_BYTES:
            raise ModelFileError(f"{path} unpacks to {size} bytes; expected at most {MAX_BYTES}")
        foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
        if foreign:
            raise ModelFileError(f"{path} holds types that no model of Lineside has ({', '.join(foreign)}); not loaded")
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return _restore(skops.io.load(path, trusted=list(TRUSTED)))
    except UntrustedTypesFoundException as error:
        raise ModelFileError(f"{path} holds types that are not trusted ({error}); not loaded") from None
    except _BROKEN as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ModelFileError(f"{path} is no model that `lineside train` of this version wrote ({why})") from None


def _dump(model: TrainedModel, path: Path) -> None:
    content = {
        "format": FORMAT,
        "layout": LAYOUT,
        "id": model.id,
        "threshold": model.threshold,
        "trained_on": "\n".join(sorted(model.trained_on)),
        "families": [
            {"name": family.name, "programs": list(family.programs), "state": _state(family)}
            for family in model.families
        ],
    }
    skops.io.dump(content, path, compression=zipfile.ZIP_DEFLATED)


def _state(family: Family) -> dict[str, Any]:
    if not isinstance(family.model, LearnedModel):
        raise TypeError(f"family {family.name!r} is judged by a {type(family.model).__name__}; expected a LearnedModel")
    return family.model.state()


def _restore(content: Any) -> TrainedModel:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("it is another program's file")
    if content["layout"] != LAYOUT:
        raise ValueError(f"it has layout {content['layout']}; this version reads layout {LAYOUT}")
    families = tuple(
        Family(str(part["name"]), tuple(part["programs"]), LearnedModel.from_state(part["state"]))
        for part in content["families"]
    )
    trained_on = frozenset(str(content["trained_on"]).split("\n"))
    return TrainedModel(str(content["id"]), families, float(content["threshold"]), trained_on)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
