"""The arguments of a constructor or factory, logged to MLflow."""

from collections.abc import Mapping

import keras

from atlalign.errors import MissingExtraError


def import_mlflow():
    """Return the module, or raise a MissingExtraError that names what to install."""
    try:
        import mlflow
    except ImportError:
        raise MissingExtraError("MLflow logs", "mlflow") from None
    return mlflow


def log_arguments(arguments: Mapping[str, object]) -> None:
    """Log arguments as parameters of the active MLflow run, or of a new one.

    Parameters
    ----------
    arguments : mapping of str
        Numbers, texts and None as they are, functions, layers and other objects with a name by it, sequences item by
        item, what is left by its `str`.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """
    import_mlflow().log_params({name: describe(value) for name, value in arguments.items()})


def describe(value: object) -> object:
    """Return what stands for an argument in a log.

    Examples
    --------
    >>> describe(("ncc_9", keras.losses.mean_squared_error)), describe(keras.optimizers.Adam()), describe(None)
    ('(ncc_9, mean_squared_error)', 'Adam', None)
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return f"({', '.join(str(describe(item)) for item in value)})"
    if isinstance(value, keras.optimizers.Optimizer):
        return type(value).__name__  # Keras numbers their names
    return getattr(value, "name", None) or getattr(value, "__name__", None) or str(value)
