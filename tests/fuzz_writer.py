"""Draws the fuzzer's programs: right values for each argument, and wrong ones, and the calls that take them."""

import random
import re
from dataclasses import dataclass

from fuzz_wrong import BAD_CALLS, BAD_FIT, BAD_OPTIONS, BAD_SIZES, BAD_X, BAD_Y

from hotloop.network.activations import HIDDEN_ACTIVATIONS
from hotloop.network.losses import LOSSES
from hotloop.network.training import optimizers

HIDDEN = tuple(HIDDEN_ACTIVATIONS)
OPTIMIZERS = (
    *(f"{kind.__name__}({{}})" for kind in optimizers.OPTIMIZERS.values()), "None", "SGD({}, momentum=0.9)",
    "SGD({}, momentum=0.5, nesterov=True)",
    "Adam({}, beta1=0, epsilon=1e-6)", "AdamW({}, weight_decay=0.1)", "'adam'", "'rmsprop'",
)  # fmt: skip

OBJECTS = ("LeakyReLU(0.3)", "ELU(0.5)", "SOFTSIGN")  # activations that are no names
SCHEDULES = (
    "Constant({})", "Cosine({})", "StepDecay({}, '1 epoch')", "Exponential({}, 0.5)", "InverseScaling({})",
    "OneCycle({})", "FlatCosine({})", "CosLog4({})", "LinearWarmup({}, 3)", "LinearWarmup(Cosine({}), '1 epoch')",
    "falling",
)  # fmt: skip
COMMON = (
    "clip_norm=0.5", "clip_value=0.1", "clip_norm=1e-3, clip_value=1e-3",
    "learning_rate_factors={{'weights': 0.5, 'biases': 2, 'norm': 0}}", "learning_rate_factors={{'biases': 0}}",
)  # fmt: skip
OF_CLASSES = ("'balanced_accuracy'", "'f1'", "'precision'", "'recall'", "'log_loss'")
OF_VALUES = ("'mae'", "'mse'", "'rmse'")


@dataclass
class Made:
    """What a network was made of, as far as arguments of its calls depend on it."""

    classifies: bool
    labelled: bool  # has one class a row
    binary: bool
    several: bool = False  # outputs for each target
    drops: bool = False
    rows: int = 0


