"""The page, driven in headless Chromium as a person drives it."""

import json
import shutil

import numpy as np
import pytest

from atlalign import DisplacementField
from atlalign.label import LabelFolder
from tests.label.browser import Served, chromium, chromium_is_missing

pytestmark = pytest.mark.skipif(bool(chromium_is_missing()), reason=chromium_is_missing() or "-")


@pytest.fixture(scope="module")
def tab():
    with chromium() as tab:
        yield tab


@pytest.fixture(scope="module")
def desk(made_series, tmp_path_factory):
    """The folder of one server, which all tests share that do not start their own."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(made_series, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def served(desk):
    server = Served(desk / "run", "--images", desk / "images")
    yield server
    server.stop()


@pytest.fixture
def project(desk, made_series):
    """The folder as it was before anybody said anything."""
    shutil.rmtree(desk / "run")
    shutil.copytree(made_series / "run", desk / "run")
    return desk


@pytest.fixture
def opened(tab, served, project):
    """The page of the first section."""
    tab.open(served.url + "?section=brain_s001")
    return tab


@pytest.fixture
def said(project):
    """What the file of the first section says."""

    def read():
        return json.loads((project / "run" / "brain_s001" / "labels" / "anna.json").read_text("utf-8"))

    return read


def placed(content):
    return [pair for pair in content["pairs"] if not pair["automatic"]]


def test_a_click_in_each_image_makes_a_pair_and_the_warp_follows(opened, said):
    before = opened.brightness("overlay", 1)
    opened.click("section", 45, 35)
    opened.wait_for(lambda: 0 in opened.places("section"), what="half a pair")
    opened.saved(lambda: opened.click("atlas", 49, 33))
    [pair] = placed(said())
    assert pair["reference_xy"] == pytest.approx([49, 33], abs=0.3)
    assert opened.places("atlas")[pair["number"]] == pytest.approx((49, 33), abs=0.3)
    assert opened.places("section")[pair["number"]] == pytest.approx((45, 35), abs=0.3)
    assert opened.brightness("overlay", 1) != before
    assert "corrected" in opened.text("states")


def test_enter_takes_the_place_that_is_proposed(opened, said):
    opened.click("section", 45, 35)
    proposed = opened.wait_for(lambda: opened.places("atlas").get(0), what="a proposal")
    opened.saved(lambda: opened.press("\ue007"))
    [pair] = placed(said())
    assert pair["reference_xy"] == pytest.approx(proposed, abs=1e-6)


def test_a_point_that_is_dragged_in_the_overlay_takes_the_section_along(opened, said):
    opened.saved(lambda: opened.click("overlay", 57, 40))
    [pair] = placed(said())
    before, section = opened.brightness("overlay", 1), opened.places("section")[pair["number"]]
    opened.drag("overlay", pair["reference_xy"], (62, 42), release=False)
    opened.wait_for(lambda: opened.brightness("overlay", 1) != before, what="the warp, while the button is down")
    assert placed(said()) == [pair]
    opened.wait_for(lambda: np.hypot(*np.subtract(opened.places("atlas")[pair["number"]], (62, 42))) < 0.6)
    opened.saved(opened.release)
    [moved] = placed(said())
    assert moved["reference_xy"] == pytest.approx([62, 42], abs=0.6)
    assert opened.places("section")[pair["number"]] == pytest.approx(section, abs=1e-6)


def test_an_automatic_point_that_is_dragged_becomes_the_persons(opened, said):
    number, place = next(iter(opened.places("overlay").items()))
    opened.saved(lambda: opened.drag("overlay", place, (place[0] - 4, place[1] + 2)))
    [pair] = placed(said())
    assert pair["number"] == number


def test_a_drag_beside_points_moves_all_three_views_together(opened):
    opened.drag("overlay", (5, 5), (25, 15))
    starts = [opened.model(name, "x_range.start") for name in ("section", "atlas", "overlay")]
    assert starts[0] == pytest.approx(-20.5, abs=1)
    assert len(set(starts)) == 1
    opened.press("0")
    opened.wait_for(lambda: opened.model("atlas", "x_range.start") == -0.5, what="the whole image")


def test_undo_and_redo_by_key_and_button(opened, said):
    before = opened.brightness("overlay", 1)
    opened.saved(lambda: opened.click("overlay", 57, 40))
    place = placed(said())[0]["reference_xy"]
    opened.saved(lambda: opened.drag("overlay", place, (63, 42)))
    moved = opened.brightness("overlay", 1)
    opened.saved(lambda: opened.press("z"))
    assert placed(said())[0]["reference_xy"] == pytest.approx(place, abs=1e-6)
    opened.saved(lambda: opened.press_with_ctrl("z"))
    assert placed(said()) == []
    assert opened.brightness("overlay", 1) == before
    opened.saved(lambda: opened.button("redo"))
    opened.saved(lambda: opened.press("Z"))
    assert opened.brightness("overlay", 1) == moved


def test_a_selected_pair_is_nudged_and_deleted_by_key(opened, said):
    opened.saved(lambda: opened.click("overlay", 57, 40))
    x, y = placed(said())[0]["reference_xy"]
    opened.saved(lambda: opened.press("\ue014"))
    opened.saved(lambda: opened.press("\ue015"))
    assert placed(said())[0]["reference_xy"] == pytest.approx([x + 0.5, y + 0.5])
    opened.saved(lambda: opened.press("x"))
    assert placed(said()) == []


def test_killed_and_started_again_the_server_has_everything(tab, project, said):
    first = Served(project / "run", "--images", project / "images")
    tab.open(first.url)
    tab.saved(lambda: tab.click("overlay", 57, 40))
    tab.saved(lambda: tab.drag("overlay", placed(said())[0]["reference_xy"], (61, 43)))
    tab.saved(lambda: tab.press("m"))
    tab.saved(lambda: tab.click("overlay", 30, 40))
    points, image, table = tab.places("overlay"), tab.brightness("overlay", 1), tab.text("pairs")
    first.kill()
    tab.wait_for("document.body.classList.contains('lost')", what="the banner")
    again = Served(project / "run", "--images", project / "images")
    try:
        tab.open(again.url + "?section=brain_s001")
        assert tab.places("overlay").keys() == points.keys()
        for number, place in tab.places("overlay").items():
            assert place == pytest.approx(points[number], abs=1e-6)
        assert tab.brightness("overlay", 1) == image
        assert tab.text("pairs") == table
        assert tab.model("symmetric", "active") is True
    finally:
        again.stop()


def test_what_is_written_takes_each_landmark_where_it_belongs(opened, project, said):
    for start, end in (((57, 40), (60, 42)), ((35, 35), (33, 38)), ((80, 30), (82, 30))):
        opened.saved(lambda start=start: opened.click("overlay", *start))
        opened.saved(lambda start=start, end=end: opened.drag("overlay", start, end))
    opened.press("s")
    opened.wait_for(lambda: "written" in opened.message(), what="results")
    section = LabelFolder(project / "run", [project / "images"]).sections[0]
    pairs = section.latest().on_canvas(section.load()).placed
    field = DisplacementField.from_file(section.folder / "deltas_xy.npy")
    assert len(pairs) == 3
    for pair in pairs:
        assert np.hypot(*(field.transform_points([pair.reference_xy])[0] - pair.moving_xy)) < 0.5
    record = json.loads((section.folder / "registration.json").read_text())
    assert record["steps"][-1]["name"] == "manual"
    assert record["steps"][-1]["quality"]["manual_person"]["value"] == "anna"


def test_next_and_previous_by_key_and_by_the_list(opened, project):
    opened.saved(lambda: opened.press("r"))
    opened.press("n")
    opened.wait_for("document.title.startsWith('brain_s002')", what="the next section")
    opened.wait_for("document.body.classList.contains('ready')")
    find = "return Bokeh.documents[0].get_model_by_name('sections').text"
    assert 'class="dot rejected"' in opened.wait_for(lambda: opened.run(find))
    opened.press("n")
    opened.wait_for("document.title.startsWith('brain_s003') && document.body.classList.contains('ready')")
    opened.press("n")
    opened.wait_for(lambda: "last section" in opened.message(), what="a word")
    opened.press("p")
    opened.wait_for("document.title.startsWith('brain_s002') && document.body.classList.contains('ready')")


def test_a_note_is_saved_letter_by_letter_and_no_letter_is_a_command(opened, said):
    opened.press("t")
    opened.press("torn, xnz")
    opened.wait_for(lambda: "torn, xnz" in opened.model("sections", "text"), what="the note")
    assert said()["note"] == "torn, xnz"
    assert said()["state"] == "untouched"
    opened.press("\ue00c", "r")
    opened.wait_for(lambda: said()["state"] == "rejected", what="a command")


def test_space_switches_between_two_positions_of_the_blend(opened):
    first = opened.model("blend", "value")
    opened.press(" ")
    opened.wait_for(lambda: opened.model("blend", "value") != first, what="the other blend")
    opened.press("=")
    opened.wait_for(lambda: opened.model("blend", "value") == 0.1, what="more of the section")
    opened.press(" ")
    opened.wait_for(lambda: opened.model("blend", "value") == first, what="the first blend")
    opened.press(" ")
    opened.wait_for(lambda: opened.model("blend", "value") == 0.1, what="the remembered blend")


def test_lines_colours_thresholds_and_method_by_key(opened, said):
    for key, name in (("o", "outlines"), ("g", "grid"), ("a", "arrows")):
        before = opened.model(name, "active")
        opened.press(key)
        opened.wait_for(lambda name=name, before=before: opened.model(name, "active") != before, what=name)
    opened.press("b", "v", "w", "d")
    opened.wait_for(lambda: opened.model("section-palette", "value") == "inverted", what="colours")
    opened.wait_for(lambda: opened.model("atlas-palette", "value") == "inverted", what="colours")
    opened.wait_for(lambda: opened.model("section-thresholds", "value") == [0, 247], what="thresholds")
    opened.wait_for(lambda: opened.model("atlas-thresholds", "value") == [8, 255], what="thresholds")
    opened.saved(lambda: opened.press("i"))
    assert said()["method"] == "rbf_linear"


def test_the_structure_under_the_pointer_is_named_in_every_panel(opened):
    for name in ("atlas", "overlay", "section"):
        opened.hover(name, 2, 2)
        opened.hover(name, 44, 40)
        opened.wait_for("document.getElementById('structure').textContent.includes('caudoputamen')", 10)


def test_swapped_the_overlay_lies_on_the_section(opened):
    opened.saved(lambda: opened.click("overlay", 57, 40))
    opened.press("f")
    opened.wait_for("document.body.classList.contains('swapped')")
    opened.wait_for(lambda: opened.places("overlay") == opened.places("section"), what="points of the section")


def test_the_plane_moves_by_key_and_the_atlas_follows(opened, said):
    before = opened.brightness("atlas", 0)
    opened.saved(lambda: opened.press("}"))
    assert opened.brightness("atlas", 0) != before
    assert "6 000 µm" in opened.text("title")
    assert said()["corners_um"][0][0] == 6000


def test_the_atlas_follows_the_slider_of_the_position(opened, said):
    before = opened.brightness("atlas", 0)
    position = "Bokeh.documents[0].get_model_by_name('position')"
    opened.run(f"{position}.value = 7000")
    opened.wait_for(lambda: opened.brightness("atlas", 0) != before, what="another plane")
    opened.saved(lambda: opened.run(f"{position}.value_throttled = 7000"))
    assert said()["corners_um"][0][0] == 7000


def test_add_to_dataset_writes_pairs(opened, project):
    opened.saved(lambda: opened.click("overlay", 57, 40))
    opened.press("T")
    opened.wait_for(lambda: "1 of 3 sections written" in opened.message(), what="the dataset")
    from atlalign.dataset import check_dataset

    assert check_dataset(project / "run" / "labels.h5") == []


def test_a_series_for_visualign_is_written(opened, project):
    opened.press("V")
    opened.wait_for(lambda: "3 sections written" in opened.message(), what="the series")
    assert len(json.loads((project / "run" / "visualign.json").read_text())["slices"]) == 3


def test_help_opens_by_key_and_names_every_group(opened):
    opened.press("?")
    opened.wait_for("document.getElementById('help').open")
    words = opened.run("return document.getElementById('help').innerText").lower()
    for group in ("points", "view", "plane", "section", "files"):
        assert group in words
    opened.press("?")
    opened.wait_for("!document.getElementById('help').open")


def test_what_cannot_be_done_is_said_on_the_page(opened):
    for command, words in (
        ("plane:100000", "position_um must satisfy"),
        ("select:99", "number 99"),
        ("goto:../../etc", "one of the folder's"),
        ("__class__", "one of the page's"),
        ("state:<b>", "A state must be"),
        ("threshold:x,y,z", ""),
    ):
        opened.run("Bokeh.documents[0].get_model_by_name('message').text = ''")
        opened.run("Bokeh.documents[0].get_model_by_name('command').text = arguments[0]", f"{command}#{command}")
        assert words in opened.wait_for(opened.message, what=f"an answer to {command}")
    opened.saved(lambda: opened.click("overlay", 57, 40))


def test_an_older_tab_only_looks(opened, served):
    opened.driver.switch_to.new_window("tab")
    opened.open(served.url)
    first, second = opened.driver.window_handles[-2:]
    opened.driver.switch_to.window(first)
    opened.press("r")
    opened.wait_for(lambda: "opened again in another tab" in opened.message(), what="a word")
    opened.driver.switch_to.window(second)
    opened.driver.close()
    opened.driver.switch_to.window(first)


def test_a_section_whose_image_is_gone_says_so_and_the_others_can_be_reached(tab, served, project):
    image = project / "images" / "brain_s002.png"
    image.rename(image.with_name("elsewhere.png"))
    tab.driver.get(served.url + "?section=brain_s002")
    find = "return Bokeh.documents[0]?.get_model_by_name('problem')?.text"
    words = tab.wait_for(lambda: tab.run(find), what="the problem in words")
    image.with_name("elsewhere.png").rename(image)
    assert "Name its folder with --images" in words
    assert "?section=brain_s001" in words


def test_two_pictures_are_labelled_without_an_atlas(tab, project, tmp_path):
    images = project / "images"
    server = Served(images / "brain_s001.png", images / "brain_s002.png", tmp_path / "out")
    try:
        tab.open(server.url)
        tab.click("section", 90, 80)
        tab.wait_for(lambda: 0 in tab.places("section"), what="half a pair")
        tab.saved(lambda: tab.click("atlas", 96, 80))
        tab.press("s")
        tab.wait_for(lambda: "written" in tab.message(), what="results")
        field = DisplacementField.from_file(tmp_path / "out" / "deltas_xy.npy")
        assert field.sample([[96, 80]])[0] == pytest.approx([-6, 0], abs=1)
    finally:
        server.stop()


def test_nothing_goes_wrong_behind_the_page(opened):
    opened.driver.get_log("browser")
    opened.saved(lambda: opened.click("overlay", 57, 40))
    opened.press("g", "f", "f", " ", "b")
    opened.saved(lambda: opened.press("z"))
    errors = [line["message"] for line in opened.driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
    assert errors == []
