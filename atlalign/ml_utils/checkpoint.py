"""Models saved in the middle of a training, with what it takes to go on as if nothing had happened."""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atlalign._files import atomic_path
from atlalign.errors import ModelError
from atlalign.ml_utils.models import load_model

_MEMBER = "training_state.npz"


@dataclass(frozen=True)
class TrainingState:
    """How far a training is.

    Parameters
    ----------
    epoch : int
        Number of finished epochs.
    step : int
        Number of finished steps of the epoch under way.
    seconds : float
        How long these steps took.
    metrics : list of ndarray
        What the metrics have gathered over them.
    """

    epoch: int
    step: int = 0
    seconds: float = 0.0
    metrics: list[np.ndarray] = field(default_factory=list)


def save_checkpoint(model, path: Path, state: TrainingState) -> None:
    """Save a model, its optimizer and how far the training is, in one file, whole or not at all.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    path : path-like
        Ends in ``.keras``; `load_model` reads it too.
    state : TrainingState
        What goes with it.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"metric_{i:03d}": values for i, values in enumerate(state.metrics)}
    np.savez(buffer, epoch=state.epoch, step=state.step, seconds=state.seconds, **arrays)
    with atomic_path(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_MEMBER, buffer.getvalue())


def load_checkpoint(path: Path):
    """Load what `save_checkpoint` wrote.

    Returns
    -------
    model : keras.Model
        Compiled, its optimizer as it was.
    state : TrainingState

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelError
        If it is something else.
    """
    model = load_model(path, compile=True)
    try:
        with zipfile.ZipFile(path) as archive, np.load(io.BytesIO(archive.read(_MEMBER)), allow_pickle=False) as file:
            metrics = [file[name] for name in sorted(file.files) if name.startswith("metric_")]
            return model, TrainingState(int(file["epoch"]), int(file["step"]), float(file["seconds"]), metrics)
    except (KeyError, ValueError, OSError) as error:
        raise ModelError(
            f"A training goes on from a file that it wrote itself. Received: {path}, which lacks its state. "
            "To start from this model's weights use --init-from."
        ) from error
