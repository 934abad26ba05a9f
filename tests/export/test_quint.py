"""The QUINT series: VisuAlign's and PyNutil's own ways of reading it give the registration back."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atlalign import Atlas
from atlalign.export._markers import choose_markers, fit_plane
from atlalign.export.quint import _anchoring, _target, write_quint
from atlalign.plane import Plane
from atlalign.quint import MarkerWarp, read_series
from tests.export.export_maker import ATLAS, bending, oblique_plane, registered, turned

WAYS = [(mirrored, turns) for mirrored in (False, True) for turns in range(4)]


def tissue_points(registration, n=1000, seed=0):
    """Return n pixels of a section that the atlas labels, and the labels."""
    labels = registration.labels()
    y, x = np.nonzero(labels)
    drawn = np.random.default_rng(seed).choice(len(y), n, replace=False)
    return np.stack([x[drawn], y[drawn]], axis=1), labels[y[drawn], x[drawn]]


def rebuilt_um(written, points_xy, shape):
    """Return where a series says that points lie in the atlas: by VisuAlign's triangles, then by the anchoring."""
    if written.markers is not None:
        points_xy = MarkerWarp(written.markers).section_to_overlay(points_xy, shape)
    return written.plane.pixels_to_um(points_xy, shape)


def read_back(path, atlas=ATLAS):
    sections, without_anchoring = read_series(path, extent_um=atlas.shape_um)
    assert not without_anchoring
    return sections


def distance_px(registration, written, points_xy):
    """Return how far VisuAlign's map is from ours in px of the stated size."""
    shape = registration.section.shape
    there = rebuilt_um(written, points_xy, shape) - registration.section_to_atlas(points_xy)
    return np.linalg.norm(there, axis=1) / (written.plane.width_um / written.size[0])


@pytest.mark.parametrize(("mirrored", "turns"), WAYS)
def test_visualigns_triangles_rebuilt_reproduce_the_field_in_tissue(tmp_path, mirrored, turns):
    shape = (94, 126) if turns % 2 == 0 else (126, 94)
    registration = registered(turned(oblique_plane(), mirrored, turns), shape)
    [written] = read_back(write_quint(tmp_path / "series.json", registration, tolerance_px=2))
    points_xy, _ = tissue_points(registration)
    assert distance_px(registration, written, points_xy).max() < 2
    # and the anchoring alone does not
    alone = written.plane.pixels_to_um(points_xy, shape) - registration.section_to_atlas(points_xy)
    assert np.linalg.norm(alone, axis=1).max() > 200


def test_by_default_the_markers_are_within_two_thousandths_of_the_image(tmp_path):
    registration = registered(model=bending(sigma=25))
    [written] = read_back(write_quint(tmp_path / "series.json", registration))
    assert distance_px(registration, written, tissue_points(registration)[0]).max() < 2 * 0.126 * 1.1


def test_fewer_markers_do_for_a_larger_tolerance(tmp_path):
    registration = registered(model=bending(sigma=25))
    counts = []
    for tolerance_px in (0.3, 1, 100):
        path = write_quint(tmp_path / "series.json", registration, tolerance_px=tolerance_px)
        counts.append(len(read_back(path)[0].markers or ()))
    assert counts[0] > counts[1] > counts[2] == 0


def test_without_deformation_there_are_no_markers_and_the_plane_is_the_sections(tmp_path):
    plane = ATLAS.plane(6050)
    registration = registered(plane, model=lambda reference, moving: np.zeros((*reference.shape, 2)))
    path = write_quint(tmp_path / "series.json", registration)
    [written] = read_back(path)
    assert written.markers is None
    assert np.allclose(written.plane.corners_um, plane.corners_um, atol=0.01)
    assert "markers" not in json.loads(path.read_text())["slices"][0]  # VisuAlign's reader takes no empty list


def test_the_anchoring_survives_that_visualign_makes_its_edges_perpendicular(tmp_path):
    path = write_quint(tmp_path / "series.json", registered())
    _, u, v = np.reshape(json.loads(path.read_text())["slices"][0]["anchoring"], (3, 3))
    assert abs(u @ v) < 1e-9 * np.linalg.norm(u) * np.linalg.norm(v)


def test_what_is_stated_of_the_atlas_and_the_image(tmp_path):
    series = json.loads(write_quint(tmp_path / "mine.json", registered(), tolerance_px=2).read_text())
    assert (series["name"], series["target"], series["target-resolution"]) == ("mine", "phantom", [114, 132, 80])
    [entry] = series["slices"]
    assert (entry["filename"], entry["nr"], entry["width"], entry["height"]) == ("brain_s012.png", 12, 126, 94)
    assert all(len(marker) == 4 for marker in entry["markers"])


