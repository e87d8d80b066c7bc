"""Writes tests/recorded_schedules.json: PyTorch's schedules step by step, its trainings with one of them, and what
fastai's rules suggest from curves.

    python tests/record_schedules.py path/to/fastai

needs torch and numpy, and the folder of fastai 2.8, of which it runs the rules and schedules only.
"""

import ast
import collections
import json
import math
import sys
import types
from pathlib import Path

import numpy as np
import torch
from scheduled_training import problem
from torch.optim import lr_scheduler as pytorch

FILE = Path(__file__).with_name("recorded_schedules.json")
WANTED = {"valley", "slide", "minimum", "steep", "sched_cos", "sched_no", "sched_exp", "combine_scheds"}


def fastai(folder):
    """Return fastai's rules and schedules, cut out of its source."""
    tree = ast.parse((Path(folder) / "callback" / "schedule.py").read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in WANTED]
    assert {node.name for node in found} == WANTED
    scope = {"np": np, "math": math, "torch": torch, "to_np": lambda t: t.numpy(), "L": list}
    scope["tensor"] = lambda values: torch.tensor(values, dtype=torch.float64)
    exec(compile(ast.Module(found, []), "fastai", "exec"), scope)
    return types.SimpleNamespace(**scope)


def scheduled(make, rate, steps, optimizer=torch.optim.SGD, every=1, **options):
    """Return learning rate and momentum of each step, of a scheduler that is told of each step, or of each epoch."""
    given = optimizer([torch.zeros(1)], lr=rate, **options)
    scheduler, rates, momenta = make(given), [], []
    for step in range(steps):
        group = given.param_groups[0]
        rates.append(float(group["lr"]))
        momenta.append(float(group["betas"][0] if "betas" in group else group["momentum"]))
        given.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return rates, momenta


def schedules():
    """Return {expression of ours: (steps, steps in an epoch, PyTorch's values)}."""
    one, flat = pytorch.OneCycleLR, {}
    flat["StepDecay(0.1, every='3 epochs', factor=0.5)"] = (
        40,
        4,
        scheduled(lambda o: pytorch.StepLR(o, 3, 0.5), 0.1, 40, every=4)[0],
    )
    flat["StepDecay(0.1, 7)"] = 40, 4, scheduled(lambda o: pytorch.StepLR(o, 7), 0.1, 40)[0]
    flat["Exponential(0.1, 0.93, every=1)"] = 40, 4, scheduled(lambda o: pytorch.ExponentialLR(o, 0.93), 0.1, 40)[0]
    flat["Cosine(0.1, 0.001)"] = 37, 4, scheduled(lambda o: pytorch.CosineAnnealingLR(o, 37, 0.001), 0.1, 37)[0]
    for name, (t_0, t_mult) in {"5": (5, 1), "3, 2": (3, 2), "1, 3": (1, 3)}.items():
        flat[f"CosineWarmRestarts(0.1, {name}, minimum=0.002)"] = (
            60,
            4,
            scheduled(
                lambda o, t_0=t_0, t_mult=t_mult: pytorch.CosineAnnealingWarmRestarts(o, t_0, t_mult, 0.002), 0.1, 60
            )[0],
        )
    epochs = pytorch.CosineAnnealingWarmRestarts(given := torch.optim.SGD([torch.zeros(1)], 0.1), 2, 2)
    values = []
    for step in range(48):
        epochs.step(step / 4)
        values.append(float(given.param_groups[0]["lr"]))
    flat["CosineWarmRestarts(0.1, '2 epochs', 2)"] = 48, 4, values
    flat["LinearWarmup(Cosine(0.1), 8, start_factor=0.25)"] = (
        40,
        4,
        scheduled(
            lambda o: pytorch.SequentialLR(
                o, [pytorch.LinearLR(o, 0.25, total_iters=8), pytorch.CosineAnnealingLR(o, 32)], [8]
            ),
            0.1,
            40,
        )[0],
    )
    for steps in (2, 11, 40, 101):
        rates, momenta = scheduled(lambda o, n=steps: one(o, 0.1, n), 0.1, steps, momentum=0.9)
        flat[f"OneCycle.pytorch(0.1)  # {steps}"] = steps, 4, rates
        flat[f"OneCycle(0.85, 0.95, 0.95, 0.3, inclusive=True)  # {steps}"] = steps, 4, momenta
    rates, betas = scheduled(
        lambda o: one(o, 0.02, 50, pct_start=0.4, div_factor=10, final_div_factor=100), 0.02, 50, torch.optim.Adam
    )
    flat["OneCycle.pytorch(0.02, 0.4, 10, 100)"] = 50, 4, rates
    flat["OneCycle(0.85, 0.95, 0.95, 0.4, inclusive=True)"] = 50, 4, betas
    return flat


