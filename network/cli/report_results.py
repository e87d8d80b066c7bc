"""The results of a report: what the network does with the test rows, and with which it does worst."""

import base64
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.cli import reports
from hotloop.network.cli.prepared_data import PreparedData
from hotloop.network.cli.report_curves import drawn
from hotloop.network.html.elements import Cell, Html, element, joined, note, table
from hotloop.network.html.page import region, sortable
from hotloop.network.losses import LOSSES
from hotloop.network.metrics import predicted_classes
from hotloop.network.metrics.classification import pair_counts
from hotloop.network.metrics.named import class_shares
from hotloop.network.metrics.regression import mae, r2, rmse
from hotloop.network.network import Network
from hotloop.network.plots.labels import legend
from hotloop.network.plots.style import BLUE, GREY, ORANGE
from hotloop.network.validation.printable import cut, printable

MOST_CLASSES = 40  # of a confusion matrix
MOST_OUTPUTS = 4  # with pictures of their own
MOST_POINTS = 1000  # of a picture
WORST, COLUMNS, LONGEST = 10, 6, 40  # rows shown, columns of each, characters of a cell


@dataclass(frozen=True, eq=False)
class Tested:
    """What a network does with the test rows.

    Attributes
    ----------
    net : Network
    prepared : PreparedData
    threads : int or "auto"
    scores : mapping of str to float
        What `Network.evaluate` returned.
    outputs : array (rows, outputs)
    """

    net: Network
    prepared: PreparedData
    threads: int | str
    scores: Mapping[str, float]
    outputs: Array

    @classmethod
    def of(cls, net: Network, prepared: PreparedData, threads: int | str) -> "Tested":
        """Return what the network does with the test rows."""
        test = prepared.test
        scores = net.evaluate(test.x, test.y, n_threads=threads)
        return cls(net, prepared, threads, scores, net.predict(test.x, n_threads=threads))

    @cached_property
    def losses(self) -> Array:
        """The loss of each row."""
        return self.net.row_losses(self.prepared.test.x, self.prepared.test.y, n_threads=self.threads)

    @cached_property
    def values(self) -> Array:
        """The predicted values, in the unit of the target."""
        return self.prepared.in_unit_of_target(self.net, self.outputs)

    @property
    def labels(self) -> Array | None:
        """The true classes, where there are classes."""
        return self.prepared.test.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, cut where they are too long for a table."""
        return tuple(cut(printable(name), LONGEST) for name in self.prepared.data.classes or ())

    @cached_property
    def predicted(self) -> Array:
        """The predicted classes."""
        return predicted_classes(self.net.activations[-1], self.outputs)

    @cached_property
    def shares(self) -> Array:
        """What the network gives each class, (rows, classes): a probability, with a cross-entropy."""
        return class_shares(LOSSES[self.prepared.loss], self.net.activations[-1], self.outputs)

    @property
    def holds_images(self) -> bool:
        """Whether the rows are square images: those of the digits, and of IDX files, whose classes have no names."""
        data = self.prepared.data
        square = math.isqrt(data.x_test.shape[1]) ** 2 == data.x_test.shape[1]
        return square and (data.name == "digits" or os.path.isdir(data.name))

    def headline(self) -> list[str]:
        """Return the result in a line or two, as the command prints it."""
        if self.labels is not None:
            right = int(np.sum(self.predicted == self.labels))
            return [reports.test(self.scores, right, len(self.labels), self.prepared.loss_name)]
        lines = [reports.test(self.scores, 0, 0, self.prepared.loss_name)]
        if "accuracy" not in self.scores:
            lines.append(reports.errors(self.prepared.data.y_test, self.values))
        return lines

    @cached_property
    def counts(self) -> Array:
        """How many rows of each true class (down) are put into each class (across)."""
        return pair_counts(np.asarray(self.labels), self.predicted, len(self.classes))


def results_part(tested: Tested) -> Html:
    """Return the confusion matrix and what becomes of each class; for values their errors, with pictures."""
    lines = [element("p", line) for line in tested.headline()]
    if tested.labels is None:
        return joined(*lines, _errors(tested))
    return joined(*lines, confusion_part(tested))


def confusion_part(tested: Tested) -> Html:
    """Return how many rows of each class are put into which, if these are not too many, and what becomes of each."""
    matrix = _confusion(tested) if len(tested.classes) <= MOST_CLASSES else ""
    return joined(matrix, _by_class(tested))


def _confusion(tested: Tested) -> Html:
    counts, names = tested.counts, tested.classes

    def cell(row: int, column: int) -> Cell:
        share = counts[row, column] / max(counts[row].sum(), 1)
        colour = "blue" if row == column else "red"
        tint = f"background: color-mix(in srgb, var(--hotloop-{colour}) {50 * math.sqrt(share):.0f}%, transparent)"
        return Cell(str(counts[row, column]), {"style": tint} if share else {"class": "none"})

    rows = [[name, *(cell(row, column) for column in range(len(names)))] for row, name in enumerate(names)]
    found = table(["true \\ predicted", *names], rows, caption="Test rows by true class (down) and predicted class")
    return region("Confusion matrix", element("div", found, class_="matrix"))


def _by_class(tested: Tested) -> Html:
    counts = tested.counts
    titles = ("class", "rows", "right", "recall", "precision", "most often taken for")
    heads = [sortable(title, "ascending" if title == "class" else None) for title in titles[:5]] + [titles[5]]
    rows = []
    for number, name in enumerate(tested.classes):
        support, predicted, right = counts[number].sum(), counts[:, number].sum(), counts[number, number]
        wrong = counts[number] * (np.arange(len(counts)) != number)
        worst = int(np.argmax(wrong))
        taken = f"{tested.classes[worst]} ({wrong[worst]})" if wrong[worst] else "-"
        of_class = [_share(right, support), _share(right, predicted)]
        rows.append([Cell(name, {"data-value": number}), str(support), str(right), *of_class, taken])
    found = table(heads, rows, left=(heads[0], heads[5]), caption="Each class; the heads sort")
    return region("Each class", found)


def _share(part: Any, whole: Any) -> Cell:
    return Cell(f"{100 * part / whole:.1f} %" if whole else "-", {"data-value": part / whole if whole else -1})


def _errors(tested: Tested) -> Html:
    truth = tested.prepared.data.y_test.reshape(len(tested.values), -1).astype(np.float64)
    found = tested.values.reshape(truth.shape).astype(np.float64)
    several = truth.shape[1] > 1
    rows, pictures = [], []
    for number in range(truth.shape[1]):
        y, a = truth[:, number], found[:, number]
        name = f"value {number}" if several else "the target"
        rows.append([name, *(reports.four_digits(measure(y, a)) for measure in (rmse, mae, r2, _bias))])
        if number < MOST_OUTPUTS:
            pictures += _pictures(number, name, y, a)
    heads = ["target", "rmse", "mae", "r2", "mean residual"]
    numbers = region("Errors", table(heads, rows, caption="Errors, in the unit of the target"))
    more = truth.shape[1] - MOST_OUTPUTS
    left_out = [note(f"{more} more values have no picture.")] if more > 0 else []
    return joined(numbers, element("div", *pictures, class_="pictures"), *left_out)


def _bias(y: Array, a: Array) -> float:
    return float(np.mean(a - y))


def _pictures(number: int, name: str, y: Array, a: Array) -> list[Html]:
    """Return two pictures of a target and its predictions: one against the other, and the residuals."""
    shown = np.arange(len(y))
    if len(y) > MOST_POINTS:
        shown = np.random.default_rng(0).permutation(len(y))[:MOST_POINTS]
    chosen = f" {MOST_POINTS} of {len(y)} rows, drawn at random." if len(y) > len(shown) else ""

    def against(axes: Any) -> None:
        axes.plot(y[shown], a[shown], "o", color=BLUE, alpha=0.5, markeredgewidth=0)
        ends = [min(y.min(), a.min()), max(y.max(), a.max())]
        axes.plot(ends, ends, "--", color=GREY, label="predicted = true")
        axes.set(xlabel="true", ylabel="predicted", title=f"Predicted against true: {name}")
        legend(axes)

    def residuals(axes: Any) -> None:
        axes.hist(a - y, bins=min(40, max(5, round(math.sqrt(len(y))))), color=ORANGE, edgecolor="white", linewidth=0.5)
        axes.axvline(0, linestyle="--", color=GREY)
        axes.set(xlabel="predicted - true", ylabel="rows", title=f"Residuals: {name}")

    low, middle, high = map(reports.four_digits, np.percentile(a - y, [5, 50, 95]).tolist())
    spread = f"Nine in ten lie between {low} and {high}; the median is {middle}."
    return [
        drawn(against, f"against-{number}", f"Predicted against true: {name}",
              f"Each point is a test row; on the dashed line it is predicted exactly.{chosen}"),
        drawn(residuals, f"residuals-{number}", f"Residuals: {name}", f"Predicted less true, in rows. {spread}"),
    ]  # fmt: skip


def worst_part(tested: Tested) -> Html:
    """Return the test rows with the highest losses: where they stand, what is true, what was predicted."""
    data, test = tested.prepared.data, tested.prepared.test
    worst = np.argsort(-np.nan_to_num(tested.losses, nan=np.inf), kind="stable")[:WORST]
    columns = _shown_columns(tested.prepared)
    images = tested.holds_images
    heads = ["row", *["picture"] * images, *_pair_heads(tested), "loss"]
    texts = 1 if tested.labels is None else 3 + images  # the other heads are of numbers
    names = [cut(data.raw_test.name(index), LONGEST) for index in columns]
    rows = []
    for row in map(int, worst):
        image = [_image(test.x[row], f"image of row {row}")] if images else []
        cells = [_where(tested, row), *image, *_pair(tested, row), f"{tested.losses[row]:.4g}"]
        rows.append([*cells, *(cut(data.raw_test.columns[index].text(row), LONGEST) for index in columns)])
    unit = "" if data.raw_test is not None else " Rows are counted from 0."
    if data.raw_test is None and data.test_rows is None:
        unit = " Rows are counted from 0 in the test set."
    found = table(
        [*heads, *names], rows, left=[*heads[:texts], *names], caption="The test rows with the highest losses"
    )
    about = f"Wrong labels and rare kinds of rows show here first.{unit}"
    return joined(note(about), region("Table of the worst rows", found))


def _pair_heads(tested: Tested) -> list[str]:
    if tested.labels is None:
        return ["true", "predicted", "residual"]
    what = "probability" if LOSSES[tested.prepared.loss].classifies else "output"
    return ["true", "predicted", f"its {what}", f"{what} of the true"]


def _pair(tested: Tested, row: int) -> list[str]:
    """Return what is true of a row, what was predicted, and how sure or how wrong that was."""
    if tested.labels is None:
        truth = np.atleast_1d(tested.prepared.data.y_test[row]).astype(np.float64)
        found = np.atleast_1d(tested.values[row]).astype(np.float64)
        return [_listed(numbers) for numbers in (truth, found, found - truth)]
    true, guess, shares = int(tested.labels[row]), int(tested.predicted[row]), tested.shares[row]
    return [tested.classes[true], tested.classes[guess], f"{shares[guess]:.3f}", f"{shares[true]:.3f}"]


def _listed(numbers: Array) -> str:
    return ", ".join(reports.four_digits(value) for value in numbers[:3].tolist()) + (
        ", ..." if len(numbers) > 3 else ""
    )


def _where(tested: Tested, row: int) -> str:
    data = tested.prepared.data
    if data.raw_test is not None:
        return str(data.raw_test.where(row))
    return f"row {row if data.test_rows is None else data.test_rows[row]}"


def _shown_columns(prepared: PreparedData) -> list[int]:
    """Return the first columns of a table that became inputs."""
    if prepared.preparation is None or prepared.data.raw_test is None:
        return []
    return [index for index, column in enumerate(prepared.preparation.columns) if column.n_inputs][:COLUMNS]


def _image(pixels: Array, words: str) -> Html:
    """Return a row of square pixels as a picture that is part of the page, dark on light."""
    from PIL import Image  # matplotlib needs it too

    side, values = math.isqrt(len(pixels)), pixels.astype(np.float64)
    span = max(values.max() - values.min(), 1e-30)
    grey = np.uint8(255 * (1 - (values - values.min()) / span)).reshape(side, side)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return element("img", src=source, alt=words, class_="sample", width=side, height=side)
