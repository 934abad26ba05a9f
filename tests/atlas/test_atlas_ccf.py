"""The real atlas: Allen CCFv3 from its folder."""

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from atlalign.atlas import Atlas

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def ccf(shared):
    return Atlas.load(shared / "atlas" / "ccf_2017")


def test_grid_and_structures(ccf):
    assert ccf.shape == (528, 320, 456)
    assert ccf.resolution_um == (25, 25, 25)
    assert len(ccf.structures) == 1327
    assert ccf.structures["CA1"].name == "Field CA1"
    assert [s.acronym for s in ccf.structures.ancestors("CA1")][:3] == ["root", "grey", "CH"]


def test_plane_293_shows_the_hippocampus_among_listed_structures(ccf):
    annotation = ccf.annotation_plane(293 * 25)
    assert (annotation > 0).mean() > 0.5
    assert set(np.unique(annotation)) <= {0, *ccf.structures}
    assert ccf.structures["CA1"].id in annotation


@pytest.mark.parametrize("index", [120, 210, 293])
def test_reference_and_annotation_are_aligned(ccf, index):
    # the annotation includes the ventricles, dark in the reference
    tissue = ndimage.binary_fill_holes(ccf.reference_plane(index * 25) > 0.04)
    annotated = ccf.annotation_plane(index * 25) > 0
    assert np.corrcoef(tissue.ravel(), annotated.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("index", [212, 294])
def test_reference_correlates_best_with_genuine_planes_at_the_place_known(ccf, shared, index):
    genuine = tifffile.imread(shared / "atlas" / "ccf_2017" / f"average_template_25um_plane_{index}.tif")
    known = {212: 210, 294: 293}[index]
    nearby = range(known - 4, known + 5)
    scores = [np.corrcoef(ccf.reference_plane(i * 25).ravel(), genuine.ravel())[0, 1] for i in nearby]
    assert max(scores) > 0.97
    assert abs(nearby[int(np.argmax(scores))] - known) <= 1


def test_the_100_um_annotation_is_every_fourth_voxel(ccf, shared):
    import nrrd

    coarse, _ = nrrd.read(str(shared / "atlas" / "ccf_2017" / "annotation_100um.nrrd"))
    for j in (20, 53, 73, 100):
        np.testing.assert_array_equal(ccf.annotation_plane(4 * j * 25)[::4, ::4], coarse[j])


def test_an_oblique_anchoring_of_a_real_section_shows_a_brain(ccf, shared):
    from atlalign.plane_io import read_anchorings

    planes = read_anchorings(shared / "sections" / "brightfield_glta" / "GLTa.json")
    plane = planes["641_2002_2568_NM01_s089.png"]
    assert not plane.is_coronal
    assert (ccf.annotation_plane(plane, (67, 102)) > 0).mean() > 0.3
