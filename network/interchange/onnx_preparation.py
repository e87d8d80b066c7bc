"""The preparation of a table as nodes: an input for each column, and from them the matrix that a network takes."""

from itertools import product
from typing import Any

import numpy as np

from hotloop.network.datasets.csv_dialect import MISSING
from hotloop.network.interchange.layers import refuse
from hotloop.network.interchange.onnx_graph import Graph, vector
from hotloop.network.tables.categories import number_in
from hotloop.network.tables.column import BOOLEAN, DATE, DURATION, NUMBER
from hotloop.network.tables.encodings import Dropped, Measured, OneHot
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.scales import BEYOND, LIMIT

UNITS = {DATE: "days since 1970-01-01 UTC", DURATION: "days", BOOLEAN: "0 or 1"}
EXACT = 2.0**53  # float64 has all whole numbers up to here


def input_names(preparation: Preparation) -> tuple[str, ...]:
    """Return the name of each column's input: its own, or x and its place."""
    if preparation.names is not None:
        return preparation.names
    return tuple(f"x{column.name}" for column in preparation.columns)


def add_preparation(graph: Graph, preparation: Preparation) -> str:
    """Add inputs and the nodes of a preparation, and return the matrix (batch, n_inputs), of the graph's dtype.

    Raises
    ------
    ValueError
        If a column cannot be prepared so; it is named.
    """
    raw: list[str] = []
    bins: list[str] = []
    of_bins: list[int] = []
    offset, scale = preparation.scaling
    columns = zip(preparation.columns, input_names(preparation), preparation.encodings, strict=True)
    for report, name, encoding in columns:
        if isinstance(encoding, Dropped):
            continue
        inputs = report.inputs
        if isinstance(encoding, OneHot):
            raw.append(_one_hot(graph, name, encoding, report.note))
            continue
        x = _number_input(graph, name, encoding)
        first_bin = inputs.stop - encoding.bins
        raw += _measured(graph, x, encoding)
        if encoding.bins:
            places = slice(first_bin, inputs.stop)
            bins.append(_bins(graph, x, float(offset[inputs.start]), offset[places], scale[places]))
            of_bins += range(first_bin, inputs.stop)
    others = [place for place in range(preparation.n_inputs) if place not in {*of_bins}]
    matrix = _scaled(graph, graph.node("Concat", *raw, axis=1), offset[others], scale[others])
    if bins:
        order = np.argsort([*others, *of_bins])
        matrix = graph.node("Concat", matrix, *bins, axis=1)
        matrix = graph.node("Gather", matrix, graph.constant("order", order, np.int64), axis=1)
    return matrix if graph.dtype == np.float64 else graph.cast(matrix, graph.dtype)


def _number_input(graph: Graph, name: str, encoding: Measured) -> str:
    """Add the input of a column of numbers, dates or durations."""
    if encoding.origin:
        refuse(f"column {name!r}", "holds whole numbers beyond 2**53, which an input of float64 does not tell apart")
    return graph.input(name, np.float64, 1, f"{UNITS.get(encoding.kind, NUMBER)}; NaN if missing")


def _measured(graph: Graph, x: str, encoding: Measured) -> list[str]:
    """Add the inputs of a network, before they are scaled, that a column of numbers x (batch, 1) has."""
    found = [x] if encoding.value else []
    for period in encoding.periods:
        angle = graph.node("Mul", x, graph.constant("frequency", 2 * np.pi / period, np.float64))
        found += [graph.node("Sin", angle), graph.node("Cos", angle)]
    if encoding.flag:
        found.append(graph.cast(graph.node("IsNaN", x), np.float64))
    return found


