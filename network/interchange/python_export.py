"""`export_python`: a network as one Python file on NumPy."""

import base64
import os
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import row_of
from hotloop.network.interchange.columns import NumberColumn, Prepare, Value
from hotloop.network.interchange.layers import Activate, Dense, InputScale, LayerNorm, Rescale
from hotloop.network.interchange.source_text import SLOPES, Facts, facts_of
from hotloop.network.persistence.atomic_write import path_of, write_atomically

LINE = 116  # characters of base64

# Of z, float32 or float64, and of the slopes above and below zero if they take them.
FUNCTIONS = {
    "sigmoid": """\
def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, 1) / (1 + e)
""",
    "tanh": """\
def tanh(z):
    return np.tanh(z)
""",
    "relu": """\
def relu(z):
    return np.maximum(z, 0)
""",
    "leaky_relu": """\
def leaky_relu(z, slope):
    return np.where(z < 0, slope * z, z)
""",
    "elu": """\
def elu(z, alpha):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))
""",
    "selu": """\
def selu(z, above, below):
    return np.where(z > 0, above * z, below * np.expm1(np.minimum(z, 0)))
""",
    "gelu": """\
def gelu(z):
    \"\"\"Return z Phi(z); NumPy has no error function.\"\"\"
    tails = [math.erfc(-x * math.sqrt(0.5)) for x in z.ravel().tolist()]
    return 0.5 * z * np.array(tails, z.dtype).reshape(z.shape)
""",
    "silu": """\
def silu(z):
    e = np.exp(-np.abs(z))
    return z * (np.where(z < 0, e, 1) / (1 + e))
""",
    "mish": """\
def mish(z):
    \"\"\"Return z tanh(softplus(z)), as a quotient of polynomials in e^-|z|.\"\"\"
    e = np.exp(-np.abs(z))
    n = np.where(z < 0, e * (e + 2), 2 * e + 1)
    return z * (n / (n + 2 * np.where(z < 0, 1, e * e)))
""",
    "softplus": """\
def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
""",
    "exponential": """\
def exponential(z):
    with np.errstate(over="ignore"):
        return np.exp(z)
""",
    "softmax": """\
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
""",
    "measured": """\
def measured(x, offset, scale):
    \"\"\"Return scale (x - offset), smoothly clipped to -3 and 3; 0 where x is missing.\"\"\"
    z = np.clip((x - offset) * scale, -1e9, 1e9)
    return np.where(np.isnan(x), 0.0, z / np.sqrt((z / 3.0) ** 2 + 1.0))
""",
    "in_bin": """\
def in_bin(x, median, offset, scale):
    \"\"\"Return how much of a bin lies below x, from -1 to 1; the median takes the place of a missing x.\"\"\"
    return 2.0 * np.clip((np.where(np.isnan(x), median, x) - offset) * scale, 0.0, 1.0) - 1.0
""",
    "category": """\
def category(x, numbers, rows):
    \"\"\"Return the row of each category; the last two are those of unknown and of missing ones.\"\"\"
    hits = x[:, np.newaxis] == numbers
    known = np.where(hits.any(axis=1), hits.argmax(axis=1), len(numbers))
    return rows[np.where(np.isnan(x), len(numbers) + 1, known)]
""",
    "layer_norm": """\
def layer_norm(z, gain, shift, epsilon):
    z = z - z.mean(axis=1, keepdims=True)
    variance = np.mean(z * z, axis=1, keepdims=True)
    return gain * (z / np.sqrt(variance + epsilon)) + shift
""",
}


def export_python(net: Any, path: str | os.PathLike[str], *, logits: bool = False) -> None:
    """Write a network as one Python file, with the function ``predict(X)``, that needs NumPy only.

    The file has the parameters, with all their bits, as base64; its comment has the network, the names and the scaling
    of the inputs, and the names of the classes. ``predict(X)`` returns the outputs (rows, outputs) for inputs X (rows,
    inputs), to rounding those of `Network.predict`. NaN in X becomes NaN in the outputs, where `Network.predict` raises
    an error. Of a `PreparedNetwork` X has a column of numbers for each column of the table, as `export_c` says.

    Parameters
    ----------
    net : Network or PreparedNetwork
    path : path
        The file; it is written whole or not at all.
    logits : bool, default False
        Whether to leave out the output activation, if the loss of the network is computed from logits.

    Raises
    ------
    OSError
        If the file cannot be written; an old one is then still there.
    TypeError
        If `net` is neither.
    ValueError
        If an activation is your own, if a column has whole numbers beyond 2^53, or if parameters are not finite.

    Examples
    --------
    >>> import runpy
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.interchange import export_python
    >>> net, X = Network([3, 8, 2], loss="cross_entropy", seed=0), [[0.1, 0.2, 0.3]]
    >>> export_python(net, "net.py")
    >>> predict = runpy.run_path("net.py")["predict"]
    >>> bool(np.allclose(predict(X), net.predict(X), rtol=1e-6))
    True
    """
    path = path_of("path", path)
    write_atomically(path, python_source(facts_of(net, "Python", None, logits)).encode("ascii"))


def python_source(facts: Facts) -> str:
    """Return the text of the file."""
    writer = _Writer(facts)
    for layer in facts.layers:
        writer.add(layer)
    return writer.text()


