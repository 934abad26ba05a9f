"""Find out of a section what nobody said: where it lies, and which way up."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from atlalign.registration.likeness import Likeness
from atlalign.registration.orienting import OrientationSearch, search_orientation
from atlalign.registration.placing import HemisphereChoice, place
from atlalign.registration.predicting import Predict
from atlalign.registration.quality.position import PositionSearch
from atlalign.registration.search import MakeCanvas, candidate_positions, search_position
from atlalign.section import Section
from atlalign.section.canvas import Canvas, Hemisphere

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

# The way up shows over a millimetre and more of planes.
_ORIENTING_STEP_UM = 600.0
# Extent of the Allen CCFv3 (ap, dv, ml), whose planes the position network knows.
_TRAINED_UM = (13200.0, 8000.0, 11400.0)


class Located(NamedTuple):
    """Where a section lies, and how that was found.

    Attributes
    ----------
    section : Section
        Turned and mirrored as it was found, if that was wanted.
    position_um : float
        Given or found.
    search : PositionSearch or None
        How the position was found, if it was not given.
    orientation : OrientationSearch
        What the turns and mirrorings of the section gave.
    """

    section: Section
    position_um: float
    search: PositionSearch | None
    orientation: OrientationSearch


class Locator:
    """What a registrar finds sections with.

    Parameters
    ----------
    atlas : Atlas
    predict : callable, optional
        The global network, as `atlalign.registration.predicting.predictors` returns it.
    position_model : keras.Model or path-like, optional
        A position network, whose proposals guide the search: see `atlalign.registration.propose_position`.

    Attributes
    ----------
    likeness : Likeness
        What candidates are compared by.

    Examples
    --------
    >>> from atlalign import Atlas, Section
    >>> atlas = Atlas.load("phantom:100")
    >>> section = Section(atlas.reference_plane(6200), pixel_size_um=100)
    >>> located = Locator(atlas)(section)
    >>> located.position_um, located.orientation.is_clear
    (6200.0, False)
    """

    def __init__(self, atlas: Atlas, predict: Predict | None = None, position_model: Any = None):
        self.atlas = atlas
        self.likeness = Likeness(atlas, predict)
        self._quick_likeness = Likeness(atlas, shape=self.likeness.shape)
        self._given_position_model = position_model

    def __call__(
        self,
        section: Section,
        position_um: float | None = None,
        *,
        pixel_size_um: Any = None,
        hemisphere: HemisphereChoice = "auto",
        auto_orient: bool = False,
    ) -> Located:
        """Return where a section lies, and which way up.

        Parameters
        ----------
        section : Section
        position_um : float, optional
            Its position, if that is known.
        pixel_size_um, hemisphere
            As in `atlalign.registration.register`.
        auto_orient : bool
            Whether to turn or mirror the section if that is clearly better, before the position is searched for.

        Raises
        ------
        ValueError
            If the section shows no tissue.
        """
        make_canvas = self.canvas_maker(pixel_size_um, hemisphere)
        orientation = self.orient(section, make_canvas, position_um, quick=not auto_orient)
        if auto_orient:
            section = section.oriented(orientation.best.flip, orientation.best.rotate)
            orientation = orientation.as_applied()
        search = None
        if position_um is None:
            search = search_position(section, self.likeness, make_canvas, prior_um=self.proposed_um(section))
            position_um = search.position_um
        return Located(section, position_um, search, orientation)

    def canvas_maker(self, pixel_size_um: Any = None, hemisphere: HemisphereChoice = "auto") -> MakeCanvas:
        """Return what places sections on the small canvas on which they are compared."""
        atlas, shape = self.atlas, self.likeness.shape

        def make_canvas(section: Section, position_um: float) -> Canvas:
            def showing(sides: Hemisphere) -> Canvas:
                return Canvas.by_tissue(section, atlas, position_um, shape, pixel_size_um, hemisphere=sides)

            return place(showing, section, atlas, hemisphere)

        return make_canvas

    def orient(
        self,
        section: Section,
        make_canvas: MakeCanvas,
        position_um: float | None = None,
        *,
        quick: bool = False,
    ) -> OrientationSearch:
        """Try the turns and mirrorings of a section, at its position or wherever it may lie.

        Parameters
        ----------
        section : Section
        make_canvas : callable
            What `canvas_maker` returns.
        position_um : float, optional
            Its position, if that is known.
        quick : bool
            Whether, at a known position, to ask the network only if the section as it is placed fits better turned.

        Returns
        -------
        OrientationSearch
        """
        section.tissue_box  # noqa: B018 (found once for all turns, which copy it; refuses a section without tissue)
        if position_um is None:
            return search_orientation(section, self.likeness, make_canvas, self._orienting_positions)
        if quick:
            found = search_orientation(section, self._quick_likeness, make_canvas, [position_um], mirror=False)
            # a function of one pair may be slow, and a turn that is clear is clear without it
            if found.scores.argmax() == 0 or not hasattr(self.likeness.predict, "batch"):
                return found
        return search_orientation(section, self.likeness, make_canvas, [position_um])

    def proposed_um(self, section: Section) -> float | None:
        """Return where the position network says that an upright section lies, None without one."""
        if self._position_model is None:
            return None
        from atlalign.registration.position import propose_position

        return propose_position(section, self.atlas, self._position_model).position_um

    @cached_property
    def candidates_um(self) -> list[float]:
        """The positions that a search begins with."""
        return candidate_positions(self.atlas, self.likeness.shape).tolist()

    @cached_property
    def _orienting_positions(self) -> list[float]:
        return candidate_positions(self.atlas, self.likeness.shape, _ORIENTING_STEP_UM).tolist()

    @cached_property
    def _position_model(self) -> Any:
        if self._given_position_model is None:
            return None
        # Keras is loaded only by whom it serves.
        from atlalign.registration.position import load_position_model

        return load_position_model(self._given_position_model)


def default_position_model(atlas: Atlas) -> os.PathLike | None:
    """Return the position network that comes with the package, None where there is none for this atlas.

    It knows the planes of the mouse brain by their looks, and answers for any other brain all the same.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> default_position_model(Atlas.load("phantom:100")) is None
    True
    """
    from atlalign.weights import default_models

    path = default_models()["position"]
    is_its_atlas = atlas.name != "phantom" and all(
        abs(extent / trained - 1) < 0.01 for extent, trained in zip(atlas.shape_um, _TRAINED_UM, strict=True)
    )
    return path if path.is_file() and is_its_atlas else None
