"""Anchoring files of QuickNII and DeepSlice."""

import json

import numpy as np
import pytest

from atlalign.errors import InvalidFileError
from atlalign.plane import Plane
from atlalign.plane_io import read_anchorings

ANCHORING = [0.5, 300.25, 320, 455, 1, -2, 3, 4, -320]
KEYS = ("ox", "oy", "oz", "ux", "uy", "uz", "vx", "vy", "vz")


def _json(path, **changes):
    series = {
        "target": "ABA_Mouse_CCFv3_2017_25um.cutlas",
        "slices": [{"filename": "a.png", "anchoring": ANCHORING}],
    }
    path.write_text(json.dumps(series | changes))
    return path


def _xml(path):
    anchoring = "&amp;".join(f"{key}={value}" for key, value in zip(KEYS, ANCHORING, strict=True))
    path.write_text(f'<series><slice filename="a.png" nr="1" anchoring="{anchoring}"/></series>')
    return path


def _csv(path):
    path.write_text(f"Filenames,{','.join(KEYS)},nr\na.png,{','.join(map(str, ANCHORING))},1\n")
    return path


@pytest.mark.parametrize(("write", "name"), [(_json, "s.json"), (_xml, "s.xml"), (_csv, "s.csv")])
def test_each_format_gives_the_same_plane(tmp_path, write, name):
    assert read_anchorings(write(tmp_path / name)) == {"a.png": Plane.from_quicknii(ANCHORING)}


@pytest.mark.parametrize(("spacing", "voxel"), [("10um", 10.0), ("25um", 25.0), ("50um", 50.0)])
def test_the_target_of_a_json_file_gives_the_spacing(tmp_path, spacing, voxel):
    path = _json(tmp_path / "s.json", target=f"ABA_Mouse_CCFv3_2017_{spacing}.cutlas")
    plane = read_anchorings(path)["a.png"]
    np.testing.assert_allclose(plane.u_um, np.array([-1, 2, -455]) * voxel)


RAT = {"target": "WHS_Rat_v4_39um.cutlas", "target-resolution": [512, 1024, 512]}
RAT_PLANE = Plane.from_quicknii(ANCHORING, target_resolution=(512, 1024, 512), voxel_um=39.0)
RAT_EXTENT_UM = (1024 * 39.0, 512 * 39.0, 512 * 39.0)
ALLEN_EXTENT_UM = (13200.0, 8000.0, 11400.0)


@pytest.mark.parametrize(
    "known", [{"voxel_um": 39.0}, {"extent_um": RAT_EXTENT_UM}, {"target_resolution": (512, 1024, 512), "voxel_um": 39}]
)
def test_the_caller_gives_the_voxel_size_of_a_target_that_is_not_known(tmp_path, known):
    assert read_anchorings(_json(tmp_path / "s.json", **RAT), **known) == {"a.png": RAT_PLANE}


@pytest.mark.parametrize("target", [RAT, {"target": "WHS_Rat_v4_39um.cutlas"}])
def test_an_unknown_target_is_never_taken_for_the_allen_atlas(tmp_path, target):
    with pytest.raises(InvalidFileError, match=r"WHS_Rat_v4_39um.*Pass target_resolution=.* voxel_um=") as caught:
        read_anchorings(_json(tmp_path / "s.json", **target))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "known"),
    [
        (RAT, {"extent_um": ALLEN_EXTENT_UM}),
        (RAT, {"extent_um": RAT_EXTENT_UM, "voxel_um": 25.0}),
        (RAT, {"target_resolution": (456, 528, 320), "voxel_um": 25.0}),
        ({}, {"extent_um": RAT_EXTENT_UM}),
        ({}, {"extent_um": (13350.0, 8000.0, 11400.0)}),
    ],
)
def test_a_target_of_another_extent_than_the_callers_is_refused(tmp_path, target, known):
    with pytest.raises(InvalidFileError, match="as large as the one that is used") as caught:
        read_anchorings(_json(tmp_path / "s.json", **target), **known)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extent", [ALLEN_EXTENT_UM, (13210.0, 7990.0, 11410.0)])
@pytest.mark.parametrize(("write", "name"), [(_json, "s.json"), (_xml, "s.xml"), (_csv, "s.csv")])
def test_the_extent_of_the_allen_atlas_agrees_with_its_files(tmp_path, write, name, extent):
    assert read_anchorings(write(tmp_path / name), extent_um=extent) == {"a.png": Plane.from_quicknii(ANCHORING)}


