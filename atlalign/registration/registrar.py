"""Register a new section: from an image to a Registration, and from two arrays to a field."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from atlalign.base import DisplacementField
from atlalign.errors import ModelError
from atlalign.plane import Plane
from atlalign.registration.landmark_files import LandmarkPairs, landmarks_of
from atlalign.registration.landmark_step import check_smoothing, with_landmarks
from atlalign.registration.placing import HemisphereChoice, check_hemisphere, place
from atlalign.registration.refinement import DEFAULT_LOSS, check_refinement, refine_field
from atlalign.registration.result import Registration, Step, compose
from atlalign.section import Section
from atlalign.section.canvas import Canvas, Hemisphere
from atlalign.section.resampling import resize_image
from atlalign.section.tissue import find_tissue
from atlalign.weights import default_models

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

__all__ = ["Registrar", "Registration", "Step", "register", "register_images"]

Predict = Callable[[np.ndarray, np.ndarray], Any]

DEFAULT = "default"  # names the model of its kind that comes with the package


def register_images(
    moving: Any,
    reference: Any,
    *,
    global_model: Any = None,
    local_model: Any = None,
    refine: int = 0,
    refine_loss: str = DEFAULT_LOSS,
) -> DisplacementField:
    """Register two grey images that share one grid.

    The global model sees the images; the local model sees the reference and the globally warped moving
    image; the result is ``global(local)``. Images of another shape than a model's are resized for it, and its
    field is resized back.

    Parameters
    ----------
    moving, reference : array_like, shape (h, w)
        float in [0, 1] or uint8. An image whose background, judged along its border, is bright is inverted so
        that the background is 0.
    global_model, local_model : path-like, keras.Model, callable or None
        Given one alone, the other step is left out; given neither, both are those that come with the package, for
        the mouse brain. "default" names the one of its kind that comes with the package, beside a model of one's own
        or alone. A callable takes (reference, moving), float32 (h, w) in [0, 1] on a dark background, and returns the
        field (h, w, 2).
    refine : int
        Number of gradient steps on this very pair, after the models: 30 to 100 are a few seconds. 0 leaves them out.
    refine_loss : str
        How the steps compare images: "ncc_5", "ncc_9", "ncc_12" or "ncc_20", local correlation in windows of so many
        px; or "mind".

    Returns
    -------
    DisplacementField, (h, w)
        ``field.warp(moving)`` lies on `reference`.

    Raises
    ------
    ValueError
        If the images are not grey, not of one shape, or not in [0, 1]; or `refine` or `refine_loss` is wrong.
    ModelError
        If a model is of another architecture, or its prediction is not finite.

    Examples
    --------
    >>> reference = np.zeros((32, 32), np.float32)
    >>> reference[8:24, 8:24] = 1
    >>> def five_to_the_left(reference, moving):
    ...     return np.broadcast_to(np.float32([5, 0]), (*reference.shape, 2))
    >>> field = register_images(np.roll(reference, 5, axis=1), reference, local_model=five_to_the_left)
    >>> bool((field.warp(np.roll(reference, 5, axis=1)) == reference).all())
    True
    """
    moving, reference = _model_image(moving, "moving"), _model_image(reference, "reference")
    if moving.shape != reference.shape:
        raise ValueError(
            "moving and reference must have the same shape. "
            f"Received: {moving.shape} and {reference.shape}. Resize one, or use register() on a section."
        )
    refine = check_refinement(refine, refine_loss)
    fields = _predict_fields(moving, reference, _predictors(global_model, local_model))
    field = compose([field for _, field in fields])
    return field(refine_field(moving, reference, field, refine, loss=refine_loss)[0]) if refine else field


def register(
    section: Any,
    atlas: Any,
    *,
    position_um: float | None = None,
    plane: Plane | None = None,
    pixel_size_um: Any = None,
    hemisphere: HemisphereChoice = "auto",
    global_model: Any = None,
    local_model: Any = None,
    refine: int = 0,
    refine_loss: str = DEFAULT_LOSS,
    landmarks: LandmarkPairs | str | os.PathLike | None = None,
    landmarks_smoothing: float = 0.0,
) -> Registration:
    """Register one section to an atlas. For several, a `Registrar` loads the models once.

    Parameters
    ----------
    section : path-like, array_like or Section
        The section's image: grey or RGB(A), of any size and either polarity.
    atlas : Atlas, str or path-like
        The atlas, or what `Atlas.load` takes.
    position_um : float, optional
        Position of a coronal section along the anterior-posterior axis, um. The section is placed on the
        plane by its tissue; it must be upright, its left the animal's right.
    plane : Plane, optional
        Instead: where the corners of the section's image lie in the atlas, as an anchoring says.
    pixel_size_um : float or (x, y), optional
        Size of a section pixel across and down. Without it, estimated from the tissue's extent, and flagged;
        an anchoring implies its own.
    hemisphere : {"auto", "both", "left", "right"}
        Which of the animal's hemispheres the section shows. What is absent gets no labels. "auto" takes one for absent
        where the tissue fits half of the plane clearly better than the whole.
    global_model, local_model, refine, refine_loss
        As in `register_images`.
    landmarks : LandmarkPairs or path-like, optional
        Places of the section and where they are in the atlas, which the registration must meet, or a file of them:
        see `atlalign.registration.landmark_files.read_landmark_pairs`.
    landmarks_smoothing : float
        How far landmarks may be missed, root mean square, px of the canvas. 0 meets them exactly.

    Returns
    -------
    Registration

    Raises
    ------
    ValueError
        If neither or both of `position_um` and `plane` are given, the position is outside the atlas, the section shows
        no tissue, or landmarks lie outside or contradict each other.
    ModelError
        As in `register_images`.

    Examples
    --------
    >>> from atlalign import Atlas, Plane
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> plane = Plane.from_quicknii([456, 250, 320, -456, 0, 0, 0, 10, -320])  # tilted
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> image = atlas.reference_plane(plane, shape=(160, 228))
    >>> registration = register(image, atlas, plane=plane, local_model=nothing_to_do)
    >>> bool((registration.labels() == atlas.annotation_plane(plane, (160, 228))).mean() > 0.99)
    True
    """
    section = _as_section(section, pixel_size_um)  # a file that cannot be read is refused before models load
    pairs = landmarks_of(landmarks, section.name)
    registrar = Registrar(
        atlas, global_model=global_model, local_model=local_model, refine=refine, refine_loss=refine_loss
    )
    return registrar.register(
        section,
        position_um=position_um,
        plane=plane,
        pixel_size_um=pixel_size_um,
        hemisphere=hemisphere,
        landmarks=pairs,
        landmarks_smoothing=landmarks_smoothing,
    )


class Registrar:
    """An atlas and loaded models, ready for many sections.

    Parameters
    ----------
    atlas : Atlas, str or path-like
        The atlas, or what `Atlas.load` takes.
    global_model, local_model, refine, refine_loss
        As in `register_images`.

    Raises
    ------
    ValueError
        If `refine` or `refine_loss` is wrong.
    ModelError
        If a model is of another architecture.

    Examples
    --------
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registrar = Registrar("phantom:100", local_model=nothing_to_do)
    >>> registrar.shape
    (80, 114)
    """

    def __init__(
        self,
        atlas: Atlas | str | os.PathLike,
        *,
        global_model: Any = None,
        local_model: Any = None,
        refine: int = 0,
        refine_loss: str = DEFAULT_LOSS,
    ):
        self._refine, self._refine_loss = check_refinement(refine, refine_loss), refine_loss
        self._predictors = _predictors(global_model, local_model)
        if isinstance(atlas, str | os.PathLike):
            from atlalign.atlas import Atlas

            atlas = Atlas.load(atlas)
        self.atlas = atlas

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the canvas: the finest that a model takes, else that of the atlas's own planes.

        A global model has no say: an affine map is as good on any grid.
        """
        models = [predict for _, predict in self._predictors if getattr(predict, "kind", "global") != "global"]
        shapes = [predict.shape for predict in models if hasattr(predict, "shape")]
        return max(shapes, key=np.prod, default=(self.atlas.shape[1], self.atlas.shape[2]))

    def register(
        self,
        section: Any,
        *,
        position_um: float | None = None,
        plane: Plane | None = None,
        pixel_size_um: Any = None,
        hemisphere: HemisphereChoice = "auto",
        landmarks: LandmarkPairs | str | os.PathLike | None = None,
        landmarks_smoothing: float = 0.0,
        variations: int = 0,
    ) -> Registration:
        """Register one section.

        Parameters
        ----------
        section, position_um, plane, pixel_size_um, hemisphere, landmarks, landmarks_smoothing
            As in `register`.
        variations : int
            How many variations of the section the models register besides, to see how far their answers scatter:
            `Registration.disagreement`, and in its quality.

        Returns
        -------
        Registration
        """
        if (position_um is None) == (plane is None):
            received = "neither" if plane is None else "both"
            raise ValueError(
                "Exactly one of position_um and plane must say where the section lies. "
                f"Received: {received}. Give position_um in um, or plane=Plane.from_quicknii(...)."
            )
        if position_um is not None:
            self.atlas.plane(position_um)  # refuses a position outside the atlas before anything is read
        check_hemisphere(hemisphere)
        check_smoothing(landmarks_smoothing)
        if variations < 0:
            raise ValueError(f"variations must be a number of at least 0. Received: {variations}")
        section = _as_section(section, pixel_size_um)
        pairs = landmarks_of(landmarks, section.name)

        def make_canvas(sides: Hemisphere) -> Canvas:
            if plane is not None:
                return Canvas.by_anchoring(section, self.atlas, plane, self.shape, sides)
            return Canvas.by_tissue(
                section, self.atlas, cast(float, position_um), self.shape, pixel_size_um, hemisphere=sides
            )

        canvas = place(make_canvas, section, self.atlas, hemisphere)
        moving = section.normalized(canvas.shape, grid_to_section=canvas.to_section)
        if not moving.any():
            raise ValueError(
                "A section's tissue must lie on the atlas's slice. "
                f"Received: {section.name}, which shows none there. Check the anchoring, or the file."
            )
        reference = self.atlas.reference_plane(canvas.plane, canvas.shape)
        registration = Registration(section, self.atlas, canvas, _predict_fields(moving, reference, self._predictors))
        if self._refine:
            tissue = section.tissue_mask(canvas.shape, grid_to_section=canvas.to_section)
            how: Any = {"loss": self._refine_loss, "tissue": tissue}
            residual, quality = refine_field(moving, reference, registration.field, self._refine, **how)
            registration = registration.with_step("refinement", residual, quality=quality)
        if pairs is not None:
            registration = with_landmarks(registration, pairs, landmarks_smoothing)
        if variations:
            from atlalign.registration.quality import disagreement

            registration.disagreement = disagreement(self._predict, registration, n=variations)
        return registration

    def _predict(self, moving: np.ndarray, reference: np.ndarray) -> DisplacementField:
        """Return the field that the models find together."""
        return compose([field for _, field in _predict_fields(moving, reference, self._predictors)])


