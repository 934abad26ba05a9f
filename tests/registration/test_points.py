"""Points: their structures and sides, counts, densities, and tables of them."""

import csv
import io

import numpy as np
import pandas as pd
import pytest

from atlalign import Atlas, Plane, Section, register
from atlalign.errors import InvalidFileError
from atlalign.registration import convert_points, count_points, locate_points, place_points
from atlalign.registration.points import count_table, tally

ATLAS = Atlas.load("phantom:100")
POSITION_UM = 7400  # where the marker nucleus is, in the animal's left only
SHAPE = (160, 228)
MIRRORED = Plane([POSITION_UM, 0, 11400], [0, 0, -11400], [0, 8000, 0])


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


def _register(plane=None, **section):
    plane = ATLAS.plane(POSITION_UM) if plane is None else plane
    image = ATLAS.reference_plane(plane, SHAPE)
    if section:
        return register(Section(image, **section), ATLAS, position_um=POSITION_UM, local_model=_nothing_to_do)
    return register(Section(image), ATLAS, plane=plane, local_model=_nothing_to_do)


UPRIGHT = _register(pixel_size_um=50)


def _pixels_of(registration, acronym):
    y, x = np.nonzero(registration.labels() == ATLAS.structures[acronym].id)
    return np.stack([x, y], axis=1)


class TestLocate:
    @pytest.mark.parametrize(("plane", "image_side"), [(None, "right"), (MIRRORED, "left")], ids=["upright", "mirror"])
    def test_the_marker_is_on_the_animals_left_whatever_way_the_image_lies(self, plane, image_side):
        registration = _register(plane)
        points = _pixels_of(registration, "MRK")
        assert len(points) > 20
        assert ((points[:, 0] > SHAPE[1] / 2) == (image_side == "right")).all()
        located = locate_points(registration, points)
        assert set(located["acronym"]) == {"MRK"}
        assert set(located["name"]) == {"left-sided marker nucleus"}
        assert set(located["hemisphere"]) == {"left"}
        assert (located["ml_um"] > 11400 / 2).all()
        mirrored = locate_points(registration, [SHAPE[1] - 1, 0] + points * [-1, 1])
        assert set(mirrored["hemisphere"]) == {"right"}
        assert "MRK" not in set(mirrored["acronym"])

    def test_coordinates_are_those_of_the_registration(self):
        points = np.random.default_rng(0).uniform(0, [227, 159], (50, 2))
        located = locate_points(UPRIGHT, points)
        assert np.array_equal(located[["ap_um", "dv_um", "ml_um"]], UPRIGHT.section_to_atlas(points))
        assert np.array_equal(
            located["structure_id"], ATLAS.annotation_at(UPRIGHT.section_to_atlas(points)), equal_nan=False
        )

    def test_outside_there_is_no_structure_and_no_side(self):
        outside = locate_points(UPRIGHT, [[0, 0], [-5000, 80], [114, 1e6]])
        assert outside["structure_id"].tolist() == [0, 0, 0]
        assert outside[["acronym", "name", "hemisphere"]].to_numpy().tolist() == [["", "", ""]] * 3

    def test_off_the_image_there_is_no_structure_even_where_the_atlas_has_one(self):
        whole = ATLAS.reference_plane(POSITION_UM, SHAPE)
        half = Plane([POSITION_UM, 0, 0], [0, 0, 5700], [0, 8000, 0])
        registration = register(Section(whole[:, :114]), ATLAS, plane=half, local_model=_nothing_to_do)
        points = [[100, 80], [130, 80]]
        assert (ATLAS.annotation_at(registration.section_to_atlas(points)) > 0).all()
        assert (locate_points(registration, points)["structure_id"] > 0).tolist() == [True, False]

    def test_a_structure_that_the_atlas_does_not_list_keeps_its_id(self, monkeypatch):
        monkeypatch.setattr(Atlas, "annotation_at", lambda self, points: np.full(len(points), 4_000_000_000, "uint32"))
        located = locate_points(UPRIGHT, [[114, 80]])
        assert located["structure_id"].tolist() == [4_000_000_000]
        assert located["name"].tolist() == ["not in the atlas's list of structures"]

    def test_no_points_give_no_rows(self):
        assert len(locate_points(UPRIGHT, np.empty((0, 2)))) == 0
        assert len(place_points(UPRIGHT, np.empty((0, 3)))) == 0

    def test_points_of_the_atlas_come_back_with_their_distance(self):
        points = np.random.default_rng(0).uniform(20, [200, 140], (20, 2))
        placed = place_points(UPRIGHT, UPRIGHT.section_to_atlas(points) - np.array([150, 0, 0]))
        assert np.allclose(placed[["x", "y"]], points)
        assert np.allclose(placed["distance_um"], 150)


