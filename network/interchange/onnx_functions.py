"""Operators in float64 that ONNX Runtime has no kernels for, as functions of the model: written in others, and exact.

A function is kept in the file, and inlined by what runs it. Its numbers are inputs, since attributes are float32.
"""

from itertools import count

from hotloop.kernels.codes import SELU_ABOVE, SELU_BELOW
from hotloop.kernels.elementary_functions import NORMAL64, TAIL_P64, TAIL_Q64

DOMAIN, OPSET = "hotloop", 17  # of ONNX 1.12, of 2022: the first with LayerNormalization


def _number(value: float) -> str:
    """Return a constant in ONNX's language."""
    return f"Constant <value = double {{{float(value)!r}}}> ()"


def _polynomial(name: str, coefficients: tuple[float, ...]) -> str:
    """Return the lines that compute a polynomial of t, the constant coefficient first, by Horner's rule."""
    names = (f"{name}_{number}" for number in count())
    total = next(names)
    lines = [f"{total} = {_number(coefficients[-1])}"]
    for coefficient in coefficients[-2::-1]:
        product, constant, total_after = next(names), next(names), next(names)
        lines += [f"{product} = Mul(t, {total})", f"{constant} = {_number(coefficient)}"]
        lines += [f"{total_after} = Add({product}, {constant})"]
        total = total_after
    return "\n".join([*lines, f"{name} = Identity({total})"])


FUNCTIONS = {
    "LeakyRelu": "(z, alpha) => (a) { a = PRelu(z, alpha) }",
    # max(z, 0) + alpha (e^min(z, 0) - 1)
    "Elu": f"""(z, alpha) => (a) {{
        zero = {_number(0)}
        one = {_number(1)}
        above = Relu(z)
        negative = Min(z, zero)
        power = Exp(negative)
        less = Sub(power, one)
        below = Mul(alpha, less)
        a = Add(above, below)
    }}""",
    "Selu": f"""(z) => (a) {{
        zero = {_number(0)}
        one = {_number(1)}
        gamma = {_number(SELU_ABOVE)}
        gamma_alpha = {_number(SELU_BELOW)}
        positive = Relu(z)
        above = Mul(gamma, positive)
        negative = Min(z, zero)
        power = Exp(negative)
        less = Sub(power, one)
        below = Mul(gamma_alpha, less)
        a = Add(above, below)
    }}""",
    # max(z, 0) + log(1 + e^-|z|)
    "Softplus": f"""(z) => (a) {{
        one = {_number(1)}
        positive = Relu(z)
        size = Abs(z)
        negative = Neg(size)
        power = Exp(negative)
        sum = Add(one, power)
        rest = Log(sum)
        a = Add(positive, rest)
    }}""",
    # max(z, 0) - t Phi(-t) with t = |z|, and Phi(-t) = e^(-t^2 / 2) P(t) / Q(t) as in hotloop.kernels
    "Gelu": f"""(z) => (a) {{
        most = {_number(NORMAL64)}
        minus_half = {_number(-0.5)}
        size = Abs(z)
        t = Min(size, most)
        {_polynomial("p", TAIL_P64)}
        {_polynomial("q", TAIL_Q64)}
        ratio = Div(p, q)
        square = Mul(t, t)
        exponent = Mul(minus_half, square)
        density = Exp(exponent)
        tail = Mul(ratio, density)
        below = Mul(t, tail)
        positive = Relu(z)
        a = Sub(positive, below)
    }}""",
    "LayerNormalization": """(z, gain, shift, epsilon) => (a) {
        mean = ReduceMean <axes = [-1], keepdims = 1> (z)
        centred = Sub(z, mean)
        square = Mul(centred, centred)
        variance = ReduceMean <axes = [-1], keepdims = 1> (square)
        sum = Add(variance, epsilon)
        deviation = Sqrt(sum)
        normalised = Div(centred, deviation)
        scaled = Mul(gain, normalised)
        a = Add(scaled, shift)
    }""",
}


def source_of(op: str) -> str:
    """Return the text of a function, as ONNX's parser takes it."""
    return f'<domain: "{DOMAIN}", opset_import: ["" : {OPSET}]>\n{op} {FUNCTIONS[op]}'
