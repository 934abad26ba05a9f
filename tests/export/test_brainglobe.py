"""The folder in the shape of brainglobe-registration: what PyNutil reads in it, sides, and what is read back."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

from atlalign import Atlas, DisplacementField, Plane, Section, register
from atlalign.errors import InvalidFileError
from atlalign.export.brainglobe import BrainGlobeFiles, read_brainglobe, write_brainglobe

FINE, COARSE = Atlas.load("phantom"), Atlas.load("phantom:100")
MARKER = COARSE.structures["MRK"].id
MARKER_POSITION_UM = 7400


def _bent(reference, moving):
    """Return a smooth field of up to some 300 um on the grid of either atlas."""
    voxels = 114 / reference.shape[1]
    sizes = {"amplitude": 1.5 / voxels, "sigma": 10 / voxels}
    return DisplacementField.generate(reference.shape, "diffeomorphic", random_state=0, **sizes).deltas_xy


def _register(image, atlas, **where):
    return register(Section(image, name="mouse_s012.tif"), atlas, local_model=_bent, **where)


def _planes():
    """Return planes of the coarse atlas as sections may lie: name, plane and the section's shape."""
    whole = COARSE.plane(MARKER_POSITION_UM)
    o, u, v = whole.origin_um, whole.u_um, whole.v_um
    tilt = np.array([[-300, 100, 30], [600, 200, 0], [300, 0, -200]])
    return {
        "upright": (whole, (160, 228)),
        "mirrored": (Plane(o + u, -u, v), (160, 228)),
        "turned": (Plane(o + v, -v, u), (228, 160)),
        "upside down": (Plane(o + u + v, -u, -v), (160, 228)),
        "half": (Plane(o + u / 2, u / 2, v), (160, 114)),
        "oblique": (Plane(o + tilt[0], u + tilt[1], v + tilt[2]), (160, 228)),
    }


