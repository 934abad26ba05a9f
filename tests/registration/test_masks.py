"""Sections with a mask: what is masked out drives nothing, is found nowhere, and is saved with the rest."""

import json

import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image

from atlalign import Atlas, Registrar, Section, register
from atlalign.errors import InvalidFileError
from atlalign.export import read_brainglobe, read_qupath, write_brainglobe, write_qupath
from atlalign.registration import convert_points, count_points, locate_points, read_registration
from atlalign.registration.files import RegistrationFiles
from atlalign.section.canvas import half_of

ATLAS = Atlas.load("phantom:100")
POSITION_UM = 6000
IMAGE = ATLAS.reference_plane(POSITION_UM, (160, 228))
TORN = np.ones(IMAGE.shape, bool)
TORN[60:110, 140:190] = False  # deep in the tissue of the animal's left


def nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2))


def registered(mask=TORN, image=IMAGE, **how):
    section = Section(image, pixel_size_um=50, name="s001.tif")
    how = {"position_um": POSITION_UM} | how
    return register(section, ATLAS, mask=mask, local_model=nothing_to_do, **how)


@pytest.fixture(scope="module")
def both():
    return registered(None), registered()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    registration = registered()
    return registration, read_registration(registration.save(tmp_path_factory.mktemp("result") / "out"))


def test_masked_out_pixels_have_no_label_and_the_others_keep_theirs(both):
    whole, masked = (registration.labels() for registration in both)
    assert whole[~TORN].all()
    assert not masked[~TORN].any()
    assert np.array_equal(masked[TORN], whole[TORN])


def test_the_mask_may_be_a_file_and_another_size(tmp_path):
    Image.fromarray(TORN[::2, ::2]).save(tmp_path / "mask.png")
    assert np.array_equal(registered(tmp_path / "mask.png").labels(), registered().labels())


def test_a_registrar_takes_a_mask_for_each_section():
    registrar = Registrar(ATLAS, local_model=nothing_to_do)
    section = Section(IMAGE, 50)
    masked, whole = (registrar.register(section, position_um=POSITION_UM, mask=mask) for mask in (TORN, None))
    assert not masked.labels()[~TORN].any()
    assert whole.labels()[~TORN].all()


def test_a_mask_of_another_shape_is_refused_before_models_load():
    with pytest.raises(ValueError, match="A mask must have the section's height and width"):
        register(Section(IMAGE), ATLAS, position_um=POSITION_UM, mask=np.ones((100, 100)), local_model="none.keras")


def test_a_window_of_the_labels_is_masked_as_all_of_them(both):
    assert np.array_equal(both[1].labels((130, 50, 40, 30)), both[1].labels()[50:80, 130:170])


def test_masked_out_pixels_are_not_in_the_areas(both):
    whole, masked = (registration.structure_areas().set_index("id")["pixels"] for registration in both)
    assert whole.sum() - masked.sum() == np.count_nonzero(~TORN)
    labels = both[1].labels()
    assert all(np.count_nonzero(labels == identifier) == pixels for identifier, pixels in masked.items())


def test_points_that_are_masked_out_are_outside_and_not_counted(both):
    points = [[165, 85], [60, 85]]
    located = locate_points(both[1], points)
    assert (located["structure_id"] > 0).tolist() == [False, True]
    assert located["acronym"].tolist()[0] == located["hemisphere"].tolist()[0] == ""
    assert (locate_points(both[0], points)["structure_id"] > 0).all()
    # where it lies is still known
    assert np.allclose(located["ml_um"], locate_points(both[0], points)["ml_um"])
    counts = count_points(both[1], located)
    assert counts["total_count"].sum() == 1


def test_a_table_of_points_says_how_many_are_outside(both, tmp_path):
    (tmp_path / "cells.csv").write_text("x,y\n165,85\n60,85\n")
    summary = convert_points(both[1], tmp_path / "cells.csv", tmp_path / "out.csv", counts=tmp_path / "counts.csv")
    assert (summary["n_points"], summary["n_outside"]) == (2, 1)


