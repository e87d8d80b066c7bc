"""A user's own activation and loss: plain functions, each compiled in a small loop that training calls by its address.

The training loop is not compiled again. Both are checked against central differences in float64 before they are used.
"""

import contextlib
import inspect
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any, Self

import numba
import numpy as np

from hotloop.kernels import codes
from hotloop.kernels.by_address import address_of
from hotloop.kernels.function_code import code_of
from hotloop.kernels.jit import Array, kernel, own
from hotloop.network.activations import ACTIVATIONS, Activation, row_of
from hotloop.network.custom.compiler_errors import in_a_line
from hotloop.network.custom.differences import compare, steps_at, worst
from hotloop.network.initializers import INITIALIZERS
from hotloop.network.losses import Loss, kernel_by_address
from hotloop.network.validation import arguments

# Where a derivative is checked, those first that say most in an error message.
SIZES = (1.0, 0.5, 2.0, 0.25, 3.0, 0.1, 4.0, 0.75, 1.5, 6.0, 8.0, 0.01, 12.0, 20.0, 1e-3, 40.0, 100.0)
POINTS = np.array([*(sign * size for size in SIZES for sign in (1, -1)), 0.0])
MOST_COLUMNS, ROWS_OF_A_KIND = 16, 4  # of a loss
POSITIVE = ("softplus", "relu", "exponential")  # outputs at or above zero
FLOAT64 = np.dtype("float64")
PYTHON = sys.version_info[:2]


