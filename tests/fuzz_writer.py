"""Draws the fuzzer's programs: right and wrong values for each argument, and the calls that take them."""

import random
import re

from hotloop.network.activations import HIDDEN_ACTIVATIONS
from hotloop.network.losses import LOSSES
from hotloop.network.training import optimizers

HIDDEN = tuple(HIDDEN_ACTIVATIONS)
OPTIMIZERS = (
    *(f"{kind.__name__}({{}})" for kind in optimizers.OPTIMIZERS.values()), "None", "SGD({}, momentum=0.9)",
    "SGD({}, momentum=0.5, nesterov=True)",
    "Adam({}, beta1=0, epsilon=1e-6)", "AdamW({}, weight_decay=0.1)", "'adam'", "'rmsprop'",
)  # fmt: skip
BAD_SIZES = (
    "[2, 2**70]", "[2**40, 2**20]", "[3]", "[]", "[2, 0]", "[2, [3, 4]]", "[[2, 3], [4]]", "[2, 3.0]", "5", "'ab'",
    "b'ab'", "{2, 3}", "None", "[2, -10**5000]", "[True, 2]", "np.ones((2, 2))",
)  # fmt: skip
BAD_OPTIONS = {
    "activation": ("5", "None", "'bogus'", "['relu']*3", "iter(int, 1)", "{'relu'}", "b'relu'", "[None, None]"),
    "output": ("5", "'bogus'", "['relu']", "b'relu'"),
    "loss": ("None", "'msee'", "5", "['mse']", "'x' * 10**6"),
    "dropout": ("1.0", "-0.1", "'0.5'", "[[0.1], [0.1, 0.2]]", "[0.1] * 5", "float('nan')", "{0: 0.1}", "True",
                "iter(float, 1)"),
    "l1": ("-1", "float('inf')", "1e308 * 10", "'0'", "10**5000", "None", "1.7e308"),
    "l2": ("-1", "float('nan')", "1j", "10**400", "[0.1]", "1.7e308"),
    "dtype": ("'(2,'", "'f4, ]'", "'float16'", "None", "int", "'>f8'", "5", "{'names': 3}", "'\\ud800'",
              "('f4', -1)", "'O' * 10**5"),
    "input_scale": ("0", "-1", "float('nan')", "1e-320", "'1'", "1e309", "None"),
    "seed": ("-1", "2**63", "10**5000", "1.0", "'0'", "True", "-10**5000"),
    "initializer": ("'bogus'", "5", "['zeros'] * 7", "object()", "iter(list, 1)", "Normal(1e-320)", "{'zeros'}"),
}  # fmt: skip
BAD_FIT = {
    "epochs": ("0", "-10**5000", "1.5", "None", "'3'", "10**5000", "True"),
    "batch_size": ("0", "-10**5000", "2.0", "'32'"),
    "steps_per_epoch": ("3", "0", "'1'"),
    "optimizer": ("'bogus'", "5", "SGD", "object()", "'x' * 10**6"),
    "epsilon": ("Adam(epsilon=1e-320)", "RMSprop(epsilon=1e-310)", "Adagrad(epsilon=1e-315)"),
    "learning_rate": ("SGD(1e-320)", "AdamW(1e-310)"),
    "patience": ("0", "2.5", "'5'", "10**5000"),
    "validation_split": ("-0.1", "1", "'0.1'", "None", "float('nan')", "10**400"),
    "max_seconds": ("0", "-1", "'1'", "float('inf')", "True"),
    "tolerance": ("-1", "float('nan')", "'0'", "10**400"),
    "shuffle": ("1", "None", "'yes'"),
    "progress": ("0", "None"),
    "n_threads": ("0", "1.5", "'all'", "10**5000", "None", "True", "-1"),
    "callbacks": ("5", "'watch'", "[print]", "{}", "[int]", "[None]"),
    "validation_data": ("5", "(1,)", "(X, None)", "(X[:, :0], y)", "'ab'", "(X, y, -1)", "{}"),
}  # fmt: skip
BAD_X = (
    "X[:, :0]",
    "X[:0]",
    "X[0]",
    "X + float('nan')",
    "None",
    "X.astype(str)",
    "'X'",
    "[[1], [1, 2]]",
    "X + 0j",
    "5",
)
BAD_Y = ("y[:-1]", "y + float('inf')", "None", "np.asarray(y, str)", "5", "[[1], [1, 2]]", "'y'", "y[None]")
BAD_CALLS = (
    ("Normal({})", "scale", ("0", "-1", "'1'", "True", "10**5000", "None")),
    ("SGD({})", "learning_rate", ("-1", "'1'", "True", "10**5000", "None", "float('nan')")),
    ("Adam(beta1={})", "beta1", ("1", "-0.1", "'1'", "None", "1.0 - 1e-17")),
    ("RMSprop(rho={})", "rho", ("1", "-0.1", "[0.5]", "10**400")),
    ("AdamW(weight_decay={})", "weight_decay", ("-1", "float('inf')", "1j")),
    ("SGD(0.1, momentum={})", "momentum", ("1", "2", "None", "False")),
    ("SGD(0.1, momentum=0.5, nesterov={})", "nesterov", ("1", "None", "'yes'")),
    ("warmup({})", "dtype", ("'float16'", "['float32', 'f2']", "['(2,']", "[None]")),
    ("warmup({})", "dtypes", ("5", "None", "np.float32")),
    ("warmup('float32', profiles={})", "profiles", ("1", "None")),
    ("profile(snapshots={})", "snapshots", ("1", "None", "'yes'")),
    ("net.net.split({})", "vector", ("None", "np.zeros(3)", "[0.0]", "net.net.parameters[None]")),
)