def _scaled(graph: Graph, raw: str, offset: Any, scale: Any) -> str:
    """Add the robust scaling and the smooth clip of `hotloop.network.tables.scales`; NaN becomes 0."""

    def number(wish: str, value: float) -> str:
        return graph.constant(wish, value, np.float64)

    shifted = graph.node("Sub", raw, graph.constant("offset", vector(offset), np.float64))
    x = graph.node("Mul", shifted, graph.constant("scale", vector(scale), np.float64))
    x = graph.node("Clip", x, number("least", -BEYOND), number("most", BEYOND))
    part = graph.node("Div", x, number("limit", LIMIT))
    root = graph.node("Sqrt", graph.node("Add", graph.node("Mul", part, part), number("one", 1)))
    clipped = graph.node("Div", x, root)
    return graph.node("Where", graph.node("IsNaN", raw), number("zero", 0), clipped)


def _bins(graph: Graph, x: str, median: float, offset: Any, scale: Any) -> str:
    """Add the piecewise-linear encoding of a column of numbers, (batch, bins); a missing one is the median."""

    def number(wish: str, value: float) -> str:
        return graph.constant(wish, value, np.float64)

    filled = graph.node("Where", graph.node("IsNaN", x), number("median", median), x)
    shifted = graph.node("Sub", filled, graph.constant("edges", vector(offset), np.float64))
    share = graph.node("Mul", shifted, graph.constant("inverse_widths", vector(scale), np.float64))
    share = graph.node("Clip", share, number("zero", 0), number("one", 1))
    return graph.node("Sub", graph.node("Mul", share, number("two", 2)), number("one", 1))


def _one_hot(graph: Graph, name: str, encoding: OneHot, note: str) -> str:
    """Add the inputs of a network, before they are scaled, that a column of categories has."""
    kinds = {kind for kind, _ in encoding.keys}
    places = _places_of_numbers(graph, name, encoding) if kinds in ({NUMBER}, {BOOLEAN}) else None
    if places is None:
        places = _places_of_texts(graph, name, encoding, note)
    return graph.node("Gather", graph.constant("rows", encoding.raw(), np.float64), places, axis=0)


def _places_of_numbers(graph: Graph, name: str, encoding: OneHot) -> str:
    """Add the input of categories that are numbers, and each one's row of `OneHot.raw`, (batch,)."""
    numbers = [0.0, 1.0] if encoding.kind == BOOLEAN else [float(text) for _, text in encoding.keys]
    if not all(abs(number) <= EXACT for number in numbers):
        refuse(
            f"column {name!r}", "has categories that are whole numbers beyond 2**53, which float64 does not tell apart"
        )
    x = graph.input(name, np.float64, 1, f"{UNITS.get(encoding.kind, 'a category')}; NaN if missing")
    table = graph.constant("categories", vector(np.array(numbers)), np.float64)
    found = graph.cast(graph.node("Equal", x, table), np.float64)
    hits = graph.node("Concat", found, graph.cast(graph.node("IsNaN", x), np.float64), axis=1)
    n = len(numbers)
    rows = graph.constant("rows", [*(encoding.place_of(number) for number in numbers), n + 1], np.int64)
    place = graph.node("Gather", rows, graph.node("ArgMax", hits, axis=1, keepdims=0), axis=0)
    any_hit = graph.cast(graph.node("ReduceMax", hits, axes=[1], keepdims=0), np.bool_)
    return graph.node("Where", any_hit, place, graph.constant("unknown", n, np.int64))


def _places_of_texts(graph: Graph, name: str, encoding: OneHot, note: str) -> str:
    """Add the input of categories that are texts, and each one's row of `OneHot.raw`, (batch,)."""
    numbers = [number_in(text) for text in encoding.texts]
    spelt = [str(number) for number in numbers if number is not None]  # 42 as 42.0, too
    places = {text: encoding.place_of(text) for text in (*encoding.texts, *spelt)}
    for word in sorted(MISSING):
        for letters in product(*({letter, letter.upper()} for letter in word)):
            places.setdefault("".join(letters), len(encoding.keys) + 1)
    x = graph.input(name, str, 1, f"{note}; empty if missing")
    column = graph.node("Reshape", x, graph.constant("all", [-1], np.int64))
    return graph.node(
        "LabelEncoder", column, domain="ai.onnx.ml", keys_strings=list(places), values_int64s=list(places.values()),
        default_int64=len(encoding.keys),
    )  # fmt: skip
