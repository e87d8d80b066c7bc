"""The file of a tabular estimator: parameters, preparation, classes and networks, as plain data."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.custom.pieces import Custom
from hotloop.network.estimators.tabular_recipe import Recipe
from hotloop.network.network import Network
from hotloop.network.persistence import collection_file, model_file
from hotloop.network.persistence.collection_file import PREPARATION, prefixed, under
from hotloop.network.persistence.pieces import piece_of, plain_piece
from hotloop.network.tables.preparation import Preparation

READING = "reading."  # prefix of arrays
PAIRS = "pairs"
LEFT_OUT = ("callbacks",)  # code
PLAIN = (bool, int, float, str, type(None))


def write(path: str | os.PathLike[str], estimator: Any) -> None:
    """Write a fitted estimator."""
    preparation, arrays = estimator.preparation_.state()
    reading = {name: getattr(estimator, name) for name in estimator._reading}
    config = {
        "parameters": {
            name: None if name in LEFT_OUT else _plain(value)
            for name, value in estimator.get_params(deep=False).items()
        },
        "recipe": _plain_recipe(estimator.recipe_),
        "preparation": preparation,
        "names": getattr(estimator, "feature_names_in_", np.array([])).tolist(),
        "reading": {name: _described(name, value) for name, value in reading.items()},
    }
    numbers = {name: value for name, value in reading.items() if _is_numeric(value)}
    whole = prefixed(PREPARATION, arrays) | prefixed(READING, numbers)
    collection_file.write(path, type(estimator).__name__, config, whole, estimator.networks_)


def read(path: str | os.PathLike[str], kind: Any) -> Any:
    """Return the estimator, of class `kind`, that a file has."""
    file, config, arrays, networks = collection_file.read(path, kind.__name__, Network)
    with model_file.damage_in(file):
        parameters = config["parameters"]
        if isinstance(parameters["preset"], dict):
            parameters["preset"] = _recipe(parameters["preset"])
        if isinstance(parameters.get("class_weight"), dict):
            parameters["class_weight"] = dict(parameters["class_weight"][PAIRS])
        preparation = Preparation.from_state(config["preparation"], under(PREPARATION, arrays))
        found = under(READING, arrays)
        reading = {name: _restored(value, found.get(name)) for name, value in config["reading"].items()}
        estimator = kind(**parameters)
        names = config["names"] or None
        estimator._set_fitted(estimator._fitted(reading, preparation, _recipe(config["recipe"]), networks, names))
    return estimator


def _plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of a recipe as JSON has them."""
    if isinstance(recipe.activation, Custom):
        raise TypeError(f"a file cannot hold code, as that of {recipe.activation!r}: use pickle")
    return recipe.plain() | {"activation": plain_piece(recipe.activation)}


def _recipe(fields: Mapping[str, Any]) -> Recipe:
    return Recipe(**{**fields, "activation": piece_of(fields["activation"])})


def _plain(value: Any) -> Any:
    """Return a parameter of an estimator as JSON has it; None for what JSON cannot have."""
    if isinstance(value, Recipe):
        return _plain_recipe(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):  # class weights, whose keys need not be texts
        return {PAIRS: [[_plain(key), _plain(entry)] for key, entry in value.items()]}
    if isinstance(value, PLAIN):
        return value
    return [_plain(entry) for entry in value] if isinstance(value, Iterable) else None


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _described(name: str, value: Any) -> Any:
    """Return an attribute as JSON has it: None for an array of numbers, which is in the file as it is."""
    if not isinstance(value, np.ndarray):
        return value
    if _is_numeric(value):
        return None
    if value.dtype.kind in "mM":
        return {"dtype": value.dtype.str, "values": value.astype(np.int64).tolist()}
    if value.dtype.kind == "U" or all(type(entry) in PLAIN for entry in value.tolist()):
        return {"dtype": value.dtype.str, "values": value.tolist()}
    kinds = sorted({type(entry).__name__ for entry in value.tolist()})
    raise TypeError(f"a file cannot hold {name} of type {', '.join(kinds)}: name the classes by texts, or use pickle")


def _restored(described: Any, array: Array | None) -> Any:
    if isinstance(described, dict):
        return np.array(described["values"], dtype=np.dtype(described["dtype"]))
    return described if array is None else array
