"""`atlalign points`: from a result folder and a table to tables."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from atlalign import Atlas, DisplacementField, Section, register
from atlalign.registration import locate_points

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A live registration with a smooth field, and the folder that it was saved in."""
    field = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=2, sigma=12, random_state=0)
    section = Section(ATLAS.reference_plane(7400, (160, 228)), pixel_size_um=50, name="s001.tif")
    registration = register(section, ATLAS, position_um=7400, local_model=lambda r, m: field.deltas_xy)
    return registration, registration.save(tmp_path_factory.mktemp("result") / "s001")


@pytest.fixture
def cells(tmp_path):
    points = np.random.default_rng(0).uniform(0, [227, 159], (60, 2)).round(2)
    table = pd.DataFrame(points, columns=["x", "y"])
    table["cell"] = [f"c{i:02}" for i in range(len(table))]
    table.to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path / "cells.csv"


def test_structures_are_those_of_the_live_registration(run, saved, cells):
    registration, folder = saved
    out = cells.with_name("out.csv")
    answer = run("atlalign", "points", folder, cells, "--out", out)
    assert answer.code == 0, answer.err
    given, found = pd.read_csv(cells), pd.read_csv(out, keep_default_na=False)
    expected = locate_points(registration, given[["x", "y"]])
    assert found["cell"].tolist() == given["cell"].tolist()
    assert found["acronym"].tolist() == expected["acronym"].tolist()
    assert found["hemisphere"].tolist() == expected["hemisphere"].tolist()
    assert np.allclose(found[["ap_um", "dv_um", "ml_um"]], expected[["ap_um", "dv_um", "ml_um"]], atol=0.001)
    n_inside = (expected["structure_id"] > 0).sum()
    n_structures = expected["acronym"].nunique() - 1
    assert answer.out == f"cells.csv: {n_inside} of 60 points in {n_structures} structures, written to {out}\n"


def test_the_marker_is_on_the_animals_left(run, saved, tmp_path):
    registration, folder = saved
    y, x = np.nonzero(registration.labels() == ATLAS.structures["MRK"].id)
    assert (x > 114).all()
    pd.DataFrame({"x": x, "y": y}).to_csv(tmp_path / "cells.csv", index=False)
    words = ("--out", tmp_path / "out.csv", "--counts", tmp_path / "counts.csv")
    assert run("atlalign", "points", folder, tmp_path / "cells.csv", *words).code == 0
    assert set(pd.read_csv(tmp_path / "out.csv")["hemisphere"]) == {"left"}
    counts = pd.read_csv(tmp_path / "counts.csv").set_index("acronym").loc["MRK"]
    assert counts["left_count"] >= len(x) - 1
    assert counts["right_count"] == counts["right_area_mm2"] == 0


def test_the_way_back_gives_the_pixels(run, saved, cells):
    _, folder = saved
    there, back = cells.with_name("there.csv"), cells.with_name("back.csv")
    assert run("atlalign", "points", folder, cells, "--out", there).code == 0
    answer = run("atlalign", "points", folder, there, "--to", "section", "--out", back)
    assert answer.out == f"there.csv: 60 points, at most 0 um from the plane, written to {back}\n"
    assert np.abs(pd.read_csv(back)[["x", "y"]] - pd.read_csv(cells)[["x", "y"]]).to_numpy().max() < 0.01


def test_json_says_what_became_of_the_points(run, saved, cells):
    _, folder = saved
    out = cells.with_name("out.csv")
    answer = json.loads(run("atlalign", "points", folder, cells, "--out", out, "--json").out)
    assert answer["folder"] == str(folder)
    assert answer["out"] == str(out)
    assert answer["counts"] is None
    assert answer["n_points"] == 60
    assert answer["n_outside"] == (pd.read_csv(out)["structure_id"] == 0).sum()
    assert answer["columns"] == ["x", "y"]
    assert answer["notes"] == []


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_groups_and_depths_gather_the_counts(run, saved, cells, suffix):
    registration, folder = saved
    groups, counts = cells.with_name(f"groups.{suffix}"), cells.with_name("counts.csv")
    groups.write_text(
        '{"stem": ["BS"], "tracts": "fiber"}' if suffix == "json" else "group,acronym\nstem,BS\ntracts,fiber\n"
    )
    words = ("atlalign", "points", folder, cells, "--out", cells.with_name("out.csv"), "--counts", counts)
    assert run(*words, "--groups", groups).code == 0
    table = pd.read_csv(counts).set_index("group")
    expected = registration.structure_areas(groups={"stem": ["BS"], "tracts": ["fiber"]}).set_index("group")
    assert table.index.tolist() == ["stem", "tracts"]
    assert np.allclose(table["total_area_mm2"], expected["total_area_mm2"])
    assert run(*words, "--depth", 0).code == 0
    (root,) = pd.read_csv(counts).to_dict("records")
    assert root["total_count"] == (pd.read_csv(cells.with_name("out.csv"))["structure_id"] > 0).sum()
    assert root["total_density_per_mm2"] == pytest.approx(root["total_count"] / root["total_area_mm2"])


