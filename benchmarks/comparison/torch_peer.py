"""PyTorch, in eager mode and under torch.compile. No DataLoader: `index_select` takes each batch."""

import functools
import os
import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from benchmarks.comparison.cases import (
    ADAM,
    Array,
    Case,
    LayerProducts,
    Layers,
    data,
    initial_weights,
    orders,
    rows_to_predict,
)

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
LOSSES = {"mse": nn.functional.mse_loss, "cross_entropy": nn.functional.cross_entropy}
OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "rmsprop": functools.partial(torch.optim.RMSprop, alpha=0.9),
}


class Peer:
    """Eager mode, with the fused or the foreach form of the optimizer, whichever is faster."""

    FORMS = ({"foreach": True}, {"fused": True})

    def __init__(self, case: Case) -> None:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self.case, self.options = case, self.FORMS[0]
        inputs, targets = data(case)
        self.inputs, self.targets = torch.tensor(inputs), torch.tensor(targets)
        modules: list[nn.Module] = []
        for fan_in, fan_out in pairwise(case.sizes):
            modules += [nn.Linear(fan_in, fan_out), ACTIVATIONS[case.activation]()]
            modules += [nn.Dropout(case.dropout)] if case.dropout else []
        self.linear = [module for module in modules if isinstance(module, nn.Linear)]
        self.network = nn.Sequential(*modules[: modules.index(self.linear[-1]) + 1])
        self.tune()

    def tune(self) -> None:
        """Time up to 20 steps with each form of the optimizer, for a tenth of a second, and take the fastest."""
        if self.case.optimizer == "rmsprop":  # has no fused form
            return self.reset()
        seconds = []
        rows = torch.arange(self.case.batch)
        for options in self.FORMS:
            self.options = options
            self.reset()
            self.train_step(rows)
            seconds.append(quickest(lambda: self.train_step(rows)))
        self.options = self.FORMS[seconds.index(min(seconds))]
        self.reset()
        return None

    @torch.no_grad()
    def reset(self) -> None:
        for module, (weights, bias) in zip(self.linear, initial_weights(self.case), strict=True):
            module.weight.copy_(torch.from_numpy(weights).T)
            module.bias.copy_(torch.from_numpy(bias))
        make = OPTIMIZERS[self.case.optimizer]
        self.optimizer = make(self.network.parameters(), self.case.learning_rate, **self.options)

    def train(self, epochs: int) -> float:
        for order in orders(self.case, epochs):
            total = torch.zeros(())
            for rows in torch.from_numpy(order).split(self.case.batch):
                total += self.train_step(rows)
        return float(total) / self.case.steps

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = self.inputs.index_select(0, rows), self.targets.index_select(0, rows)
        return (x.float().div_(255) if x.dtype == torch.uint8 else x), y

    def profiled(self, epochs: int) -> float:
        """Train under PyTorch's profiler, and return only the seconds of the training."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]):
            began = time.perf_counter()
            self.train(epochs)
            return time.perf_counter() - began

    def train_step(self, rows: torch.Tensor) -> torch.Tensor:
        x, y = self.batch(rows)
        self.optimizer.zero_grad(set_to_none=True)
        loss = LOSSES[self.case.loss](self.network(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def note(self) -> str:
        """Return what was chosen."""
        return next(iter(self.options)) + " optimizer"

    def parameters(self) -> Layers:
        return [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in self.linear]


class Compiled(Peer):
    """torch.compile over the whole step as one graph: gather, gradient by `torch.func`, update in place.

    With the forward pass and the optimizer compiled separately, and `backward` between them, a step of 64-32-10 took
    three times as long.
    """

    def __init__(self, case: Case) -> None:
        import torch._inductor.config as inductor

        if not any(map(shutil.which, filter(None, [os.environ.get("CXX"), "g++", "clang++"]))):
            raise RuntimeError("it needs a C++ compiler, g++ or clang++, and there is none")
        inductor.cpp_wrapper = True  # a step calls C++ once, not Python for each kernel
        torch._dynamo.reset()
        super().__init__(case)
        self.values = {name: value.detach() for name, value in self.network.named_parameters()}
        self.compiled = torch.compile(self.whole_step, fullgraph=True)

    def tune(self) -> None:
        """Make the state; there is no optimizer to choose."""
        self.reset()

    def reset(self) -> None:
        super().reset()
        self.count = torch.zeros(())
        self.moments = [
            {name: torch.zeros_like(value) for name, value in self.network.named_parameters()} for _ in range(2)
        ]

    def loss(self, values: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return LOSSES[self.case.loss](torch.func.functional_call(self.network, values, (x,)), y)

    def whole_step(self, values, moments, count, rows):
        gradient, loss = torch.func.grad_and_value(self.loss)(values, *self.batch(rows))
        rate = self.case.learning_rate
        if self.case.optimizer == "sgd":
            for name, value in values.items():
                value.sub_(gradient[name], alpha=rate)
            return loss
        beta1, beta2, epsilon = ADAM.values()
        count.add_(1)
        rate, correction = rate / (1 - beta1**count), 1 / (1 - beta2**count)
        for name, value in values.items():
            m, v = (moment[name] for moment in moments)
            m.lerp_(gradient[name], 1 - beta1)
            v.mul_(beta2).addcmul_(gradient[name], gradient[name], value=1 - beta2)
            value.sub_(rate * m / ((v * correction).sqrt() + epsilon))
        return loss

    def note(self) -> str:
        return "the whole step as one graph, through the C++ wrapper"

    @torch.no_grad()
    def train_step(self, rows: torch.Tensor) -> torch.Tensor:
        return self.compiled(self.values, self.moments, self.count, rows)


def predictor(layers: Layers) -> nn.Sequential:
    """Return a network of given layers, ReLU between them, and softmax at the end."""
    modules: list[nn.Module] = []
    for weights, bias in layers:
        linear = nn.Linear(*weights.shape)
        linear.load_state_dict({"weight": torch.from_numpy(weights.T.copy()), "bias": torch.from_numpy(bias)})
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1], nn.Softmax(dim=1)).eval()


def quickest(call: Callable[[], Any], most: int = 20, enough: float = 0.1) -> float:
    """Return the least seconds of up to `most` calls, of one at least; none begins after `enough` seconds."""
    found: list[float] = []
    while not found or (len(found) < most and sum(found) < enough):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


def one_row(layers: Layers, row: Array) -> dict[str, Any]:
    """Return the ways to predict one row."""
    torch.set_num_threads(1)
    network = predictor(layers)
    x = torch.from_numpy(row)

    @torch.inference_mode()
    def predict() -> Array:
        return network(x).numpy()

    return {"PyTorch eager": predict}


class Predictor:
    """A network that predicts many rows: all together, or some thousands at a time, whichever is faster."""

    def __init__(self, case: Case) -> None:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self.network, self.inputs = predictor(initial_weights(case)), torch.from_numpy(rows_to_predict(case))
        seconds = {}
        for rows in (1024, 8192, case.rows):
            self.rows = rows
            seconds[rows] = quickest(lambda: self.predict(1), 3)
        self.rows = min(seconds, key=seconds.__getitem__)

    @torch.inference_mode()
    def predict(self, times: int) -> None:
        for _ in range(times):
            parts = [self.network(part) for part in self.inputs.split(self.rows)]
            self.outputs = parts[0] if len(parts) == 1 else torch.cat(parts)

    def output(self) -> Array:
        return self.outputs.numpy()

    def note(self) -> str:
        """Return what was chosen."""
        return f"{self.rows} rows at a time"


class Products(LayerProducts):
    """The three products of a layer, by `torch.mm`, which calls the BLAS that PyTorch was built with."""

    def __init__(self, rows: int, fan_in: int, fan_out: int) -> None:
        torch.set_num_threads(1)
        super().__init__(rows, fan_in, fan_out)
        for name, array in vars(self).items():
            setattr(self, name, torch.from_numpy(array))

    def note(self) -> str:
        """Return the name of the BLAS."""
        return next((word.removeprefix("BLAS_INFO=") for word in torch.__config__.show().replace(",", " ").split()
                     if word.startswith("BLAS_INFO=")), "unknown")  # fmt: skip

    def forward(self, times: int) -> None:
        for _ in range(times):
            torch.mm(self.x, self.w, out=self.z)

    def weight_gradient(self, times: int) -> None:
        for _ in range(times):
            torch.mm(self.x.T, self.delta, out=self.dw)

    def input_gradient(self, times: int) -> None:
        for _ in range(times):
            torch.mm(self.delta, self.w.T, out=self.dx)


class OneDnnProducts(Products):
    """The same by oneDNN, through the operator that torch.compile calls for a linear layer: x, W -> x W.T.

    `torch.mm` goes to oneDNN for short floating-point numbers only. The operator makes a new array for its result.
    """

    def note(self) -> str:
        """Return the version of oneDNN."""
        return next((line.split("MKL-DNN ")[1].split()[0] for line in torch.__config__.show().splitlines()
                     if "MKL-DNN " in line), "unknown")  # fmt: skip

    def forward(self, times: int) -> None:
        for _ in range(times):
            self.z = linear(self.x, self.w.T)

    def weight_gradient(self, times: int) -> None:
        for _ in range(times):
            self.dw = linear(self.x.T, self.delta.T)

    def input_gradient(self, times: int) -> None:
        for _ in range(times):
            self.dx = linear(self.delta, self.w)


def linear(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return ``x @ weights.T``, by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(x, weights, None, "none", [], "")
