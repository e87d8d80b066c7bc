"""`export_c`: a network as one C99 file."""

import os
import re
from typing import Any

import numpy as np

from hotloop.network.activations import row_of
from hotloop.network.interchange.c_templates import (
    ACTIVATIONS,
    BIN,
    CATEGORY,
    DENSE,
    FMA,
    KEYWORDS,
    LAYER_NORM,
    LIBRARY,
    MEASURED,
    MISSING,
    NORM_SUMS,
    SOFTMAX,
)
from hotloop.network.interchange.columns import CategoryColumn, NumberColumn, Prepare, Value
from hotloop.network.interchange.layers import Activate, Dense, InputScale, LayerNorm, Rescale, refuse
from hotloop.network.interchange.source_text import SLOPES, SQRT_HALF, Facts, facts_of
from hotloop.network.persistence.atomic_write import path_of, write_atomically
from hotloop.network.validation.printable import shown

NUMBERS_IN_A_LINE = 8
LONGEST_NAME = 31  # characters of a name that every C99 linker tells apart


def export_c(
    net: Any, path: str | os.PathLike[str], *, name: str = "predict", dtype: Any = None, logits: bool = False
) -> None:
    r"""Write a network as one C99 file, with the function ``void predict(const float *x, float *out)`` for one row.

    The file needs a C99 compiler and math.h only. Its parameters are constants, with all their bits; there is no
    dynamic memory, recursion, input or output. Scratch memory is on the stack, ``PREDICT_SCRATCH_BYTES`` of it, so that
    any number of threads may call `predict` at a time. ``PREDICT_INPUTS`` and ``PREDICT_OUTPUTS`` are the lengths of x
    and out, which must not overlap. A comment has the network, the names and the scaling of the inputs, the names of
    the classes, and how to compile.

    Inputs are scaled as in `Network.predict`, in double precision if there is an offset or a scale for each input;
    everything else is computed in `dtype`. NaN in x becomes NaN in out, where `Network.predict` raises an error.

    Of a `PreparedNetwork` x has a number for each column: numbers as they are; booleans as 0 and 1; dates as days since
    1970-01-01 UTC, durations as days; a category of text by its place in the list that the comment has, and any other
    number for an unknown one. NaN stands for a missing value, which -ffast-math would not see.

    Parameters
    ----------
    net : Network or PreparedNetwork
    path : path
        The file; it is written whole or not at all.
    name : str, default "predict"
        Of the function; all other names begin with it, so that several networks fit into one program.
    dtype : {"float32", "float64"}, optional
        float or double: of parameters, arithmetic, x and out. By default the network's.
    logits : bool, default False
        Whether to leave out the output activation, if the loss of the network is computed from logits: the class with
        the largest logit is the most probable one, and the exponentials are saved.

    Raises
    ------
    OSError
        If the file cannot be written; an old one is then still there.
    TypeError
        If `net` is neither.
    ValueError
        If an activation is your own, if a column has whole numbers beyond 2^53, if `name` is none in C, or if
        parameters are not finite.

    Examples
    --------
    >>> from pathlib import Path
    >>> from hotloop import Network
    >>> from hotloop.interchange import export_c
    >>> export_c(Network([3, 8, 2], loss="cross_entropy", seed=0), "net.c")
    >>> print(Path("net.c").read_text().partition("*out)\n")[2], end="")
    {
        float a[8];
    <BLANKLINE>
        predict_dense(predict_weights_0, predict_bias_0, 3, 8, x, a);
        for (size_t j = 0; j < 8; j++) {
            a[j] = predict_relu(a[j]);
        }
        predict_dense(predict_weights_1, predict_bias_1, 8, 2, a, out);
        predict_softmax(out, 2);
    }
    """
    path = path_of("path", path)
    write_atomically(path, c_source(facts_of(net, "C", dtype, logits), checked_name(name)).encode("ascii"))


