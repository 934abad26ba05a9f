"""A run's settings, numbers and files for MLflow."""

import keras

from atlalign.ml_utils.callbacks.validation import score_samples
from atlalign.ml_utils.mlflow_log import import_mlflow
from atlalign.run_folder import RunFolder


class MLflowLog(keras.callbacks.Callback):
    """Log a training to the active MLflow run, or to one of its own.

    Parameters
    ----------
    folder : RunFolder
        Its files are the artefacts, logged when the training ends.
    settings : dict
        The parameters.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """

    def __init__(self, folder: RunFolder, settings: dict):
        super().__init__()
        self._mlflow = import_mlflow()
        self._folder = folder
        self._settings = settings
        self._own = False

    def on_train_begin(self, logs=None):
        """Log the parameters, in a new run unless one is active."""
        if self._mlflow.active_run() is None:
            self._mlflow.start_run(run_name=self._folder.path.name)
            self._own = True
        self._mlflow.log_params({name: str(value)[:500] for name, value in self._settings.items()})

    def on_epoch_end(self, epoch, logs=None):
        """Log what the epoch reached."""
        self._mlflow.log_metrics({name: float(value) for name, value in (logs or {}).items()}, step=epoch + 1)

    def on_train_end(self, logs=None):
        """Log the files."""
        for path in sorted(self._folder.path.glob("*.*")):
            if path.is_file():
                self._mlflow.log_artifact(str(path))
        if self._own:
            self._mlflow.end_run()
            self._own = False


class MLFlowCallback(keras.callbacks.Callback):
    """Log losses and, every so many batches, scores on unaugmented samples, to the active MLflow run.

    The callback of atlalign 0.6.2, for training loops of one's own; ``atlalign-train --mlflow`` uses `MLflowLog`.

    Parameters
    ----------
    merged_path : path-like
        HDF5 dataset.
    train_original_ixs_path, val_original_ixs_path : path-like
        ``.npy`` files of the samples that are scored: some that the network learns from, some that it does not.
    freq : int
        Score after every so many batches.
    workers : int
        Threads that prepare them.
    return_inverse : bool
        Whether the model takes the pair in both orders.
    starting_step : int
        Added to the number of batches, when a training goes on.
    use_validation : bool
        Whether to score the second samples too.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    ValueError
        If `freq` is not positive.
    """

    def __init__(
        self,
        merged_path,
        train_original_ixs_path,
        val_original_ixs_path,
        freq=10,
        workers=1,
        return_inverse=False,
        starting_step=0,
        use_validation=True,
    ):
        from atlalign.ml_utils.io import SupervisedGenerator

        super().__init__()
        if freq < 1:
            raise ValueError(f"freq must be a positive number of batches. Received: freq={freq}")
        self._mlflow = import_mlflow()
        self.freq = freq
        self.step = starting_step
        common = {"batch_size": 8, "return_inverse": return_inverse, "workers": workers}
        self.generators = {"train": SupervisedGenerator(merged_path, indexes=train_original_ixs_path, **common)}
        if use_validation:
            self.generators["val"] = SupervisedGenerator(merged_path, indexes=val_original_ixs_path, **common)

    def on_train_begin(self, logs=None):
        """Score the model before its first step."""
        self._log_scores()

    def on_batch_end(self, batch, logs=None):
        """Log the losses; score the model if it is time."""
        self.step += 1
        self._mlflow.log_metrics({name: float(value) for name, value in (logs or {}).items()}, step=self.step)
        if self.step % self.freq == 0:
            self._log_scores()

    @staticmethod
    def compute_external_metrics(model, gen):
        """Score a model on all samples of a generator.

        Parameters
        ----------
        model : keras.Model
            A registration model.
        gen : SupervisedGenerator
            Its samples.

        Returns
        -------
        dict of str to float
            Averages of what `atlalign.evaluation.score_pair` says.
        """
        return score_samples(model, gen, range(len(gen.indexes)))

    def _log_scores(self) -> None:
        model = self.model
        for part, generator in self.generators.items():
            scores = self.compute_external_metrics(model, generator)
            self._mlflow.log_metrics({f"{part}_{name}": value for name, value in scores.items()}, step=self.step)
