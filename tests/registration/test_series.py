"""Series: positions on a line over the section numbers."""

import numpy as np
import pytest

from atlalign import Atlas, Registrar, Section
from atlalign.registration import PositionSearch, find_series_planes, section_number
from atlalign.registration.series_line import fit_line
from atlalign.section.orientation import Orientation

ATLAS = Atlas.load("phantom:200")
POSITIONS = np.arange(1000, 12001, 300.0)


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


REGISTRAR = Registrar(ATLAS, global_model=_nothing_to_do)


def _slice(position_um, turns=0):
    return np.ascontiguousarray(np.rot90(ATLAS.reference_plane(float(position_um)), turns))


def _peak(at_um, width_um=600.0, height=1.0):
    scores = height * np.exp(-(((POSITIONS - at_um) / width_um) ** 2))
    return PositionSearch(POSITIONS, scores, float(POSITIONS[scores.argmax()]))


class TestLine:
    @pytest.mark.parametrize(("first", "step"), [(3000, 400), (9000, -350), (2000, 1200)])
    def test_it_goes_through_the_peaks(self, first, step):
        numbers = np.arange(8) + 12
        line = fit_line(numbers, [_peak(at) for at in first + step * np.arange(8)])
        assert np.abs(line(numbers) - (first + step * np.arange(8))).max() < 60

    def test_gaps_between_numbers_count(self):
        numbers = np.array([1, 2, 7, 20, 30])
        line = fit_line(numbers, [_peak(3000 + 150 * number) for number in numbers])
        assert line.slope_um == pytest.approx(150, abs=4)

    def test_a_third_of_outliers_is_outvoted(self):
        numbers = np.arange(12)
        truth = 3000 + 500 * numbers
        shown = truth.copy()
        shown[[1, 4, 7, 10]] = [9000, 2000, 11000, 2500]
        line = fit_line(numbers, [_peak(at) for at in shown])
        assert np.abs(line(numbers) - truth).max() < 60

    def test_sections_without_a_say_are_left_out(self):
        line = fit_line([1, 2, 3], [_peak(4000), None, _peak(6000)])
        assert line(2) == pytest.approx(5000, abs=50)

    @pytest.mark.parametrize("numbers", [[3, 3], [1, 2]])
    def test_one_number_is_no_series(self, numbers):
        searches = [_peak(4000), _peak(5000) if numbers[0] == numbers[1] else None]
        with pytest.raises(ValueError, match="at least two sections"):
            fit_line(numbers, searches)


class TestSeries:
    def test_positions_spacing_and_direction_are_found(self):
        series = find_series_planes(
            REGISTRAR, [_slice(at) for at in (9100, 7900, 6700, 5500)], [4, 7, 10, 13], pixel_size_um=200
        )
        assert series.direction == "back to front"
        assert series.spacing_um == pytest.approx(400, rel=0.1)
        assert np.abs(series.positions_um - [9100, 7900, 6700, 5500]).max() <= 250
        assert [plane.position_um for plane in series.planes] == series.positions_um.tolist()
        assert series.bad == ()

    def test_bad_sections_are_named_with_their_reasons_and_have_positions_all_the_same(self):
        at = [4900, 5900, 6900, 7900, 8900]
        sections = [_slice(position) for position in at]
        sections[1] = np.zeros((40, 57))
        sections[3] = _slice(4500)
        series = find_series_planes(REGISTRAR, sections, pixel_size_um=200)
        assert [(entry.index, entry.name) for entry in series.bad] == [(1, "section 1"), (3, "section 3")]
        assert "must show tissue" in series.bad[0].reason
        assert "fits clearly better at 4" in series.bad[1].reason
        assert series.searches[1] is None
        assert np.abs(series.positions_um - at).max() <= 250

    def test_a_series_that_lies_upside_down_is_reported_and_turned_on_demand(self):
        sections = [Section(_slice(at, turns=2), 200, name=f"x_s{at // 100}.png") for at in (5000, 6600, 8200)]
        series = find_series_planes(REGISTRAR, sections)
        assert series.orientation.best == Orientation(rotate=180)
        assert series.orientation.doubts()
        turned = find_series_planes(REGISTRAR, sections, auto_orient=True)
        assert turned.orientation.applied
        assert np.abs(turned.positions_um - [5000, 6600, 8200]).max() <= 250
        assert turned.spacing_um == pytest.approx(100, rel=0.1)

    def test_files_are_numbered_by_their_names_and_a_missing_one_is_bad(self, tmp_path):
        from PIL import Image

        for number in (20, 40):
            image = Image.fromarray((255 * _slice(3000 + 100 * number)).astype(np.uint8))
            image.save(tmp_path / f"b_s{number:03}.png")
        files = [tmp_path / f"b_s{number:03}.png" for number in (20, 30, 40)]
        series = find_series_planes(REGISTRAR, files, pixel_size_um=200)
        assert series.numbers.tolist() == [20, 30, 40]
        assert series.names == ("b_s020.png", "b_s030.png", "b_s040.png")
        assert [entry.index for entry in series.bad] == [1]

    @pytest.mark.parametrize("numbers", [[1], [1, np.nan], [[1, 2]]])
    def test_numbers_must_be_those_of_the_sections(self, numbers):
        with pytest.raises(ValueError, match="a finite number for each of its 2 sections"):
            find_series_planes(REGISTRAR, [_slice(5000), _slice(7000)], numbers)

    def test_no_section_shows_tissue(self):
        with pytest.raises(ValueError, match="at least two sections"):
            find_series_planes(REGISTRAR, [np.zeros((40, 57))] * 3)


@pytest.mark.parametrize(
    ("name", "number"),
    [("x_s012.png", 12), ("a_s1_s003.tif", 3), ("x012.png", None), ("dir_s004/plain.png", None), ("x_sab.png", None)],
)
def test_the_number_of_a_section_follows_the_last_s(name, number):
    assert section_number(name) == number
