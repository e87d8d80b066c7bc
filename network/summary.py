"""The table that says what a network is made of."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hotloop.network import flops
from hotloop.network.text_table import table

if TYPE_CHECKING:
    from hotloop.network.network import Network


def summary(net: "Network") -> str:
    """Return the table of `Network.summary`."""
    heads = ["layer", "weights", "activation", "dropout", "parameters", "FLOPs/sample"]
    rows = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(net.sizes)):
        rate = f"{net.dropout[layer]:g}" if layer < len(net.dropout) and net.dropout[layer] else "-"
        numbers = f"{(fan_in + 1) * fan_out:,}", f"{flops.forward(1, fan_in, fan_out):,}"
        rows.append([str(layer + 1), f"{fan_in} x {fan_out}", net.activations[layer], rate, *numbers])
    forward, step = flops.forward_of_a_row(net.sizes), flops.training_of_a_row(net.sizes)
    used, padded = net.n_parameters * net.dtype.itemsize, net.parameters.nbytes
    return "\n".join(
        [
            *table(heads, rows, left=["activation"]),
            f"{net.n_parameters:,} parameters, {net.dtype}, {used:,} bytes ({padded:,} with padding)",
            f"{forward:,} FLOPs a sample forward, {step:,} forward and backward; loss {net.loss}",
            *_scaling(net.input_offset, net.input_scale),
        ]
    )


def _scaling(offset: Any, scale: Any) -> list[str]:
    if np.ndim(scale) == 0 and np.ndim(offset) == 0 and offset == 0:
        return [f"inputs are multiplied by {scale:g}"] if scale != 1 else []
    names = [
        name if np.ndim(number) else f"{number:g}"
        for name, number in (("input_offset", offset), ("input_scale", scale))
    ]
    return [f"inputs become {names[1]} * (X - {names[0]})"]
