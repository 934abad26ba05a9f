"""Series that were cut askew: their tilt, and their positions with it."""

import json
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest

from atlalign import Atlas, Plane, Registrar, Section
from atlalign.plane_slopes import Tilt
from atlalign.registration import find_series_planes
from atlalign.registration.jobs import SectionJob
from atlalign.registration.placed_series import place_series, read_series, write_series
from atlalign.registration.requests import BatchSettings, Requests
from atlalign.registration.series_tilt import PlacedSection, tilt_of
from atlalign.registration.tilt_search import TiltSearch
from atlalign.section.canvas import Canvas

ATLAS = Atlas.load("phantom:200")
AT = np.arange(4000, 9001, 1000)
TILT = Tilt(-4, 6)


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


REGISTRAR = Registrar(ATLAS, global_model=_nothing_to_do)


def _slices(tilt):
    return [ATLAS.reference_plane(tilt.plane(float(at), ATLAS.shape_um), (40, 57)) for at in AT]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("series"), []
    for number, image in enumerate(_slices(TILT)):
        path = folder / f"x_s{number:03d}.png"
        iio.imwrite(path, np.uint8(255 * image))
        made.append(SectionJob(path, pixel_size_um=200, hemisphere="both"))
    return made


@pytest.fixture(scope="module")
def placed(jobs):
    return place_series(jobs, REGISTRAR)


class TestSeries:
    def test_the_tilt_is_found_with_its_signs(self, placed):
        assert np.abs(np.array(placed.tilt) - TILT).max() < 2
        assert np.abs(np.array(placed.positions_um) - AT).max() < 300

    def test_coronal_sections_stay_coronal(self):
        likeness, make_canvas = REGISTRAR.locator.likeness, REGISTRAR.locator.canvas_maker(hemisphere="both")
        sections = zip(_slices(Tilt()), AT, strict=True)
        placed = [
            PlacedSection(Section(image, 200), at, likeness, make_canvas, (1000, 12000)) for image, at in sections
        ]
        assert tilt_of(placed).tilt == Tilt()

    @pytest.mark.parametrize("tilt", [TILT, Tilt()])
    def test_a_given_tilt_is_not_searched_for(self, tilt):
        series = find_series_planes(REGISTRAR, _slices(TILT)[::3], pixel_size_um=200, hemisphere="both", tilt=tilt)
        assert series.tilt == tilt
        assert series.tilt_search is None
        assert [np.round(Tilt.of(plane), 3).tolist() for plane in series.planes] == [list(tilt)] * 2

    def test_a_tilt_is_two_angles(self):
        with pytest.raises(ValueError, match="two angles"):
            find_series_planes(REGISTRAR, _slices(Tilt())[:2], tilt=(1, 2, 3))


class TestSection:
    def test_a_tilted_section_is_placed_on_its_plane(self):
        tilt = Tilt(7, -3)
        section = Section(_slices(tilt)[2], 200).tilted(tilt)
        canvas = Canvas.by_tissue(section, ATLAS, 6000.0, (40, 57))
        assert canvas.plane == tilt.plane(6000, ATLAS.shape_um)
        assert Tilt.of(canvas.plane) == pytest.approx(tilt)
        assert canvas.plane.position_um == pytest.approx(6000)

    def test_on_the_left_of_the_image_it_lies_farther_in_front_where_dv_is_positive(self):
        top_left, top_right, bottom_left, _ = Tilt(5, 0).plane(6000, ATLAS.shape_um).corners_um
        assert top_left[0] == pytest.approx(bottom_left[0])
        assert top_left[0] < top_right[0]

    def test_a_registration_is_on_the_tilted_plane_and_says_so(self, tmp_path):
        tilt = Tilt(7, -3)
        section = Section(_slices(tilt)[2], 200).tilted(tilt)
        registration = REGISTRAR.register(section, position_um=6000)
        record = json.loads((registration.save(tmp_path / "s") / "registration.json").read_text())
        assert record["canvas"]["tilt_degrees"] == pytest.approx({"dv": 7, "ml": -3})
        truth = ATLAS.annotation_plane(tilt.plane(6000, ATLAS.shape_um), (40, 57))
        assert (registration.labels() == truth).mean() > 0.9

    def test_an_anchoring_says_the_tilt_itself(self):
        section = Section(_slices(Tilt())[2], 200).tilted((1, 0))
        with pytest.raises(ValueError, match="must not be tilted as well"):
            REGISTRAR.register(section, plane=Plane.coronal(6000, ATLAS.shape_um))


class TestBatch:
    def test_every_section_of_a_batch_has_the_tilt(self, jobs, placed):
        assert {job.tilt for job in placed.place(jobs)} == {placed.tilt}
        assert placed.place(jobs)[0].read().tilt == placed.tilt

    def test_what_was_found_is_kept_with_the_tilts_that_were_tried(self, jobs, placed, tmp_path):
        requests, file = Requests(ATLAS, BatchSettings(global_model=_nothing_to_do)), tmp_path / "series.json"
        write_series(file, placed, jobs, requests)
        assert read_series(file, jobs, requests) == placed
        search = json.loads(file.read_text())["series"]["tilt_search"]
        assert len(search["tilts"]) == len(search["scores"])
        assert "about DV" in search["summary"]
        assert read_series(file, [replace(job, tilt=Tilt()) for job in jobs], requests) is None

    def test_sections_that_lie_coronal_are_asked_for_as_they_were_before_there_were_tilts(self, jobs, placed):
        requests = Requests(ATLAS, BatchSettings(global_model=_nothing_to_do))
        coronal = replace(placed, tilt=Tilt())
        assert "tilt_degrees" not in requests.of(coronal.place(jobs)[0])
        assert requests.of(placed.place(jobs)[0])["tilt_degrees"] == list(placed.tilt)

    def test_a_tilt_at_the_edge_of_the_search_is_noted_of_every_section(self, jobs, monkeypatch):
        edge = TiltSearch((Tilt(), Tilt(12, 0)), [2, 2.1], 6, Tilt(12, 0), Tilt(1, 1), Tilt(12, 0))
        monkeypatch.setattr("atlalign.registration.series.tilt_of", lambda sections, progress: edge)
        noted = place_series(jobs, REGISTRAR).place(jobs)
        assert all("at the edge" in job.note for job in noted)
