"""Real sections with the anchorings that DeepSlice predicted for them."""

import cv2
import numpy as np
import pytest

from atlalign import Atlas, DisplacementField, Plane, Section
from atlalign.dataset import check_dataset, open_dataset
from atlalign.quint import dataset_from_quint, label_section, read_series

SHAPE = (160, 228)


@pytest.fixture(scope="module")
def ccf(shared):
    return Atlas.load(shared / "atlas" / "ccf_2017")


@pytest.mark.shared
def test_registered_brightfield_sections_lie_on_the_atlas(shared, ccf, tmp_path):
    folder = shared / "sections" / "brightfield_glta"
    made = dataset_from_quint(folder / "GLTa.json", folder, ccf, tmp_path / "pairs.h5", shape=SHAPE)
    assert check_dataset(tmp_path / "pairs.h5") == []
    assert len(made.tissue_overlap) == 12
    assert len(made.without_image) == 23
    # measured outside of what made the labels: where the registered image is bright, against the annotation
    overlaps = []
    with open_dataset(tmp_path / "pairs.h5") as file:
        for img, deltas_xy, corners in zip(file["img"], file["deltas_xy"], file["corners_um"], strict=True):
            registered = DisplacementField.from_deltas_xy(deltas_xy).warp(img)
            closed = cv2.morphologyEx(registered, cv2.MORPH_CLOSE, np.ones((5, 5)))
            seen, known = closed > 40, ccf.annotation_plane(Plane.from_corners(corners), SHAPE) > 0
            overlaps.append(2 * np.count_nonzero(seen & known) / (np.count_nonzero(seen) + np.count_nonzero(known)))
    # the predictions' outlines are off by 0.1 to 0.3 mm, and the most posterior sections have lost cortex
    assert np.median(overlaps) > 0.9
    assert min(overlaps) > 0.8


@pytest.mark.shared
def test_the_field_takes_a_mirrored_section_from_its_tissues_place_to_its_anchorings(shared, ccf):
    """Neighbouring expression masks, anchored from the animal's left: on the canvas they are mirrored."""
    folder = shared / "sections" / "ish_allen"
    sections, _ = read_series(folder / "alignment.json", extent_um=ccf.shape_um)
    planes = {section.filename: section.plane for section in sections}
    for name in ("71661875_s0201.jpg", "71661903_s0289.jpg", "71661935_s0393.jpg"):
        section = Section.read(folder / name)
        pair = label_section(section, ccf, planes[name], SHAPE)
        placed = label_section(section, ccf, planes[name], SHAPE, place_by="anchoring")
        registered = DisplacementField.from_deltas_xy(pair.deltas_xy).warp(pair.img)
        smooth = [cv2.GaussianBlur(img.astype(np.float32), (0, 0), 2) for img in (registered, placed.img)]
        assert np.corrcoef(smooth[0].ravel(), smooth[1].ravel())[0, 1] > 0.97, name