def checked_name(name: Any) -> str:
    """Return the name of a function, if it is one in C and C++ and is not taken."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a name in C, got {shown(name)}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or len(name) > LONGEST_NAME:
        raise ValueError(
            f"name must be a letter and up to {LONGEST_NAME - 1} letters, digits and underscores, got {shown(name)}"
        )
    if name in KEYWORDS | LIBRARY or (name[-1] in "fl" and name[:-1] in LIBRARY):
        raise ValueError(f"name {name!r} is taken in C or C++")
    return name


def c_source(facts: Facts, name: str) -> str:
    """Return the text of the file."""
    writer = _Writer(facts, name)
    for layer in facts.layers:
        writer.add(layer)
    return writer.text()


class _Writer:
    """A C file as it is built, layer by layer.

    Parameters
    ----------
    facts : Facts
    name : str
        Of the function.
    """

    def __init__(self, facts: Facts, name: str) -> None:
        self.facts, self.name, self.upper = facts, name, name.upper()
        self.real, self.suffix = ("float", "f") if facts.dtype == np.float32 else ("double", "")
        self._functions: dict[str, str] = {}  # by their template, in the order of their use
        self._constants: list[str] = []
        self._body: list[str] = []
        self._room = {"a": 0, "b": 0}  # numbers of scratch memory
        self._at, self._width = "x", facts.sizes[0]  # where the numbers are, and how many
        self._dense = 0
        self._filled_guard = ""  # against compiler flags that the file does not stand

    def add(self, layer: Any) -> None:
        """Add the code of a layer."""
        if isinstance(layer, Prepare):
            self._prepare(layer)
        elif isinstance(layer, Rescale):
            self._rescale(layer)
        elif isinstance(layer, InputScale):
            scale, source, target = self._array("learnt_input_scale", layer.scale), self._at, self._buffer(move=False)
            self._loop(f"{target}[j] = {source}[j] * {scale}[j];")
        elif isinstance(layer, Dense):
            self._product(layer)
        elif isinstance(layer, LayerNorm):
            self._use(LAYER_NORM)
            at = self._dense - 1
            gain, shift = self._array(f"gain_{at}", layer.gain), self._array(f"shift_{at}", layer.shift)
            self._call("layer_norm", gain, shift, self._literal(layer.epsilon), self._width, self._at)
        elif isinstance(layer, Activate):
            self._activate(layer)
        else:
            raise TypeError(f"{layer.place}: no C for {type(layer).__name__}")

    def text(self) -> str:
        """Return the file."""
        facts, name, upper = self.facts, self.name, self.upper
        room = [(buffer, size) for buffer, size in self._room.items() if size]
        scratch = sum(size for _, size in room) + (NORM_SUMS if LAYER_NORM in self._functions else 0)
        comment = "\n".join(f" * {_in_comment(line)}".rstrip() for line in [*facts.lines(), "", *self._how_to_use()])
        declared = "".join(f"    {self.real} {buffer}[{size}];\n" for buffer, size in room)
        body = "".join(f"    {line}\n" for line in self._body)
        prototype = f"void {name}(const {self.real} *x, {self.real} *out)"
        return "\n".join([
            f"/*\n{comment}\n */\n#include <math.h>\n#include <stddef.h>\n",
            f"#define {upper}_INPUTS {facts.sizes[0]}\n#define {upper}_OUTPUTS {facts.sizes[-1]}",
            f"#define {upper}_SCRATCH_BYTES ({scratch} * sizeof({self.real}))\n",
            f"{prototype};\n",
            *([self._filled_guard] if self._filled_guard else []),
            self._filled(FMA),
            *self._constants,
            *self._functions.values(),
            f"{prototype}\n{{\n{declared}{'' if not declared else chr(10)}{body}}}\n",
        ])  # fmt: skip

    def _how_to_use(self) -> list[str]:
        return [
            f"In your program:   void {self.name}(const {self.real} *x, {self.real} *out);",
            "Compile and link:  cc -std=c99 -O3 -march=native -c FILE.c, and -lm; for a microcontroller",
            "                   its own -mcpu and -mfpu and -Os. Or #include this file, and use its macros.",
            "",
            f"x has {self.upper}_INPUTS numbers, out {self.upper}_OUTPUTS, and they must not overlap. Scratch memory,",
            f"{self.upper}_SCRATCH_BYTES, is on the stack: any number of threads may call {self.name} at a time.",
        ]

    def _prepare(self, layer: Prepare) -> None:
        self._width, self._filled_guard = layer.n_inputs, self._filled(MISSING)
        target, at = self._buffer(move=False), 0
        for place, column in enumerate(layer.columns):
            if isinstance(column, NumberColumn):
                wide = f"x[{place}]" if self.real == "double" else f"(double)x[{place}]"
                for value in column.values:
                    self._body.append(f"{target}[{at}] = {self._value(wide, value)};")
                    at += 1
            else:
                at += self._category(place, column, f"{target} + {at}")

    def _value(self, x: str, value: Value) -> str:
        """Return the expression of an input that a column of numbers has."""
        offset, scale, more = (_digits(np.float64(number)) for number in (value.offset, value.scale, value.more))
        if value.kind == "bin":
            self._use(BIN)
            return f"{self.name}_bin({x}, {more}, {offset}, {scale})"
        self._use(MEASURED)
        waves = {"sine": f"sin({x} * {more})", "cosine": f"cos({x} * {more})", "missing": f"({x} == {x}) ? 0.0 : 1.0"}
        return f"{self.name}_measured({waves.get(value.kind, x)}, {offset}, {scale})"

    def _category(self, place: int, column: CategoryColumn, target: str) -> int:
        """Add the call that writes the inputs of a category, and return how many these are."""
        self._use(CATEGORY)
        n, width = len(column.numbers), int(column.rows.shape[1])
        dtype = self.facts.dtype
        with np.errstate(over="ignore"):
            found = column.numbers.astype(dtype)
        if len({*found.tolist()}) < n or not np.isfinite(found).all():
            refuse(f"column {column.name!r}", f"has categories that {dtype} does not tell apart: ask for dtype float64")
        numbers = self._array(f"categories_{place}", found) if n else "NULL"
        rows = self._array(f"inputs_{place}", column.rows.astype(dtype).ravel())
        self._call("category", f"x[{place}]", numbers, n, rows, width, target)
        return width

    def _rescale(self, layer: Rescale) -> None:
        source, target = self._at, self._buffer(move=False)
        if np.ndim(layer.offset) == 0 and np.ndim(layer.scale) == 0 and layer.offset == 0:
            self._loop(f"{target}[j] = {source}[j] * {self._literal(layer.scale)};")
            return
        parts = []
        for label, part in (("input_offset", layer.offset), ("input_scale", layer.scale)):
            if np.ndim(part):
                parts.append(f"{self._array(label, part)}[j]")
            else:
                parts.append(_digits(np.float64(part)))
        wide = f"{source}[j]" if self.real == "double" else f"(double){source}[j]"
        value = f"({wide} - {parts[0]}) * {parts[1]}"
        self._loop(f"{target}[j] = {value if self.real == 'double' else f'(float)({value})'};")

    def _product(self, layer: Dense) -> None:
        fan_in, fan_out = layer.weights.shape
        at, source = self._dense, self._at
        self._use(DENSE)
        self._dense, self._width = at + 1, fan_out
        weights, bias = self._array(f"weights_{at}", layer.weights), self._array(f"bias_{at}", layer.bias)
        if self._dense == len(self.facts.sizes) - 1:
            self._at = "out"
        else:
            self._buffer(move=True)
        self._call("dense", weights, bias, fan_in, fan_out, source, self._at)

    def _activate(self, layer: Activate) -> None:
        row, at = row_of(layer.activation), self._at
        if row.name == "softmax":
            self._use(SOFTMAX)
            self._call("softmax", at, self._width)
            return
        value = f"{at}[j]"
        if row.name != "identity":
            self._use(ACTIVATIONS[row.name])
            slopes = "".join(f", {self._literal(row.slopes[which])}" for which in SLOPES.get(row.name, ()))
            value = f"{self.name}_{row.name}({at}[j]{slopes})"
        if layer.mix is not None:
            mix = self._array(f"mix_{self._dense - 1}", layer.mix)
            fma = f"{self.upper}_FMA({mix}[j], {value}, ({self._literal(1)} - {mix}[j]) * {at}[j])"
            self._loop(f"{at}[j] = {fma};")
        else:
            self._loop(f"{at}[j] = {value};")

    def _buffer(self, *, move: bool) -> str:
        """Go to a buffer, the other one if `move`, and return its name."""
        if move or self._at == "x":
            self._at = "b" if self._at == "a" else "a"
        self._room[self._at] = max(self._room[self._at], self._width)
        return self._at

    def _loop(self, statement: str) -> None:
        self._body += [f"for (size_t j = 0; j < {self._width}; j++) {{", f"    {statement}", "}"]

    def _call(self, function: str, *given: Any) -> None:
        self._body.append(f"{self.name}_{function}({', '.join(map(str, given))});")

    def _use(self, template: str) -> None:
        if template not in self._functions:
            self._functions[template] = self._filled(template)

    def _filled(self, template: str) -> str:
        text = template.replace("@F@", self.suffix.upper()).replace("@MINUS_SQRT_HALF@", repr(-SQRT_HALF))
        text = re.sub(r"\bM\((\w+)\)", rf"\1{self.suffix}", text)
        text = re.sub(r"\bR\(([^)]*)\)", lambda found: self._literal(float(found[1])), text)
        text = re.sub(r"\bREAL\b", self.real, text)
        return re.sub(r"\bUPPER_", f"{self.upper}_", re.sub(r"\bN_", f"{self.name}_", text))

    def _literal(self, value: Any) -> str:
        return _digits(self.facts.dtype.type(value)) + self.suffix

    def _array(self, label: str, array: Any) -> str:
        """Add a constant array, row by row, and return its name."""
        real, suffix = ("float", "f") if array.dtype == np.float32 else ("double", "")
        rows = np.atleast_2d(array)
        lines = []
        for row in rows:  # the shortest digits that give these bits again
            texts = row.astype(str).tolist()
            lines += [
                "    " + "".join(f"{text}{suffix}, " for text in texts[at : at + NUMBERS_IN_A_LINE]).rstrip()
                for at in range(0, len(texts), NUMBERS_IN_A_LINE)
            ]
        shape = "" if array.ndim == 1 else f" /* {rows.shape[0]} x {rows.shape[1]} */"
        name = f"{self.name}_{label}"
        self._constants.append(f"static const {real} {name}[{rows.size}] = {{{shape}\n" + "\n".join(lines) + "\n};\n")
        return name


def _digits(value: Any) -> str:
    """Return the shortest digits of a NumPy number that give its bits again."""
    return str(value.astype(str))


def _in_comment(text: str) -> str:
    """Return ASCII text without what ends or begins a comment, or is a trigraph or a spliced line."""
    text = re.sub(r"\?(?=\?)", "? ", text)
    return re.sub(r"\*(?=/)|/(?=\*)", lambda found: f"{found[0]} ", text) + (" ." if text.endswith("\\") else "")
