"""What a diagnosis says: findings, each with its evidence and a remedy, for each fit of a profile."""

from dataclasses import dataclass, field
from typing import Any

from hotloop.network.display import terminal
from hotloop.network.display.terminal import Styled, columns
from hotloop.network.display.text_table import paragraph, table
from hotloop.network.html import elements
from hotloop.network.html.elements import Html
from hotloop.network.plots.gradient_flow import draw_gradient_flow
from hotloop.network.plots.style import new_axes, styled

FINDING = "bold magenta"  # a style

HEADS = ("layer", "gradient", "growth", "step", "saturated", "dead")


@dataclass(frozen=True)
class Finding:
    """One conclusion.

    Attributes
    ----------
    kind : str
        "vanishing gradients", "exploding gradients", "dead ReLUs", "learning rate too large", "learning rate too
        small", "overfitting", "inputs not scaled" or, where no trial ended well, "divergence".
    evidence, remedy : str
        What was seen, and what to do.
    tried : str
        What the remedy gave when it was tried; empty if it was not.
    """

    kind: str
    evidence: str
    remedy: str
    tried: str = ""

    def as_html(self) -> Html:
        """Return all but its kind as a list."""
        said = {"evidence": self.evidence, "remedy": self.remedy, "tried": self.tried}
        return elements.definitions((name, text) for name, text in said.items() if text)

    def __str__(self) -> str:
        """Return it in lines that fit the terminal: what was found, evidence, remedy, and what it gave."""
        lines = [terminal.styled(self.kind, FINDING), paragraph("  evidence: ", self.evidence)]
        lines.append(paragraph("  remedy:   ", self.remedy))
        return Styled.joined("\n", [*lines, paragraph("  tried:    ", self.tried)] if self.tried else lines)


@dataclass(frozen=True)
class FitDiagnosis:
    """What was found in one fit.

    Attributes
    ----------
    network : str
        Sizes and activations.
    snapshots, steps : int
        How many snapshots were taken, in how many steps.
    findings : list of Finding
    layers : list of dict
        For each layer the medians of the snapshots: "layer", "gradient" (dC/dW, root mean square), "growth" (dC/dz
        over that of the next layer), "step" (the weights' change over the weights), "saturated", "dead" (shares).
    """

    network: str
    snapshots: int
    steps: int
    findings: list[Finding]
    layers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def basis(self) -> str:
        """What the conclusions rest on."""
        return f"looked at in {self.snapshots} of {self.steps} step" + ("" if self.steps == 1 else "s")

    @property
    def verdict(self) -> str:
        """How many findings there are, or that all is well, which needs a snapshot: a resumed fit may have no step."""
        if self.findings:
            return f"{len(self.findings)} found"
        return "nothing is wrong" if self.snapshots else "nothing can be said"

    def cells(self) -> tuple[tuple[str, ...], list[list[str]]]:
        """Return the heads of the table of the layers, and its rows."""
        return HEADS, [[_cell(name, layer[name]) for name in HEADS] for layer in self.layers]

    def table(self) -> list[str]:
        """Return the layers as lines of text."""
        heads, rows = self.cells()
        return [Styled.joined("", ["  ", line]) for line in table(heads, rows, width=columns() - 2)] if rows else []

    def as_html(self) -> Html:
        """Return the findings, or that there are none, and the layers."""
        basis = elements.note(f"{self.network}, {self.basis}")
        parts = [elements.finding(elements.title(finding.kind), finding.as_html()) for finding in self.findings]
        verdict = elements.title(self.verdict)
        well = elements.finding(verdict, well=True) if self.snapshots else verdict
        layers = elements.table(*self.cells(), caption="medians of the snapshots") if self.layers else ""
        return elements.joined(basis, *(parts or [well]), layers)


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0%}" if name in ("saturated", "dead") else f"{value:.3g}"


@dataclass(frozen=True)
class Diagnosis:
    """What was found in each fit of a profile, and in how many more fits no snapshots were taken.

    Attributes
    ----------
    fits : list of FitDiagnosis
    left_out : int

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import SGD, Network, profile
    >>> X = np.linspace(0, 1000, 200).reshape(-1, 1)
    >>> with profile() as prof:
    ...     history = Network([1, 8, 1], seed=0).fit(X, X / 1000, optimizer=SGD(1e-8), epochs=10)
    >>> diagnosis = prof.diagnose(try_remedies=False)
    >>> [finding.kind for finding in diagnosis.findings]
    ['inputs not scaled']
    >>> list(diagnosis.to_list()[0])
    ['network', 'snapshots', 'steps', 'findings', 'layers']
    >>> axes = diagnosis.plot()
    """

    fits: list[FitDiagnosis] = field(default_factory=list)
    left_out: int = 0

    @property
    def findings(self) -> list[Finding]:
        """The findings in all fits."""
        return [finding for fit in self.fits for finding in fit.findings]

    def __str__(self) -> str:
        """Return it as text."""
        if not self.fits:
            return "diagnosis: no fit was looked at"
        parts: list[str] = []
        for number, fit in enumerate(self.fits, 1):
            name = f"fit {number} of {len(self.fits)}" if len(self.fits) > 1 else "the fit"
            parts.append(paragraph("", f"diagnosis of {name}, {fit.network}, {fit.basis}: {fit.verdict}"))
            parts += [*(str(finding) for finding in fit.findings), *fit.table()]
        more = [f"{self.left_out} more fits were not looked at"] if self.left_out else []
        return Styled.joined("\n", [*parts, *more])

    def _repr_html_(self) -> str:
        """Return it for notebooks."""
        parts = []
        for number, fit in enumerate(self.fits, 1):
            name = f"fit {number} of {len(self.fits)}" if len(self.fits) > 1 else "the fit"
            parts += [elements.title(f"Diagnosis of {name}"), fit.as_html()]
        more = [f"{self.left_out} more fits were not looked at"] if self.left_out else []
        return elements.representation(*parts, *map(elements.note, more if parts else ["no fit was looked at"]))

    def plot(self, *, axes: Any = None) -> Any:
        """Draw the gradient dC/dW of each layer, the median of the snapshots of each fit; return matplotlib's Axes.

        Raises
        ------
        ValueError
            If no fit was looked at.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.
        """
        curves = {
            f"{f'fit {number}, ' * (len(self.fits) > 1)}{fit.snapshots} snapshots": [
                layer["gradient"] for layer in fit.layers
            ]
            for number, fit in enumerate(self.fits, 1)
            if fit.layers
        }
        if not curves:
            raise ValueError("there is nothing to draw: no fit was looked at")
        with styled():
            axes = new_axes() if axes is None else axes
            draw_gradient_flow(axes, curves, "dW")
        return axes

    def to_list(self) -> list[dict[str, Any]]:
        """Return it as plain data."""
        return [
            {
                "network": fit.network, "snapshots": fit.snapshots, "steps": fit.steps,
                "findings": [vars(finding) for finding in fit.findings], "layers": fit.layers,
            }
            for fit in self.fits
        ]  # fmt: skip
