"""Batches: what is done is not done again, what fails stops nothing, and whatever does the work gives the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest

from atlalign import Atlas, Plane
from atlalign.errors import AtlalignError, MissingExtraError
from atlalign.registration import BatchFiles, LandmarkPairs, SectionJob, find_sections, register_batch

ATLAS = Atlas.load("phantom:200")
POSITIONS_UM = (5000, 6000, 7000)
ROOT = Path(__file__).resolve().parents[2]


def shifting(reference, moving):
    """A model whose answer depends on what it sees."""
    return np.broadcast_to(np.float32([moving.mean(), 1]), (*reference.shape, 2))


def other_shifting(reference, moving):
    return shifting(reference, moving) + 1


def refusing(reference, moving):
    raise AssertionError("nothing was to be done")


def first_then_dying(reference, moving):
    """A model that kills its process with the second section that it sees."""
    if os.environ.pop("ATLALIGN_TEST_LIVES", None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return shifting(reference, moving)


def dying_of_the_second(reference, moving):
    """A model that kills every process that sees the second section."""
    if np.isclose(reference.mean(), ATLAS.reference_plane(POSITIONS_UM[1]).mean(), rtol=1e-5):
        os.kill(os.getpid(), signal.SIGKILL)
    return shifting(reference, moving)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Three planes of the phantom, and in `out` what a batch makes of them."""
    folder = tmp_path_factory.mktemp("original")
    for ap_um in POSITIONS_UM:
        iio.imwrite(folder / f"s{ap_um}.png", np.uint8(255 * ATLAS.reference_plane(ap_um)))
    batch(jobs_in(folder), folder / "out")
    return folder


@pytest.fixture
def jobs(original, tmp_path):
    """Three planes of the phantom."""
    for path in original.glob("*.png"):
        shutil.copy2(path, tmp_path)
    return jobs_in(tmp_path)


def jobs_in(folder):
    return [SectionJob(folder / f"s{ap_um}.png", position_um=ap_um, pixel_size_um=200) for ap_um in POSITIONS_UM]


def batch(jobs, out, **options):
    return list(register_batch(jobs, ATLAS, out, **{"local_model": shifting, **options}))


def content(out):
    """The bytes of every result, but for how long it took."""
    files = {path.relative_to(out): path.read_bytes() for path in Path(out).rglob("*") if path.is_file()}
    return {path: data for path, data in files.items() if path.name not in ("sections.csv", "request.json")}


def redone(jobs, out, **options):
    return [outcome.job.out for outcome in batch(jobs, out, **options) if not outcome.earlier]


@pytest.fixture
def done(original, tmp_path):
    """The folder of a batch in which all is done."""
    shutil.copytree(original / "out", tmp_path / "out")
    return tmp_path / "out"


def test_each_section_gets_a_folder_and_a_row(jobs, done):
    table = pd.read_csv(BatchFiles(done).sections)
    assert table["out"].tolist() == ["s5000", "s6000", "s7000"]
    assert set(table["state"]) == {"done"}
    assert table["position_um"].tolist() == list(POSITIONS_UM)
    assert (table["tissue_overlap_before"] > 0.9).all()
    assert all((done / name / "labels.tif").is_file() for name in table["out"])
    assert sorted(path.name for path in done.iterdir()) == ["s5000", "s6000", "s7000", "sections.csv"]


def test_what_is_done_is_not_done_again(jobs, done):
    before = content(done)
    table = pd.read_csv(BatchFiles(done).sections).drop(columns="section")
    assert redone(jobs, done) == []
    assert content(done) == before
    pd.testing.assert_frame_equal(pd.read_csv(BatchFiles(done).sections).drop(columns="section"), table)


def test_nothing_is_loaded_when_nothing_is_to_be_done(jobs, done):
    def begin():
        raise AssertionError

    assert redone(jobs, done, begin=begin) == []


def test_all_is_done_again_when_that_is_wanted(jobs, done):
    assert redone(jobs, done, redo=True) == ["s5000", "s6000", "s7000"]


