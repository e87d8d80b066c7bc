"""Tabular models in ONNX Runtime: their preparation as nodes."""

import json

import numpy as np
import pytest
from interchange_networks import TOLERANCE, assert_same, library
from interchange_tables import CODES, new_rows, table
from onnx_models import fed, session

from hotloop import Network, PreparedNetwork
from hotloop.interchange import from_onnx, to_onnx
from hotloop.network.persistence.schema import Schema
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of

library("sklearn")

from hotloop.estimators import Recipe, TabularClassifier, TabularRegressor  # noqa: E402

TRAINING, NEW = table(400, 0), new_rows()
TARGETS = np.nan_to_num(TRAINING["year"], nan=2000) + 20 * (TRAINING["colour"] == "red")
NAMES = [name for name in TRAINING if name != "same"]
OF_NETWORKS = TOLERANCE["float32"]  # which compute in float32; their mean is in float64
RECIPE = Recipe(hidden_sizes=(12,), epochs=4, n_ensemble=3)


def outputs(model, rows):
    """Return what ONNX Runtime makes of a table."""
    return session(model).run(None, fed(model, rows))


@pytest.mark.parametrize("bins", [0, 6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_preparation_gives_the_same_inputs(bins, dtype):
    preparation = Preparation.fit(table_of(TRAINING), CODES, max_categories=20, numeric_bins=bins)
    n = preparation.n_inputs
    net = Network([n, n], initializer=[(np.eye(n), np.zeros(n))], dtype=dtype)
    model = to_onnx(PreparedNetwork(net, preparation, Schema()))
    assert [one.name for one in model.graph.input] == NAMES
    for rows in (TRAINING, NEW):
        (found,) = outputs(model, rows)
        wanted = preparation.transform(table_of(rows), dtype=dtype)
        assert_same(found, wanted, {"float32": 1e-7, "float64": 1e-15}[dtype])


def classifier(targets, **settings):
    return TabularClassifier(preset=RECIPE, categorical=CODES, random_state=0, **settings).fit(TRAINING, targets)


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        (np.where(TARGETS > 2000, "late", "early"), str),
        (np.digitize(TARGETS, [1980, 2000, 2020]) * 10, np.int64),
        (TARGETS > 2000, str),
    ],
    ids=["text", "numbers", "booleans"],
)
def test_a_classifier(targets, kind, tmp_path):
    model = classifier(targets)
    to_onnx(model, tmp_path / "model.onnx")
    exported = to_onnx(model)
    for rows in (TRAINING, NEW):
        shares, labels = session(tmp_path / "model.onnx").run(None, fed(exported, rows))
        assert_same(shares, model.predict_proba(rows), OF_NETWORKS)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-15)
        np.testing.assert_array_equal(labels, model.predict(rows).astype(kind))
    assert [one.name for one in exported.graph.output] == ["output", "output_label"]
    properties = {one.key: json.loads(one.value) for one in exported.metadata_props}
    assert properties == {"inputs": NAMES, "classes": list(map(str, model.classes_))}


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("columns", [1, 2])
def test_a_regressor(columns, clip):
    targets = TARGETS if columns == 1 else np.column_stack([TARGETS, -3 * TARGETS])
    recipe = Recipe(hidden_sizes=(12,), epochs=4, n_ensemble=2, clip=clip)
    model = TabularRegressor(preset=recipe, random_state=0).fit(TRAINING, targets)
    free = model.predict(TRAINING).reshape(-1, columns)
    model.target_range_ = np.quantile(free, (0.3, 0.7), axis=0)  # so that it matters
    assert clip == (model.predict(TRAINING).reshape(free.shape) != free).any()
    for rows in (TRAINING, NEW):
        (values,) = outputs(to_onnx(model, output_name="year of"), rows)
        assert_same(values, model.predict(rows).reshape(-1, columns), OF_NETWORKS)


@pytest.mark.parametrize(
    ("loss", "output", "classes"),
    [
        ("cross_entropy", None, ("early", "late", "never")),
        ("cross_entropy", "identity", ("early", "late", "never")),
        ("binary_cross_entropy", None, ("early", "late")),
        ("binary_cross_entropy", "identity", ("early", "late")),
        ("mse", None, None),
    ],
)
def test_a_prepared_network(loss, output, classes):
    preparation = Preparation.fit(table_of(TRAINING))
    n_outputs = 3 if loss == "cross_entropy" else 1
    net = Network([preparation.n_inputs, 5, n_outputs], loss=loss, output=output, seed=1)
    model = PreparedNetwork(net, preparation, Schema(classes=classes))
    exported = to_onnx(model)
    for rows in (TRAINING, NEW):
        wanted = model.predict(rows)
        found, *labels = outputs(exported, rows)
        assert_same(found, wanted)
        if classes is not None:
            place = wanted.argmax(axis=1) if n_outputs > 1 else (wanted[:, 0] > (0 if output else 0.5)).astype(int)
            np.testing.assert_array_equal(labels[0], np.array(classes, dtype=object)[place])
            assert len(np.unique(place)) > 1


def test_columns_without_names():
    rows = np.column_stack([TRAINING["year"], TRAINING["count"]])
    model = TabularRegressor(preset=RECIPE, random_state=0).fit(rows, TARGETS)
    exported = to_onnx(model)
    assert [one.name for one in exported.graph.input] == ["x0", "x1"]
    (values,) = outputs(exported, {"x0": rows[:, 0], "x1": rows[:, 1]})
    assert_same(values, model.predict(rows).reshape(-1, 1), OF_NETWORKS)


def test_one_row_and_none():
    model = classifier(TARGETS > 2000)
    exported = to_onnx(model)
    one = {name: values[:1] for name, values in NEW.items()}
    assert_same(outputs(exported, one)[0], model.predict_proba(one), OF_NETWORKS)
    shares, labels = outputs(exported, {name: values[:0] for name, values in NEW.items()})
    assert (shares.shape, labels.shape) == ((0, 2), (0,))


def test_what_nodes_cannot_prepare_is_refused_by_its_column(tmp_path):
    large = 2**60 + np.arange(40)
    for columns, error in (
        ({"id": large, "x": np.arange(40)}, "column 'id': holds whole numbers beyond 2\\*\\*53"),
        (
            {"code": large % 7 + 2**60, "x": np.arange(40)},
            "column 'code': has categories that are whole numbers beyond",
        ),
        ({"output": np.arange(40)}, "column 'output' has the name of an output: choose another output_name"),
        ({"": np.arange(40)}, "must have a name, got ''"),
    ):
        preparation = Preparation.fit(table_of(columns), ["code"] if "code" in columns else None)
        model = PreparedNetwork(Network([preparation.n_inputs, 2], seed=0), preparation, Schema())
        with pytest.raises(ValueError, match=error):
            to_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_tabular_models_are_no_networks():
    model = classifier(TARGETS > 2000)
    with pytest.raises(TypeError, match=r"net must be a hotloop\.Network"):
        to_onnx(model, logits=True)
    with pytest.raises(ValueError, match=r"the model has 10 inputs \('year', 'colour', "):
        from_onnx(to_onnx(model))
    with pytest.raises(TypeError, match=r"net must be a hotloop\.Network, got TabularClassifier"):
        to_onnx(TabularClassifier())
