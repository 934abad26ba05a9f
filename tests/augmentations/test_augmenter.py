"""Augmented datasets: the same file however made, resumable."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from atlalign import DisplacementField
from atlalign._workers import workforce
from atlalign.augmentations import DatasetAugmenter, augmenter
from atlalign.augmentations.pair import LabelledPair
from atlalign.dataset import Attributes, check_dataset, create_dataset, open_dataset, split_indexes
from atlalign.errors import AtlalignError, InvalidFileError, MissingExtraError
from atlalign.plane import Plane
from tests.augmentations.pair_maker import MIDDLE, SHAPE, labelled_pair, smooth_image


@pytest.fixture
def original(tmp_path):
    """A dataset of three sections, of which the last two images are the same section."""
    path = tmp_path / "original.h5"
    attributes = Attributes(atlas="phantom:100", atlas_version="1", resolution_um=(125, 126.7), stain="smooth")
    with create_dataset(path, 3, SHAPE, attributes) as file:
        for i in range(3):
            pair = labelled_pair(i)
            file["img"][i] = pair.img
            file["deltas_xy"][i] = pair.label.deltas_xy
            file["inv_deltas_xy"][i] = pair.inverse.deltas_xy
        file["p"][:] = [3000, 5000, 7000]
        file["image_id"][:] = [11, 22, 22]
        file["dataset_id"][:] = [7, 8, 8]
        file["corners_um"][:] = [Plane.coronal(i, (9, 80, 114)).corners_um for i in range(3)]
        file.attrs["laboratory"] = "ours"
    return path


class TestGenerateMov2art:
    def test_displacements_stay_below_the_radius_times_the_factor(self):
        for seed in range(5):
            field = DatasetAugmenter.generate_mov2art(smooth_image(), False, 10, False, random_state=seed)
            assert 0 < field.norm.max() <= 10.01

    def test_the_factor_is_normal_by_default(self):
        norms = [
            DatasetAugmenter.generate_mov2art(smooth_image(), radius_max=10, random_state=seed).norm.max()
            for seed in range(40)
        ]
        assert max(norms) > 10  # as no factor below 1 makes them

    def test_verbose_logs_the_factor(self, caplog):
        caplog.set_level("INFO", "atlalign")
        DatasetAugmenter.generate_mov2art(smooth_image(), verbose=False, random_state=0)
        assert not caplog.records
        DatasetAugmenter.generate_mov2art(smooth_image(), random_state=0)
        assert "multiplied by" in caplog.text

    @pytest.mark.parametrize("img", [np.zeros((20, 30)), np.zeros((20, 30, 3))])
    def test_an_image_without_edges_or_with_channels_is_refused(self, img):
        with pytest.raises(ValueError, match=r"img_mov must .* Received"):
            DatasetAugmenter.generate_mov2art(img)


class TestTheFile:
    def test_rows_keep_what_belongs_to_their_section(self, original, tmp_path):
        DatasetAugmenter(original).augment(tmp_path / "more.h5", n_iter=4, random_state=0)
        assert check_dataset(tmp_path / "more.h5") == []
        with open_dataset(original) as before, open_dataset(tmp_path / "more.h5") as after:
            for name in ("p", "image_id", "dataset_id", "corners_um"):
                np.testing.assert_array_equal(after[name][:], np.repeat(before[name][:], 4, axis=0))
            assert {name: str(value) for name, value in after.attrs.items()} == {
                name: str(value) for name, value in before.attrs.items()
            }
            training, validation = split_indexes(after["image_id"][:], 0.5, random_state=0)
            assert not set(after["image_id"][training]) & set(after["image_id"][validation])

    def test_stored_labels_register_stored_images(self, original, tmp_path):
        DatasetAugmenter(original).augment(tmp_path / "more.h5", n_iter=4, random_state=0)
        with open_dataset(original) as before, open_dataset(tmp_path / "more.h5") as after:
            for row in range(12):
                registered, again = (
                    DisplacementField.from_deltas_xy(file["deltas_xy"][i]).warp(file["img"][i]).astype(float)[MIDDLE]
                    for file, i in ((before, row // 4), (after, row))
                )
                assert np.abs(registered - again)[again > 0].mean() < 2

    def test_without_corners_the_augmented_file_has_none_either(self, original, tmp_path):
        with h5py.File(original, "r+") as file:
            del file["corners_um"]
        DatasetAugmenter(original).augment(tmp_path / "more.h5", n_iter=1, random_state=0)
        with open_dataset(tmp_path / "more.h5") as file:
            assert "corners_um" not in file

    def test_when_no_trial_is_accepted_the_original_pair_is_written(self, original, tmp_path, monkeypatch):
        monkeypatch.setattr(LabelledPair, "deform", lambda *_: None)
        assert DatasetAugmenter(original).augment(tmp_path / "more.h5", n_iter=2) == 6
        with open_dataset(original) as before, open_dataset(tmp_path / "more.h5") as after:
            for name in ("img", "deltas_xy", "inv_deltas_xy"):
                np.testing.assert_array_equal(after[name][:], np.repeat(before[name][:], 2, axis=0))

    def test_the_seed_decides(self, original, tmp_path):
        for name, seed in (("a", 1), ("b", np.random.default_rng(5)), ("c", np.random.default_rng(5)), ("d", 1)):
            DatasetAugmenter(original).augment(tmp_path / name, n_iter=1, random_state=seed)
        a, b, c, d = ((tmp_path / name).read_bytes() for name in "abcd")
        assert a == d != b == c


class TestTheJob:
    def test_the_same_bytes_whatever_the_number_of_workers(self, original, tmp_path):
        for workers in (1, 2):
            DatasetAugmenter(original).augment(tmp_path / f"{workers}.h5", 10, random_state=0, workers=workers)
        assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()

    def test_an_interrupted_call_goes_on_and_ends_with_the_same_bytes(self, original, tmp_path, monkeypatch):
        augmenter_ = DatasetAugmenter(original)
        augmenter_.augment(tmp_path / "whole.h5", random_state=0)
        made = []

        def interrupt(blocks, **_):
            for block in blocks:
                made.append(block)
                if len(made) == 2:
                    raise KeyboardInterrupt
                yield block

        with pytest.raises(KeyboardInterrupt):
            augmenter_.augment(tmp_path / "broken.h5", random_state=0, progress=interrupt)
        assert not (tmp_path / "broken.h5").exists()
        augmenter_.augment(tmp_path / "broken.h5", progress=lambda blocks, **_: (made.append(b) or b for b in blocks))
        assert made == [0, 1, 2, 3]
        assert (tmp_path / "broken.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.h5", "original.h5", "whole.h5"]

    def test_a_killed_process_leaves_no_worker_and_what_ends_with_the_same_bytes(self, original, tmp_path):
        DatasetAugmenter(original).augment(tmp_path / "whole.h5", 40, random_state=0)
        script = tmp_path / "script.py"
        script.write_text(
            "import multiprocessing, sys\n"
            "from atlalign.augmentations import DatasetAugmenter\n"
            "def tell(blocks, **_):\n"
            "    for block in blocks:\n"
            "        print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
            "        yield block\n"
            "if __name__ == '__main__':\n"
            "    DatasetAugmenter(sys.argv[1]).augment(sys.argv[2], 40, random_state=0, workers=2, progress=tell)\n"
        )
        command = [sys.executable, script, original, tmp_path / "broken.h5"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            workers = [int(word) for word in process.stdout.readline().split()]
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert workers
        assert not (tmp_path / "broken.h5").exists()
        assert list((tmp_path / ".broken.h5.parts").glob("*.npz"))
        deadline = time.monotonic() + 30
        while any(_is_running(worker) for worker in workers):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        script.unlink()

        DatasetAugmenter(original).augment(tmp_path / "broken.h5", 40, random_state=0)
        assert (tmp_path / "broken.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.h5", "original.h5", "whole.h5"]

    def test_what_is_left_of_a_finished_job_is_not_mixed_in(self, original, tmp_path):
        DatasetAugmenter(original).augment(tmp_path / "a.h5", 3, random_state=0)
        parts = tmp_path / ".b.h5.parts"  # as when it was killed while it removed them
        parts.mkdir()
        np.savez(parts / "000000.npz", img=np.zeros((8, *SHAPE), np.uint8))
        DatasetAugmenter(original).augment(tmp_path / "b.h5", 3, random_state=0)
        assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()

    @pytest.mark.parametrize("changes", [{"n_iter": 3}, {"p_reg": 0.1}, {"anchor": False}, {"random_state": 1}])
    def test_an_unfinished_augmentation_with_other_settings_is_not_mixed_in(self, original, tmp_path, changes):
        def interrupt(blocks, **_):
            next(iter(blocks))
            raise KeyboardInterrupt

        augmenter_ = DatasetAugmenter(original)
        common = {"n_iter": 2, "random_state": 0}
        with pytest.raises(KeyboardInterrupt):
            augmenter_.augment(tmp_path / "more.h5", **common, progress=interrupt)
        with pytest.raises(AtlalignError, match="unfinished augmentation with other settings"):
            augmenter_.augment(tmp_path / "more.h5", **(common | changes))

    def test_a_changed_original_is_not_mixed_in(self, original, tmp_path):
        def interrupt(blocks, **_):
            next(iter(blocks))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            DatasetAugmenter(original).augment(tmp_path / "more.h5", random_state=0, progress=interrupt)
        os.utime(original, ns=(0, 0))
        with pytest.raises(AtlalignError, match="unfinished augmentation with other settings"):
            DatasetAugmenter(original).augment(tmp_path / "more.h5", random_state=0)

    def test_a_worker_that_ends_by_itself_is_said_in_one_line(self, original, tmp_path, monkeypatch):
        monkeypatch.setattr(augmenter, "_Augmentation", _Crash)
        with pytest.raises(AtlalignError, match="fewer workers"):
            DatasetAugmenter(original).augment(tmp_path / "more.h5", random_state=0, workers=2)


def _process_id(_):
    time.sleep(0.01)
    return os.getpid()


class _Crash:
    def __init__(self, *_):
        pass

    def __call__(self, block):
        os._exit(1)


def _is_running(pid):
    """Whether a process runs; one that only waits to be collected does not."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where a cluster of two processes answers."""
    distributed = pytest.importorskip("distributed")
    options = {"threads_per_worker": 1, "dashboard_address": None}
    folder = str(tmp_path_factory.mktemp("cluster"))
    with distributed.LocalCluster(2, local_directory=folder, **options) as cluster:
        yield cluster.scheduler_address


