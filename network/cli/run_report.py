"""``hotloop train --report``: watches the training, and writes what there is to say about it as one page."""

import argparse
import os
import platform
import shlex
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numba
import numpy as np

from hotloop import __version__
from hotloop.network.cli import reports
from hotloop.network.cli.prepared_data import PreparedData
from hotloop.network.cli.report_curves import curves_part
from hotloop.network.cli.report_results import Tested, results_part, worst_part
from hotloop.network.cli.streams import complain
from hotloop.network.html.elements import Html, definitions, element, finding, joined
from hotloop.network.html.page import Section, page, region
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import check_is_another, check_writable, path_of, write_file
from hotloop.network.plots.style import figure
from hotloop.network.profiling.export.html_page import diagnosis_part, profile_part, totals
from hotloop.network.profiling.profiler import Profile
from hotloop.network.tables.columns_table import columns_table
from hotloop.network.training.early_stopping import EarlyStopping
from hotloop.network.training.history import History
from hotloop.network.training.optimizers import Optimizer
from hotloop.network.validation.printable import counted, printable

MOST_COLUMNS = 500  # of a table
UNTRIED = "hotloop profile, with the same options, also tries the remedies."


@dataclass(frozen=True, eq=False)
class Run:
    """What there is to report: the data, the network, how it was trained, and what it does with the test rows.

    `tested` is None and `failure` says why, if training diverged.
    """

    prepared: PreparedData
    net: Network
    optimizer: Optimizer
    stopper: EarlyStopping | None
    history: History
    tested: Tested | None = None
    failure: str = ""


@dataclass
class RunReport:
    """The report of one run: made before it, to see whether it can be written, and open while the network trains.

    The loop with clocks takes the place of the one without, and trains the same bits.
    """

    arguments: argparse.Namespace
    profile: Profile = field(default_factory=Profile)
    where: list[str] = field(default_factory=list)  # a line, once it is written
    failed: bool = False

    def __post_init__(self) -> None:
        """Raise now, rather than after the training, if the page could not be drawn or written."""
        named = self.arguments.report
        check_writable(path_of("--report", named))
        check_is_another(named, self.arguments.data)
        for option in ("save", "checkpoint"):
            other = getattr(self.arguments, option)
            if other is not None and os.path.realpath(other) == os.path.realpath(named):
                raise ValueError(f"--report and --{option} name one file")
        need_pictures()
        self.began = time.strftime("%Y-%m-%d %H:%M:%S %z")

    def write(self, run: Run) -> None:
        """Write the page, or say why that cannot be: what is to be printed after it is not lost."""
        try:
            write_file(Path(self.arguments.report), self._page(run))
            self.where = [f"report in {self.arguments.report}: open it in a browser"]
        except KeyboardInterrupt:
            complain("hotloop: interrupted: no report was written")
        except (OSError, MemoryError) as error:
            self.failed = True
            complain(f"hotloop: error: {printable(str(error))}; no report was written")

    def _page(self, run: Run) -> str:
        history, recording = run.history, self.profile.recording
        lines = [] if run.failure else reports.ending(history, self.arguments.epochs, run.stopper).split("\n")
        lines += run.tested.headline() if run.tested is not None else []
        if history.epochs:
            lines.append(reports.speed(len(history.epochs), len(run.prepared.train.x), history.seconds))
        failed = finding(element("p", run.failure)) if run.failure else ""
        lead = joined(failed, element("ul", *(element("li", line) for line in lines)))
        diagnosis = self.profile.diagnose(try_remedies=False)
        untried = element("p", UNTRIED) if diagnosis.findings else ""
        parts = [
            ("data", "Data", _data_part(run.prepared)),
            ("network", "Network", self._network_part(run)),
            ("curves", "Curves", curves_part(history)),
        ]
        if run.tested is not None:
            parts.append(("results", "Test rows", results_part(run.tested)))
            parts.append(("worst", "The worst rows", worst_part(run.tested)))
        parts.append(("diagnosis", "Diagnosis", joined(diagnosis_part(recording, diagnosis), untried)))
        parts.append(("profile", "Where the time went", joined(totals(recording), profile_part(recording))))
        return page(f"hotloop train: {printable(run.prepared.data.name)}", lead, [Section(*part) for part in parts])

    def _network_part(self, run: Run) -> Html:
        given, stopper = self.arguments, run.stopper
        limits = [f"batches of {given.batch_size}", f"at most {counted(given.epochs, 'epoch')}"]
        if given.max_seconds is not None:
            limits.append(f"at most {given.max_seconds:g} s")
        if given.class_weight is not None:
            limits.append(f"class weights {given.class_weight}")
        stops = "none"
        if stopper is not None:
            what = "the parameters of the best epoch are kept" if stopper.restore_best else "the last are kept"
            watched = "validation loss" if stopper.monitor == "val_loss" else "training loss"
            stops = f"when the {watched} has not got better for {counted(stopper.patience, 'epoch')}; {what}"
        versions = {"hotloop": __version__, "numba": numba.__version__, "numpy": np.__version__,
                    "Python": platform.python_version()}  # fmt: skip
        facts: list[tuple[str, Any]] = [
            ("optimizer", repr(run.optimizer)),
            ("training", ", ".join(limits)),
            ("early stopping", stops),
            ("seed", str(given.seed)),
            ("threads", f"{run.history.n_threads} at the end; the result is the same for any number"),
            ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
            ("machine", f"{platform.system()} {platform.machine()}, {counted(os.cpu_count() or 1, 'core')}"),
            ("begun", self.began),
        ]
        command = element("pre", element("code", shlex.join(["hotloop", *map(str, given.argv)])))
        summary = region("Layers of the network", run.net.summary().as_html)
        return joined(summary, definitions(facts), element("h3", "The command"), command)


def need_pictures() -> None:
    """Raise before the training, not after it, if there is nothing to draw with."""
    try:
        figure(1, 1)
    except ImportError as error:
        raise ValueError(error) from None


def _data_part(prepared: PreparedData) -> Html:
    facts = definitions(reports.data_facts(prepared))
    if prepared.preparation is None:
        return facts
    return joined(facts, region("Columns", columns_table(prepared.preparation.columns, MOST_COLUMNS)))
