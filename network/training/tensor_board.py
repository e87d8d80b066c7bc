"""The callback that writes the record of each epoch for TensorBoard."""

import numbers
import os
from typing import Any

from hotloop.network.training.callbacks import Callback, FitProgress, PlannedFit
from hotloop.network.validation.paths import text_path
from hotloop.network.validation.suggestions import explains_its_keywords


@explains_its_keywords
class TensorBoard(Callback):
    """Writes the numbers of each epoch's record for TensorBoard: look at them with ``tensorboard --logdir LOG_DIR``.

    They are two runs, so that TensorBoard draws the loss and the validation loss in one picture: what begins with
    "val_" is in LOG_DIR/validation, without these letters, and the rest in LOG_DIR/train. The step is the epoch.

    Parameters
    ----------
    log_dir : str or path-like
        Created if it does not exist. Another fit in the same folder adds to what is there.

    Raises
    ------
    ImportError
        If neither tensorboard nor tensorboardX is installed: ``pip install "hotloop[tensorboard]"``.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.callbacks import TensorBoard
    >>> net = Network([1, 1], seed=0)
    >>> net.fit([[0.0], [1.0]], [1.0, 0.0], callbacks=[TensorBoard("runs/first")])  # doctest: +SKIP
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self.log_dir = text_path("log_dir", log_dir, "runs/first")
        self._writer = _writer_class()
        self._writers: dict[str, Any] = {}

    def _check_before_fit(self, planned: PlannedFit) -> None:
        if os.path.isfile(self.log_dir):
            raise NotADirectoryError(f"log_dir {self.log_dir} is a file; wanted a folder")

    def on_epoch_end(self, fit: FitProgress) -> None:
        """Write the record."""
        for name, value in fit.record.items():
            if name != "epoch" and isinstance(value, numbers.Real):
                run, tag = ("validation", name[4:]) if name.startswith("val_") else ("train", name)
                if run not in self._writers:
                    self._writers[run] = self._writer(os.path.join(self.log_dir, run))
                self._writers[run].add_scalar(tag, float(value), int(fit.record["epoch"]))
        for writer in self._writers.values():
            writer.flush()

    def on_fit_end(self, fit: FitProgress) -> None:
        """Close the files."""
        while self._writers:
            self._writers.popitem()[1].close()


def _writer_class() -> Any:
    """Return the class that writes events, of the package that there is."""
    try:
        from tensorboard.summary import Writer
    except ImportError:
        try:
            from tensorboardX import SummaryWriter as Writer
        except ImportError:
            raise ImportError(
                'TensorBoard needs the package tensorboard or tensorboardX: pip install "hotloop[tensorboard]"'
            ) from None
    return Writer