class Custom:
    """What a custom activation and a custom loss share: a name, and functions."""

    name: str
    _takes: tuple[tuple[str, ...], tuple[int, ...]]  # what the functions are, and what they take
    _returns: str
    _pieces: tuple[Any, ...]  # the functions, compiled
    _code: list[list[bytes]]  # what they did when they were

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def __repr__(self) -> str:
        """Return the class and the name."""
        return f"{type(self).__name__}({self.name!r})"

    def __eq__(self, other: object) -> bool:
        """Return whether both have the same functions under the same name."""
        return type(other) is type(self) and self.name == other.name and self._code == other._code

    def __hash__(self) -> int:
        """Return a hash of the name."""
        return hash(self.name)

    def __copy__(self) -> Self:
        """Return itself: it never changes."""
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        """Return itself: it never changes."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the functions, which Numba does by value, as bytecode of this Python, and check nothing again."""
        return _restored, (type(self), PYTHON, pickle.dumps(self._pieces), self._options)

    @property
    def _options(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _explaining(self, dtype: Any) -> Iterator[None]:
        """Turn an error of the compiler into one line about the user's function."""
        try:
            yield
        except numba.core.errors.NumbaError as error:
            roles, arguments = self._takes
            raise TypeError(in_a_line(self, roles, np.dtype(dtype), arguments, self._returns, error)) from error

    def _keep(self, *pieces: Any, **others: Any) -> None:
        """Set attributes, for the row is frozen: the functions, what they do, and others.

        What they do is seen now, as they are compiled: what they name may change, and the machine code does not.
        """
        code = [code_of(getattr(piece, "py_func", piece)) for piece in pieces]
        vars(self).update(_pieces=pieces, _code=code, **others)


class CustomActivation(Custom, Activation):
    """Your own activation a = f(z), of any layer: ``Network(sizes, CustomActivation(f, derivative))``.

    Both functions are compiled as hotloop's own kernels are: a division by zero gives an infinity or NaN, not an error.
    A function that raises counts as NaN, so that training ends with a DivergenceError. In a float32 network z is a
    float32 and the result is rounded to one; a Python float among the constants makes the arithmetic in between
    float64, which is exact but slower: write ``type(z)(0.5)`` for 0.5 to keep it in float32.

    Parameters
    ----------
    function, derivative : callable
        f(z) and f'(z), each a function of one number in the Python that Numba compiles, plain or already under
        ``@numba.njit``. The derivative takes z.
    name : str, optional
        In tables and in model files, which have no code: ``Network.load(path, custom={name: activation})``. By default
        that of the function.
    initializer : str, default "glorot_uniform"
        Initial weights of a layer with this activation.
    check : bool, default True
        Whether to compare the derivative with differences of the function, at 35 points from -100 to 100.

    Raises
    ------
    TypeError
        Unless each function takes one number, and Numba can compile it.
    ValueError
        If the derivative is not that of the function: by more than a relative 1e-5. At a kink any slope between that on
        the left and that on the right is one.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.activations import CustomActivation
    >>> square = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square")
    >>> Network([2, 8, 1], square, seed=0).activations
    (CustomActivation('square'), 'identity')
    """

    _takes = ("function", "derivative"), (0,)
    _returns = "it must return a number"
    _loops: tuple[Any, Any]  # kernels around the functions

    def __init__(
        self,
        function: Callable[[float], float],
        derivative: Callable[[float], float],
        *,
        name: str | None = None,
        initializer: str = "glorot_uniform",
        check: bool = True,
    ) -> None:
        _check_parameters("function", function, 1, "z")
        _check_parameters("derivative", derivative, 1, "z")
        initializer = arguments.name_of("initializer", initializer, INITIALIZERS)
        super().__init__(_name(name, function), codes.ACTIVATION_BY_ADDRESS, initializer, needs_z=True)
        pieces = own(function), own(derivative)
        self._keep(*pieces, _loops=(_activation(pieces[0]), _times_derivative(pieces[1])))
        if arguments.flag("check", check):
            self._check()

    def addresses(self, dtype: Any) -> tuple[int, int]:
        """Return the addresses of the two kernels, compiled for this dtype or loaded from the cache."""
        with self._explaining(dtype):
            first, second = (address_of(loop, dtype, 1, 1) for loop in self._loops)
        return first, second

    @property
    def _options(self) -> dict[str, Any]:
        return {"name": self.name, "initializer": self.initializer}

    def _check(self) -> None:
        """Raise unless the derivative is that of the function."""
        self.addresses(FLOAT64)
        steps = steps_at(POINTS)
        values, slopes = np.empty((5, POINTS.size)), np.ones(POINTS.size)
        for i in range(POINTS.size):
            for row, times in zip(values, range(-2, 3), strict=True):
                _call(self._loops[0], POINTS[i : i + 1] + times * steps[i], row[i : i + 1])
            _call(self._loops[1], POINTS[i : i + 1], slopes[i : i + 1])
        differences, wrong, counted = compare(values, slopes, steps)
        where = f"{POINTS.size} points from {POINTS.min():g} to {POINTS.max():g}"
        if not counted.any():
            raise ValueError(f"{self!r} gives no finite number near any of {where}")
        if wrong.any():
            found = "; ".join(
                f"at z = {POINTS[i]:g} it gave {slopes[i]:.6g}, differences of the function say {differences[i]:.6g}"
                for i in worst(differences, slopes, wrong)
            )
            raise ValueError(f"the derivative of {self!r} is wrong at {wrong.sum()} of {where}: {found}")


class CustomLoss(Custom, Loss):
    """Your own loss C = mean over rows of a function of a row: ``Network(sizes, loss=CustomLoss(function))``.

    How the function is compiled, what happens if it raises, and what its constants mean for float32: see
    `hotloop.activations.CustomActivation`.

    Parameters
    ----------
    function : callable
        loss(outputs, target, gradient) -> float, in the Python that Numba compiles, plain or already under
        ``@numba.njit``. It takes a row of outputs, after the output activation, and a row of targets, both vectors
        (outputs,) of the network's dtype that it must not change; it writes dloss/doutputs into every entry of the
        third, and returns the loss of the row.
    name : str, optional
        In tables and in model files, which have no code: ``Network.load(path, custom={name: loss})``. By default that
        of the function.
    output : str, default "identity"
        Activation of the last layer, unless the network is given one.
    check : bool, default True
        Whether each network with this loss compares the gradient with differences of the function, on random rows:
        targets are numbers, probabilities, one of several classes, and counts; rows without a finite loss are left out.

    Raises
    ------
    TypeError
        Unless it is a function of three arrays, and, when the network is made, unless Numba can compile it.
    ValueError
        When the network is made: if the gradient is not that of the loss, by more than a relative 1e-5; if an entry of
        it is not written; or if outputs or targets are changed.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.losses import CustomLoss
    >>> def fourth_power(outputs, target, gradient):
    ...     total = 0.0
    ...     for j in range(outputs.size):
    ...         error = outputs[j] - target[j]
    ...         total += error**4
    ...         gradient[j] = 4 * error**3
    ...     return total
    >>> net = Network([2, 8, 1], loss=CustomLoss(fourth_power), seed=0)
    >>> net.loss
    CustomLoss('fourth_power')
    """

    _takes = ("function",), (1, 1, 1)
    _returns = "a loss returns the loss of the row, a number"
    kernel: Callable[..., float]
    _checks: bool
    _checked: set[Any]

    def __init__(
        self,
        function: Callable[[Any, Any, Any], float],
        *,
        name: str | None = None,
        output: str = "identity",
        check: bool = True,
    ) -> None:
        _check_parameters("function", function, 3, "outputs, target, gradient")
        output = arguments.name_of("output", output, ACTIVATIONS)
        checks, piece = arguments.flag("check", check), own(function)
        super().__init__(_name(name, function), codes.LOSS_BY_ADDRESS, output, kernel=_loss(piece))
        self._keep(piece, _checks=checks, _checked=set())

    def check(self, outputs: int, activation: str | Activation) -> None:
        """Raise unless the gradient is that of the loss, for rows of this many outputs after this activation."""
        case = outputs, row_of(activation).name
        if self._checks and case not in self._checked:
            self._check(*case)
            self._checked.add(case)

    def address(self, dtype: Any) -> int:
        """Return the address of the kernel, compiled for this dtype or loaded from the cache."""
        with self._explaining(dtype):
            return super().address(dtype)

    @property
    def _options(self) -> dict[str, Any]:
        return {"name": self.name, "output": self.output}

    def _check(self, outputs: int, activation: str) -> None:
        kernel_by_address(self, FLOAT64)
        rng = np.random.default_rng(outputs)
        rows = [(a, y) for y in _targets(rng, outputs) for a in _outputs(rng, activation, outputs)]
        columns = np.sort(rng.permutation(outputs)[:MOST_COLUMNS])
        any_counted = False
        for a, y in rows:
            gradient, given = np.full(outputs, np.nan), (a.copy(), y.copy())
            if not np.isfinite(self._of(*given, gradient)):
                continue
            if not (np.array_equal(a, given[0]) and np.array_equal(y, given[1])):
                raise ValueError(f"{self!r} changes its outputs or its target: it may only write its gradient")
            steps = steps_at(a[columns])
            moves = [np.eye(outputs)[columns] * (times * steps)[:, None] for times in range(-2, 3)]
            values = np.array([[self._of(a + move, y.copy(), gradient.copy()) for move in row] for row in moves])
            differences, wrong, counted = compare(values, gradient[columns], steps)
            any_counted |= bool(counted.any())
            if wrong.any():
                found = "; ".join(
                    f"of output {a[columns[i]]:.6g} with target {y[columns[i]]:.6g}, in column {columns[i]}, it gave "
                    f"{gradient[columns[i]]:.6g}, differences of the loss say {differences[i]:.6g}"
                    for i in worst(differences, gradient[columns], wrong)
                )
                raise ValueError(f"the gradient of {self!r} is wrong: {found}")
        if not any_counted:
            raise ValueError(
                f"{self!r} gives no finite number for any of {len(rows)} random rows of {outputs} outputs and targets: "
                "if it needs others, pass check=False"
            )

    def _of(self, a: Array, y: Array, gradient: Array) -> float:
        return float(self.kernel(a, y, gradient, np.empty(0), 1.0))


def _targets(rng: np.random.Generator, outputs: int) -> list[Array]:
    """Return rows of targets: numbers, probabilities, one of several classes, and counts."""
    classes = rng.permuted(np.arange(outputs) == 0).astype(float)
    return [rng.normal(size=outputs), rng.random(outputs), classes, rng.poisson(2.0, outputs).astype(float)]


def _outputs(rng: np.random.Generator, activation: str, outputs: int) -> list[Array]:
    """Return rows of outputs that an activation may give."""
    shape = ROWS_OF_A_KIND, outputs
    if activation == "softmax":
        return list(rng.dirichlet(np.ones(outputs), ROWS_OF_A_KIND))
    if activation == "sigmoid":
        return list(rng.random(shape))
    return list(rng.exponential(size=shape) if activation in POSITIVE else 2 * rng.normal(size=shape))


# The small loops. An error that a function raises cannot leave a kernel that is called by its address: Numba prints it,
# and the caller goes on. So the first number is NaN until all others are done, which shows. A `try` would do the same
# for three times the compile time; the loss has one, since the error may come after the gradient is written.


def _activation(function: Any) -> Any:
    def activation(z: Array, out: Array) -> None:
        if out.size > 0:
            out[0] = np.nan
            for i in range(1, out.size):
                out[i] = function(z[i])
            out[0] = function(z[0])

    return kernel(activation)


def _call(loop: Any, z: Array, out: Array) -> None:
    """Call a loop for one number; leave NaN where the function raises an error."""
    with contextlib.suppress(Exception):
        loop(z, out)


def _times_derivative(derivative: Any) -> Any:
    def times_derivative(z: Array, delta: Array) -> None:
        if delta.size > 0:
            first, delta[0] = delta[0], np.nan
            for i in range(1, delta.size):
                delta[i] *= delta.dtype.type(derivative(z[i]))
            delta[0] = first * delta.dtype.type(derivative(z[0]))

    return kernel(times_derivative)


def _loss(function: Any) -> Any:
    def loss(a: Array, y: Array, g: Array, parameters: Array, weight: float) -> float:
        try:
            value = float(weight * function(a, y, g))
        except Exception:
            value = np.nan
        for j in range(g.size):
            g[j] *= g.dtype.type(weight)
        return value

    return kernel(loss)


def _check_parameters(argument: str, function: Any, count: int, wanted: str) -> None:
    """Raise unless this is a Python function, plain or compiled, that takes `count` arguments."""
    plain = getattr(function, "py_func", function)
    if not inspect.isfunction(plain):
        raise TypeError(
            f"{argument} must be a Python function of ({wanted}), plain or under @numba.njit, got {function!r}"
        )
    try:
        inspect.signature(plain).bind(*[None] * count)
    except TypeError:
        raise TypeError(
            f"{argument} must take {count} argument{'s' * (count > 1)} ({wanted}): {plain.__name__} does not"
        ) from None


def _name(name: Any, function: Any) -> str:
    if name is None:
        name = getattr(function, "py_func", function).__name__
    if not isinstance(name, str) or not name:
        raise TypeError(f"name must be a text that is not empty, got {name!r}")
    return name


def _restored(kind: Any, python: tuple[int, int], pieces: bytes, options: dict[str, Any]) -> Any:
    """Return what was pickled, by the same version of Python: bytecode of another is refused before it is read."""
    if python != PYTHON:
        there, here = (".".join(map(str, version)) for version in (python, PYTHON))
        raise ValueError(
            f"{kind.__name__}({options['name']!r}) was pickled by Python {there}, whose bytecode Python {here} cannot "
            "read: save the network, and give Network.load the functions with custom="
        )
    return kind(*pickle.loads(pieces), **options, check=False)