@pytest.mark.parametrize(
    "options",
    [
        {"local_model": other_shifting},
        {"global_model": shifting},
        {"variations": 1},
        {"export": ["quint"]},
        {"auto_orient": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_other_options_are_another_request(jobs, done, options):
    assert redone(jobs[:1], done, **options) == ["s5000"]


@pytest.mark.parametrize(
    "changes",
    [
        {"position_um": 5100},
        {"pixel_size_um": 190},
        {"rotate": 180},
        {"invert": False},
        {"hemisphere": "both"},
        {"landmarks": LandmarkPairs([[20, 20]], [[5000, 4000, 4000]])},
        {
            "position_um": None,
            "pixel_size_um": None,
            "plane": Plane.from_quicknii([0, 328, 320, 456, 0, 0, 0, 0, -320]),
        },
    ],
    ids=lambda changes: " ".join(changes),
)
def test_a_section_with_other_options_is_done_again_alone(jobs, done, changes):
    jobs[0] = replace(jobs[0], **changes)
    assert redone(jobs, done) == ["s5000"]


def test_a_section_whose_file_or_mask_has_changed_is_done_again(jobs, done, tmp_path):
    image = iio.imread(jobs[1].section)
    iio.imwrite(jobs[1].section, image // 2)
    assert redone(jobs, done) == ["s6000"]
    mask = tmp_path / "mask.png"
    iio.imwrite(mask, np.full(image.shape, 255, np.uint8))
    jobs[2] = replace(jobs[2], mask=mask)
    assert redone(jobs, done) == ["s7000"]
    assert redone(jobs, done) == []
    os.utime(mask, (1, 1))
    assert redone(jobs, done) == ["s7000"]


def test_a_model_of_the_same_content_is_the_same_model(jobs, tmp_path, monkeypatch):
    files = [tmp_path / "a.keras", tmp_path / "moved.keras", tmp_path / "trained-again.keras"]
    for file, text in zip(files, ("weights", "weights", "others"), strict=True):
        file.write_text(text)
    monkeypatch.setattr("atlalign.registration.registrar.predictors", lambda *_: [("local", shifting)])
    assert len(redone(jobs, tmp_path / "out", local_model=files[0])) == 3
    assert redone(jobs, tmp_path / "out", local_model=files[1]) == []
    assert len(redone(jobs, tmp_path / "out", local_model=files[2])) == 3


def test_a_result_whose_record_is_damaged_is_made_again(jobs, done):
    (done / "s5000" / "registration.json").write_text("{")
    (done / "s6000" / "registration.json").unlink()
    (done / "s7000" / "request.json").write_text("[]")
    assert redone(jobs, done) == ["s5000", "s6000", "s7000"]


@pytest.fixture
def broken(jobs, tmp_path):
    """Four jobs: two can be done, one file is a text and one is missing."""
    (tmp_path / "text.png").write_text("Dear colleague,")
    wrong = [SectionJob(tmp_path / "text.png", position_um=6000), SectionJob(tmp_path / "none.png", position_um=6000)]
    return [jobs[0], *wrong, jobs[1]]


def test_a_section_that_fails_is_reported_and_does_not_stop_the_rest(broken, tmp_path):
    outcomes = batch(broken, tmp_path / "out")
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "failed", "done"]
    assert "text.png, which holds none of them" in outcomes[1].error
    assert "none.png" in outcomes[2].error
    table = pd.read_csv(BatchFiles(tmp_path / "out").sections, keep_default_na=False)
    assert table["error"].tolist() == [outcome.error or "" for outcome in outcomes]
    assert not (tmp_path / "out" / "text").exists()


def test_sections_that_failed_are_tried_again(broken, tmp_path):
    batch(broken, tmp_path / "out")
    iio.imwrite(tmp_path / "text.png", iio.imread(broken[0].section))
    assert redone(broken, tmp_path / "out") == ["text", "none"]
    assert [outcome.state for outcome in batch(broken, tmp_path / "out")].count("done") == 3


def test_errors_that_nobody_foresaw_fail_a_section_in_one_line(jobs, tmp_path):
    (outcome,) = batch(jobs[:1], tmp_path / "out", local_model=refusing)
    assert outcome.error == "AssertionError: nothing was to be done"


def test_an_earlier_result_survives_a_later_failure(jobs, done):
    before = content(done)
    assert batch(jobs[:1], done, local_model=refusing)[0].state == "failed"
    assert content(done) == before
    assert redone(jobs, done) == []


def test_sections_of_other_calls_stay_in_the_table_while_their_results_do(jobs, tmp_path):
    out = tmp_path / "out"
    batch(jobs[:1], out)
    batch(jobs[1:], out)
    assert pd.read_csv(out / "sections.csv")["out"].tolist() == ["s6000", "s7000", "s5000"]
    (out / "s5000" / "registration.json").unlink()
    batch(jobs[1:], out)
    assert pd.read_csv(out / "sections.csv")["out"].tolist() == ["s6000", "s7000"]


def test_what_comes_later_waits_in_the_table(jobs, tmp_path):
    outcomes = register_batch(jobs, ATLAS, tmp_path / "out", local_model=shifting)
    next(outcomes)
    assert pd.read_csv(tmp_path / "out" / "sections.csv")["state"].tolist() == ["done", "waiting", "waiting"]
    outcomes.close()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["s5000", "sections.csv"]


def test_progress_counts_what_was_done_before(jobs, done):
    seen = {}

    def progress(items, **counts):
        seen.update(counts)
        return items

    batch([*jobs, replace(jobs[0], out="again")], done, progress=progress)
    assert seen == {"total": 4, "done": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be a positive integer"),
        ({"refine": -1}, "refine must be"),
        ({"export": ["PDF"]}, "An export must be"),
        ({"local_model": "none.keras"}, "none.keras"),
    ],
)
def test_options_that_are_wrong_are_refused_before_any_work(jobs, tmp_path, options, message):
    with pytest.raises((ValueError, OSError), match=message):
        batch(jobs, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position_um": 20000}, "position_um must satisfy"),
        ({"rotate": 45}, "rotate must be"),
        ({"hemisphere": "top"}, "hemisphere must be"),
        ({"pixel_size_um": -1}, "Received: -1"),
        ({"mask": "none.png"}, "The mask must be an existing file"),
        ({"out": "s6000"}, "need different names"),
    ],
)
def test_what_is_known_to_be_wrong_with_a_job_is_refused_before_any_work(jobs, tmp_path, changes, message):
    jobs[0] = replace(jobs[0], **changes)
    with pytest.raises((ValueError, OSError), match=message):
        batch(jobs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sections_that_a_person_named_can_be_read_before_any_work(broken, tmp_path):
    with pytest.raises(ValueError, match=r"text\.png"):
        batch(broken, tmp_path / "out", check_progress=iter)
    assert not (tmp_path / "out").exists()


def test_a_second_batch_in_the_same_folder_is_refused(jobs, tmp_path):
    outcomes = register_batch(jobs, ATLAS, tmp_path / "out", local_model=shifting)
    next(outcomes)
    with pytest.raises(AtlalignError, match="another job is at work"):
        batch(jobs, tmp_path / "out")
    assert [outcome.state for outcome in outcomes] == ["done", "done"]


def test_several_processes_give_what_one_gives(broken, tmp_path):
    batch(broken, tmp_path / "one")
    outcomes = batch(broken, tmp_path / "two", workers=2)
    assert sorted(outcome.state for outcome in outcomes) == ["done", "done", "failed", "failed"]
    assert content(tmp_path / "two") == content(tmp_path / "one")
    one, two = (pd.read_csv(tmp_path / name / "sections.csv").drop(columns="seconds") for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)


def test_a_section_that_kills_its_process_fails_and_the_others_are_done(jobs, tmp_path):
    outcomes = batch(jobs, tmp_path / "out", local_model=dying_of_the_second, workers=2)
    assert {outcome.job.out: outcome.state for outcome in outcomes} == {
        "s5000": "done",
        "s6000": "failed",
        "s7000": "done",
    }
    [failed] = [outcome for outcome in outcomes if outcome.error]
    assert "Received: s6000.png, whose process was ended by the system twice" in failed.error
    assert pd.read_csv(BatchFiles(tmp_path / "out").sections)["state"].tolist() == ["done", "failed", "done"]


def test_a_cluster_gives_what_one_process_gives(jobs, done, tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"processes": False, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(1, local_directory=str(tmp_path / "dask"), **options) as cluster:
        outcomes = batch(jobs, tmp_path / "there", dask=cluster.scheduler_address)
    assert [outcome.state for outcome in outcomes] == ["done"] * 3
    assert {outcome.job.section for outcome in outcomes} == {job.section for job in jobs}
    assert content(tmp_path / "there") == content(done)


def test_without_dask_the_error_names_the_extra(jobs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'atlalign\[dask\]'"):
        batch(jobs, tmp_path / "out", dask="tcp://127.0.0.1:1")
    assert not (tmp_path / "out").exists()


def test_a_batch_that_is_killed_loses_only_the_section_under_way(jobs, tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.registration.test_batch import batch, first_then_dying, jobs_in\n"
        "folder = Path(sys.argv[1])\n"
        "batch(jobs_in(folder), folder / 'out', local_model=first_then_dying)\n"
    )
    environment = {**os.environ, "ATLALIGN_TEST_LIVES": "1"}
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert pd.read_csv(out / "sections.csv")["state"].tolist() == ["done", "waiting", "waiting"]
    request = out / "s5000" / "request.json"
    stored = json.loads(request.read_text())
    stored["request"]["models"]["local"] = f"{shifting.__module__}.{shifting.__qualname__}"
    request.write_text(json.dumps(stored))  # the model that did not die gives the same
    assert redone(jobs, out) == ["s6000", "s7000"]
    batch(jobs, tmp_path / "whole")
    assert content(out) == content(tmp_path / "whole")


def test_images_of_a_folder_are_found_in_the_order_of_their_numbers(tmp_path):
    for name in ("s10.tif", "s9.TIF", "s9b.jpg", "notes.txt", ".s1.png", "series.json"):
        (tmp_path / name).touch()
    (tmp_path / "sub.png").mkdir()
    (tmp_path / "s11.zarr").mkdir()
    (tmp_path / "s11.zarr" / ".zattrs").touch()
    assert [path.name for path in find_sections(tmp_path)] == ["s9.TIF", "s9b.jpg", "s10.tif", "s11.zarr"]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must hold images"):
        find_sections(tmp_path)
