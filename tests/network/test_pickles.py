"""Every public object is copied and pickled, also to another process and by joblib."""

import copy
import importlib
import os
import pickle
import pickletools
import subprocess
import sys

import pickled_objects
import pytest
from conftest import needs_compiler
from pickled_objects import (
    LABELS,
    X,
    of_callbacks,
    of_data,
    of_estimators,
    of_methods,
    of_training,
    same,
    square,
    twice,
)

import hotloop
from hotloop.activations import CustomActivation
from hotloop.network.custom import pieces

pytestmark = needs_compiler  # custom functions without one are plain functions
MODULES = (
    "activations", "callbacks", "datasets", "estimators", "interchange", "losses", "metrics", "plots", "schedules",
)  # fmt: skip
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
# Public classes of which there is no object to pickle, and why.
WITHOUT = {
    "Callback": "users make their own: Mine",
    "FitProgress": "refused: of a fit that runs",
    "TensorBoard": "needs tensorboard: its state is its folder",
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pickled")
    return [*of_training(), *of_methods(), *of_data(folder), *of_callbacks(folder), *of_estimators()]


def public():
    """Return all public names and what they are."""
    modules = [hotloop, *(importlib.import_module(f"hotloop.{name}") for name in MODULES)]
    return {(module.__name__, name): getattr(module, name) for module in modules for name in module.__all__}


def test_every_public_class_has_a_case(objects):
    kinds = {kind for value in objects for kind in type(value).__mro__}
    for (module, name), value in public().items():
        if isinstance(value, type) and name not in WITHOUT and not issubclass(value, Warning):
            assert value in kinds, f"tests/pickled_objects.py has no {module}.{name}"


def test_classes_functions_and_warnings_are_pickled_by_their_names():
    for value in public().values():
        assert pickle.loads(pickle.dumps(value)) == value
        if isinstance(value, type) and issubclass(value, Warning):
            assert same(pickle.loads(pickle.dumps(value("why"))), value("why"))


def test_copies_and_pickles_are_the_same(objects):
    for value in objects:
        for twin in (
            copy.copy(value),
            copy.deepcopy(value),
            *(pickle.loads(pickle.dumps(value, p)) for p in PROTOCOLS),
        ):
            assert same(twin, value), value


def test_the_comparison_sees_a_change(objects):
    net = objects[0]
    twin = copy.deepcopy(net)
    twin.parameters[3] += 1e-7
    assert not same(twin, net)
    twin = copy.deepcopy(net)
    twin._training.moments[0, 0] += 1
    assert not same(twin, net)
    assert not same(hotloop.Adam(0.1), hotloop.Adam(0.2))
    assert not same(CustomActivation(square, twice, name="a"), CustomActivation(square, twice, name="b"))


def test_no_pickle_holds_code_but_those_of_own_functions(objects):
    """Bytecode and code objects are bound to a version of Python; classes and functions by name are not."""
    for value in objects:
        if isinstance(value, pieces.Custom):
            continue
        for opcode, argument, _ in pickletools.genops(pickle.dumps(value, 2)):
            if opcode.name == "GLOBAL":
                assert argument.split()[0].split(".")[0] not in ("marshal", "types", "numba", "cloudpickle"), value


def test_another_process(objects, tmp_path):
    file = tmp_path / "objects.pickle"
    file.write_bytes(pickle.dumps([pickle.dumps(value) for value in objects]))
    # The classes and functions of pickled_objects are then those of the same module.
    program = "import pickled_objects; pickled_objects.pickle_again(__import__('sys').argv[1])"
    path = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-W", "error", "-c", program, file], check=True, env=path)
    for value, blob in zip(objects, pickle.loads(file.read_bytes()), strict=True):
        assert same(pickle.loads(blob), value), value


def test_joblib(objects, tmp_path):
    joblib = pytest.importorskip("joblib", reason="comes with scikit-learn: pip install 'hotloop[sklearn]'")
    for value in objects:
        joblib.dump(value, tmp_path / "one.joblib")
        assert same(joblib.load(tmp_path / "one.joblib"), value), value


def test_joblib_in_other_processes(objects):
    joblib = pytest.importorskip("joblib", reason="comes with scikit-learn: pip install 'hotloop[sklearn]'")
    net = objects[0]
    with joblib.parallel_config("loky", n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(pickled_objects.predict)(net, X) for _ in range(2))
    for outputs in found:
        assert (outputs == net.predict(X)).all()


def test_what_is_open_is_refused():
    refused = []

    class See(hotloop.Callback):
        def on_epoch_end(self, fit):
            for way in (copy.copy, copy.deepcopy, pickle.dumps):
                with pytest.raises(TypeError, match="where a fit stands cannot be copied or pickled"):
                    way(fit)
                refused.append(way)

    with hotloop.profile() as profile:
        for way in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="an open profile cannot be copied or pickled"):
                way(profile)
    hotloop.Network([3, 2], loss="cross_entropy", seed=0).fit(X, LABELS, epochs=1, callbacks=[See()])
    assert len(refused) == 3


def test_own_functions_are_of_one_version_of_python(monkeypatch):
    blob = pickle.dumps(CustomActivation(square, twice))
    monkeypatch.setattr(pieces, "PYTHON", (3, 99))
    with pytest.raises(ValueError, match=r"CustomActivation\('square'\) was pickled by Python 3\.\d+, whose bytecode"):
        pickle.loads(blob)