class _Writer:
    """A Python file as it is built, layer by layer."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._arrays: list[tuple[str, Array]] = []
        self._functions: dict[str, str] = {}
        self._body: list[str] = []
        self._dense = 0

    def add(self, layer: Any) -> None:
        """Add the code of a layer."""
        at = self._dense - 1
        if isinstance(layer, Prepare):
            self._prepare(layer)
        elif isinstance(layer, Rescale):
            self._rescale(layer)
        elif isinstance(layer, InputScale):
            self._body.append(f"z = z * {self._array('learnt_input_scale', layer.scale)}")
        elif isinstance(layer, Dense):
            weights = self._array(f"weights_{at + 1}", layer.weights)
            self._body.append(f"z = z @ {weights} + {self._array(f'bias_{at + 1}', layer.bias)}")
            self._dense += 1
        elif isinstance(layer, LayerNorm):
            gain, shift = self._array(f"gain_{at}", layer.gain), self._array(f"shift_{at}", layer.shift)
            self._body.append(f"z = {self._function('layer_norm')}(z, {gain}, {shift}, {layer.epsilon!r})")
        elif isinstance(layer, Activate):
            row = row_of(layer.activation)
            slopes = "".join(f", {row.slopes[which]!r}" for which in SLOPES.get(row.name, ()))
            value = "z" if row.name == "identity" else f"{self._function(row.name)}(z{slopes})"
            if layer.mix is not None:
                mix = self._array(f"mix_{at}", layer.mix)
                value = f"(1 - {mix}) * z + {mix} * {value}"
            self._body.append(f"z = {value}")
        else:
            raise TypeError(f"{layer.place}: no Python for {type(layer).__name__}")

    def text(self) -> str:
        """Return the file."""
        facts, n = self.facts, self.facts.sizes[0]
        used = ["base64", "math"] if "gelu" in self._functions else ["base64"]
        header = "".join(f"# {line}".rstrip() + "\n" for line in facts.lines())
        lines = [*self._body, "return z"]
        if isinstance(facts.layers[0], Prepare) and not isinstance(facts.layers[1], Rescale):
            lines.insert(2, "z = x")
        elif not isinstance(facts.layers[0], Rescale | Prepare):
            lines.insert(0, f"z = x.astype({_name(facts.dtype)})")
        predict = (
            "def predict(X):\n"
            f'    """Return the outputs (rows, {facts.sizes[-1]}) for inputs X (rows, {n})."""\n'
            "    x = np.asarray(X)\n"
            f"    if x.ndim != 2 or x.shape[1] != {n}:\n"
            f'        raise ValueError("X has shape %s; wanted (rows, {n})" % (x.shape,))\n'
            + "".join(f"    {line}\n" for line in lines)
        )
        imports = "".join(f"import {name}\n" for name in used) + "\nimport numpy as np\n"
        return "\n\n".join([header + imports, self._parameters(), *self._functions.values(), predict])

    def _prepare(self, layer: Prepare) -> None:
        parts = []
        for place, column in enumerate(layer.columns):
            x = f"x[:, {place}]"
            if isinstance(column, NumberColumn):
                parts += [self._value(x, value) for value in column.values]
            else:
                numbers = self._array(f"categories_{place}", column.numbers)
                rows = self._array(f"inputs_{place}", column.rows)
                parts.append(f"{self._function('category')}({x}, {numbers}, {rows})")
        listed = "".join(f"        {part},\n" for part in parts)
        made = f"x = np.column_stack([\n{listed}    ]).astype({_name(self.facts.dtype)})"
        self._body += ["x = x.astype(np.float64)", made]

    def _value(self, x: str, value: Value) -> str:
        """Return the expression of an input that a column of numbers has."""
        scaling = f"{value.offset!r}, {value.scale!r}"
        if value.kind == "bin":
            return f"{self._function('in_bin')}({x}, {value.more!r}, {scaling})"
        waves = {"sine": f"np.sin({x} * {value.more!r})", "cosine": f"np.cos({x} * {value.more!r})",
                 "missing": f"np.isnan({x}).astype(np.float64)"}  # fmt: skip
        return f"{self._function('measured')}({waves.get(value.kind, x)}, {scaling})"

    def _rescale(self, layer: Rescale) -> None:
        dtype = _name(self.facts.dtype)
        if np.ndim(layer.offset) == 0 and np.ndim(layer.scale) == 0 and layer.offset == 0:
            self._body.append(f"z = x.astype({dtype}) * {dtype}({float(layer.scale)!r})")
            return
        offset, scale = (
            self._array(label, part) if np.ndim(part) else repr(float(part))
            for label, part in (("input_offset", layer.offset), ("input_scale", layer.scale))
        )
        self._body.append(f"z = ((x.astype(np.float64) - {offset}) * {scale}).astype({dtype})")

    def _function(self, name: str) -> str:
        self._functions[name] = FUNCTIONS[name]
        return name

    def _array(self, label: str, array: Any) -> str:
        self._arrays.append((label.upper(), array))
        return label.upper()

    def _parameters(self) -> str:
        """Return the code of the arrays, in the order of their use."""
        parts = [
            "def _array(text, dtype, shape):\n"
            '    """Return the array that base64 has, row by row, in little-endian order."""\n'
            "    return np.frombuffer(base64.b64decode(text), dtype).astype(dtype[1:]).reshape(shape)\n\n"
        ]
        for name, array in self._arrays:
            little = np.dtype(array.dtype).newbyteorder("<")
            text = base64.b64encode(array.astype(little).tobytes()).decode("ascii")
            lines = "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))
            shape = repr(tuple(int(n) for n in array.shape))
            parts.append(f'{name} = _array("""\n{lines}\n""", "<f{array.itemsize}", {shape})')
        return "\n".join(parts) + "\n"


def _name(dtype: np.dtype[Any]) -> str:
    return f"np.{dtype}"
