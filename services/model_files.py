"""A trained model as a file: written and read by skops, which makes objects of known types only.

Anything else, a pickle above all, is refused before a single object of it is made.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

from models.welds.learned import LearnedModel
from models.welds.trained import Family, TrainedModel
from services.models_registry import ModelFileError

FORMAT = "lineside-weld-model"
LAYOUT = 1
MAX_BYTES = 512 * 2**20
"""Unpacked; a file that claims more is no model of ours."""
TRUSTED = ("sklearn.tree._tree.Tree",)
"""What our models are made of beside what skops trusts by itself. A tree walks its arrays unchecked: `_check_trees`."""
_BROKEN = (
    OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, EOFError, RecursionError,
    NotImplementedError, IndexError, OverflowError, MemoryError, zlib.error,
    zipfile.BadZipFile, UnsupportedTypeException, InconsistentVersionWarning,
)  # fmt: skip


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


def dump_model(model: TrainedModel, path: Path) -> None:
    """Write a model. Raises `OSError`."""
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
        Family(str(part["name"]), tuple(part["programs"]), _learnt(part["state"])) for part in content["families"]
    )
    trained_on = frozenset(str(content["trained_on"]).split("\n"))
    return TrainedModel(str(content["id"]), families, float(content["threshold"]), trained_on)


def _learnt(state: Any) -> LearnedModel:
    model = LearnedModel.from_state(state)
    for view in (model.whole, model.blind):
        _check_trees(view.trees)
    return model


def _check_trees(forest: ExtraTreesClassifier) -> None:
    """Raise `ValueError` for a tree that would lead out of its arrays, or round in circles."""
    for member in forest.estimators_:
        tree = member.tree_
        node, left, right = np.arange(tree.node_count), tree.children_left, tree.children_right
        inner = left >= 0
        sound = (left[inner] > node[inner]) & (left[inner] < tree.node_count)
        sound &= (right[inner] > node[inner]) & (right[inner] < tree.node_count)
        sound &= (tree.feature[inner] >= 0) & (tree.feature[inner] < forest.n_features_in_)
        if not sound.all() or (left[~inner] != right[~inner]).any() or tree.n_features != forest.n_features_in_:
            raise ValueError("one of its trees is not a tree")
