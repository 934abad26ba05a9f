"""Where in the atlas a section of unknown position lies, as a network proposes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from atlalign.errors import ModelError
from atlalign.plane import Plane
from atlalign.plane_slopes import sloping_plane, tilt_degrees
from atlalign.section import Section
from atlalign.section.unplaced import mirrored_view, unplaced_view
from atlalign.weights import MissingWeightsError, default_models


@dataclass(frozen=True)
class ProposedPlane:
    """Where a section seems to lie: a start for a search, or for a person.

    Attributes
    ----------
    position_um : float
        Where its plane meets the atlas's middle axis, um from the front.
    slopes : (float, float)
        By how many um the plane rises towards the back for each um to the right of the upright section, and for each
        um downwards.
    plane : Plane
        The whole slice: upright, centred on the middle axis, not the corners of the section's image.
    disagreement_um : float
        How far the positions are apart that the network finds for the section and for its mirror image.
    """

    position_um: float
    slopes: tuple[float, float]
    plane: Plane
    disagreement_um: float

    @property
    def tilt_degrees(self) -> float:
        """Angle between the plane and the coronal one."""
        return float(tilt_degrees(np.array(self.slopes)))


def propose_position(section: Any, atlas: Any, model: Any = None) -> ProposedPlane:
    """Propose where in the atlas a section lies, by its looks alone.

    The network sees the tissue at a fixed size, so that the size of a pixel need not be known. It looks at the section
    and at its mirror image, and its answers are averaged.

    Parameters
    ----------
    section : path-like, array_like or Section
        Coronal, nearer to upright than to any other orientation.
    atlas : Atlas, str or path-like
        The atlas that the network was trained on, or what `Atlas.load` takes.
    model : keras.Model or path-like, optional
        What ``atlalign-train position`` made; the one that comes with the package, for the mouse brain, by default.
        For many sections load it once.

    Returns
    -------
    ProposedPlane

    Raises
    ------
    ValueError
        If the section shows no tissue.
    FileNotFoundError
        If the section or the model is missing.
    ModelError
        If the model is of another kind, or its answer is not finite.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> from atlalign.nn import position_model_factory
    >>> atlas = Atlas.load("phantom:100")
    >>> untrained = position_model_factory(filters=(4,), shape=(40, 57))
    >>> proposed = propose_position(atlas.reference_plane(5400), atlas, untrained)
    >>> proposed.position_um, proposed.tilt_degrees, proposed.plane == atlas.plane(6600)
    (6600.0, 0.0, True)
    """
    section = _as_section(section)
    model = load_position_model(model)
    if isinstance(atlas, str | os.PathLike):
        from atlalign.atlas import Atlas

        atlas = Atlas.load(atlas)
    height, width = (int(size) for size in model.inputs[0].shape[1:3])
    shape = height, width
    views = np.stack([unplaced_view(section, shape), unplaced_view(section, shape, mirrored_view(shape))])
    found = np.array(model.predict_on_batch(views[..., None]), dtype=np.float64)
    if not np.isfinite(found).all():
        raise ModelError(
            f"A position model must answer in finite numbers. Received: {found.tolist()} for {section.name}. "
            "Train it again, with a lower learning rate."
        )
    found[1, 1] *= -1
    share, across, down = found.mean(axis=0)
    length_um = float(atlas.shape_um[0])
    last_um = length_um - float(atlas.resolution_um[0]) / 2
    position_um = float(np.clip(share * length_um, 0, last_um))
    return ProposedPlane(
        position_um=position_um,
        slopes=(float(across), float(down)),
        plane=sloping_plane(position_um, (across, down), atlas.shape_um),
        disagreement_um=float(abs(found[0, 0] - found[1, 0]) * length_um),
    )


def load_position_model(model: Any = None) -> Any:
    """Return a position network, loaded and checked.

    Parameters
    ----------
    model : keras.Model or path-like, optional
        As `propose_position` takes it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelError
        If it is a model of another kind.
    """
    if model is None:
        model = default_models()["position"]
        if not model.is_file():
            raise MissingWeightsError("default", model)
    # Keras is loaded only by whom it serves.
    from atlalign.ml_utils.models import check_is_position_model, load_model

    return check_is_position_model(load_model(model) if isinstance(model, str | os.PathLike) else model)


def _as_section(section: Any) -> Section:
    if isinstance(section, Section):
        return section
    return Section.read(section) if isinstance(section, str | os.PathLike) else Section(section)