def fastai_schedules(source):
    """Return {expression of ours: (steps, steps in an epoch, fastai's values)}."""
    cos, flat = source.sched_cos, {}

    def combined(pct, start, middle, end):
        scheds = [lambda pos: cos(start, middle, pos), lambda pos: cos(middle, end, pos)]
        return source.combine_scheds([pct, 1 - pct], scheds)

    for text, sched in {
        "OneCycle(0.1)": combined(0.25, 0.1 / 25, 0.1, 0.1 / 1e5),
        "OneCycle(0.85, 0.95, 0.95)": combined(0.25, 0.95, 0.85, 0.95),
        "FlatCosine(0.1)": combined(0.75, 0.1, 0.1, 0.1 / 1e5),
        "Piecewise([(100, Exponential(1e-7, 1e8))])": lambda pos: source.sched_exp(1e-7, 10, pos),
    }.items():
        flat[text] = 100, 10, [float(sched(step / 100)) for step in range(100)]
    return flat


def curves():
    """Return (steps asked for, losses of the steps) of sweeps, some cut short by a NaN."""
    rng, found = np.random.default_rng(5), []
    for index in range(16):
        x = np.linspace(-7, 1, 100)
        drop, centre, rise = rng.uniform(0.2, 3), rng.uniform(-4, -0.5), rng.uniform(0.5, 2)
        losses = 2.5 - drop / (1 + np.exp(-3 * (x - centre))) + np.exp(4 * (x - centre - rise)) * 0.1
        found.append((100, losses + rng.normal(0, [0.0, 0.01, 0.1, 0.5][index % 4], 100)))
    x = np.arange(60.0)
    found += [
        (60, 3 - x / 40),
        (60, 1 + x / 90),
        (60, np.ones(60)),
        (30, 3 - np.arange(30) / 9),
        (22, 9 / (1 + x[:22])),
    ]
    found += [
        (100, found[1][1][:70]),
        (100, found[2][1][:31]),
        (6, x[:6] + 1),
        (8, 2 - x[:8] / 9),
        (40, x[:12] ** 2 + 1),
    ]
    for index, stop in ((0, 80), (5, 97), (7, 40), (3, 12)):
        losses = found[index][1].copy()
        losses[stop:] = math.nan
        found.append((100, losses))
    return [(steps, np.round(losses, 4)) for steps, losses in found]


def smooth(losses):
    """Return fastai's AvgSmoothLoss after each batch: torch.lerp(loss, value, beta), divided by 1 - beta^count."""
    value, smoothed = torch.tensor(0.0, dtype=torch.float64), []
    for count, loss in enumerate(torch.tensor(losses), 1):
        value = torch.lerp(loss, value, 0.98)
        smoothed.append((value / (1 - 0.98**count)).item())
    return smoothed


def suggestions(source):
    """Return a record for each curve: what lr_find makes of it, null where a rule fails."""
    records = []
    for steps, losses in curves():
        rates = [1e-7 * 1e8 ** (index / steps) for index in range(len(losses))]
        smoothed = smooth(losses)
        lrs, values = torch.tensor(rates, dtype=torch.float64), torch.tensor(smoothed, dtype=torch.float64)
        lrs, values = lrs[steps // 10 : -5], values[steps // 10 : -5]
        nans = torch.nonzero(torch.isnan(values.view(-1)))
        if len(nans):
            lrs, values = lrs[: min(nans)], values[: min(nans)]
        record = {"steps": steps, "losses": [None if math.isnan(v) else v for v in losses]}
        for rule in ("steep", "minimum", "valley", "slide"):
            try:
                record[rule] = getattr(source, rule)(lrs, values, steps)[0]
            except (IndexError, ValueError, RuntimeError):
                record[rule] = None
        record["smoothed"] = [None if math.isnan(v) else v for v in smoothed[::11]]
        records.append(record)
    return records


def trainings():
    """Return the weights and losses of a small tanh network in float64, with OneCycleLR, by each step's batch."""
    found = {}
    for name, make in {
        "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "Nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        "Adam": lambda p: torch.optim.Adam(p, lr=0.1),
        "AdamW": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1),
    }.items():
        x, y, weights = problem()
        x, y = torch.tensor(x), torch.tensor(y)
        parameters = [torch.tensor(w, requires_grad=True) for w in weights]
        optimizer = make(parameters)
        scheduler, losses = pytorch.OneCycleLR(optimizer, 0.1, 6 * 5), []
        for _ in range(6):
            for start in range(0, 38, 8):
                rows = slice(start, start + 8)
                w1, b1, w2, b2 = parameters
                loss = ((torch.tanh(x[rows] @ w1 + b1) @ w2 + b2 - y[rows]) ** 2).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                scheduler.step()
        found[name] = {"losses": losses, "parameters": [p.detach().numpy().ravel().tolist() for p in parameters]}
    return found


if __name__ == "__main__":
    source = fastai(sys.argv[1])
    found = collections.OrderedDict(
        torch=torch.__version__,
        fastai="2.8.12",
        pytorch_schedules=schedules(),
        fastai_schedules=fastai_schedules(source),
        trainings=trainings(),
        sweeps=suggestions(source),
    )
    FILE.write_text("{" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in found.items()) + "}\n")
