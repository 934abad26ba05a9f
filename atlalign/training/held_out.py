"""Which pairs a run did not train on, so that nobody evaluates on the others by mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atlalign._progress import no_progress
from atlalign.errors import AtlalignError, InvalidFileError
from atlalign.evaluation.samples import locate
from atlalign.run_folder import RunFolder
from atlalign.training.config import TrainingConfig
from atlalign.training.config_file import read_config
from atlalign.training.data import split_pairs
from atlalign.training.provenance import changed_data

if TYPE_CHECKING:
    from atlalign.pairs import PairSource


@dataclass(frozen=True)
class HeldOut:
    """The validation pairs of a run.

    Parameters
    ----------
    config : TrainingConfig
        Of the run.
    source : PairSource
        All of its pairs, as the files have them.
    indexes : ndarray of int (n,)
        Those that it did not train on.
    """

    config: TrainingConfig
    source: PairSource
    indexes: NDArray[np.intp]

    @property
    def models(self) -> list[Path]:
        """What the run trained, after the global model whose leavings it learned from, if it did."""
        best = RunFolder(self.config.out).best_model
        return [best] if self.config.global_model is None else [self.config.global_model, best]


def held_out_pairs(
    run: Any, data: Sequence[Any] = (), atlas: Any = None, progress: Callable[..., Any] = no_progress
) -> HeldOut:
    """Return the validation pairs of a run.

    Parameters
    ----------
    run : path-like
        The run's folder.
    data : sequence of path-like, optional
        Where its datasets are now, in their order, if they were moved.
    atlas : str, path-like or Atlas, optional
        Where the reference images come from; what the run took by default.
    progress : callable
        Wraps the blocks of the files while it is made sure that they are the same.

    Returns
    -------
    HeldOut

    Raises
    ------
    FileNotFoundError
        If the folder holds no run, or a dataset is missing.
    InvalidFileError
        If the datasets are no longer those that the run was given.
    ValueError
        If the run kept no pairs for validation.
    """
    from atlalign.pairs import PairSource

    folder = RunFolder(run)
    if not folder.config.is_file():
        raise FileNotFoundError(
            f"A run must be a folder that atlalign-train made. Received: {folder.path}, which holds no config.toml. "
            "Check the path."
        )
    config = read_config(folder.config)
    config = config.model_copy(update={"out": folder.path, "data": tuple(Path(path) for path in data) or config.data})
    if not config.validation_share:
        raise ValueError(
            "An evaluation needs pairs that the run was not trained on. "
            f"Received: {folder.path}, which trained on all (validation_share 0). Give a dataset that it has not seen."
        )
    source = PairSource(config.data, atlas or config.atlas)
    known = changed_data(folder.provenance, config.data, progress)
    if known:
        raise InvalidFileError(
            "The validation pairs of a run can be told only in the datasets that it was given. "
            f"Received: {', '.join(map(str, config.data))}, which changed since, or {', '.join(known)} in another "
            "order. Give those files."
        )
    _, _, validation = split_pairs(source, config)
    return HeldOut(config, source, validation)


def cautions(models: Sequence[Path], source: PairSource, indexes: Sequence[int] | NDArray) -> list[str]:
    """Say what speaks against an evaluation, by what the models' run folders tell.

    Parameters
    ----------
    models : sequence of Path
        Files of models; what is not in a run's folder tells nothing.
    source : PairSource
        The pairs.
    indexes : sequence of int
        Those that are evaluated.

    Returns
    -------
    list of str
        A sentence for each model that was trained on some of these pairs, in these files; and for one that expects
        another before it.
    """
    found = []
    for model in models:
        folder = RunFolder(model.parent)
        try:
            config = read_config(folder.config)
            n_seen = _count_trained_on(config, source, indexes)
        except (OSError, AtlalignError):  # not a run, or its data are gone
            continue
        if n_seen:
            found.append(
                f"{model} was trained on {n_seen} of these {len(indexes)} pairs. "
                f"Its validation pairs alone: atlalign evaluate --run '{folder.path}'"
            )
        if config.global_model is not None and len(models) == 1:
            found.append(f"{model} was trained on what {config.global_model} leaves. Give that model too.")
    return found


def _count_trained_on(config: TrainingConfig, source: PairSource, indexes: Sequence[int] | np.ndarray) -> int:
    from atlalign.pairs import PairSource

    if not {path.resolve() for path in config.data} & {path.resolve() for path in source.paths}:
        return 0
    of_the_run = PairSource(config.data, source.atlas)
    _, training, _ = split_pairs(of_the_run, config)
    seen = {(path.resolve(), row) for path, row in locate(of_the_run, training)}
    return sum((path.resolve(), row) in seen for path, row in locate(source, indexes))