@pytest.mark.parametrize(("write", "name"), [(_xml, "s.xml"), (_csv, "s.csv")])
def test_a_file_that_names_no_target_needs_the_voxel_size_of_another_atlas(tmp_path, write, name):
    path = write(tmp_path / name)
    with pytest.raises(InvalidFileError, match="Pass target_resolution"):
        read_anchorings(path, extent_um=RAT_EXTENT_UM)
    assert read_anchorings(path, extent_um=RAT_EXTENT_UM, voxel_um=39.0) == {"a.png": RAT_PLANE}


def test_the_voxel_size_of_an_allen_atlas_gives_its_resolution(tmp_path):
    expected = Plane.from_quicknii(ANCHORING, target_resolution=(1140, 1320, 800), voxel_um=10.0)
    assert read_anchorings(_csv(tmp_path / "s.csv"), voxel_um=10.0) == {"a.png": expected}


def test_the_callers_target_is_used_where_the_file_states_none(tmp_path):
    expected = Plane.from_quicknii(ANCHORING, target_resolution=(512, 1024, 512), voxel_um=39.0)
    path = _csv(tmp_path / "s.csv")
    assert read_anchorings(path, target_resolution=(512, 1024, 512), voxel_um=39.0) == {"a.png": expected}


def test_sections_without_an_anchoring_are_left_out(tmp_path):
    slices = [{"filename": "b.png"}, {"filename": "a.png", "anchoring": ANCHORING}]
    assert list(read_anchorings(_json(tmp_path / "s.json", slices=slices))) == ["a.png"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.json", "not json", "must be a series"),
        ("s.json", "[]", "must be a series"),
        ("s.json", '{"slices": [{"anchoring": [1]}]}', "must be a series"),
        ("s.json", '{"slices": []}', "at least one anchored section"),
        ("s.json", '{"slices": [{"filename": "a", "anchoring": [1, 2]}]}', "that of 'a' in"),
        ("s.json", '{"target-resolution": 5, "slices": []}', "target-resolution must be three"),
        ("s.json", "[" * 100_000, "must be a series"),
        ("s.json", '{"slices": ' + "9" * 5000 + "}", "must be a series"),
        ("s.json", '{"slices": [{"filename": ["a"], "anchoring": [1]}]}', "filename is no text"),
        ("s.json", '{"slices": [{"filename": "a", "anchoring": "123456789"}]}', "anchoring is no list"),
        ("s.json", '{"target-resolution": [1, 2, 1e300], "slices": []}', "target-resolution must be three"),
        ("s.json", '{"slices": [{"filename": "a", "anchoring": [0,0,0,1e8,0,0,0,0,1]}]}', "at most 1e"),
        ("s.json", '{"slices": [{"filename": "a", "anchoring": [' + "9" * 400 + "]}]}", "that of 'a' in"),
        ("s.xml", "<series>", "must be a series"),
        ("s.xml", '<!DOCTYPE x [<!ENTITY e "e">]><series/>', "DOCTYPE or ENTITY"),
        ("s.xml", '<series><slice filename="a" anchoring="ox=1"/></series>', "that of 'a' in"),
        ("s.csv", "a,b\n1,2\n", "no columns Filenames"),
        ("s.csv", "", "no columns Filenames"),
        ("s.csv", "Filenames\n" + "a" * 140_000, "must be a series"),
        ("s.txt", "", "must end in .json, .xml or .csv"),
    ],
)
def test_malformed_files_are_refused_in_one_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=message) as caught:
        read_anchorings(path)
    assert "\n" not in str(caught.value)


def test_a_repeated_section_is_refused(tmp_path):
    slices = [{"filename": "a.png", "anchoring": ANCHORING}] * 2
    with pytest.raises(InvalidFileError, match=r"a\.png twice"):
        read_anchorings(_json(tmp_path / "s.json", slices=slices))


def test_bytes_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "s.json"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InvalidFileError, match="not text"):
        read_anchorings(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="anchoring file must be an existing file"):
        read_anchorings(tmp_path / "s.json")


@pytest.mark.shared
def test_the_three_files_of_a_real_series_agree(shared):
    folder = shared / "sections" / "brightfield_glta"
    from_json, from_xml, from_csv = (read_anchorings(folder / f"GLTa.{suffix}") for suffix in ("json", "xml", "csv"))
    assert from_json == from_xml == from_csv
    assert len(from_json) == 35
    # ux is negative: image left is the animal's right, as in the atlas's own planes
    assert all(plane.u_um[2] > 0 for plane in from_json.values())


@pytest.mark.shared
def test_a_real_series_may_be_anchored_beyond_the_atlas(shared):
    planes = read_anchorings(shared / "sections" / "ish_allen" / "alignment.json")
    assert planes["71661813_s0001.jpg"].position_um > 13200
