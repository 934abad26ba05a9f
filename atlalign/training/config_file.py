"""Settings from a TOML file, a preset and the command line; the effective ones back into a file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from atlalign._files import atomic_path, require_file
from atlalign.errors import InvalidFileError, one_line
from atlalign.training.config import TrainingConfig
from atlalign.weights.defaults import DEFAULT

_LARGEST_BYTES = 2**20  # a person's settings are short; more is another file
_PATHS = ("data", "out", "global_model", "init_from")

_LPIPS = "perceptual_loss_net-lin_vgg"
# What was published with Krepl et al. 2021, doi 10.3389/fninf.2021.691918; the layers are the defaults.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {
        "global": {"losses": [_LPIPS, "vector_distance"], "losses_weights": [1.0, 1.0], "centred": False},
        "local": {"losses": [_LPIPS, f"{_LPIPS}&vdclip2", _LPIPS], "losses_weights": [1.0, 1.0, 1.0]},
    }
}


def effective_config(
    kind: str, given: Mapping[str, Any], file: str | Path | None = None, preset: str | None = None
) -> TrainingConfig:
    """Put the settings of a run together: defaults, then the preset, then the file, then what is given.

    Parameters
    ----------
    kind : {"global", "local", "position"}
        Which network.
    given : mapping of str to value
        What wins: the options of the command line.
    file : path-like, optional
        TOML file whose keys are the fields of `TrainingConfig`; its relative paths start from its own folder.
    preset : {"paper"}, optional
        Losses and parametrisation as published.

    Raises
    ------
    FileNotFoundError, InvalidFileError
        If the file is missing, no TOML, or written for another kind of network.
    ValueError
        If a setting is unknown or does not fit, with the nearest known name.

    Examples
    --------
    >>> effective_config("global", {"data": "pairs.h5", "out": "run", "losses_weights": "1,0.1"}).losses_weights
    (1.0, 0.1)
    >>> effective_config("global", {"data": "pairs.h5", "out": "run", "epochs": "many"})
    Traceback (most recent call last):
    ...
    ValueError: --epochs / epochs: Input should be a valid integer, unable to parse string as an integer. Received:
    'many'. See: atlalign-train global --help
    """
    settings: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}. Received: {preset!r}")
        if kind not in PRESETS[preset]:
            raise ValueError(f"preset {preset} is of the registration networks. Received it for a {kind} one")
        settings |= PRESETS[preset][kind]
    if file is not None:
        settings |= _read_settings(Path(file), kind)
    settings |= given
    settings["kind"] = kind
    for name in ("data", "out"):
        if settings.get(name) in (None, "", (), []):
            what = "the dataset, DATA.h5" if name == "data" else "the run folder, --out"
            raise ValueError(f"A run needs {what}. Received: none. Give it, or the key {name} in a --config file.")
    try:
        return TrainingConfig.model_validate(settings)
    except ValidationError as error:
        raise ValueError(f"{first_fault(error)}. See: atlalign-train {kind} --help") from None


def read_config(path: str | Path) -> TrainingConfig:
    """Return the settings that `write_config` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    TrainingConfig
        The settings.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If it is something else.
    """
    settings = _read_toml(Path(path))
    try:
        return TrainingConfig.model_validate(settings)
    except ValidationError as error:
        raise InvalidFileError(
            f"The settings of a run must be what training wrote. Received: {path} ({first_fault(error)})."
        ) from error


def write_config(path: Path, config: TrainingConfig) -> None:
    """Write all settings of a run as TOML, with absolute paths; those that are unset are left out.

    Parameters
    ----------
    path : path-like
        The file, replaced if it exists.
    config : TrainingConfig
        The settings.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "config.toml"
    >>> config = TrainingConfig(kind="global", data="pairs.h5", out="run", epochs=3)
    >>> write_config(path, config)
    >>> read_config(path) == config
    True
    """
    values = {name: value for name, value in config.model_dump(mode="json").items() if value is not None}
    with atomic_path(path) as temporary:
        temporary.write_text(tomli_w.dumps(values), encoding="utf-8")


def first_fault(error: ValidationError) -> str:
    """Say the first thing that is wrong, with the setting's name and what was received, in one line."""
    first = error.errors()[0]
    if not first["loc"]:  # a rule about several settings, whose text says everything
        return one_line(str(first["msg"]).removeprefix("Value error, "))
    name = str(first["loc"][0])
    return f"--{name.replace('_', '-')} / {name}: {one_line(first['msg'])}. Received: {first['input']!r}"


def _read_settings(path: Path, kind: str) -> dict[str, Any]:
    settings = _read_toml(path)
    if settings.pop("kind", kind) != kind:
        raise InvalidFileError(
            f"The settings must be for the network that is trained, {kind}. Received: {path}, for another one. "
            "Give that one's command, or another file."
        )
    for name in _PATHS:
        value = settings.get(name)
        if isinstance(value, str):
            settings[name] = value if value == DEFAULT else path.parent / value
        elif isinstance(value, list) and all(isinstance(part, str) for part in value):
            settings[name] = [path.parent / part for part in value]
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    require_file(path, "settings")
    size = path.stat().st_size
    if size > _LARGEST_BYTES:
        raise InvalidFileError(f"Settings must be at most {_LARGEST_BYTES} bytes long. Received: {path}, {size} bytes.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        raise InvalidFileError(
            f"Settings must be TOML: lines such as epochs = 30. Received: {path} ({one_line(error)})."
        ) from error
