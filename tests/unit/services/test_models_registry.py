from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from services.model_files import dump_model, load_model
from services.models_registry import ModelFileError, ModelRegistry
from tests.unit.services.labelled import a_card, a_model, labelled


class Opens:
    """What a hostile file holds: unpickled, it would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, int]]:
        return os.open, (str(self._trace), os.O_CREAT)


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def test_a_model_comes_back_to_the_bit(registry: ModelRegistry) -> None:
    model = a_model("welds-1", 0.25, frozenset({"a", "b"}))
    registry.add(model, a_card(model))
    back = registry.load("welds-1")
    welds = labelled(40, seed=5).welds
    assert back.probabilities(welds).tobytes() == model.probabilities(welds).tobytes()
    assert (back.id, back.threshold, back.trained_on, back.classes) == ("welds-1", 0.25, {"a", "b"}, model.classes)


def test_a_models_file_is_never_changed(registry: ModelRegistry) -> None:
    model = a_model("welds-1")
    registry.add(model, a_card(model))
    with pytest.raises(ModelFileError, match="is never changed"):
        registry.add(model, a_card(model))


def test_cards_come_newest_first_and_what_is_no_card_is_passed_over(registry: ModelRegistry, tmp_path: Path) -> None:
    for k in (1, 3, 2):
        model = a_model(f"welds-{k}")
        registry.add(model, a_card(model, f"2026-11-0{k}T00:00:00.000000Z"))
    (tmp_path / "models" / "notes.json").write_text("{}")
    assert [card.id for card in registry.cards()] == ["welds-3", "welds-2", "welds-1"]
    assert "0 lie at or above it" in (tmp_path / "models" / "welds-1.md").read_text()
    assert registry.card("welds-9") is None
    assert registry.card("../models/welds-1") is None


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Opens(path.with_name("trace"))))


def foreign_types(path: Path) -> None:
    skops.io.dump({"format": "lineside-weld-model", "hook": os.path.join}, path)


def pickle_inside(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("schema.json", pickle.dumps(Opens(path.with_name("trace"))))


def other_program(path: Path) -> None:
    skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), path)


def other_layout(path: Path) -> None:
    skops.io.dump({"format": "lineside-weld-model", "layout": 99}, path)


def circular_tree(path: Path) -> None:
    model = a_model("welds-1")
    dump_model(model, path)
    content = skops.io.load(path, trusted=["sklearn.tree._tree.Tree"])
    tree = content["families"][0]["state"]["whole"]["trees"].estimators_[0].tree_
    np.asarray(tree.children_left)[0] = 0  # its root is its own child
    skops.io.dump(content, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (pickled, "is no model that `lineside train`"),
        (pickle_inside, "is no model that `lineside train`"),
        (foreign_types, "holds types that no model of Lineside has .*join"),
        (other_program, "another program's file"),
        (other_layout, "layout 99; this version reads layout 1"),
        (circular_tree, "not a tree"),
        (lambda path: path.write_bytes(b""), "is no model that `lineside train`"),
        (lambda _: None, "is no model that `lineside train`"),
    ],
)
def test_a_foreign_file_is_refused_and_nothing_of_it_runs(
    tmp_path: Path, write: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "m.skops"
    write(path)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "trace").exists()


def test_a_file_that_is_not_the_cards_is_not_used(registry: ModelRegistry, tmp_path: Path) -> None:
    model = a_model("welds-1")
    registry.add(model, a_card(model))
    card = registry.card("welds-1")
    assert card is not None
    assert registry.problem(card) == ""
    file = tmp_path / "models" / "welds-1.skops"
    dump_model(a_model("welds-1", threshold=0.01), file)
    os.utime(file, ns=(0, 1))
    with pytest.raises(ModelFileError, match="not the file that its card was written for"):
        registry.load("welds-1")
    assert "not the file" in registry.problem(card)
    file.unlink()
    assert "missing" in registry.problem(card)
    with pytest.raises(ModelFileError, match="no name of ours"):
        registry.load("../evil")


def test_a_model_of_another_scikit_learn_is_not_used(registry: ModelRegistry) -> None:
    model = a_model("welds-1")
    registry.add(model, msgspec.structs.replace(a_card(model), software={"scikit-learn": "0.1"}))
    with pytest.raises(ModelFileError, match=r"trained with scikit-learn 0\.1, here is .*; train it anew"):
        registry.load("welds-1")


def test_the_card_for_programs_is_json(registry: ModelRegistry, tmp_path: Path) -> None:
    model = a_model("welds-1")
    card = registry.add(model, a_card(model))
    document = json.loads((tmp_path / "models" / "welds-1.json").read_text())
    assert document["labels"] == {"ok": 90, "stick": 15, "expulsion": 15}
    assert document["file_sha256"] == card.file_sha256