def test_points_agree_with_labels(both):
    labels = both[1].labels()
    y, x = (axis.ravel() for axis in np.mgrid[40:130:7, 20:210:7])
    found = locate_points(both[1], np.stack([x, y], axis=1))["structure_id"].to_numpy()
    assert np.mean(found == labels[y, x]) > 0.99
    assert np.array_equal(found == 0, labels[y, x] == 0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_points_in_the_absent_hemisphere_are_outside(side):
    registration = registered(None, hemisphere=side)
    points_um = np.array([[POSITION_UM, 4000.0, 3500], [POSITION_UM, 4000, 7900]])
    points = registration.atlas_to_section(points_um)
    present = [half_side == side for half_side in ("right", "left")]
    located = locate_points(registration, points)
    assert (located["structure_id"] > 0).tolist() == present
    assert (located["hemisphere"] == side).tolist() == present


def test_the_networks_and_the_refinement_see_nothing_of_what_is_masked_out(monkeypatch):
    seen = {}

    def look(reference, moving):
        seen["moving"] = moving
        return np.zeros((*reference.shape, 2))

    def refine(moving, reference, field, steps, **how):
        seen["tissue"] = how["tissue"]
        return field, {}

    monkeypatch.setattr("atlalign.registration.registrar.refine_field", refine)
    monkeypatch.setattr("atlalign.registration.registrar.check_refinement", lambda steps, loss: steps)
    noisy = IMAGE.copy()
    noisy[~TORN] = 5  # an artefact much brighter than tissue
    canvases = []
    for image in (IMAGE, noisy):
        registration = register(
            Section(image, 50), ATLAS, position_um=POSITION_UM, mask=TORN, local_model=look, refine=3
        )
        canvases.append(registration.canvas)
        hidden = registration.section.mask.hides(registration.canvas.shape, registration.canvas.to_section)
        assert hidden.sum() > 500
        assert not seen["moving"][hidden].any()
        assert not seen["tissue"][hidden].any()
        assert seen["moving"].max() == 1
        assert np.median(seen["moving"][seen["tissue"]]) > 0.1
    assert np.allclose(canvases[0].from_section, canvases[1].from_section)


def test_what_is_masked_out_does_not_place_the_section():
    image = np.pad(IMAGE, ((0, 0), (0, 80)))
    image[20:120, 240:300] = 0.6  # a piece of another section beside it
    mask = np.ones(image.shape, bool)
    mask[:, 228:] = False
    placed = registered(mask, image).canvas
    assert np.allclose(placed.from_section, registered(None).canvas.from_section, atol=1e-6)
    assert not np.allclose(registered(None, image).canvas.from_section, placed.from_section, atol=1)


class TestQuality:
    def test_what_is_masked_out_makes_nothing_worse(self, both):
        damaged = IMAGE.copy()
        damaged[~TORN] = 0
        whole, masked = (registration.quality() for registration in both)
        torn = registered(None, damaged).quality()
        for name in ("tissue_overlap_after", "correlation_after", "structure_variance_after"):
            assert masked[name]["value"] > torn[name]["value"] - 0.01
            assert abs(masked[name]["value"] - whole[name]["value"]) < 0.05
        assert masked["correlation_after"]["value"] > torn["correlation_after"]["value"] + 0.02

    def test_a_fold_that_is_masked_out_is_not_counted(self):
        def folding(reference, moving):
            y, x = np.indices(reference.shape)
            near = (np.abs(y - 42) < 8) & (np.abs(x - 82) < 8)
            return np.stack([-3.0 * (x - 82) * near, np.zeros(x.shape)], axis=-1)

        section = Section(IMAGE, 50)
        folded = [
            register(section, ATLAS, position_um=POSITION_UM, mask=mask, local_model=folding).quality()["folded"]
            for mask in (None, TORN)
        ]
        assert folded[0]["value"] > 4 * folded[1]["value"]

    def test_half_a_section_that_is_masked_out_is_named_as_missing(self):
        half = half_of(IMAGE.shape, "right")
        how = {"plane": ATLAS.plane(POSITION_UM), "hemisphere": "both", "local_model": nothing_to_do}
        quality = register(Section(IMAGE), ATLAS, mask=half, **how).quality()
        assert quality["missing_parts"]["value"] == ["left half"]

    def test_variations_do_not_disagree_where_nothing_counts(self):
        registrar = Registrar(ATLAS, local_model=nothing_to_do)
        registration = registrar.register(Section(IMAGE, 50), position_um=POSITION_UM, mask=TORN, variations=2)
        hidden = registration.section.mask.hides(registration.canvas.shape, registration.canvas.to_section)
        assert np.isnan(registration.disagreement.map_um[hidden]).all()
        assert np.isfinite(registration.disagreement.map_um).any()


class TestSaved:
    def test_a_saved_registration_gives_the_same_answers(self, saved):
        registration, read = saved
        points = np.random.default_rng(0).uniform(-5, [235, 165], (500, 2))
        live, again = (locate_points(one, points)["structure_id"] for one in (registration, read))
        assert (live == 0).any()
        assert (live > 0).any()
        assert np.array_equal(live, again)
        assert np.array_equal(read.files.read_labels(), registration.labels())
        columns, rows = np.arange(0, 228, 3), np.arange(0, 160, 3)
        assert np.array_equal(read.labels_at(columns, rows), registration.labels()[::3, ::3])
        # areas are written with six digits
        pd.testing.assert_frame_equal(
            read.structure_areas(), registration.structure_areas(), check_dtype=False, rtol=1e-6
        )

    def test_the_record_says_how_much_is_masked_out(self, saved):
        record = saved[1].record["section"]["mask"]
        assert (record["width"], record["height"]) == (228, 160)
        assert record["masked_out_percent"] == pytest.approx(100 * np.mean(~TORN))
        assert np.array_equal(saved[1].files.read_mask(), TORN)

    def test_the_mask_of_an_earlier_registration_is_not_taken_for_this_one_s(self, tmp_path):
        registered().save(tmp_path / "out")
        registered(None).save(tmp_path / "out")
        assert read_registration(tmp_path / "out").section.mask is None

    @pytest.mark.parametrize("spoil", ["remove", "damage", "replace"])
    def test_a_mask_that_is_missing_damaged_or_another_one_is_named(self, tmp_path, spoil):
        folder = registered().save(tmp_path / "out")
        path = RegistrationFiles(folder).mask
        if spoil == "remove":
            path.unlink()
        elif spoil == "damage":
            path.write_bytes(path.read_bytes()[:60])
        else:
            Image.fromarray(np.ones((50, 300), bool)).save(path)
        with pytest.raises((FileNotFoundError, InvalidFileError), match=r"section_mask\.png") as refusal:
            read_registration(folder)
        assert "\n" not in str(refusal.value)


class TestExports:
    def test_outlines_for_qupath_leave_out_what_is_masked_out(self, both, tmp_path):
        outlines = read_qupath(write_qupath(tmp_path / "a.geojson", both[1]))
        hidden = shapely.box(140, 60, 190, 110)
        assert all(outline.geometry.is_valid for outline in outlines)
        assert sum(outline.geometry.intersection(hidden).area for outline in outlines) == 0
        assert sum(outline.geometry.area for outline in outlines) == np.count_nonzero(both[1].labels())

    def test_the_brainglobe_folder_has_neither_label_nor_hemisphere_there(self, both, tmp_path):
        result = read_brainglobe(write_brainglobe(both[1], tmp_path / "brainglobe"))
        assert result.labels.shape == (80, 114)
        assert not result.labels[31:54, 71:94].any()
        assert not result.hemispheres[31:54, 71:94].any()
        assert result.labels.any()

    def test_everything_can_be_saved_at_once(self, both, tmp_path):
        folder = both[1].save(tmp_path / "out", ["brainglobe", "itk", "ome", "qupath", "quint"])
        assert json.loads((folder / "quint.json").read_text())["slices"][0]["filename"] == "s001.tif"