class TestDask:
    def test_a_cluster_makes_the_same_bytes(self, address, original, tmp_path):
        DatasetAugmenter(original).augment(tmp_path / "here.h5", 10, random_state=0)
        DatasetAugmenter(original).augment(tmp_path / "there.h5", 10, random_state=0, dask=address)
        assert (tmp_path / "here.h5").read_bytes() == (tmp_path / "there.h5").read_bytes()

    def test_it_is_other_processes_that_do_the_work(self, address):
        with workforce(1, address) as run:
            assert os.getpid() not in set(run(_process_id, range(20)))

    def test_what_a_worker_raises_is_said_in_one_line(self, address):
        with workforce(1, address) as run, pytest.raises(AtlalignError, match=r"workers of a Dask .* ValueError: math"):
            list(run(math.sqrt, [-1]))

    def test_an_address_that_does_not_answer_is_refused_and_nothing_is_written(self, original, tmp_path, monkeypatch):
        pytest.importorskip("distributed")
        monkeypatch.setattr("atlalign._workers._CONNECT_SECONDS", 1)
        with pytest.raises(AtlalignError, match="must be the address of a running Dask scheduler"):
            DatasetAugmenter(original).augment(tmp_path / "more.h5", dask="tcp://127.0.0.1:1")
        assert [path.name for path in tmp_path.iterdir()] == ["original.h5"]

    def test_without_dask_the_error_names_the_extra(self, original, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "dask.distributed", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'atlalign\[dask\]'"):
            DatasetAugmenter(original).augment(tmp_path / "more.h5", dask="tcp://127.0.0.1:1")
        assert [path.name for path in tmp_path.iterdir()] == ["original.h5"]


class TestWrongInput:
    @pytest.mark.parametrize(
        "arguments",
        [
            {"n_iter": 0},
            {"n_iter": 1.5},
            {"max_trials": 0},
            {"max_corrupted_pixels": 0},
            {"ds_f": 0},
            {"workers": 0},
            {"p_reg": -0.1},
            {"p_reg": float("nan")},
            {"random_state": -1},
        ],
    )
    def test_arguments_out_of_range_are_refused_and_nothing_is_written(self, original, tmp_path, arguments):
        with pytest.raises(ValueError, match="Received"):
            DatasetAugmenter(original).augment(tmp_path / "more.h5", **arguments)
        assert [path.name for path in tmp_path.iterdir()] == ["original.h5"]

    @pytest.mark.parametrize("name", ["deltas_xy", "inv_deltas_xy"])
    def test_a_label_that_is_not_finite_is_refused(self, original, tmp_path, name):
        with h5py.File(original, "r+") as file:
            file[name][1, 5, 5] = np.nan
        with pytest.raises(InvalidFileError, match=f"sample 1: '{name}' is not finite"):
            DatasetAugmenter(original).augment(tmp_path / "more.h5")
        assert [path.name for path in tmp_path.iterdir()] == ["original.h5"]

    def test_the_original_is_not_overwritten(self, original, tmp_path):
        (tmp_path / "link.h5").symlink_to(original)
        before = original.read_bytes()
        for path in (original, tmp_path / "link.h5"):
            with pytest.raises(ValueError, match="another file than the original"):
                DatasetAugmenter(original).augment(path)
        assert original.read_bytes() == before

    def test_a_missing_folder_is_refused(self, original, tmp_path):
        with pytest.raises(FileNotFoundError, match="mkdir -p"):
            DatasetAugmenter(original).augment(tmp_path / "none" / "more.h5")

    def test_a_missing_original_is_refused(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"none\.h5"):
            DatasetAugmenter(tmp_path / "none.h5")