class TestCount:
    points = np.random.default_rng(0).uniform(-0.5, [227.5, 159.5], (500, 2))
    located = locate_points(UPRIGHT, points)

    def test_every_point_in_a_structure_is_counted_once_on_its_side(self):
        counts = count_points(UPRIGHT, self.located).set_index("acronym")
        inside = self.located[self.located["structure_id"] > 0]
        for side in ("left", "right"):
            expected = inside.loc[inside["hemisphere"] == side, "acronym"].value_counts()
            assert counts[f"{side}_count"][lambda column: column > 0].to_dict() == expected.to_dict()
        assert (counts["left_count"] + counts["right_count"]).equals(counts["total_count"])
        assert counts["total_count"].sum() == len(inside)

    def test_a_density_is_a_count_by_the_area_of_the_structure(self):
        counts = count_points(UPRIGHT, self.located)
        areas = UPRIGHT.structure_areas().set_index("id").loc[counts["id"]]
        for side in ("left", "right", "total"):
            assert np.allclose(counts[f"{side}_area_mm2"], areas[f"{side}_area_mm2"])
            known = counts[f"{side}_area_mm2"] > 0
            density = counts[f"{side}_count"] / counts[f"{side}_area_mm2"]
            assert np.allclose(counts[f"{side}_density_per_mm2"][known], density[known])
            assert counts.loc[~known, f"{side}_density_per_mm2"].isna().all()

    def test_structures_without_points_are_there_and_most_points_come_first(self):
        counts = count_points(UPRIGHT, self.located)
        assert set(UPRIGHT.structure_areas()["id"]) == set(counts["id"])
        assert counts["total_count"].is_monotonic_decreasing
        assert (count_points(UPRIGHT, self.located[:0])["total_count"] == 0).all()

    @pytest.mark.parametrize("depth", [0, 2, 4])
    def test_a_depth_gathers_counts_and_areas_into_ancestors(self, depth):
        counts = count_points(UPRIGHT, self.located, depth=depth)
        every = count_points(UPRIGHT, self.located)
        assert max(ATLAS.structures[int(identifier)].depth for identifier in counts["id"]) <= depth
        parents = ATLAS.structures.at_depth(every["id"], depth)
        for column in ("left_count", "right_count", "total_area_mm2"):
            expected = every[column].groupby(parents).sum()
            assert np.allclose(counts.set_index("id")[column].loc[expected.index], expected)

    def test_the_root_holds_everything(self):
        (root,) = count_points(UPRIGHT, self.located, depth=0).to_dict("records")
        assert root["acronym"] == "root"
        assert root["total_count"] == (self.located["structure_id"] > 0).sum()

    def test_groups_hold_their_structures_with_all_children_in_the_given_order(self):
        groups = {"stem": ["BS"], "nothing": ["CBN"], "cortex": ["ISO", "HPF"]}
        counts = count_points(UPRIGHT, self.located, groups=groups)
        assert counts["group"].tolist() == ["stem", "nothing", "cortex"]
        every = count_points(UPRIGHT, self.located)
        for group, acronyms in groups.items():
            tops = {ATLAS.structures[acronym].id for acronym in acronyms}
            member = [bool(tops & set(ATLAS.structures[int(identifier)].path)) for identifier in every["id"]]
            row = counts.set_index("group").loc[group]
            for column in ("left_count", "right_count", "total_count", "left_area_mm2", "total_area_mm2"):
                assert row[column] == pytest.approx(every.loc[member, column].sum())
        assert np.isnan(counts.set_index("group").loc["nothing", "total_density_per_mm2"])

    def test_areas_are_gathered_in_the_same_way(self):
        areas = UPRIGHT.structure_areas(groups={"stem": ["BS"], "cortex": ["CTX"]})
        assert areas.columns[0] == "group"
        whole = UPRIGHT.structure_areas(depth=0)
        assert whole["pixels"].tolist() == [int((UPRIGHT.labels() > 0).sum())]
        assert areas["pixels"].sum() < whole["pixels"][0]

    def test_counts_of_parts_add_up(self):
        parts = tally(self.located[:100]).add(tally(self.located[100:]), fill_value=0)
        pd.testing.assert_frame_equal(count_table(UPRIGHT, parts), count_points(UPRIGHT, self.located))

    def test_groups_and_a_depth_exclude_each_other(self):
        with pytest.raises(ValueError, match="not both"):
            count_points(UPRIGHT, self.located, groups={"stem": ["BS"]}, depth=2)
        with pytest.raises(ValueError, match="depth must be a whole number"):
            count_points(UPRIGHT, self.located, depth=-1)


