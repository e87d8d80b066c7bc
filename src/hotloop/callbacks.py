"""Callbacks, which watch a fit and may end it: the public names of those in `hotloop.network.training`.

>>> from hotloop.callbacks import EarlyStopping
>>> EarlyStopping("val_accuracy", patience=5).monitor
'val_accuracy'
"""

from hotloop.network.training.callbacks import Callback, FitProgress
from hotloop.network.training.csv_logger import CSVLogger
from hotloop.network.training.early_stopping import EarlyStopping
from hotloop.network.training.lambda_callback import LambdaCallback
from hotloop.network.training.live_plot import LivePlot
from hotloop.network.training.model_checkpoint import ModelCheckpoint
from hotloop.network.training.reduce_on_plateau import ReduceLROnPlateau
from hotloop.network.training.tensor_board import TensorBoard

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "FitProgress",
    "LambdaCallback",
    "LivePlot",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
]