class Writer:
    """Draws one program."""

    def __init__(self, seed, index):
        self.random = random.Random(f"{seed} {index}")
        self.lines, self.made = [], {}

    def draw(self, *choices):
        """Return one of some texts or values."""
        return self.random.choice(choices)

    def program(self):
        """Return the lines of a program: two networks, their data, and some calls."""
        for name in ("net", "other"):
            self.network(name, "XY" if name == "net" else "UV")
        calls = [self.fit] * 5 + [self.evaluate, self.gradient] * 3
        calls += [self.partial_fit, self.resume, self.one_cycle, self.find_learning_rate, self.check_gradients]
        calls += [self.through, self.damage, self.interrupt, self.together, self.in_fork, self.wild]
        calls += [self.through, self.wrong_option, self.wrong_option, self.wrong_fit, self.wrong_fit]
        calls += [self.wrong_data, self.wrong_call]
        for _ in range(self.random.randint(2, 6)):
            self.draw(*calls)()
        return self.lines

    def network(self, name, data):
        """Write a network, and data for it."""
        loss = self.draw(*LOSSES)
        kind = LOSSES[loss]
        hidden = [self.draw(1, 2, 3, 5, 8, 17, 33) for _ in range(self.draw(0, 1, 1, 2, 3))]
        sizes = [
            self.draw(1, 2, 3, 7, 16),
            *hidden,
            self.draw(2, 3, 9) if kind.takes_labels else self.draw(1, 2, 5),
        ]
        self.made[name] = Made(kind.classifies, kind.takes_labels, loss == "binary_cross_entropy")
        written = repr(loss)
        if loss in ("quantile", "huber", "mse") and self.draw(0, 1):
            written = {"quantile": self.draw("Quantile(0.2)", "Quantile([0.1, 0.9])"), "huber": "Huber(0.5)"}.get(
                loss, "OWN_LOSS"
            )
            sizes[-1] = 2 if "[" in written else sizes[-1]
        self.made[name].several = "[" in written
        options = [
            f"seed={self.draw(0, 1, 2**40, 2**63 - 1)}",
            f"loss={written}",
            f"dtype={self.draw('float32', 'float64')!r}",
        ]
        options += [f"dropout={self.draw(0.1, 0.5, 0.9)}"] if hidden and self.draw(0, 0, 1) else []
        options += [f"l1={self.draw(1e-3, 0.1)}"] if self.draw(0, 0, 1) else []
        options += [f"l2={self.draw(1e-3, 0.1)}"] if self.draw(0, 0, 1) else []
        options += self.features(kind, hidden) if self.draw(0, 1) else []
        if kind.from_logits:
            options += ["output='identity'"] if self.draw(0, 0, 1) else []
        else:
            options += [f"output={self.draw(*HIDDEN)!r}"] if self.draw(0, 0, 1) else []
        initializers = ("'orthogonal'", "'lecun_normal'", "Normal(0.2)", "'zeros'")
        options += [f"initializer={self.draw(*initializers)}"] if self.draw(0, 0, 1) else []
        activation = [self.draw(*HIDDEN) for _ in hidden] if self.draw(0, 1) else self.draw(*HIDDEN)
        activation = self.draw(repr(activation), repr(activation), repr(activation), self.draw(*OBJECTS))
        kind = self.draw("float64", "float64", "float32", "uint8", "int64", "bool")
        options += ["input_scale=1 / 255"] if kind in ("uint8", "int64") else []
        self.made[name].drops = bool(hidden) and any(option.startswith("dropout") for option in options)
        self.lines.append(f"{name} = Subject({sizes}, {activation}, {', '.join(options)})")
        rows = self.made[name].rows = self.draw(1, 2, 5, 11, 32, 33, 70, self.draw(257, 300, 520))
        order = self.draw("C", "C", "F", "strided", "reversed", "read-only", "memmap", "list")
        soft = self.draw(", soft=True", "")
        given = f"{rows}, seed={self.random.randrange(1000)}, kind={kind!r}, order={order!r}{soft}"
        self.lines.append(f"{data[0]}, {data[1]} = {name}.data({given})")

    def features(self, loss, hidden):
        """Return arguments that few networks have."""
        options = []
        for name in ("layer_norm", "learn_activation") if hidden else ():
            flags = [bool(self.draw(0, 1)) for _ in hidden]
            options += [f"{name}={self.draw(True, flags)}"] if self.draw(0, 0, 1) else []
        options += (
            [f"layer_norm_epsilon={self.draw(1e-3, [1e-5] * len(hidden))}"] if hidden and self.draw(0, 0, 1) else []
        )
        options += ["learn_input_scale=True"] if self.draw(0, 0, 1) else []
        options += [f"input_dropout={self.draw(0.1, 0.5)}"] if self.draw(0, 0, 1) else []
        options += [f"label_smoothing={self.draw(0.1, 0.9)}"] if loss.classifies and self.draw(0, 0, 1) else []
        limits = [self.draw(None, 0.5, 3.0) for _ in (*hidden, 1)]
        return options + ([f"max_norm={self.draw(0.5, 100, limits)}"] if self.draw(0, 0, 1) else [])

    def optimizer(self, rate):
        """Return an optimizer with this learning rate."""
        text = self.draw(*OPTIMIZERS)
        if text.endswith(")") and self.draw(0, 0, 1):
            text = f"{text[:-1]}, {self.draw(*COMMON)})"
        return text.format(rate)

    def options(self, rate=None):
        """Return arguments of a fit."""
        rate = self.draw(1e-4, 1e-3, 1e-2) if rate is None else rate
        options = f"optimizer={self.optimizer(rate)}, batch_size={self.draw(1, 3, 8, 32, 300)}"
        return options + self.draw("", "", ", shuffle=False")

    def weighting(self, name, data):
        """Return weights of samples or classes, or none."""
        made, found = self.made[name], f", sample_weight=weights({data[3:]}, {self.random.randrange(100)})"
        others = [", class_weight={0: 2.5, 1: 0.5}", ", class_weight='balanced'"] if made.labelled else []
        others += [", positive_weight=3.0"] if made.binary else []
        return self.draw("", "", "", found, *others)

    def metrics(self, name):
        """Return a list of metrics that suit a network."""
        made = self.made[name]
        if made.several:
            return "[]"
        known = OF_CLASSES[made.binary :] if made.classifies else OF_VALUES
        return f"[{', '.join(dict.fromkeys(self.draw(*known) for _ in range(2)))}]"

    def fit(self, name="net", data="X, Y"):
        """Write a fit."""
        if self.draw(0, 0, 1):
            name, data = "other", "U, V"
        epochs = self.draw((1,), (2,), (1, 1), (1, 2), (2, 1, 1), (3,))
        threads = f"n_threads={self.draw(1, 2, 3, chr(34) + 'auto' + chr(34))}, shadow_threads={self.draw(1, 2)}"
        watched = self.draw("", "", "", ", watched=True", ", watched='without snapshots'")
        extra = f", validation_data=({data})" if self.draw(0, 0, 1) else ""
        rate, split = None, False
        if len(epochs) == 1:  # what depends on where a fit begins
            split = not extra and self.made[name].rows > 3 and self.draw(0, 0, 0, 1)
            extra += ", validation_split=0.3" if split else ""
            rate = self.draw(*SCHEDULES).format(self.draw(1e-4, 1e-3)) if self.draw(0, 0, 0, 1) else None
            extra += self.draw("", "", "", ", dropout_schedule=Cosine(1)" * self.made[name].drops, ", max_seconds=1e6")
            if self.draw(0, 1):
                extra += f", tolerance={self.draw(0, 0.1, 1e9)}, patience={self.draw(1, 2)}"
            elif self.draw(0, 0, 1):
                monitor = "val_loss" if "validation" in extra else "loss"
                kinds = [f"EarlyStopping({monitor!r}, patience=1, prefer={self.draw('first', 'last')!r})"]
                kinds += [] if rate else [f"ReduceLROnPlateau({monitor!r}, patience=1, min_delta=1e9)"]
                extra += f", callbacks=[{self.draw(*kinds)}]"
        extra += f", metrics={self.metrics(name)}" if "validation" in extra and self.draw(0, 1) else ""
        extra += ", gradient_norm=True" if self.draw(0, 0, 0, 1) else ""
        extra += "" if split else self.weighting(name, data)
        self.lines.append(f"{name}.fit({data}, epochs={epochs}, {self.options(rate)}, {threads}{watched}{extra})")

    def partial_fit(self):
        """Write a single step."""
        name, data = self.draw(("net", "X, Y"), ("other", "U, V"))
        optimizer = self.optimizer(self.draw(1e-4, 1e-3, 1e-2))
        self.lines.append(f"{name}.partial_fit({data}, rows={self.draw(1, 2, 32)}, optimizer={optimizer})")

    def resume(self):
        """Write a fit that stops and goes on from a checkpoint."""
        name, data = self.draw(("net", "X, Y"), ("other", "U, V"))
        weighting = self.weighting(name, data)
        epochs = self.draw((1, 1), (2, 1), (1, 2))
        self.lines.append(f"{name}.resume({data}, epochs={epochs}, {self.options()}{weighting})")

    def one_cycle(self):
        """Write a fit with one cycle of the learning rate."""
        name, data = self.draw(("net", "X, Y"), ("other", "U, V"))
        self.lines.append(f"{name}.one_cycle({data}, {self.draw(1, 2)}, {self.draw(1e-4, 1e-3)})")

    def find_learning_rate(self):
        """Write a sweep of learning rates."""
        call = self.draw("net.find_learning_rate(X, Y", "other.find_learning_rate(U, V")
        self.lines.append(f"{call}, steps={self.draw(6, 11, 30)}, {self.options()})")

    def check_gradients(self):
        """Write a check of the gradient against differences."""
        call = self.draw("net.check_gradients(X, Y", "other.check_gradients(U, V")
        self.lines.append(f"{call}, per_layer={self.draw(1, 4)}, seed={self.random.randrange(9)})")

    def wild(self):
        """Write a fit of huge or tiny numbers: it may diverge, but then both networks do."""
        scale = self.draw("1e-30", "1e15", "1e30", "1e300" if "dtype='float64'" in self.lines[0] else "1e37")
        rate = self.draw(1e-3, 1.0, 1e10, 1e30)
        self.made["wild"] = self.made["net"]
        self.lines.append(self.lines[0].replace("net =", "wild ="))
        self.lines.append(f"P, Q = wild.data(9, seed=1, scale={scale})")
        self.lines.append(f"wild.fit(P, Q, epochs=(2,), {self.options(rate)}, shadow_threads=2, calm=False)")
        self.lines.append("wild.evaluate(P, Q, calm=False)")

    def evaluate(self):
        """Write an evaluation."""
        name, data = self.draw(("net", "X, Y"), ("other", "U, V"))
        extra = f", metrics={self.metrics(name)}" if self.draw(0, 0, 1) else ""
        extra += f", sample_weight=weights({data[3:]}, 1)" if self.draw(0, 0, 0, 1) else ""
        self.lines.append(f"{name}.evaluate({data}, n_threads={self.draw(1, 2, 3)}{extra})")

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
        self.lines.append(f"refused(lambda: {upper(call.replace('{}', self.draw(*bad)))}, {argument!r}, net)")


def upper(text):
    """Return an argument with the program's arrays for X and y."""
    return re.sub(r"\by\b(?!')", "np.asarray(Y)", re.sub(r"\bX\b(?!')", "np.asarray(X)", text))