class TestTables:
    points = np.array([[100.25, 60.5], [150.0, 70.0], [0.0, 0.0]])

    def _write(self, tmp_path, text, name="cells.csv", encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    def _convert(self, path, **how):
        out = path.parent / "out.csv"
        summary = convert_points(how.pop("registration", UPRIGHT), path, out, **how)
        return summary, pd.read_csv(out, keep_default_na=False)

    def test_new_columns_come_after_the_given_ones_which_stay_as_they_were(self, tmp_path):
        text = 'label,x,y,remark\nNA,100.25,60.50,"a, ""b"""\n007,150,70,"two\nlines"\n,0,0,é\n'
        path = self._write(tmp_path, text)
        summary, _ = self._convert(path)
        rows = list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8"))))
        assert rows[0] == [
            *("label", "x", "y", "remark", "ap_um", "dv_um", "ml_um"),
            *("structure_id", "acronym", "name", "hemisphere"),
        ]
        assert [row[:4] for row in rows] == list(csv.reader(io.StringIO(text)))
        expected = locate_points(UPRIGHT, self.points)
        for row, (_, point) in zip(rows[1:], expected.iterrows(), strict=True):
            assert np.allclose([float(cell) for cell in row[4:7]], point[["ap_um", "dv_um", "ml_um"]].astype(float))
            assert row[7:] == [str(point["structure_id"]), *point[["acronym", "name", "hemisphere"]]]
        assert summary["n_points"] == 3
        assert summary["n_outside"] == 1
        assert summary["columns"] == ["x", "y"]

    def test_there_and_back_is_where_it_was(self, tmp_path):
        points = np.random.default_rng(0).uniform(0, [227, 159], (40, 2)).round(3)
        path = tmp_path / "cells.csv"
        pd.DataFrame(points, columns=["x", "y"]).to_csv(path, index=False)
        convert_points(UPRIGHT, path, tmp_path / "there.csv")
        summary = convert_points(UPRIGHT, tmp_path / "there.csv", tmp_path / "back.csv", to="section")
        back = pd.read_csv(tmp_path / "back.csv")
        assert np.allclose(back[["x_given", "y_given"]], points)
        assert np.abs(back[["x", "y"]] - points).to_numpy().max() < 0.001
        assert back["distance_um"].max() == summary["farthest_um"] == 0

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("mark", [",", "\t", ";"], ids=["comma", "tab", "semicolon"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
    def test_separators_byte_order_marks_and_line_ends_do_not_matter(self, tmp_path, encoding, mark, end):
        text = end.join(mark.join(row) for row in [("X ", "y", "é"), ("100.25", "60.5", "ü"), ("150", "70", "")]) + end
        summary, found = self._convert(self._write(tmp_path, text, encoding=encoding))
        expected = locate_points(UPRIGHT, self.points[:2])
        assert found["acronym"].tolist() == expected["acronym"].tolist()
        assert np.allclose(found["ml_um"], expected["ml_um"])
        assert found["é"].tolist() == ["ü", ""]
        assert summary["columns"] == ["X", "y"]

    def test_decimal_commas_are_read_where_semicolons_separate(self, tmp_path):
        _, found = self._convert(self._write(tmp_path, "x;y\n100,25;60,5\n"))
        assert np.allclose(found[["dv_um", "ml_um"]], locate_points(UPRIGHT, self.points[:1])[["dv_um", "ml_um"]])

    def test_a_tsv_is_written_with_tabs(self, tmp_path):
        path = self._write(tmp_path, "x,y\n100,60\n")
        convert_points(UPRIGHT, path, tmp_path / "out.tsv")
        assert (tmp_path / "out.tsv").read_text().startswith("x\ty\tap_um\t")

    @pytest.mark.parametrize("micro", ["\u00b5m", "\u03bcm", "um"])
    def test_centroids_of_qupath_count_from_the_corner_of_the_image(self, tmp_path, micro):
        rows = "".join(f"a.tif\t{x + 0.5}\t{y + 0.5}\n" for x, y in self.points)
        path = self._write(tmp_path, f"Image\tCentroid X px\tCentroid Y px\n{rows}", "px.tsv")
        _, in_px = self._convert(path)
        rows = "".join(f"a.tif\t{(x + 0.5) * 50}\t{(y + 0.5) * 50}\n" for x, y in self.points)
        path = self._write(tmp_path, f"Image\tCentroid X {micro}\tCentroid Y {micro}\n{rows}", "um.tsv")
        _, in_um = self._convert(path)
        expected = locate_points(UPRIGHT, self.points)
        for found in (in_px, in_um):
            assert np.allclose(found[["dv_um", "ml_um"]], expected[["dv_um", "ml_um"]], atol=0.001)
            assert found["acronym"].tolist() == expected["acronym"].tolist()

    def test_points_in_um_need_a_pixel_size_that_somebody_stated(self, tmp_path):
        path = self._write(tmp_path, "Centroid X um,Centroid Y um\n5000,3000\n")
        for registration, source in ((_register(name="s"), "estimated"), (_register(), "anchoring")):
            with pytest.raises(ValueError, match=rf"need the pixel size.*'{source}'") as caught:
                self._convert(path, registration=registration)
            assert "\n" not in str(caught.value)
            _, found = self._convert(path, registration=registration, pixel_size_um=(50, 40))
            expected = locate_points(registration, [[99.5, 74.5]])
            assert np.allclose(found["ml_um"], expected["ml_um"], atol=0.001)

    def test_a_pixel_size_for_points_in_px_is_refused(self, tmp_path):
        path = self._write(tmp_path, "x,y\n1,1\n")
        with pytest.raises(ValueError, match="points in um of the section"):
            self._convert(path, pixel_size_um=5)

    def test_the_result_does_not_depend_on_the_size_of_the_blocks(self, tmp_path, monkeypatch):
        points = np.random.default_rng(0).uniform(0, [227, 159], (101, 2))
        path = tmp_path / "cells.csv"
        pd.DataFrame(points, columns=["x", "y"]).to_csv(path, index=False)
        results, totals = [], []

        def progress(blocks, total):
            totals.append(total)
            return blocks

        for n in (1000, 7):
            monkeypatch.setattr("atlalign.registration.point_table._ROWS_AT_ONCE", n)
            how = {"counts": tmp_path / "counts.csv", "groups": {"cortex": ["CTX"]}, "progress": progress}
            summary, _ = self._convert(path, **how)
            results.append([summary, (tmp_path / "out.csv").read_text(), (tmp_path / "counts.csv").read_text()])
        assert results[0] == results[1]
        assert totals == [1, 15]

    def test_columns_in_the_way_of_new_ones_are_kept_under_another_name(self, tmp_path):
        path = self._write(tmp_path, "x,y,name,name_given\n100.25,60.5,mine,older\n")
        _, found = self._convert(path)
        assert list(found)[:4] == ["x", "y", "name_given_given", "name_given"]
        assert found.loc[0, ["name_given_given", "name_given"]].tolist() == ["mine", "older"]

    def test_points_off_the_image_are_noted(self, tmp_path):
        summary, _ = self._convert(self._write(tmp_path, "x,y\n1000,60\n100,60\n"))
        assert summary["n_off_image"] == 1
        assert "1 of 2 points lie outside the image of 228 x 160 px" in summary["notes"][0]

    def test_densities_on_an_estimated_pixel_size_are_noted(self, tmp_path):
        path = self._write(tmp_path, "x,y\n100,60\n")
        summary, _ = self._convert(path, registration=_register(name="s"), counts=tmp_path / "counts.csv")
        assert "estimated" in summary["notes"][0]

    def test_points_in_no_group_are_told(self, tmp_path):
        text = "x,y\n" + "".join(f"{x},{y}\n" for x, y in [*_pixels_of(UPRIGHT, "MRK")[:3], [0, 0]])
        how = {"groups": {"cortex": ["CTX"]}, "counts": tmp_path / "counts.csv"}
        summary, _ = self._convert(self._write(tmp_path, text), **how)
        assert summary["n_in_no_group"] == 3
        assert summary["n_outside"] == 1

    def test_a_table_without_rows_gives_one_without_rows(self, tmp_path):
        path = self._write(tmp_path, "x,y\n")
        summary, found = self._convert(path, counts=tmp_path / "counts.csv")
        assert summary["n_points"] == len(found) == 0
        assert (pd.read_csv(tmp_path / "counts.csv")["total_count"] == 0).all()

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("a,b\n1,2\n", r"columns x and y.*with a, b\. Rename"),
            ("", "with nothing"),
            ("x,y,X\n1,2,3\n", "one column.*x and X"),
            ("x,y\n1,2\n3,\n", r"row 3 \(x y: 3, \)"),
            ("x,y\n\n1,2\n3,nan\n", r"row 4 \(x y: 3, nan\)"),
            ("x,y\n1,2\n1,inf\n", "row 3"),
            ("x,y\n1,left\n", r"row 2 \(x y: 1, left\)"),
            ("x\ty\n1,5\t2\n", "row 2"),
            ("x,y\n1,2,3\n", "3 cells under a header of 2"),
            ("Image,Centroid X px,Centroid Y px\na.tif,1,2\nb.tif,1,2\n", r"a\.tif and b\.tif"),
            ("x,y\n1,2\x00\n", "row 2|UTF-8"),
        ],
    )
    def test_other_tables_are_refused_in_one_line_and_leave_nothing(self, tmp_path, text, match):
        path = self._write(tmp_path, text)
        with pytest.raises(InvalidFileError, match=match) as caught:
            self._convert(path, counts=tmp_path / "counts.csv")
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == [path]

    def test_text_that_is_not_utf_8_is_refused(self, tmp_path):
        for encoding, text in (("latin-1", "Centroid X µm,Centroid Y µm\n1,2\n"), ("utf-16", "x,y\n1,2\n")):
            with pytest.raises(InvalidFileError, match="UTF-8"):
                self._convert(self._write(tmp_path, text, encoding=encoding))

    def test_files_are_checked_before_any_work(self, tmp_path):
        path = self._write(tmp_path, "x,y\n1,2\n")
        with pytest.raises(FileNotFoundError, match="table of points"):
            convert_points(UPRIGHT, tmp_path / "no.csv", tmp_path / "out.csv")
        with pytest.raises(FileNotFoundError, match="mkdir"):
            convert_points(UPRIGHT, path, tmp_path / "no" / "out.csv")
        with pytest.raises(IsADirectoryError):
            convert_points(UPRIGHT, path, tmp_path)
        for out, counts in ((path, None), (tmp_path / "out.csv", path), (tmp_path / "out.csv", tmp_path / "out.csv")):
            with pytest.raises(ValueError, match="different files"):
                convert_points(UPRIGHT, path, out, counts=counts)
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        ("how", "match"),
        [
            ({"to": "canvas"}, "to must be atlas or section"),
            ({"to": "section", "counts": "counts.csv"}, "Leave them out"),
            ({"depth": 3}, "depth 3 without counts"),
            ({"groups": {"a": ["CTX"]}}, "groups without counts"),
        ],
    )
    def test_arguments_that_do_not_go_together_are_refused(self, tmp_path, how, match):
        with pytest.raises(ValueError, match=match):
            self._convert(self._write(tmp_path, "x,y\n1,2\n"), **how)
