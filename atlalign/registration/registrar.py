"""Register new sections: from an image to a Registration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from atlalign.base import DisplacementField
from atlalign.plane import Plane
from atlalign.registration.landmark_files import LandmarkPairs, landmarks_of
from atlalign.registration.landmark_step import check_smoothing, with_landmarks
from atlalign.registration.locating import Locator, default_position_model
from atlalign.registration.placing import HemisphereChoice, check_hemisphere, place
from atlalign.registration.predicting import predict_fields, predictors, uses_default_global
from atlalign.registration.refinement import DEFAULT_LOSS, check_refinement, refine_field
from atlalign.registration.result import Registration
from atlalign.registration.steps import compose
from atlalign.section import Section
from atlalign.section.canvas import Canvas, Hemisphere

if TYPE_CHECKING:
    from atlalign.atlas import Atlas


def register(
    section: Any,
    atlas: Any,
    *,
    position_um: float | None = None,
    plane: Plane | None = None,
    pixel_size_um: Any = None,
    hemisphere: HemisphereChoice = "auto",
    mask: Any = None,
    global_model: Any = None,
    local_model: Any = None,
    refine: int = 0,
    refine_loss: str = DEFAULT_LOSS,
    landmarks: LandmarkPairs | str | os.PathLike | None = None,
    landmarks_smoothing: float = 0.0,
    auto_orient: bool = False,
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
        Instead: where the corners of the section's image lie in the atlas, as an anchoring says. Without both, the
        position of the coronal plane is searched for: see `Registration.search`.
    pixel_size_um : float or (x, y), optional
        Size of a section pixel across and down. Without it, estimated from the tissue's extent, and flagged;
        an anchoring implies its own.
    hemisphere : {"auto", "both", "left", "right"}
        Which of the animal's hemispheres the section shows. What is absent gets no labels. "auto" takes one for absent
        where the tissue fits half of the plane clearly better than the whole.
    mask : path-like or array_like, optional
        An image of the section's shape, or the same proportions, not 0 where the section counts. What is masked out
        moves nothing and gets no labels: see `Section.with_mask`.
    global_model, local_model, refine, refine_loss
        As in `register_images`.
    landmarks : LandmarkPairs or path-like, optional
        Places of the section and where they are in the atlas, which the registration must meet, or a file of them:
        see `atlalign.registration.landmark_files.read_landmark_pairs`.
    landmarks_smoothing : float
        How far landmarks may be missed, root mean square, px of the canvas. 0 meets them exactly.
    auto_orient : bool
        Whether to turn or mirror the section where it fits clearly better so. Otherwise that is only reported: see
        `Registration.orientation`.

    Returns
    -------
    Registration

    Raises
    ------
    ValueError
        If both `position_um` and `plane` are given, or `plane` and `auto_orient`, the position is outside the atlas,
        the section shows no tissue, or landmarks lie outside or contradict each other.
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
    section = _as_section(section, pixel_size_um, mask)  # a file that cannot be read is refused before models load
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
        auto_orient=auto_orient,
    )


class Registrar:
    """An atlas and loaded models, ready for many sections.

    Parameters
    ----------
    atlas : Atlas, str or path-like
        The atlas, or what `Atlas.load` takes.
    global_model, local_model, refine, refine_loss
        As in `register_images`.
    position_model : keras.Model or path-like, optional
        A position network, whose proposals guide the search for positions; by default the one that comes with the
        package, if there is one and the default global network is used.

    Attributes
    ----------
    atlas : Atlas
    locator : Locator
        What finds the position and the orientation of sections.

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
        position_model: Any = None,
    ):
        self._refine, self._refine_loss = check_refinement(refine, refine_loss), refine_loss
        self._predictors = predictors(global_model, local_model)
        if isinstance(atlas, str | os.PathLike):
            from atlalign.atlas import Atlas

            atlas = Atlas.load(atlas)
        self.atlas = atlas
        if position_model is None and uses_default_global(global_model, local_model):
            position_model = default_position_model(atlas)
        self.locator = Locator(atlas, dict(self._predictors).get("global"), position_model)

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
        mask: Any = None,
        landmarks: LandmarkPairs | str | os.PathLike | None = None,
        landmarks_smoothing: float = 0.0,
        auto_orient: bool = False,
        variations: int = 0,
    ) -> Registration:
        """Register one section.

        Parameters
        ----------
        section, position_um, plane, pixel_size_um, hemisphere, mask, landmarks, landmarks_smoothing, auto_orient
            As in `register`.
        variations : int
            How many variations of the section the models register besides, to see how far their answers scatter:
            `Registration.disagreement`, and in its quality.

        Returns
        -------
        Registration
        """
        if position_um is not None and plane is not None:
            raise ValueError(
                "At most one of position_um and plane may say where the section lies. Received: both. "
                "Leave one of them out."
            )
        if plane is not None and auto_orient:
            raise ValueError(
                "auto_orient must not be combined with plane: an anchoring says how the image lies. Received: both. "
                "Leave auto_orient out."
            )
        if position_um is not None:
            self.atlas.plane(position_um)  # refuses a position outside the atlas before anything is read
        check_hemisphere(hemisphere)
        check_smoothing(landmarks_smoothing)
        if variations < 0:
            raise ValueError(f"variations must be a number of at least 0. Received: {variations}")
        section = _as_section(section, pixel_size_um, mask)
        pairs = landmarks_of(landmarks, section.name)
        located = None
        if plane is None:
            choices: Any = {"pixel_size_um": pixel_size_um, "hemisphere": hemisphere, "auto_orient": auto_orient}
            located = self.locator(section, position_um, **choices)
            section, position_um = located.section, located.position_um

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
        registration = Registration(section, self.atlas, canvas, predict_fields(moving, reference, self._predictors))
        if located is not None:
            registration.search, registration.orientation = located.search, located.orientation
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
        return compose([field for _, field in predict_fields(moving, reference, self._predictors)])


def _as_section(section: Any, pixel_size_um: Any, mask: Any) -> Section:
    if isinstance(section, str | os.PathLike):
        section = Section.read(Path(section), pixel_size_um=pixel_size_um)
    elif not isinstance(section, Section):
        section = Section(section, pixel_size_um)
    return section if mask is None else section.with_mask(mask)
