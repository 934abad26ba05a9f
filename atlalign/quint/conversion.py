"""The sections of a series, converted one by one: each into a file of its own, and those files into a dataset."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import atlalign
from atlalign._files import atomic_path
from atlalign._parts import block_path
from atlalign.atlas import Atlas
from atlalign.dataset import Attributes, create_dataset
from atlalign.errors import one_line
from atlalign.quint.label import label_section
from atlalign.quint.series import SeriesSection
from atlalign.section import Section

# Images may come at another size than the series states, but not with other proportions: those were cropped.
_SAME_PROPORTIONS = 0.02


@dataclass(frozen=True)
class Recipe:
    """How sections are converted; the parameters are those of `dataset_from_quint`."""

    shape: tuple[int, int]
    place_by: str
    pixel_size_um: tuple[float, float] | None
    channel: int | None


@dataclass(frozen=True)
class Task:
    """Converts a section. The atlas does not travel with it; each process loads it once."""

    sections: Sequence[tuple[SeriesSection, Path]]
    recipe: Recipe
    atlas_spec: str
    brainglobe_dir: str | None
    atlas: Atlas | None = None

    def __reduce__(self) -> tuple:
        return Task, (self.sections, self.recipe, self.atlas_spec, self.brainglobe_dir)

    @property
    def settings(self) -> dict[str, Any]:
        """All that the outcome depends on, in types that JSON knows."""
        return {
            "made_by": f"atlalign {atlalign.__version__}",
            "atlas": self.atlas_spec,
            **{name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.recipe).items()},
            "sections": [_fingerprint(section, image) for section, image in self.sections],
        }

    def __call__(self, row: int, parts: Path) -> int:
        """Convert a section into a file in the folder `parts`; what makes it unusable is written there instead."""
        section, image = self.sections[row]
        atlas = self.atlas or _load_atlas(self.atlas_spec, self.brainglobe_dir)
        try:
            columns = _convert(section, image, atlas, self.recipe)
        except (ValueError, OSError) as error:
            columns = {"reason": np.array(one_line(error))}
        with atomic_path(block_path(parts, row)) as temporary:
            np.savez(temporary, **columns)  # type: ignore[arg-type]
        return row


def assemble(
    parts: Path,
    sections: Sequence[tuple[SeriesSection, Path]],
    shape: tuple[int, int],
    attributes: Attributes,
    dataset_id: int,
    least_overlap: float,
) -> tuple[dict[str, float], dict[str, str]]:
    """Put the sections that can be used into ``parts / "whole.h5"``, if there are any.

    Returns
    -------
    tissue_overlap : dict of str to float
        Of those that were put there.
    left_out : dict of str to str
        Why the others were not.
    """
    overlap: dict[str, float] = {}
    left_out: dict[str, str] = {}
    rows: list[int] = []
    for row, (section, _) in enumerate(sections):
        with np.load(block_path(parts, row), allow_pickle=False) as part:
            if "reason" in part:
                left_out[section.filename] = str(part["reason"])
            elif (its_overlap := float(part["tissue_overlap"])) < least_overlap:
                left_out[section.filename] = (
                    f"The tissue must overlap the atlas's by at least {least_overlap:g} (Dice). "
                    f"Received: {its_overlap:.3f}. Correct the anchoring."
                )
            else:
                overlap[section.filename] = its_overlap
                rows.append(row)
    if rows:
        with create_dataset(parts / "whole.h5", len(rows), shape, attributes) as file:
            for target, row in enumerate(rows):
                with np.load(block_path(parts, row), allow_pickle=False) as part:
                    for name in ("img", "deltas_xy", "inv_deltas_xy", "p", "corners_um"):
                        file[name][target] = part[name]
                file["image_id"][target] = sections[row][0].number
            file["dataset_id"][:] = dataset_id
    return overlap, left_out


def _convert(section: SeriesSection, image: Path, atlas: Atlas, recipe: Recipe) -> dict[str, np.ndarray]:
    shown = Section.read(image, pixel_size_um=recipe.pixel_size_um, channel=recipe.channel)
    if section.size is not None:
        ratio = (shown.shape[1] / shown.shape[0]) / (section.size[0] / section.size[1])
        if abs(ratio - 1) > _SAME_PROPORTIONS:
            raise ValueError(
                "An image must show what was registered, at any size. "
                f"Received: {shown.shape[1]} x {shown.shape[0]} px, for {section.size[0]:g} x {section.size[1]:g} in "
                "the series. Give the whole image, neither cropped nor turned."
            )
    pair = label_section(shown, atlas, section.plane, recipe.shape, markers=section.markers, place_by=recipe.place_by)
    return {
        "img": pair.img,
        "deltas_xy": pair.deltas_xy.astype(np.float16),
        "inv_deltas_xy": pair.inv_deltas_xy.astype(np.float16),
        "p": np.array(pair.p),
        "corners_um": pair.corners_um.astype(np.float32),
        "tissue_overlap": np.array(pair.tissue_overlap),
    }


def _fingerprint(section: SeriesSection, image: Path) -> list[Any]:
    """Return what tells whether a section, its image or its registration has changed."""
    digest = hashlib.sha256(section.plane.corners_um.tobytes())
    if section.markers is not None:
        digest.update(section.markers.overlay_xy.tobytes() + section.markers.section_xy.tobytes())
        digest.update(np.array(section.markers.size).tobytes())
    state = image.stat()
    return [section.filename, digest.hexdigest()[:16], str(image), state.st_size, state.st_mtime_ns]


@lru_cache(maxsize=1)
def _load_atlas(spec: str, brainglobe_dir: str | None) -> Atlas:
    return Atlas.load(spec, brainglobe_dir=brainglobe_dir)