def test_a_large_section_is_stated_smaller_in_the_same_place(tmp_path):
    registration = registered()
    [whole] = read_back(write_quint(tmp_path / "a.json", registration, tolerance_px=2))
    [small] = read_back(write_quint(tmp_path / "b.json", registration, tolerance_px=1, longest_side=63))
    assert small.size == (63, 47)
    assert np.allclose(small.plane.corners_um, whole.plane.corners_um, atol=0.01)
    assert distance_px(registration, small, tissue_points(registration)[0]).max() < 1


def test_a_field_that_folds_is_named_and_its_markers_still_define_a_map(tmp_path):
    def folding(reference, moving):
        y, x = np.indices(reference.shape, dtype=float)
        return np.stack([14 * np.sin(x / 5) * (np.abs(y - 35) < 12), np.zeros_like(x)], axis=-1)

    registration = registered(model=folding)
    with pytest.warns(UserWarning, match=r"brain_s012.png: the markers are up to .* px of 126 x 94"):
        path = write_quint(tmp_path / "series.json", registration, tolerance_px=2)
    [written] = read_back(path)
    MarkerWarp(written.markers)  # refuses folds


class TestSeries:
    def test_sections_have_the_numbers_of_their_names_and_others_those_left(self, tmp_path):
        names = ["a_s002.png", "b.png", "c_s1_s030.png", "d.png"]
        path = write_quint(tmp_path / "a.json", [registered()] * 4, filenames=names, tolerance_px=100)
        assert [(section.filename, section.number) for section in read_back(path)] == [
            ("a_s002.png", 2),
            ("b.png", 1),
            ("c_s1_s030.png", 30),
            ("d.png", 3),
        ]

    @pytest.mark.parametrize(
        ("registrations", "more", "message"),
        [
            ([], {}, "at least one section"),
            ([registered()] * 2, {}, "a name of its own"),
            ([registered()], {"filenames": ["a.png", "b.png"]}, "2 names for 1 sections"),
            ([registered()] * 2, {"filenames": ["a_s1.png", "b_s01.png"]}, "1 for a_s1.png and b_s01.png"),
            ([registered(), registered(atlas=Atlas.load("phantom:200"))], {}, "one atlas"),
            (registered(), {"tolerance_px": 0}, "must be positive"),
            (registered(), {"longest_side": 0}, "must be positive"),
        ],
    )
    def test_what_is_no_series_is_refused_before_anything_is_written(self, tmp_path, registrations, more, message):
        with pytest.raises(ValueError, match=message) as refusal:
            write_quint(tmp_path / "a.json", registrations, **more)
        assert "\n" not in str(refusal.value)
        assert not list(tmp_path.iterdir())

    def test_the_file_is_whole_or_what_was_there_before_stays(self, tmp_path, monkeypatch):
        (tmp_path / "a.json").write_text("before")

        def fail(*args, **options):
            raise OSError("disk full")

        monkeypatch.setattr("atlalign.export.quint.json.dumps", fail)
        with pytest.raises(OSError, match="disk full"):
            write_quint(tmp_path / "a.json", registered(), tolerance_px=100)
        assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


class TestAtlases:
    @pytest.mark.parametrize(
        ("name", "edge", "target"),
        [
            ("allen_mouse_25um", 25.0, "ABA_Mouse_CCFv3_2017_25um.cutlas"),
            ("ccf_2017", 25.0, "ABA_Mouse_CCFv3_2017_25um.cutlas"),
            ("allen_mouse_10um", 10.0, "ABA_Mouse_CCFv3_2017_10um.cutlas"),
            ("allen_mouse_100um", 100.0, "allen_mouse_100um"),
            ("phantom", 25.0, "phantom"),
        ],
    )
    def test_the_allen_atlas_has_the_name_that_the_tools_know(self, name, edge, target):
        atlas = SimpleNamespace(name=name, resolution_um=(edge,) * 3, shape_um=(13200.0, 8000.0, 11400.0))
        assert _target(atlas) == target

    def test_an_anchoring_counts_voxels_of_the_atlas_whatever_their_edges(self):
        atlas = SimpleNamespace(resolution_um=(100.0, 20.0, 40.0), shape=(50, 60, 70))
        anchoring = np.reshape(_anchoring(Plane([1000, 0, 0], [0, 0, 2800], [0, 1200, 0]), atlas), (3, 3))
        assert np.allclose(anchoring, [[70, 40, 60], [-70, 0, 0], [0, 0, -60]], atol=1e-5)