class Writer:
    """Draws one program."""

    def __init__(self, seed, index):
        self.random = random.Random(f"{seed} {index}")
        self.lines = []

    def draw(self, *choices):
        """Return one of some texts or values."""
        return self.random.choice(choices)

    def program(self):
        """Return the lines of a program: two networks, their data, and some calls."""
        for name in ("net", "other"):
            self.network(name, "XY" if name == "net" else "UV")
        calls = [self.fit] * 5 + [self.evaluate, self.gradient] * 2
        calls += [self.through, self.damage, self.interrupt, self.together, self.in_fork, self.wild]
        calls += [self.through, self.wrong_option, self.wrong_option, self.wrong_fit, self.wrong_fit]
        calls += [self.wrong_data, self.wrong_call]
        for _ in range(self.random.randint(2, 6)):
            self.draw(*calls)()
        return self.lines

    def network(self, name, data):
        """Write a network, and data for it."""
        loss = self.draw(*LOSSES)
        hidden = [self.draw(1, 2, 3, 5, 8, 17, 33) for _ in range(self.draw(0, 1, 1, 2, 3))]
        sizes = [
            self.draw(1, 2, 3, 7, 16),
            *hidden,
            self.draw(2, 3, 9) if LOSSES[loss].takes_labels else self.draw(1, 2, 5),
        ]
        options = [
            f"seed={self.draw(0, 1, 2**40, 2**63 - 1)}",
            f"loss={loss!r}",
            f"dtype={self.draw('float32', 'float64')!r}",
        ]
        options += [f"dropout={self.draw(0.1, 0.5, 0.9)}"] if hidden and self.draw(0, 0, 1) else []
        options += [f"l1={self.draw(1e-3, 0.1)}"] if self.draw(0, 0, 1) else []
        options += [f"l2={self.draw(1e-3, 0.1)}"] if self.draw(0, 0, 1) else []
        if LOSSES[loss].from_logits:
            options += ["output='identity'"] if self.draw(0, 0, 1) else []
        else:
            options += [f"output={self.draw(*HIDDEN)!r}"] if self.draw(0, 0, 1) else []
        initializers = ("'orthogonal'", "'lecun_normal'", "Normal(0.2)", "'zeros'")
        options += [f"initializer={self.draw(*initializers)}"] if self.draw(0, 0, 1) else []
        activation = [self.draw(*HIDDEN) for _ in hidden] if self.draw(0, 1) else self.draw(*HIDDEN)
        kind = self.draw("float64", "float64", "float32", "uint8", "int64", "bool")
        options += ["input_scale=1 / 255"] if kind in ("uint8", "int64") else []
        self.lines.append(f"{name} = Subject({sizes}, {activation!r}, {', '.join(options)})")
        rows = self.draw(1, 2, 5, 11, 32, 33, 70, self.draw(257, 300, 520))
        order = self.draw("C", "C", "F", "strided", "reversed", "read-only", "memmap", "list")
        soft = self.draw(", soft=True", "")
        given = f"{rows}, seed={self.random.randrange(1000)}, kind={kind!r}, order={order!r}{soft}"
        self.lines.append(f"{data[0]}, {data[1]} = {name}.data({given})")

    def options(self, rate=None):
        """Return arguments of a fit."""
        rate = self.draw(1e-4, 1e-3, 1e-2) if rate is None else rate
        options = f"optimizer={self.draw(*OPTIMIZERS).format(rate)}, batch_size={self.draw(1, 3, 8, 32, 300)}"
        return options + self.draw("", "", ", shuffle=False")

    def fit(self, name="net", data="X, Y"):
        """Write a fit."""
        if self.draw(0, 0, 1):
            name, data = "other", "U, V"
        epochs = self.draw((1,), (2,), (1, 1), (1, 2), (2, 1, 1), (3,))
        threads = f"n_threads={self.draw(1, 2, 3, chr(34) + 'auto' + chr(34))}, shadow_threads={self.draw(1, 2)}"
        watched = self.draw("", "", "", ", watched=True", ", watched='without snapshots'")
        extra = f", validation_data=({data})" if self.draw(0, 0, 1) else ""
        if len(epochs) == 1 and self.draw(0, 1):
            extra += f", tolerance={self.draw(0, 0.1, 1e9)}, patience={self.draw(1, 2)}"
        self.lines.append(f"{name}.fit({data}, epochs={epochs}, {self.options()}, {threads}{watched}{extra})")

    def wild(self):
        """Write a fit of huge or tiny numbers: it may diverge, but then both networks do."""
        scale = self.draw("1e-30", "1e15", "1e30", "1e300" if "dtype='float64'" in self.lines[0] else "1e37")
        rate = self.draw(1e-3, 1.0, 1e10, 1e30)
        self.lines.append(self.lines[0].replace("net =", "wild ="))
        self.lines.append(f"P, Q = wild.data(9, seed=1, scale={scale})")
        self.lines.append(f"wild.fit(P, Q, epochs=(2,), {self.options(rate)}, shadow_threads=2, calm=False)")
        self.lines.append("wild.evaluate(P, Q, calm=False)")

    def evaluate(self):
        """Write an evaluation."""
        self.lines.append(f"{self.draw('net.evaluate(X, Y', 'other.evaluate(U, V')}, n_threads={self.draw(1, 2, 3)})")

    def gradient(self):
        """Write a gradient."""
        self.lines.append(self.draw("net.gradient(X, Y)", "other.gradient(U, V)"))

    def through(self):
        """Write a save and load, a pickle or a copy."""
        metadata = self.draw("", "", ", {'name': 'é\\n'}")
        self.lines.append(f"{self.draw('net', 'other')}.through({self.draw('file', 'pickle', 'copy')!r}{metadata})")

    def damage(self):
        """Write the damaging of a file."""
        way = self.draw("cut", "flip", "insert", "overwrite")
        self.lines.append(f"net.damage({way!r}, {self.random.random():.4f}, {self.random.randrange(1, 256)})")

    def interrupt(self):
        """Write a Ctrl-C."""
        after = self.draw(1e-4, 1e-3, 3e-3, 0.01) * (0.5 + self.random.random())
        self.lines.append(f"net.interrupt(X, Y, after={after:.5f}, {self.options()}, n_threads={self.draw(1, 2)})")

    def together(self):
        """Write fits in two threads."""
        self.lines.append(f"together(net, other, X, Y, U, V, {self.options()}, n_threads={self.draw(1, 2)})")

    def in_fork(self):
        """Write a fit in a forked process."""
        self.lines.append(f"net.in_fork(X, Y, {self.options()}, n_threads={self.draw(1, 2)})")

    def wrong_option(self):
        """Write a network with a wrong argument."""
        name = self.draw("sizes", *BAD_OPTIONS)
        if name == "sizes":
            self.lines.append(f"refused(lambda: Network({self.draw(*BAD_SIZES)}), 'sizes', net)")
        else:
            bad = self.draw(*BAD_OPTIONS[name])
            self.lines.append(f"refused(lambda: Network([2, 3, 2], {name}={bad}), {name!r}, net)")

    def wrong_fit(self):
        """Write a fit with a wrong argument."""
        name = self.draw(*BAD_FIT)
        bad, keyword = self.draw(*BAD_FIT[name]), "optimizer" if name in ("epsilon", "learning_rate") else name
        self.lines.append(f"refused(lambda: net.net.fit(X, Y, {keyword}={upper(bad)}), {name!r}, net, other)")

    def wrong_data(self):
        """Write a call with wrong data."""
        method, argument = self.draw("fit", "evaluate", "gradient", "predict"), self.draw("X", "y")
        if method == "predict":
            self.lines.append(f"refused(lambda: net.net.predict({upper(self.draw(*BAD_X))}), 'X', net)")
        else:
            bad = f"{upper(self.draw(*BAD_X))}, Y" if argument == "X" else f"X, {upper(self.draw(*BAD_Y))}"
            self.lines.append(f"refused(lambda: net.net.{method}({bad}), {argument!r}, net)")

    def wrong_call(self):
        """Write another call with a wrong argument."""
        call, argument, bad = self.draw(*BAD_CALLS)
        self.lines.append(f"refused(lambda: {call.format(self.draw(*bad))}, {argument!r}, net)")


def upper(text):
    """Return an argument with the program's arrays for X and y."""
    return re.sub(r"\by\b(?!')", "np.asarray(Y)", re.sub(r"\bX\b(?!')", "np.asarray(X)", text))
