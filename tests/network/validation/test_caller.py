"""Warnings name the line that called hotloop, however deep they arise."""

import os

import numpy as np
import pytest

from hotloop import CheckpointWarning, ConvergenceWarning, Network
from hotloop.datasets import DataWarning
from hotloop.network.datasets.data_warning import note

X, Y = np.random.default_rng(0).normal(size=(8, 2)), np.arange(8.0)
LONG = {"epochs": 1, "tolerance": 0.0, "progress": False}


def build():
    return Network([2, 1], seed=0)


@pytest.mark.parametrize(("call", "category"), [
    (lambda path: build().fit(X, Y, **LONG), ConvergenceWarning),
    (lambda path: build().fit_one_cycle(X, Y, max_learning_rate=0.1, **LONG), ConvergenceWarning),
    (lambda path: build().find_learning_rate(X, Y, steps=6), UserWarning),
    (lambda path: build().fit(X, Y, epochs=1, checkpoint=path / "run"), CheckpointWarning),
    (lambda path: note("read as text"), DataWarning),
])  # fmt: skip
def test_the_line_that_called(call, category, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(category) as caught:
        call(tmp_path)
    (line,) = {(each.filename, each.lineno) for each in caught}
    assert line == (__file__, call.__code__.co_firstlineno)