def _predictors(global_model: Any, local_model: Any) -> list[tuple[str, Predict]]:
    """Return name and function of each model that is given; of the default ones if none is."""
    given = {"global": global_model, "local": local_model}
    if global_model is None and local_model is None:
        given = dict.fromkeys(given, DEFAULT)
    chosen = {name: default_models()[name] if is_default(model) else model for name, model in given.items()}
    return [(name, _predictor(model, f"{name} model")) for name, model in chosen.items() if model is not None]


def is_default(model: Any) -> bool:
    """Return whether a model is named as the one that comes with the package."""
    return isinstance(model, str | os.PathLike) and os.fspath(model) == DEFAULT


def _predictor(model: Any, what: str) -> Predict:
    if isinstance(model, str | os.PathLike) or (hasattr(model, "inputs") and hasattr(model, "outputs")):
        # Keras is loaded only by whom it serves.
        from atlalign.ml_utils.predict import Predictor

        return Predictor(model, what)
    if not callable(model):
        raise TypeError(
            f"A {what} must be a path, a Keras model or a callable. Received: {type(model).__name__}. Give one of them."
        )
    return model


def _predict_fields(
    moving: np.ndarray, reference: np.ndarray, predictors: Sequence[tuple[str, Predict]]
) -> list[tuple[str, DisplacementField]]:
    """Return name and field of each step; each sees the moving image as the ones before left it."""
    fields: list[tuple[str, DisplacementField]] = []
    for name, predict in predictors:
        field = _predict_field(predict, reference, moving, name)
        fields.append((name, field))
        moving = field.warp(moving)
    return fields


