"""The steps of a registration: one of them, and registrations that differ in one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from atlalign.base import DisplacementField
from atlalign.section.resampling import invert_affine

if TYPE_CHECKING:
    from typing import Self

    from atlalign.registration.quality import Disagreement
    from atlalign.section.canvas import Canvas


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a registration.

    Attributes
    ----------
    name : str
        "canvas", "global", "local", "refinement", "landmarks", or what a person called it.
    transform : ndarray of shape (2, 3), or DisplacementField
        The canvas step is the affine map from px of the section to px of the canvas; any other is the
        pull-back field on the canvas that warps the image the step before it made.
    quality : dict
        What the step says of itself, as in `Registration.quality`: for each name `value`, `unit` and `flag`.
    """

    name: str
    transform: np.ndarray | DisplacementField
    quality: dict[str, dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def inverse(self) -> np.ndarray | DisplacementField:
        """The inverse affine map, or the inverse field."""
        if isinstance(self.transform, DisplacementField):
            return self.transform.pseudo_inverse()
        return invert_affine(self.transform)


class StepEdits:
    """What a registration can do with its steps: return another that has one less, one more, or another one.

    The registration itself stays as it is. The other one shares its section, atlas, canvas and all other steps: these
    are not computed again, so that steps that came after an edited one still correct what was there before. A step
    "landmarks", above all, meets its landmarks only after the steps that it was made for.

    Attributes
    ----------
    canvas : Canvas
    steps : list of Step
    """

    canvas: Canvas
    steps: list[Step]
    disagreement: Disagreement | None

    def step(self, name: str) -> Step:
        """Return the step of a name.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self.steps[self._index(name)]

    def without(self, name: str) -> Self:
        """Return the registration without one of its steps.

        Parameters
        ----------
        name : str
            Any but "canvas".

        Returns
        -------
        Registration

        Raises
        ------
        KeyError
            If there is no such step.
        ValueError
            If it is the canvas.

        Examples
        --------
        >>> from atlalign import Section, register
        >>> section = Section(np.pad(np.ones((40, 60)), 20), pixel_size_um=100)
        >>> def nothing_to_do(reference, moving):
        ...     return np.zeros((*reference.shape, 2))
        >>> registration = register(section, "phantom:100", position_um=6000, local_model=nothing_to_do)
        >>> registration, registration.without("local")
        (Registration('section', atlas='phantom', steps=['canvas', 'local']),
         Registration('section', atlas='phantom', steps=['canvas']))
        """
        index = self._index(name)
        if index == 0:
            raise ValueError("The canvas must stay: fields lie on it. Received: without('canvas'). Name another step.")
        return self._having([*self.steps[:index], *self.steps[index + 1 :]])

    def with_step(
        self,
        name: str,
        field: DisplacementField,
        *,
        after: str | None = None,
        quality: dict[str, dict[str, Any]] | None = None,
    ) -> Self:
        """Return the registration with one more step.

        Parameters
        ----------
        name : str
            A name that no other step has.
        field : DisplacementField
            On the canvas: it warps what the steps before it made.
        after : str, optional
            The step that it follows; by default it is the last.
        quality : dict, optional
            What the step says of itself.

        Returns
        -------
        Registration

        Raises
        ------
        KeyError
            If there is no step `after`.
        ValueError
            If the name is taken, or the field has another shape than the canvas or is not finite.

        Examples
        --------
        >>> from atlalign import Section, register
        >>> section = Section(np.pad(np.ones((40, 60)), 20), pixel_size_um=100)
        >>> def nothing_to_do(reference, moving):
        ...     return np.zeros((*reference.shape, 2))
        >>> registration = register(section, "phantom:100", position_um=6000, local_model=nothing_to_do)
        >>> shift = DisplacementField.generate(registration.canvas.shape, "affine_simple", translation_x=3)
        >>> [step.name for step in registration.with_step("manual", shift, after="canvas").steps]
        ['canvas', 'manual', 'local']
        """
        if name in [step.name for step in self.steps]:
            raise ValueError(
                f"Each step must have its own name. Received: {name!r} again. Use replacing({name!r}, ...)."
            )
        at = len(self.steps) if after is None else self._index(after) + 1
        step = Step(name, self._checked(field), quality or {})
        return self._having([*self.steps[:at], step, *self.steps[at:]])

    def replacing(self, name: str, field: DisplacementField) -> Self:
        """Return the registration with another field in place of a step's.

        Parameters
        ----------
        name : str
            Any but "canvas".
        field : DisplacementField
            On the canvas: it warps what the steps before it made.

        Returns
        -------
        Registration

        Raises
        ------
        KeyError
            If there is no such step.
        ValueError
            If it is the canvas, or the field has another shape than the canvas or is not finite.

        Examples
        --------
        >>> from atlalign import Section, register
        >>> section = Section(np.pad(np.ones((40, 60)), 20), pixel_size_um=100)
        >>> def nothing_to_do(reference, moving):
        ...     return np.zeros((*reference.shape, 2))
        >>> registration = register(section, "phantom:100", position_um=6000, local_model=nothing_to_do)
        >>> shift = DisplacementField.generate(registration.canvas.shape, "affine_simple", translation_x=3)
        >>> registration.field.average_displacement, registration.replacing("local", shift).field.average_displacement
        (0.0, 3.0)
        """
        before = self.steps[self._index(name) - 1].name
        return self.without(name).with_step(name, field, after=before)

    def _index(self, name: str) -> int:
        names = [step.name for step in self.steps]
        if name not in names:
            raise KeyError(f"A step must be one of {', '.join(names)}. Received: {name!r}")
        return names.index(name)

    def _checked(self, field: DisplacementField) -> DisplacementField:
        if not isinstance(field, DisplacementField):
            raise TypeError(
                f"A step must be a DisplacementField. Received: {type(field).__name__}. "
                "Use DisplacementField.from_deltas_xy or DisplacementField.from_file."
            )
        if field.shape != tuple(self.canvas.shape) or not field.is_valid:
            raise ValueError(
                f"The field of a step must be finite and have the canvas's shape, {tuple(self.canvas.shape)}. "
                f"Received: shape {field.shape}{'' if field.is_valid else ', not finite'}. Use field.resize_constant."
            )
        return field

    def _having(self, steps: Sequence[Step]) -> Self:
        """Return a copy with other steps, which forgets whatever was derived from these."""
        other = copy.copy(self)
        for name in list(vars(other)):
            if isinstance(getattr(type(self), name, None), cached_property):
                del other.__dict__[name]
        other.steps = list(steps)
        other.disagreement = None
        return other


def new_folds(field: DisplacementField, residual: DisplacementField) -> np.ndarray:
    """Return where a field folds that is to follow another one, alone or with it, bool (h, w).

    Where the first one folds itself, only what the residual does alone is its fault.

    Examples
    --------
    >>> identity = DisplacementField.generate((20, 20))
    >>> bool(new_folds(identity, identity).any())
    False
    """
    folds = residual.jacobian <= 0
    if (field.jacobian > 0).all():
        folds |= field(residual).jacobian <= 0
    return folds


def compose(fields: Sequence[DisplacementField]) -> DisplacementField:
    """Return the field of all steps, first step first: ``first(second(...))``.

    Examples
    --------
    >>> shift = DisplacementField.generate((5, 5), "affine_simple", translation_x=2)
    >>> float(compose([shift, shift]).delta_x[0, 0])
    4.0
    """
    return reduce(lambda outer, inner: outer(inner), fields)
