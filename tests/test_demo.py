"""The demo leaves what it promises."""

import json

import imageio.v3 as iio
import pytest

from atlalign.demo import CONTENTS, DemoSize, run_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    size = DemoSize(n_pairs=8, epochs=1, n_sections=2)
    return out, run_demo(out, size, seed=1, workers=1)


def test_the_summary_has_the_errors_of_each_section(demo):
    out, summary = demo
    assert json.loads((out / "summary.json").read_text()) == summary
    assert len(summary["sections"]) == 2
    for error in summary["sections"]:
        assert all(0 < error[f"{when}_px"] < 40 for when in ("before", "default", "after"))


def test_the_report_shows_every_picture_that_it_names(demo):
    out, _ = demo
    page = (out / "report.html").read_text()
    names = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert names == ["figures/section_1.png", "figures/section_2.png", "global/curves.png", "local/curves.png"]
    assert all(iio.imread(out / name).size for name in names)


def test_everything_in_the_folder_is_explained(demo):
    out, _ = demo
    known = {name.rstrip("/") for names in CONTENTS for name in names.replace("/ ...", "").split(", ")}
    assert {path.name for path in out.iterdir()} == known | {"section_2"}


def test_sections_are_of_both_polarities(demo):
    out, _ = demo
    corners = [iio.imread(out / "sections" / f"section_{i}.png")[0, 0] for i in (1, 2)]
    assert corners[0] > 128 > corners[1]


def test_true_fields_would_bring_the_error_to_a_fraction_of_a_pixel(tmp_path):
    from atlalign import Atlas
    from atlalign.base import DisplacementField
    from atlalign.demo import _errors_px, _new_section
    from atlalign.registration import Registrar

    atlas = Atlas.load("phantom:100")
    pair, path = _new_section(tmp_path / "section.png", 1, seed=0)
    truth = DisplacementField.from_deltas_xy(pair.deltas_xy).resize_constant((80, 114))
    registration = Registrar(atlas, global_model=lambda reference, moving: truth.deltas_xy).register(
        path, position_um=pair.p, pixel_size_um=50
    )
    # The truth is relative to the whole plane; where the section was put by its tissue has to be taken off.
    offset = registration.canvas.section_to_canvas([[0.0, 0.0]])[0] - (-0.25, -0.25)
    shifted = DisplacementField(truth.delta_x + offset[0], truth.delta_y + offset[1])
    registration = Registrar(atlas, global_model=lambda reference, moving: shifted.deltas_xy).register(
        path, position_um=pair.p, pixel_size_um=50
    )
    assert _errors_px(registration, pair)[1] < 0.1
