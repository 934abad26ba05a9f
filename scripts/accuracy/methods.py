"""The methods that are compared, each as a function of the same two arrays."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atlalign import DisplacementField
from atlalign.errors import AtlalignError
from atlalign.non_ml import antspy_registration, elastix_registration
from atlalign.registration import register_images
from atlalign.section.tissue import find_tissue
from atlalign.weights import default_models

# What a classical method is called with, besides the images. ANTs has no seed: with one it would run on one thread.
CLASSICAL: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "ants_affine": (antspy_registration, {"registration_type": "Affine"}),
    # as the ancestor called it: its defaults
    "ants_syn": (
        antspy_registration,
        {"registration_type": "SyN", "reg_iterations": (40, 20, 0), "aff_metric": "mattes", "syn_metric": "mattes"},
    ),
    # the local correlation and the iterations of ANTs' own script for full quality, antsRegistrationSyN.sh
    "ants_syn_strong": (
        antspy_registration,
        {"registration_type": "SyN", "reg_iterations": (100, 70, 50, 20), "syn_metric": "CC"},
    ),
    "elastix_affine": (elastix_registration, {"transforms": ("affine",), "random_state": 0}),
    "elastix_bspline": (elastix_registration, {"transforms": ("affine", "bspline"), "random_state": 0}),
}
NETWORKS = ("global", "global+local", "local")
DEFAULT = Path("default")
METHODS = ("identity", *CLASSICAL, *NETWORKS)


class Method:
    """A method of registration that keeps its times.

    It can be given to a `Registrar` as its model, so that sections take the way they take with a network.

    Parameters
    ----------
    name : str
        What the tables call it.
    register : callable
        Takes (reference, moving), float32 (h, w) in [0, 1] on a dark background, and returns a DisplacementField.
    shape : (h, w)
        The grid on which it is asked to register sections.

    Attributes
    ----------
    seconds : list of float
        Of each call. The first one is made twice and the second one counted: what a method prepares once is not in
        its time.
    not_found : int
        How often it found no registration; the images then count as not moved.
    """

    def __init__(self, name: str, register: Callable[[NDArray, NDArray], DisplacementField], shape: tuple[int, int]):
        self.name = name
        self.shape = shape
        self.seconds: list[float] = []
        self.not_found = 0
        self._register = register
        self._is_warm = False

    def __call__(self, reference: NDArray, moving: NDArray) -> NDArray[np.float32]:
        """Return the field that warps `moving` onto `reference`, (h, w, 2) px."""
        if not self._is_warm:
            self._ask(reference, moving)
            self._is_warm = True
        started = time.perf_counter()
        field = self._ask(reference, moving)
        self.seconds.append(time.perf_counter() - started)
        if field is None:
            self.not_found += 1
            return np.zeros((*reference.shape, 2), np.float32)
        return field.deltas_xy

    def begin(self) -> None:
        """Forget the times of the part before."""
        self.seconds, self.not_found = [], 0

    def costs(self) -> dict[str, float]:
        """Return the median of the seconds a call took, and how often nothing was found."""
        return {
            "seconds": float(np.median(self.seconds)) if self.seconds else float("nan"),
            "not_found": self.not_found,
        }

    def _ask(self, reference: NDArray, moving: NDArray) -> DisplacementField | None:
        try:
            return self._register(reference, moving)
        except AtlalignError:
            if self.name in NETWORKS:
                raise
            return None


def make_methods(
    names: Sequence[str] | None,
    shape: tuple[int, int] | None,
    global_model: Path | None = None,
    local_model: Path | None = None,
) -> list[Method]:
    """Return the methods, those with networks loaded.

    Parameters
    ----------
    names : sequence of str or None
        Some of `METHODS`; None for all that there are models for.
    shape : (h, w) or None
        The grid of the sections; None for the finest that a network takes.
    global_model, local_model : Path or None
        Trained networks; the path "default" is the package's own. Without either, both are the package's own; given one
        alone, the other is left out.

    Raises
    ------
    ValueError
        If a method needs a model that was not given.
    """
    wanted = METHODS if names is None else names
    networks = {}
    if shape is None or any(name in NETWORKS for name in wanted):
        networks = _networks(global_model, local_model)
    if names is None:
        chains = [name for name in networks if name in ("global", "global+local")] or list(networks)
        wanted = [name for name in METHODS if name in chains or name not in NETWORKS]
    missing = [name for name in wanted if name in NETWORKS and name not in networks]
    if missing:
        raise ValueError(
            f"{missing[0]} needs its models. Received: {', '.join(networks) or 'none'}. "
            "Give --global-model and --local-model, or leave it out of --methods."
        )
    if shape is None:
        # as a Registrar has it: the finest that a model takes
        shape = max((model.shape for models in networks.values() for model in models.values()), key=np.prod)
    classical = {name: partial(_classical, *CLASSICAL[name]) for name in CLASSICAL}
    learned = {name: partial(_learned, models) for name, models in networks.items()}
    functions: dict[str, Callable[..., DisplacementField]] = {"identity": _identity, **classical, **learned}
    return [Method(name, functions[name], shape) for name in wanted]


def as_canvas(image: NDArray) -> NDArray[np.float32]:
    """Return an image as every method gets it: float32 in [0, 1], on a dark background.

    Parameters
    ----------
    image : ndarray, (h, w)
        uint8, or float in [0, 1]; one whose background is bright is inverted.
    """
    image = (image / np.float32(255) if image.dtype == np.uint8 else image).astype(np.float32)
    tissue = find_tissue(image)
    if tissue.polarity == "bright":
        image = np.clip((tissue.background - image) / max(tissue.background, 1e-6), 0, 1)
    return image


def _networks(global_model: Path | None, local_model: Path | None) -> dict[str, dict[str, Any]]:
    """Return the models that each learned method consists of, as `register_images` takes them."""
    # Keras is loaded only where a network is asked for.
    from atlalign.ml_utils.predict import Predictor

    paths = {"global": global_model, "local": local_model}
    if global_model is None and local_model is None:
        paths = dict.fromkeys(paths, DEFAULT)
    chosen = {name: default_models()[name] if path == DEFAULT else path for name, path in paths.items()}
    loaded = {name: Predictor(path, f"{name} model") for name, path in chosen.items() if path is not None}
    networks = {name: {f"{name}_model": model} for name, model in loaded.items()}
    if len(networks) == 2:
        networks["global+local"] = networks["global"] | networks["local"]
    return networks


def _identity(reference: NDArray, moving: NDArray) -> DisplacementField:
    return DisplacementField.generate(reference.shape)


def _learned(models: dict[str, Any], reference: NDArray, moving: NDArray) -> DisplacementField:
    return register_images(moving, reference, **models)


def _classical(
    function: Callable[..., Any], settings: dict[str, Any], reference: NDArray, moving: NDArray
) -> DisplacementField | None:
    if any(image.min() == image.max() for image in (reference, moving)):
        return None
    return function(reference, moving, **settings)[0]
