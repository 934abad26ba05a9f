"""Keras callbacks that keep a run folder, watch over a training and show how far it is."""

from atlalign.ml_utils.callbacks.averaging import AveragedWeights
from atlalign.ml_utils.callbacks.data_order import DataOrder
from atlalign.ml_utils.callbacks.interruption import Interruption
from atlalign.ml_utils.callbacks.pictures import Pictures
from atlalign.ml_utils.callbacks.planes import PlaneMetrics
from atlalign.ml_utils.callbacks.progress import ProgressReport
from atlalign.ml_utils.callbacks.recorder import RunRecorder, StopOnNaN
from atlalign.ml_utils.callbacks.validation import ValidationMetrics
from atlalign.ml_utils.callbacks.waiting import WaitingTime

__all__ = [
    "AveragedWeights",
    "DataOrder",
    "Interruption",
    "Pictures",
    "PlaneMetrics",
    "ProgressReport",
    "RunRecorder",
    "StopOnNaN",
    "ValidationMetrics",
    "WaitingTime",
]
