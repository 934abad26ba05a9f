"""The HDF5 schema: what is written, what is refused, how samples are split."""

import h5py
import numpy as np
import pytest

from atlalign.dataset import (
    Attributes,
    check_dataset,
    create_dataset,
    open_dataset,
    read_attributes,
    split_indexes,
)
from atlalign.errors import InvalidFileError
from atlalign.plane import Plane


@pytest.fixture
def path(tmp_path):
    """A dataset of three samples without faults."""
    path = tmp_path / "pairs.h5"
    attributes = Attributes("phantom", "1", (25.0, 25.0), "nissl")
    with create_dataset(path, 3, (16, 20), attributes) as file:
        file["img"][:] = 7
        file["p"][:] = [100, 200, 300]
        for i, position in enumerate((100, 200, 300)):
            file["corners_um"][i] = Plane.coronal(position, (500, 400, 500)).corners_um
    return path


def test_what_is_written_is_as_documented(path):
    with h5py.File(path) as file:
        layout = {name: (values.shape, values.dtype.name) for name, values in file.items()}
    assert layout == {
        "img": ((3, 16, 20), "uint8"),
        "deltas_xy": ((3, 16, 20, 2), "float16"),
        "inv_deltas_xy": ((3, 16, 20, 2), "float16"),
        "p": ((3,), "int64"),
        "image_id": ((3,), "int64"),
        "dataset_id": ((3,), "int64"),
        "corners_um": ((3, 4, 3), "float32"),
    }


def test_images_and_fields_are_chunked_by_sample(path):
    with h5py.File(path) as file:
        assert file["img"].chunks == (1, 16, 20)
        assert file["deltas_xy"].chunks == (1, 16, 20, 2)


def test_attributes_come_back(path):
    with open_dataset(path) as file:
        assert read_attributes(file) == Attributes("phantom", "1", (25.0, 25.0), "nissl")


