"""The products of a layer in benchmarks/peers.py: the same for every peer, and judged by the fastest BLAS."""

from importlib import import_module

import numpy as np
import pytest

from benchmarks.comparison import cases, numpy_peer, tables
from benchmarks.comparison.measure import LossMismatch, Session


def session(rounds=2):
    return Session(["hotloop", "numpy"], rounds, 0.001)


def test_a_product_is_judged_by_the_fastest_blas_and_by_the_peak():
    times = {"hotloop": 1e-3, "NumPy": 1.1e-3, "oneDNN": 1.05e-3}
    row = tables.product_row((512, 512, 512), "forward", times, 300e9)
    assert row["gflops"]["hotloop"] == pytest.approx(2 * 512**3 / 1e-3 / 1e9)
    assert (row["ratio"], row["fastest_peer"]) == (pytest.approx(1.05), "oneDNN")
    assert row["share_of_peak"] == pytest.approx(2 * 512**3 / 1e-3 / 300e9)
    assert not row["misses"]
    assert tables.product_row((512, 512, 512), "forward", times, 400e9)["misses"]
    few = tables.product_row((10, 512, 512), "forward", times, 400e9)
    assert few["misses"]
    assert not few["loses"]
    assert tables.product_row((10, 512, 512), "forward", times | {"oneDNN": 0.9e-3}, 4e11)["loses"]
    assert tables.product_row((10, 512, 512), "forward", {"NumPy": 1e-3}, 4e11)["ratio"] is None


def products_of(kind):
    """Return the results of the three products, made by a peer's class of this name."""
    made = kind(8, 17, 9)
    for product in made.RESULTS:
        getattr(made, product)(1)
    return {product: made.output(product) for product in made.RESULTS}


@pytest.mark.parametrize("subject", [subject for _, subject, _ in tables.PRODUCTS.values()])
def test_products_are_those_of_plain_numpy(subject):
    module, name = subject.split(":")
    if module == "torch_peer":
        pytest.importorskip("torch", reason="a peer that is not installed")
    given = cases.LayerProducts(8, 17, 9)
    wanted = {
        "forward": given.x @ given.w, "weight_gradient": (given.x.T @ given.delta)[:8],
        "input_gradient": given.delta @ given.w.T,
    }  # fmt: skip
    for product, found in products_of(getattr(import_module(f"benchmarks.comparison.{module}"), name)).items():
        np.testing.assert_allclose(found, wanted[product], rtol=0, atol=1e-5)


def test_a_peer_that_computes_another_product_is_refused():
    class Doubled(numpy_peer.Products):
        def forward(self, times):
            super().forward(times)
            self.z += self.z

    workers = {"NumPy": Made(numpy_peer.Products), "bad": Made(Doubled)}
    with pytest.raises(LossMismatch, match=r"^bad computes"):
        tables.products(session(), (3, 5, 4), workers)


class Made:
    """A peer without a process: does what `Worker` does, here."""

    def __init__(self, kind):
        self.kind = kind

    def make(self, *arguments):
        self.made = self.kind(*arguments)

    def call(self, method, *arguments):
        return getattr(self.made, method)(*arguments)

    def seconds(self, method, *arguments):
        self.call(method, *arguments)
        return 0.001


def test_long_products_have_few_rounds(monkeypatch):
    monkeypatch.setattr(tables, "LONG", 5)
    for shape, rounds in (((3, 4, 4), 7), ((3, 5, 4), tables.LONG_ROUNDS)):
        found, notes = tables.products(session(7), shape, {"NumPy": Made(numpy_peer.Products)})
        assert [len(times["NumPy"].rounds) for times in found.values()] == [rounds] * 3
    assert set(notes) == {"NumPy"}
