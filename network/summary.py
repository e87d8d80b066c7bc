"""The table that says what a network is made of."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from hotloop.network import flops
from hotloop.network.display.terminal import Styled
from hotloop.network.display.text_table import paragraph, table
from hotloop.network.html import elements
from hotloop.network.html.elements import Html
from hotloop.network.layout import Layout
from hotloop.network.validation.printable import counted, sizes_as_word


class Summary(Styled):
    """What `Network.summary` returns: a text, which a notebook shows as a table, and an interpreter as it prints."""

    as_html: Html

    def __repr__(self) -> str:
        """Return the text itself, not quoted in one line."""
        return str(self)

    def _repr_html_(self) -> str:
        """Return it for notebooks."""
        return elements.representation(self.as_html)


def summary(
    layout: Layout, activations: Sequence[Any], dropout: Sequence[float], loss: Any, label_smoothing: float,
    input_offset: Any, input_scale: Any, input_dropout: float = 0.0, l1: float = 0.0, l2: float = 0.0,
    max_norm: Sequence[float | None] | None = None,
) -> Summary:  # fmt: skip
    """Return the table of `Network.summary`."""
    heads = ["layer", "weights", "activation", "dropout", "parameters", "FLOPs/sample"]
    rows = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(layout.sizes)):
        rate = f"{dropout[layer]:g}" if layer < len(dropout) and dropout[layer] else "-"
        vectors = len(layout.vectors[layer])
        numbers = f"{(fan_in + vectors) * fan_out:,}", f"{flops.forward(1, fan_in, fan_out):,}"
        activation = ("learnt " if layout.mixes(layer) else "") + str(activations[layer])
        activation = ("layer norm, " if layout.normalises(layer) else "") + activation
        rows.append([str(layer + 1), f"{fan_in} x {fan_out}", activation, rate, *numbers])
    forward, step = flops.forward_of_a_row(layout.sizes), flops.training_of_a_row(layout.sizes)
    used, padded = (size * layout.dtype.itemsize for size in (layout.n_parameters, layout.size))
    given = {"label smoothing": label_smoothing, "l1": l1, "l2": l2}
    with_it = "".join(f", {name} {value:g}" for name, value in given.items() if value)
    notes = [
        f"{layout.n_parameters:,} parameters, {layout.dtype}, {used:,} bytes ({padded:,} with padding)",
        f"{forward:,} FLOPs a sample forward, {step:,} forward and backward; loss {loss}{with_it}",
        *_scaling(input_offset, input_scale),
        *([f"max-norm of each layer: {_limits(max_norm)}"] if max_norm is not None else []),
        *(["each input is multiplied by a learnt number"] if layout.learn_input_scale else []),
        *([f"{input_dropout:g} of the inputs are dropped in training"] if input_dropout else []),
    ]
    left = ["activation"]
    lines = table(heads, rows, left=left, first_to_go=["dropout", "FLOPs/sample", "activation"])
    found = Summary.joined("\n", [*lines, *(paragraph("", note) for note in notes)])
    found.as_html = elements.joined(elements.table(heads, rows, left=left), *map(elements.note, notes))
    return found


def representation_of(net: Any) -> Html:
    """Return what a notebook shows of a network: its summary, and how far it is trained."""
    trained = f"trained for {counted(net.epochs_trained, 'epoch')}, {net.steps:,} steps"
    trained += f", last by {net.optimizer}" if net.optimizer is not None else ""
    return elements.representation(
        elements.title(f"Network {sizes_as_word(net.sizes)}"),
        net.summary().as_html,
        elements.note(f"{trained if net.steps else 'not trained yet'}; seed {net.seed}"),
    )


def _limits(max_norm: Sequence[float | None]) -> str:
    return ", ".join("none" if limit is None else f"{limit:g}" for limit in max_norm)


def _scaling(offset: Any, scale: Any) -> list[str]:
    if np.ndim(scale) == 0 and np.ndim(offset) == 0 and offset == 0:
        return [f"inputs are multiplied by {scale:g}"] if scale != 1 else []
    names = [
        name if np.ndim(number) else f"{number:g}"
        for name, number in (("input_offset", offset), ("input_scale", scale))
    ]
    return [f"inputs become {names[1]} * (X - {names[0]})"]
