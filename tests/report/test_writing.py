"""The report: one file that needs no other, whole or absent, with every flag."""

import re
import weakref

import numpy as np
import pytest

from atlalign import Atlas, DisplacementField, Section, register
from atlalign.registration import read_registration
from atlalign.registration.quality import Disagreement, PositionSearch, Variation
from atlalign.report import write_report

ATLAS = Atlas.load("phantom:100")
IMAGE = ATLAS.reference_plane(6000, (160, 228))


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch):
    monkeypatch.setattr("atlalign.report.views._WIDTH", 160)
    monkeypatch.setattr("atlalign.registration.overlay._SMALLEST", 100)


def _register(image=IMAGE, shift=2, name="s1.tif", pixel_size_um=50):
    def predict(reference, moving):
        return np.broadcast_to(np.float32([shift, 0]), (*reference.shape, 2))

    return register(Section(image, pixel_size_um, name=name), ATLAS, position_um=6000, local_model=predict)


def _write(tmp_path, *what, **how):
    return write_report(tmp_path / "report.html", what[0] if len(what) == 1 else list(what), **how).read_text("utf-8")


def _titles(page):
    return re.findall(r"<figcaption><b>([^<]+):</b>", page)


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    page = _write(tmp_path, _register(), _register())
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(source.startswith(("data:image/", "#section-")) for source in sources)
    assert "<script" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_every_flag_is_in_the_page(tmp_path):
    registration = _register(shift=8, pixel_size_um=None)
    reasons = [entry["flag"] for entry in registration.quality().values() if entry["flag"]]
    page = _write(tmp_path, registration)
    assert len(reasons) >= 3
    assert all(f"<li>{reason.replace(chr(39), '&#x27;')}</li>" in page for reason in reasons)


def test_the_table_has_every_quantity_with_its_unit(tmp_path):
    page = _write(tmp_path, _register())
    rows = re.findall(
        r"<tr[^>]*><td>([^<]*)</td><td class=\"n\">([^<]*)</td><td class=\"n\">([^<]*)</td><td>([^<]*)", page
    )
    table = {title: rest for title, *rest in rows}
    assert table["mean displacement"] == ["", "200", "um"]
    assert table["pixel size"] == ["", "50 x 50", "um"]
    assert table["missing parts"] == ["", "none", ""]
    assert float(table["tissue overlap"][0]) > float(table["tissue overlap"][1])


def test_one_section_has_no_index_and_several_have(tmp_path):
    assert 'class="card' not in _write(tmp_path, _register())
    page = _write(tmp_path, _register(), _register(shift=0, name="s2.tif"))
    assert "2 sections, 1 of them flagged." in page
    assert page.count('class="card') == 2
    assert page.count('href="#section-2"') == page.count('id="section-2"') == 1


def test_disagreement_and_search_get_their_pictures(tmp_path):
    registration = _register()
    assert _titles(_write(tmp_path, registration)) == [
        "Before", "After", "Checkerboard", "Reference", "Displacement", "Outlines",
    ]  # fmt: skip
    variation = Variation(np.eye(2, 3), 1.0, 0.0, False)
    scatter = np.where(ATLAS.annotation_plane(6000) > 0, 400, np.nan).astype(np.float32)
    registration.disagreement = Disagreement(scatter, (variation,), "cortex")
    registration.search = PositionSearch([5000, 6000], [0.2, 0.4], 6000)
    page = _write(tmp_path, registration)
    assert {"Disagreement", "Position search"} <= set(_titles(page))
    assert "edge of the search" in page
    assert "most in cortex" in page


def test_a_result_folder_is_shown_like_the_registration_that_was_saved(tmp_path):
    registration = _register(255 - np.uint8(IMAGE * 255))
    folder = registration.save(tmp_path / "s1")
    pages = [_write(tmp_path, what) for what in (registration, folder, read_registration(folder))]
    assert pages[1] == pages[2]
    assert _titles(pages[0]) == _titles(pages[1])
    tables = [page[page.index("<table>") : page.index("</table>")] for page in pages]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_every_kind_of_image_is_shown_saved_or_not(tmp_path, dtype, channels):
    image = (IMAGE * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype)
    if channels:
        image = np.repeat(image[..., None], channels, axis=2)
        image[..., 3:] = np.iinfo(dtype).max if dtype != np.float32 else 1
    registration = _register(image)
    folder = registration.save(tmp_path / "s1")
    assert len(_titles(_write(tmp_path, registration, folder))) == 12


def test_failed_sections_are_listed_with_their_reason(tmp_path):
    page = _write(tmp_path, _register(), failed={"s<2>.tif": "It shows no tissue."})
    assert "1 could not be registered." in page
    assert "<b>s&lt;2&gt;.tif</b><ul><li>Not registered: It shows no tissue.</li>" in page


def test_names_are_escaped(tmp_path):
    page = _write(tmp_path, _register(name="<i>&.tif"), title="a < b")
    assert "<h1>a &lt; b</h1>" in page
    assert "&lt;i&gt;&amp;.tif" in page
    assert "<i>&" not in page


def test_nothing_to_report_on_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one section"):
        write_report(tmp_path / "report.html", [])


def test_a_report_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "report.html", [_register(), tmp_path / "nowhere"])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


def test_folds_are_marked(tmp_path):
    noise = np.random.default_rng(0)
    field = DisplacementField.from_deltas_xy(noise.normal(0, 3, (80, 114, 2)))
    page = _write(tmp_path, _register().with_step("manual", field))
    assert "Red: folds." in page


def test_a_series_is_gone_through_one_by_one(tmp_path):
    alive = []

    def series():
        for number in range(4):
            registration = _register(name=f"s{number}.tif")
            alive.append(weakref.ref(registration))
            assert sum(reference() is not None for reference in alive) <= 3
            yield registration
            del registration

    assert "4 sections" in write_report(tmp_path / "report.html", series()).read_text("utf-8")