@pytest.fixture
def pynutil(monkeypatch):
    """PyNutil, with one of our atlases where it would fetch one of BrainGlobe's."""
    library = pytest.importorskip("PyNutil")
    from PyNutil.processing.adapters import anchoring

    def read(folder, registration, points_xy):
        """Return the structures and hemispheres of points, px of the section, and its own atlas points in voxels."""
        atlas = registration.atlas
        # Only the planes that the section may touch: the rest is never looked at.
        annotation = np.zeros(atlas.shape, np.uint32)
        step = atlas.resolution_um[0]
        position = registration.canvas.plane.corners_um[:, 0]
        for i in range(int(position.min() // step) - 1, int(position.max() // step) + 2):
            annotation[i] = atlas.annotation_plane((i + 0.5) * step)
        hemispheres = np.ones(atlas.shape, np.uint8)
        hemispheres[:, :, : atlas.shape[2] // 2] = 2
        names = [{"id": s.id, "name": s.name, "rgb_triplet": s.rgb} for s in atlas.structures.values()]
        like_brainglobe = SimpleNamespace(
            annotation=annotation, hemispheres=hemispheres, structures_list=names, resolution=atlas.resolution_um
        )
        asked = []
        monkeypatch.setattr(
            anchoring, "BrainGlobeAtlas", lambda atlas_name: asked.append(atlas_name) or like_brainglobe
        )
        alignment = library.read_alignment(folder / "brainglobe-registration.json")
        assert asked == [f"phantom_{step:g}um"]
        height, width = registration.section.shape
        # PyNutil counts from the image's outer corner.
        table = pd.DataFrame({"X": points_xy[:, 0] + 0.5, "Y": points_xy[:, 1] + 0.5, "section number": 12})
        table = table.assign(image_width=width, image_height=height)
        points = library.xy_to_coords(table, alignment, like_brainglobe).points
        return points.labels, points.hemi_labels, points.points

    return read


def _tissue_points(labels, n, seed=0):
    y, x = np.nonzero(labels)
    chosen = np.random.default_rng(seed).choice(len(y), n, replace=False)
    return np.stack([x[chosen], y[chosen]], axis=1)


def _near(labels, points_xy, values, reach):
    """Return for which points a value stands in the labels within so many px each way."""
    padded = np.pad(labels, reach)
    windows = [padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1] for x, y in points_xy]
    return np.array([(window == value).any() for window, value in zip(windows, values, strict=True)])


class TestPyNutil:
    def test_agrees_at_98_percent_of_1000_tissue_points_and_else_within_a_pixel_of_a_border(self, tmp_path, pynutil):
        image = np.pad(FINE.reference_plane(MARKER_POSITION_UM, (640, 912)), 40)
        registration = _register(image, FINE, position_um=MARKER_POSITION_UM, pixel_size_um=12.5)
        write_brainglobe(registration, tmp_path)
        labels = registration.labels()
        points = _tissue_points(labels, 1000)
        found, sides, _ = pynutil(tmp_path, registration, points)
        truth = labels[points[:, 1], points[:, 0]]
        assert np.mean(found == truth) >= 0.98
        # A pixel of the folder is two of the section.
        assert _near(labels, points, found, reach=2).all()
        assert np.mean(sides == FINE.hemisphere_at(registration.section_to_atlas(points))) > 0.998

    @pytest.mark.parametrize("name", _planes())
    def test_a_section_in_any_position_is_read_to_a_pixel(self, tmp_path, pynutil, name):
        plane, shape = _planes()[name]
        registration = _register(COARSE.reference_plane(plane, shape), COARSE, plane=plane)
        write_brainglobe(registration, tmp_path)
        labels = registration.labels()
        points = _tissue_points(labels, 1000)
        found, sides, places = pynutil(tmp_path, registration, points)
        assert np.mean(found == labels[points[:, 1], points[:, 0]]) > 0.9
        assert _near(labels, points, found, reach=2 + (name == "oblique")).all()
        points_um = registration.section_to_atlas(points)
        assert np.mean(sides == COARSE.hemisphere_at(points_um)) > 0.99
        assert np.abs(np.median(places - points_um / 100, axis=0)).max() < 1.02

    @pytest.mark.parametrize("name", ["upright", "mirrored"])
    def test_the_marker_of_the_left_hemisphere_is_on_the_left(self, tmp_path, pynutil, name):
        plane, shape = _planes()[name]
        registration = _register(COARSE.reference_plane(plane, shape), COARSE, plane=plane)
        write_brainglobe(registration, tmp_path)
        y, x = np.nonzero(registration.labels() == MARKER)
        found, sides, places = pynutil(tmp_path, registration, np.stack([x, y], axis=1))
        assert len(x) > 20
        assert np.mean(found == MARKER) > 0.7
        assert set(sides) == {1}
        # ml runs from the animal's right
        assert (places[:, 2] > COARSE.shape[2] / 2).all()
        in_image = np.median(x) > registration.section.shape[1] / 2
        assert in_image == (name == "upright")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    image = np.rint(np.pad(COARSE.reference_plane(MARKER_POSITION_UM, (160, 228)), 20) * 50000).astype(np.uint16)
    registration = _register(image, COARSE, position_um=MARKER_POSITION_UM, pixel_size_um=50)
    folder = tmp_path_factory.mktemp("result") / "brainglobe"
    assert write_brainglobe(registration, folder) == folder
    return registration, folder


def test_every_named_file_is_there_and_no_other(written):
    _, folder = written
    named = {path.name for path in vars(BrainGlobeFiles(folder)).values() if path != folder}
    assert {path.name for path in folder.iterdir()} == named


def test_types_and_sizes_are_those_that_brainglobe_registration_has(written):
    _, folder = written
    files = BrainGlobeFiles(folder)
    assert tifffile.imread(files.downsampled).dtype == np.uint16
    for path, dtype in [
        (files.atlas, np.uint32),
        (files.hemispheres, np.uint8),
        (files.boundaries, np.int8),
        (files.field_y, np.float32),
        (files.field_x, np.float32),
    ]:
        image = tifffile.imread(path)
        assert (image.dtype, image.shape) == (dtype, (100, 134))


def test_a_coloured_section_is_grey_in_the_folder(tmp_path):
    colours = np.repeat(np.rint(COARSE.reference_plane(6000, (160, 228)) * 255).astype(np.uint8)[..., None], 3, axis=2)
    folder = write_brainglobe(_register(colours, COARSE, position_um=6000, pixel_size_um=50), tmp_path)
    downsampled = read_brainglobe(folder).downsampled
    assert (downsampled.shape, downsampled.dtype) == ((80, 114), np.uint8)
    assert downsampled.max() > 100


def test_fields_lead_from_pixels_of_the_section_to_pixels_of_the_atlas_slice(written):
    registration, folder = written
    files = BrainGlobeFiles(folder)
    field_y, field_x = tifffile.imread(files.field_y), tifffile.imread(files.field_x)
    x, y = np.meshgrid(np.arange(30, 110), np.arange(20, 90))
    on_slice = np.stack([x + field_x[y, x], y + field_y[y, x]], axis=-1).reshape(-1, 2)
    # A pixel of 100 um is two of the section each way.
    on_section = np.stack([2 * x + 0.5, 2 * y + 0.5], axis=-1).reshape(-1, 2)
    ap_dv_ml = registration.section_to_atlas(on_section)
    assert np.abs((on_slice + 0.5) * 100 - ap_dv_ml[:, :0:-1]).max() < 5


def test_the_labels_are_those_that_the_fields_lead_to(written):
    _, folder = written
    result = read_brainglobe(folder)
    y, x = np.indices(result.labels.shape)
    points_um = result.to_atlas(np.stack([x.ravel(), y.ravel()], axis=1))
    assert np.array_equal(COARSE.annotation_at(points_um), result.labels.ravel())


def test_the_inverse_undoes_the_field(written):
    _, folder = written
    result = read_brainglobe(folder)
    forward = result.deltas_xy
    y, x = np.nonzero(result.labels)
    points = np.stack([x, y], axis=1)
    on_slice = points + forward[y, x]
    inverse = DisplacementField.from_deltas_xy(result.inv_deltas_xy)
    assert np.abs(inverse.transform_points(on_slice) - points).max() < 0.1


def test_hemispheres_are_those_of_brainglobe_atlasapi(written):
    _, folder = written
    result = read_brainglobe(folder)
    assert set(result.hemispheres[result.labels == MARKER]) == {1}
    left_edge = result.hemispheres[50, result.hemispheres[50] > 0][0]
    assert left_edge == 2


def test_areas_are_those_of_the_registration_with_left_as_left(written):
    registration, folder = written
    areas = read_brainglobe(folder).areas
    assert list(areas) == ["structure_name", "left_area_mm2", "right_area_mm2", "total_area_mm2"]
    marker = areas.set_index("structure_name").loc[COARSE.structures[MARKER].name]
    assert marker["left_area_mm2"] > 0
    assert marker["right_area_mm2"] == 0
    assert np.allclose(areas["total_area_mm2"], registration.structure_areas()["total_area_mm2"])


def test_boundaries_lie_between_structures(written):
    _, folder = written
    result = read_brainglobe(folder)
    assert set(np.unique(result.boundaries)) == {0, 1}
    y, x = np.nonzero(result.boundaries)
    around = np.stack([result.labels[y + i, x + j] for i, j in [(0, 1), (1, 0), (0, -1), (-1, 0)]])
    assert (around != result.labels[y, x]).any(axis=0).all()


def test_the_record_has_the_corners_that_brainglobe_registration_writes_for_a_coronal_slice(written):
    _, folder = written
    record = read_brainglobe(folder).record
    top_left, top_right, bottom_left, _ = np.array(record["atlas_slice_corners"])
    assert top_left.tolist() == [7400, 0, 0]
    assert top_right[:2].tolist() == [7400, 0]
    assert bottom_left[[0, 2]].tolist() == [7400, 0]
    assert (record["atlas"], record["moving_image"]) == ("phantom_100um", "mouse_s012.tif")
    assert record["atlas_2d_slice_index"] == 74


def test_the_table_of_structures_has_the_columns_of_brainglobe(written):
    _, folder = written
    structures = read_brainglobe(folder).structures.set_index("acronym")
    marker = COARSE.structures["MRK"]
    assert structures.loc["MRK", "structure_id_path"] == "/" + "/".join(map(str, marker.path)) + "/"
    assert tuple(structures.loc["MRK", ["red", "green", "blue"]]) == marker.rgb
    assert len(structures) == len(COARSE.structures)


def test_a_folder_of_another_program_is_refused(tmp_path):
    record = {"atlas": "allen_mouse_25um", "atlas_slice_corners": [[0, 0, 0]] * 4}
    BrainGlobeFiles(tmp_path).record.write_text(json.dumps(record))
    with pytest.raises(InvalidFileError, match="that atlalign wrote"):
        read_brainglobe(tmp_path)


def test_a_damaged_image_is_refused(written, tmp_path):
    registration, _ = written
    folder = write_brainglobe(registration, tmp_path)
    BrainGlobeFiles(folder).atlas.write_bytes(b"no image")
    with pytest.raises(InvalidFileError, match="must be a TIFF"):
        read_brainglobe(folder)


def test_nothing_is_written_when_writing_fails(written, tmp_path, monkeypatch):
    registration, _ = written

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("atlalign.export.brainglobe._write_structures", fail)
    with pytest.raises(OSError, match="disk is full"):
        write_brainglobe(registration, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
