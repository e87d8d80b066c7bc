"""The callback that saves the network after each epoch, or after each that is the best so far."""

import os
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotloop.network.training.callbacks import FitProgress, PlannedFit
from hotloop.network.training.monitor import Monitor, absent
from hotloop.network.validation import arguments
from hotloop.network.validation.paths import check_file, check_folder, text_path
from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import explains_its_keywords


@explains_its_keywords
class ModelCheckpoint(Monitor):
    """Saves the network when `monitor` is the best of this fit so far, or after each epoch.

    A reader never sees half a file. The next fit begins anew: its first epoch replaces the file.

    Parameters
    ----------
    path : str or path-like
        May have numbers of the record in it: ``"run-{epoch:03d}-{val_loss:.4f}.safetensors"``. Without any, each file
        replaces the one before.
    monitor : str, default "val_loss"
        A number in the record of each epoch.
    save_best_only : bool, default True
        False saves after each epoch, and looks at no number.
    mode : {"auto", "min", "max"}
        Whether less or more is better.

    Raises
    ------
    OSError
        Of the fit, before it trains, if the folder does not exist or cannot be written to; and if a file cannot be
        written.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.callbacks import ModelCheckpoint
    >>> X = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> net = Network([1, 8, 1], seed=0)
    >>> history = net.fit(X, X**2, epochs=5, validation_split=0.2, callbacks=[ModelCheckpoint("best.safetensors")])
    >>> Network.load("best.safetensors").sizes
    (1, 8, 1)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        *,
        save_best_only: bool = True,
        mode: str = "auto",
    ) -> None:
        self.save_best_only = arguments.flag("save_best_only", save_best_only)
        super().__init__(monitor, mode if self.save_best_only else "min")
        self.path = text_path("path", path, "best.safetensors")
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(self.path) if name is not None]
        except ValueError as error:
            raise ValueError(
                f"path {shown(self.path)} is not a format such as 'run-{{epoch}}.safetensors': {error}"
            ) from None
        if not all(name.isidentifier() for name in fields):
            raise ValueError(
                f"path {shown(self.path)} must name numbers of the record in its braces, such as {{epoch}}"
            )
        self._fields = fields

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Save the network, if its epoch is good enough."""
        if self.save_best_only:
            value = self._value(fit)
            if not self._better(value, self.best):
                return
            self.best = value
        for name in self._fields:
            if name not in fit.record:
                raise ValueError(f"path {shown(self.path)} names {absent(name, [*fit.record])}")
        fit.network.save(Path(self._formatted(fit.record)))

    def _formatted(self, record: Mapping[str, Any]) -> str:
        try:
            return self.path.format(**record)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"path {shown(self.path)} cannot be written with the numbers of the record: {error}; the epoch is a "
                "whole number, such as {epoch:03d}, and others are not, such as {loss:.4f}"
            ) from None

    def _compared_settings(self) -> dict[str, Any]:
        return super()._compared_settings() if self.save_best_only else {"save_best_only": False}

    def _check_before_fit(self, planned: PlannedFit) -> None:
        """Look at the names, and whether files can be written into the folder, if its name is known."""
        if self.save_best_only:
            super()._check_before_fit(planned)
        unknown = [name for name in self._fields if name not in planned.record]
        if unknown and not planned.may_have_more:
            raise ValueError(f"path {shown(self.path)} names {absent(unknown[0], planned.record, planned)}")
        if not unknown:
            self._formatted({name: 1 if name == "epoch" else 0.5 for name in planned.record})
        folder = os.path.dirname(self.path)
        if "{" not in folder:
            check_folder(folder or ".")
        if not self._fields:
            check_file(self.path.format())