def test_um_of_qupath_take_the_pixel_size_of_the_record_or_the_given_one(run, saved, tmp_path):
    registration, folder = saved
    (tmp_path / "cells.tsv").write_text("Centroid X µm\tCentroid Y µm\n5025\t3025\n", encoding="utf-8")
    for words, point in (((), [100, 60]), (("--pixel-size-um", "100,50"), [49.75, 60])):
        answer = run("atlalign", "points", folder, tmp_path / "cells.tsv", "--out", tmp_path / "out.csv", *words)
        assert answer.code == 0, answer.err
        expected = registration.section_to_atlas([point])[0]
        assert np.allclose(
            pd.read_csv(tmp_path / "out.csv").loc[0, ["ap_um", "dv_um", "ml_um"]].astype(float), expected
        )


def test_points_off_the_image_are_noted(run, saved, tmp_path):
    (tmp_path / "cells.csv").write_text("x,y\n9000,60\n")
    answer = run("atlalign", "points", saved[1], tmp_path / "cells.csv", "--out", tmp_path / "out.csv")
    assert "  note: 1 of 1 points lie outside the image of 228 x 160 px" in answer.out


def test_an_atlas_that_has_moved_is_given(run, saved, cells):
    folder = shutil.copytree(saved[1], cells.with_name("moved"))
    record = (folder / "registration.json").read_text().replace('"phantom:100"', '"/no/atlas"')
    (folder / "registration.json").write_text(record)
    out = cells.with_name("out.csv")
    assert "/no/atlas" in run("atlalign", "points", folder, cells, "--out", out).err
    assert run("atlalign", "points", folder, cells, "--out", out, "--atlas", "phantom:100").code == 0


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--to", "canvas"), "to must be atlas or section"),
        (("--to", "section"), "ap_um, dv_um and ml_um"),
        (("--depth", "2"), "without counts"),
        (("--depth", "-1"), "--depth"),
        (("--groups", "GROUPS", "--counts", "COUNTS"), "'CPX' in group 'a'. The nearest is CP, caudoputamen"),
        (("--groups", "no.csv", "--counts", "COUNTS"), "file of groups"),
        (("--pixel-size-um", "wide"), "--pixel-size-um must be numbers"),
        (("--pixel-size-um", "5"), "points in um"),
        (("--atlas", "phantom:50"), "resolution_um"),
        (("--atlas", ""), "must not be empty"),
    ],
)
def test_what_is_wrong_gets_one_line_and_leaves_nothing(run, saved, cells, words, match):
    (cells.parent / "groups.json").write_text('{"a": ["CPX"]}')
    files = {"GROUPS": cells.parent / "groups.json", "COUNTS": cells.parent / "counts.csv"}
    words = [files.get(word, word) for word in words]
    before = sorted(cells.parent.iterdir())
    answer = run("atlalign", "points", saved[1], cells, "--out", cells.with_name("out.csv"), *words)
    assert answer.code == 2
    assert match in answer.err
    assert answer.err.count("\n") == 1
    assert sorted(cells.parent.iterdir()) == before


def test_a_folder_that_is_no_result_and_a_damaged_field_are_refused(run, saved, cells):
    out = cells.with_name("out.csv")
    answer = run("atlalign", "points", cells.parent, cells, "--out", out)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "registration.json" in answer.err
    folder = shutil.copytree(saved[1], cells.with_name("damaged"))
    (folder / "deltas_xy.npy").write_bytes(b"nothing")
    answer = run("atlalign", "points", folder, cells, "--out", out)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "deltas_xy.npy" in answer.err
    assert not out.exists()


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_what_is_no_result_folder_is_said(run, cells, monkeypatch, folder):
    monkeypatch.chdir(cells.parent)
    answer = run("atlalign", "points", folder, cells, "--out", "out.csv")
    assert answer.code == 2
    assert "A result folder must be one that atlalign register wrote" in answer.err
    assert f"Received: {folder}, which" in answer.err
