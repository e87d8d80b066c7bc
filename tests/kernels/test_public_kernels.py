"""The public names of hotloop.kernels, which are imported when the first is used."""

import json
import pkgutil
import subprocess
import sys

import pytest
from programs import ENVIRONMENT

from hotloop import kernels

FIRST = "losses", "elementary_functions", "training", "activations", "jit"
HOMES = f"""
import importlib, json, os
import numba

for first in {FIRST}:
    if os.fork() == 0:
        importlib.import_module(f"hotloop.kernels.{{first}}")
        from hotloop import kernels
        print(json.dumps({{name: getattr(kernels, name).__module__ for name in kernels.__all__}}), flush=True)
        os._exit(0)
    os.wait()
"""


def fresh(code):
    """Run code in a fresh interpreter, and return the lines that it prints, each JSON."""
    printed = subprocess.check_output([sys.executable, "-c", code], env=ENVIRONMENT, text=True)
    return [json.loads(line) for line in printed.splitlines()]


def test_names_and_codes_need_neither_numba_nor_numpy():
    """So that the command line can list the tables without waiting for them."""
    modules = "activations", "losses", "initializers", "training.optimizers"
    tables = "; ".join(f"import hotloop.network.{name}" for name in modules)
    (loaded,) = fresh(f"import hotloop.kernels.codes; {tables}; import json, sys; print(json.dumps([*sys.modules]))")
    assert not {"numba", "llvmlite", "numpy"} & set(loaded)


def test_no_public_name_is_that_of_a_module():
    """Importing the module, anywhere, would put it in the place of the kernel."""
    modules = {module.name for module in pkgutil.iter_modules(kernels.__path__)}
    assert not modules & set(kernels.__all__)


def test_names_do_not_depend_on_what_is_imported_first():
    """`elementary_functions`, which `losses` uses, has functions of the same names as public kernels."""
    homes = {name: getattr(kernels, name).__module__ for name in kernels.__all__}
    assert homes["softplus"] == homes["tanh"] == "hotloop.kernels.activations"
    assert dict(zip(FIRST, fresh(HOMES), strict=True)) == dict.fromkeys(FIRST, homes)


def test_a_name_that_is_not_public():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = kernels.nonsense
    assert set(kernels.__all__) <= set(dir(kernels))
