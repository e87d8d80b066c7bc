"""The public names of hotloop.kernels, which are imported when the first is used."""

import json
import pkgutil
import subprocess
import sys

import pytest
from programs import ENVIRONMENT

from hotloop import kernels


def fresh(code):
    """Run code in a fresh interpreter, and return what it prints as JSON."""
    return json.loads(subprocess.check_output([sys.executable, "-c", code], env=ENVIRONMENT, text=True))


def test_names_and_codes_need_neither_numba_nor_numpy():
    """So that the command line can list the tables without waiting for them."""
    modules = "activations", "losses", "initializers", "training.optimizers"
    tables = "; ".join(f"import hotloop.network.{name}" for name in modules)
    loaded = fresh(f"import hotloop.kernels.codes; {tables}; import json, sys; print(json.dumps([*sys.modules]))")
    assert not {"numba", "llvmlite", "numpy"} & set(loaded)


def test_no_public_name_is_that_of_a_module():
    """Importing the module, anywhere, would put it in the place of the kernel."""
    modules = {module.name for module in pkgutil.iter_modules(kernels.__path__)}
    assert not modules & set(kernels.__all__)


@pytest.mark.parametrize("first", ["losses", "elementary_functions", "training", "activations", "jit"])
def test_names_do_not_depend_on_what_is_imported_first(first):
    """`elementary_functions`, which `losses` uses, has functions of the same names as public kernels."""
    code = f"import hotloop.kernels.{first}; from hotloop import kernels; import json; "
    homes = fresh(code + "print(json.dumps({n: getattr(kernels, n).__module__ for n in kernels.__all__}))")
    assert homes == {name: getattr(kernels, name).__module__ for name in kernels.__all__}
    assert homes["softplus"] == homes["tanh"] == "hotloop.kernels.activations"


def test_a_name_that_is_not_public():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = kernels.nonsense
    assert set(kernels.__all__) <= set(dir(kernels))
