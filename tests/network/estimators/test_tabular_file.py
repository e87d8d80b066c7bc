"""Files of the tabular estimators."""

import numpy as np
import pandas as pd
import pytest
from conftest import same_bits
from safetensors.numpy import load_file
from tabular_data import mixed, tiny

import hotloop
from hotloop import Network
from hotloop.activations import LeakyReLU
from hotloop.estimators import Recipe, TabularClassifier, TabularRegressor
from hotloop.network.persistence import atomic_write


@pytest.fixture(scope="module")
def fitted():
    table, classes, _ = mixed()
    model = TabularClassifier(
        preset=tiny(),
        n_ensemble=2,
        random_state=np.int64(0),
        n_threads=1,
        class_weight={"large": 2.0},
        categorical=["size"],
        callbacks=[],
    )
    return model.fit(table, classes)


def test_a_file_predicts_the_same_bits(fitted, tmp_path):
    table, _, values = mixed()
    fitted.save(tmp_path / "model.safetensors")
    read = TabularClassifier.load(tmp_path / "model.safetensors")
    assert same_bits(read.predict_proba(table), fitted.predict_proba(table))
    assert read.predict(table).tolist() == fitted.predict(table).tolist()
    assert read.columns_ == fitted.columns_
    assert read.feature_names_in_.tolist() == fitted.feature_names_in_.tolist()
    assert read.get_params() | {"callbacks": []} == fitted.get_params()
    assert read.recipe_ == fitted.recipe_
    assert "networks.1.layers.0.weights" in load_file(tmp_path / "model.safetensors")
    read.save(tmp_path / "again.safetensors")
    again = TabularClassifier.load(tmp_path / "again.safetensors")
    assert same_bits(again.predict_proba(table), fitted.predict_proba(table))
    for y in (values, np.column_stack([values, values])):
        regressor = TabularRegressor(preset=tiny(), random_state=0, n_threads=1).fit(table, y)
        regressor.save(tmp_path / "values.safetensors")
        assert same_bits(
            TabularRegressor.load(tmp_path / "values.safetensors").predict(table), regressor.predict(table)
        )


CLASSES = [
    np.array([3, -7]), np.array([True, False]), np.array([0.5, 2.5]), np.array(["b", "a"]),
    np.array(["b", "a"], object), np.array([2**62, 1]), np.array(["2024-02-29", "2025-01-01"], "M8[D]"),
]  # fmt: skip


@pytest.mark.parametrize("classes", CLASSES)
def test_classes_are_kept(classes, fitted, tmp_path):
    """With the classes of another type in a fitted estimator: no further fit is needed."""
    fitted.__dict__, before = {**vars(fitted), "classes_": classes}, vars(fitted)
    try:
        fitted.save(tmp_path / "model.safetensors")
    finally:
        fitted.__dict__ = before
    read = TabularClassifier.load(tmp_path / "model.safetensors").classes_
    assert read.dtype == classes.dtype
    assert read.tolist() == classes.tolist()


@pytest.mark.parametrize("given", [
    {"preset": Recipe(hidden_sizes=(4,), epochs=1, activation=LeakyReLU(0.3))},
    {"categorical": pd.Index(["size"])},
    {"categorical": range(1, 2)},
    {"categorical": {"size"}},
    {"callbacks": [hotloop.Callback()]},
])  # fmt: skip
def test_parameters_of_any_type_are_kept_or_left_out(given, tmp_path):
    """What a file says must do for another fit."""
    table, classes, _ = mixed()
    model = TabularClassifier(**{"preset": tiny(), "random_state": 0, "n_threads": 1} | given).fit(table, classes)
    model.save(tmp_path / "model.safetensors")
    read = TabularClassifier.load(tmp_path / "model.safetensors")
    assert same_bits(read.predict_proba(table), model.predict_proba(table))
    assert (read.recipe_, read.preset) == (model.recipe_, model.preset)
    assert read.categorical == (None if model.categorical is None else [*model.categorical])
    assert read.callbacks is None
    assert same_bits(read.fit(table, classes).predict_proba(table), model.predict_proba(table))


def _double(z):
    return 2 * z


def _two(z):
    return 2.0


def test_a_recipe_with_code_is_not_saved(tmp_path):
    own = hotloop.activations.CustomActivation(_double, _two, name="double")
    table, classes, _ = mixed()
    model = TabularClassifier(preset=Recipe(hidden_sizes=(4,), epochs=1, activation=own)).fit(table, classes)
    with pytest.raises(TypeError, match="a file cannot hold code"):
        model.save(tmp_path / "model.safetensors")
    assert not (tmp_path / "model.safetensors").exists()


def test_other_files_are_refused(fitted, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    with pytest.raises(ValueError, match=r"holds a TabularClassifier: read it with TabularClassifier\.load"):
        TabularRegressor.load(path)
    with pytest.raises(ValueError, match=r"holds a TabularClassifier: read it with TabularClassifier\.load"):
        Network.load(path)
    Network([2, 1], seed=0).save(tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"holds a network: read it with Network\.load"):
        TabularClassifier.load(tmp_path / "net.safetensors")
    with pytest.raises(FileNotFoundError):
        TabularClassifier.load(tmp_path / "none.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ValueError, match="truncated or altered"):
        TabularClassifier.load(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match="checksum"):
        TabularClassifier.load(path)


def test_what_cannot_be_saved_leaves_the_file(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    before = path.read_bytes()
    fitted.__dict__, own = {**vars(fitted), "classes_": np.array([(1, 2), "a"], object)}, vars(fitted)
    with pytest.raises(TypeError, match="a file cannot hold classes_ of type str, tuple"):
        fitted.save(path)
    fitted.__dict__ = own
    monkeypatch.setattr(atomic_write.os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        fitted.save(path)
    assert path.read_bytes() == before
