"""Losses, weights of samples, classes and positive targets, and label smoothing, against PyTorch's in float64."""

import json

import numpy as np
import pytest
import torch_losses as torch

from hotloop import Adam, Network
from hotloop.losses import Huber, Quantile

RECORDED = json.loads(torch.FILE.read_text())
LOSSES = {"huber": Huber(torch.DELTA), "quantile": Quantile(torch.LEVELS)}
GIVEN = {"sample_weight": torch.weights(), "class_weight": torch.CLASSES, "positive_weight": torch.POSITIVE}


@pytest.mark.parametrize("case", torch.CASES)
def test_loss_gradient_and_training(case):
    """To 1e-12 of the largest number: the loss and gradient of all rows, and the parameters after 12 steps of Adam."""
    loss, kind, outputs, options, names = torch.CASES[case]
    (X, y), wanted = torch.problem(kind), RECORDED[case]
    net = Network([4, 8, outputs], "tanh", loss=LOSSES.get(loss, loss), dtype="float64", seed=0, **options)
    for ours, theirs in zip((net.weights, net.biases), torch.start(outputs), strict=True):
        for layer, array in zip(ours, theirs, strict=True):
            layer[:] = array
    arguments = {name: GIVEN[name] for name in names}
    found, gradient = net.gradient(X, y, **arguments)
    assert found == pytest.approx(wanted["loss"], rel=1e-12)
    agree([*net.split(gradient)[0], *net.split(gradient)[1]], wanted["gradient"])
    net.fit(
        X, y, epochs=torch.STEPS // -(-torch.ROWS // torch.BATCH), batch_size=torch.BATCH, shuffle=False,
        optimizer=Adam(0.01), n_threads=1, progress=False, **arguments,
    )  # fmt: skip
    agree([*net.weights, *net.biases], wanted["end"])


def agree(found, wanted):
    """Raise unless arrays agree to 1e-12 of the largest entry."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.abs(ours.ravel() - theirs).max() <= 1e-12 * max(np.abs(theirs))
