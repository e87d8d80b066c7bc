"""Every benchmark's setup and body run, with every combination of parameters: a suite that no test runs rots."""

import importlib
import inspect
import itertools
import pkgutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import benchmarks
import hotloop

PREFIXES = ("time_", "timeraw_", "track_", "mem_", "peakmem_")
PROMISED = {
    "kernels.DenseForward.time_call",
    "kernels.SigmoidDerivative.time_call",
    "kernels.AccumulateWeightGradient.time_call",
    "networks.Epoch.time_fit",
    "networks.PredictOneRow.time_predict",
    "imports.Import.timeraw_import",
}


def benchmark_classes():
    """Yield the name and class of everything in the modules of `benchmarks` in which asv would find a benchmark."""
    for module_info in pkgutil.walk_packages(benchmarks.__path__):
        module = importlib.import_module(f"benchmarks.{module_info.name}")
        for name, found in inspect.getmembers(module, inspect.isclass):
            if found.__module__ == module.__name__ and any(map(is_body, dir(found))):
                yield f"{module_info.name}.{name}", found


def is_body(name):
    return name.startswith(PREFIXES)


def cases():
    """Yield one pytest parameter for each body and combination of parameters."""
    for name, found in benchmark_classes():
        for body in filter(is_body, dir(found)):
            for values in itertools.product(*getattr(found, "params", [])):
                yield pytest.param(found, body, values, id=f"{name}.{body}{list(values)}")


def test_the_promised_benchmarks_are_found():
    found = {f"{name}.{body}" for name, cls in benchmark_classes() for body in filter(is_body, dir(cls))}
    assert PROMISED - found == set()


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="benchmarks time compiled code; in plain Python they take minutes")
@pytest.mark.parametrize(("benchmark_class", "body", "values"), list(cases()))
def test_a_benchmark_runs(benchmark_class, body, values):
    benchmark = benchmark_class()
    assert len(getattr(benchmark, "param_names", [])) == len(values)
    if hasattr(benchmark, "setup"):
        benchmark.setup(*values)
    result = getattr(benchmark, body)(*values)
    if body.startswith("timeraw_"):
        subprocess.run([sys.executable, "-c", result], check=True, timeout=60, cwd=Path(hotloop.__file__).parents[1])


@pytest.mark.parametrize("benchmark_class", [found for _, found in benchmark_classes()])
def test_a_benchmark_carries_its_version(benchmark_class):
    """asv's own version is a hash of the source: a comment would throw the past results away."""
    assert isinstance(benchmark_class.version, str)


def test_kernel_benchmarks_write_finite_numbers():
    """A benchmark on NaN, infinity or denormal numbers would time another path of the CPU."""
    from benchmarks import kernels

    smallest = {"float32": 1e-37, "float64": 1e-307}
    for found in (kernels.DenseForward, kernels.SigmoidDerivative, kernels.AccumulateWeightGradient):
        for dtype in kernels.DTYPES:
            benchmark = found()
            benchmark.setup(found.params[0][0], dtype)
            for array in vars(benchmark).values():
                assert array.dtype == dtype
                assert ((abs(array) > smallest[dtype]) & (abs(array) < 1e6)).all()