def test_a_file_without_attributes_and_corners_is_read(path):
    with h5py.File(path, "r+") as file:
        file.attrs.clear()
        del file["corners_um"]
    with open_dataset(path) as file:
        assert read_attributes(file) == Attributes()


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(path):
    before = path.read_bytes()
    with pytest.raises(RuntimeError), create_dataset(path, 5, (8, 8), Attributes()):
        raise RuntimeError
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_truncated_file_is_refused_in_one_line(path):
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InvalidFileError, match="must be a whole HDF5 file") as raised:
        open_dataset(path)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_hdf5_is_refused(tmp_path):
    path = tmp_path / "text.h5"
    path.write_text("not HDF5")
    with pytest.raises(InvalidFileError, match="must be a whole HDF5 file"):
        open_dataset(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.__delitem__("p"), "'p' is missing"),
        (lambda f: f.__delitem__("img"), "'img' must have shape"),
        (
            lambda f: (f.__delitem__("deltas_xy"), f.create_dataset("deltas_xy", (3, 16, 21, 2), "f2")),
            r"'deltas_xy' must have shape \(3, 16, 20, 2\) but has \(3, 16, 21, 2\)",
        ),
        (
            lambda f: (f.__delitem__("deltas_xy"), f.create_dataset("deltas_xy", (3, 16, 20, 2), "i2")),
            "'deltas_xy' must have dtype float16 but has int16",
        ),
        (
            lambda f: (f.__delitem__("p"), f.create_group("p")),
            "'p' is missing",
        ),
    ],
)
def test_departures_from_the_schema_are_named(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(InvalidFileError, match=message):
        open_dataset(path)


def test_the_check_names_each_fault_with_its_sample(path):
    with h5py.File(path, "r+") as file:
        file["deltas_xy"][1, 3, 4] = np.nan
        file["inv_deltas_xy"][2, 0, 0, 1] = np.inf
        file["p"][0] = -5
    faults = check_dataset(path)
    assert [fault.split(":")[0] for fault in faults] == ["sample 0", "sample 1", "sample 2"]
    assert "'deltas_xy' is not finite at 1 of 320 pixels" in faults[1]


@pytest.mark.parametrize(
    "corners",
    [
        np.full((4, 3), np.nan),
        np.zeros((4, 3)),
        [[0, 0, 0], [0, 0, 9], [0, 9, 0], [0, 90, 90]],
    ],
    ids=["not finite", "a point", "no parallelogram"],
)
def test_corners_that_span_no_plane_are_a_fault_of_their_sample(path, corners):
    with h5py.File(path, "r+") as file:
        file["corners_um"][1] = corners
    (fault,) = check_dataset(path)
    assert fault.startswith("sample 1: 'corners_um' must be the corners of a plane")
    assert "\n" not in fault


@pytest.mark.parametrize("name", ["deltas_xy", "inv_deltas_xy"])
def test_displacements_of_several_images_are_a_fault_of_their_sample(path, name):
    diagonal = np.hypot(16, 20)
    with h5py.File(path, "r+") as file:
        file[name][0, 0, 0] = [3.9 * diagonal, 0]
        file[name][2, 0, 0] = [3 * diagonal, 3 * diagonal]
    (fault,) = check_dataset(path)
    assert fault.startswith(f"sample 2: '{name}' must displace by at most 102")


@pytest.mark.parametrize("position", [10**6 + 1, 2**63, 2**64 - 1])
def test_a_position_beyond_any_brain_is_a_fault_of_its_sample(path, position):
    with h5py.File(path, "r+") as file:
        del file["p"]
        file["p"] = np.array([100, position, 10**6], np.uint64)
    assert check_dataset(path) == [f"sample 1: 'p' must be a position of 0 to 1000000 um but is {position}"]


@pytest.mark.parametrize("resolution", [25.0, [25.0], [25.0, 25.0, 25.0], "fine", ["25", "25"]])
def test_a_resolution_that_is_not_two_numbers_is_refused(path, resolution):
    with h5py.File(path, "r+") as file:
        file.attrs["resolution_um"] = resolution
    with pytest.raises(InvalidFileError, match="attribute 'resolution_um' must be two numbers"):
        open_dataset(path)


@pytest.mark.parametrize("version", ["2", b"99", 3])
def test_an_unknown_version_of_the_schema_is_refused(path, version):
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = version
    with pytest.raises(InvalidFileError, match="attribute 'schema_version' must be '1'"):
        open_dataset(path)


def test_attributes_of_a_fixed_length_are_text(path):
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = np.bytes_("1")
        file.attrs["atlas"] = np.bytes_("phantom")
        file.attrs["stain"] = np.array([b"nissl"])
        file.attrs["atlas_version"] = h5py.Empty("S1")
    with open_dataset(path) as file:
        assert read_attributes(file) == Attributes("phantom", "", (25.0, 25.0), "nissl")


def test_a_dataset_without_faults_passes_the_check(path):
    assert check_dataset(path) == []


class TestSplit:
    def test_no_section_is_in_both_parts(self):
        ids = np.repeat(np.arange(20), 3)
        training, validation = split_indexes(ids, 0.25, random_state=1)
        assert not set(ids[training]) & set(ids[validation])
        assert len(np.unique(ids[validation])) == 5
        assert sorted([*training, *validation]) == list(range(60))

    def test_the_same_seed_splits_the_same(self):
        first, second = (split_indexes(np.arange(30), 0.2, random_state=5) for _ in range(2))
        np.testing.assert_array_equal(first[1], second[1])

    def test_share_zero_keeps_all_for_training(self):
        training, validation = split_indexes([1, 2, 3], 0)
        assert len(training) == 3
        assert not len(validation)

    def test_one_section_cannot_be_split(self):
        with pytest.raises(ValueError, match=r"need different sections\. Received: 1"):
            split_indexes([4, 4, 4], 0.5)

    @pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
    def test_a_share_outside_its_range_is_refused(self, share):
        with pytest.raises(ValueError, match="must satisfy 0 <= share < 1"):
            split_indexes([1, 2, 3], share)