class TestFit:
    @settings(max_examples=30)
    @given(st.integers(0, 10**6))
    def test_no_rectangle_nearby_is_closer_to_the_points(self, seed):
        rng = np.random.default_rng(seed)
        section_xy = rng.uniform(0, [100, 60], (40, 2))
        basis = np.linalg.qr(rng.normal(size=(3, 2)))[0].T
        matrix = rng.normal(size=(2, 2))
        assume(abs(np.linalg.det(matrix)) > 0.1)
        points_um = (section_xy @ matrix.T + rng.normal(0, 0.5, (40, 2))) @ basis

        def miss(o, u, v):
            return np.sum((o + section_xy / [100, 60] @ np.stack([u, v]) - points_um) ** 2)

        plane = fit_plane(section_xy, points_um, (100, 60))
        normal = np.cross(plane.u_um, plane.v_um)
        normal /= np.linalg.norm(normal)
        assert abs(plane.u_um @ plane.v_um) < 1e-6 * plane.width_um * plane.height_um
        least = miss(plane.origin_um, plane.u_um, plane.v_um)
        middle = section_xy.mean(axis=0) / [100, 60]
        centre = plane.origin_um + middle @ np.stack([plane.u_um, plane.v_um])
        for angle, across, down in [
            (0.01, 1, 1),
            (-0.01, 1, 1),
            (0, 1.01, 1),
            (0, 0.99, 1),
            (0, 1, 1.01),
            (0, 1, 0.99),
        ]:
            u, v = (
                length * (np.cos(angle) * edge + np.sin(angle) * np.cross(normal, edge))
                for edge, length in ((plane.u_um, across), (plane.v_um, down))
            )
            assert miss(centre - middle @ np.stack([u, v]), u, v) >= least * (1 - 1e-9)

    def test_samples_that_do_not_count_cost_no_markers(self):
        section_xy = np.random.default_rng(0).uniform(0, [100, 60], (2000, 2))
        overlay_xy = section_xy + 4 * np.sin(section_xy[:, ::-1] / 10) * (section_xy[:, :1] > 60)
        left = section_xy[:, 0] < 50
        markers, error = choose_markers(section_xy, overlay_xy, (100, 60), tissue=left, tolerance=1)
        assert len(markers) == 0
        assert error < 1e-6


def test_pynutil_reads_the_series_and_finds_our_structures_and_sides(tmp_path):
    """PyNutil's own places in the atlas, looked up in the volume that it was given."""
    pynutil = pytest.importorskip("PyNutil", reason="PyNutil is not installed")
    import pandas as pd

    atlas = Atlas.load("phantom:50")
    registration = registered(shape=(376, 504), atlas=atlas, model=bending(2, 30))
    path = write_quint(tmp_path / "series.json", registration)
    # the planes that the section meets, of an atlas as PyNutil turns BrainGlobe's
    volume = np.zeros(atlas.shape, np.uint32)
    for plane in range(126, 150):
        volume[plane] = atlas.annotation_plane((plane + 0.5) * 50)
    sides = np.full(atlas.shape, 2, np.uint8)
    sides[:, :, atlas.shape[2] // 2 :] = 1
    names = {"idx": [0, *atlas.structures], "name": "", "r": 0, "g": 0, "b": 0}
    given = pynutil.AtlasData(
        *(np.transpose(each, [2, 0, 1])[::-1, ::-1, ::-1] for each in (volume, sides)), pd.DataFrame(names)
    )
    points_xy, labels = tissue_points(registration)
    edges = {"image_width": 504, "image_height": 376, "section number": 12}  # its x and y count from the edges
    table = pd.DataFrame({"X": points_xy[:, 0] + 0.5, "Y": points_xy[:, 1] + 0.5, **edges})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pynutil.xy_to_coords(table, pynutil.read_alignment(path), given)

    found = volume[tuple(np.floor(read.points.points).astype(int).T)]
    assert read.points.orientation == "asr"
    assert np.mean(found == labels) >= 0.98
    whole = np.pad(registration.labels(), 2, mode="edge")
    for (x, y), label in zip(points_xy[found != labels], labels[found != labels], strict=True):
        assert (whole[y : y + 5, x : x + 5] != label).any()  # within 2 px of a boundary
    hemispheres = atlas.hemisphere_at(registration.section_to_atlas(points_xy))
    assert np.mean(read.points.hemi_labels == hemispheres) >= 0.98