def _predict_field(predict: Predict, reference: np.ndarray, moving: np.ndarray, name: str) -> DisplacementField:
    shape = getattr(predict, "shape", None) or moving.shape
    deltas_xy = np.asarray(predict(resize_image(reference, shape), resize_image(moving, shape)))
    n_bad = np.count_nonzero(~np.isfinite(deltas_xy))
    if deltas_xy.shape != (*shape, 2) or n_bad:
        raise ModelError(
            f"The {name} model must predict a finite field of shape {(*shape, 2)}. "
            f"Received: shape {deltas_xy.shape}, {n_bad} values not finite. "
            "Train it again, with a lower learning rate."
        )
    field = DisplacementField.from_deltas_xy(deltas_xy)
    return field if field.shape == moving.shape else field.resize_constant(moving.shape)


def _as_section(section: Any, pixel_size_um: Any) -> Section:
    if isinstance(section, Section):
        return section
    if isinstance(section, str | os.PathLike):
        return Section.read(Path(section), pixel_size_um=pixel_size_um)
    return Section(section, pixel_size_um)


def _model_image(image: Any, name: str) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 2 or image.size == 0:
        raise ValueError(
            f"{name} must be a grey image (h, w). Received: shape {image.shape}. Average its channels first."
        )
    if image.dtype == np.uint8:
        image = image / np.float32(255)
    elif image.dtype.kind != "f" or not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
        raise ValueError(
            f"{name} must be float in [0, 1] or uint8. "
            f"Received: {image.dtype} in [{image.min()}, {image.max()}]. Scale it, or use register()."
        )
    image = image.astype(np.float32)
    tissue = find_tissue(image)
    if tissue.polarity == "bright":
        image = np.clip((tissue.background - image) / max(tissue.background, 1e-6), 0, 1)
    return image
