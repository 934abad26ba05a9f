"""No damaged file brings a reader to a crash, a hang, much memory or an unclear answer."""

import argparse
import importlib
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
N_CASES = 60
READERS = (
    "dataset", "model", "section PNG", "section JPEG", "section TIFF", "section pyramid", "mask", "field",
    "field NIfTI", "field NRRD", "registration", "quality", "areas", "labels", "GeoJSON", "QUINT", "anchorings XML",
    "anchorings CSV", "landmarks", "landmark pairs", "points", "groups CSV", "groups JSON", "manifest",
    "training settings", "history", "atlas manifest", "atlas structures", "atlas volume",
)  # fmt: skip


@pytest.fixture(scope="module")
def scripts():
    """Import a module of scripts/."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield importlib.import_module


@pytest.fixture(scope="module")
def samples(scripts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    scripts("fuzzing.readers").make_samples(folder)
    return folder


def test_every_reader_is_tried(scripts):
    assert set(READERS) == set(scripts("fuzzing.readers").readers())


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_read_or_refused_in_one_clear_line(scripts, samples, tmp_path, reader):
    how = argparse.Namespace(seed=0, cases=N_CASES, limit=20, keep=None)
    report = scripts("fuzz_readers").fuzz(reader, samples, tmp_path / "case", how, seconds=60)
    assert report["findings"] == []
    assert report["refused"] > 0


def test_an_unclear_answer_is_found(scripts, samples, tmp_path, monkeypatch):
    worker, reading = scripts("fuzzing.worker"), scripts("fuzzing.readers")

    def unclear(path):
        raise ValueError("no")

    assert worker.answer(reading.Reader("a", "a", unclear), tmp_path, 5) == (True, "unclear: ValueError: 'no'")


def test_damage_is_repeatable_and_changes_most_files(scripts):
    mutate = scripts("fuzzing.mutations").mutate
    sound = b'{"width": 90, "height": 60, "anchoring": [1, 2, 3]}'
    damaged = [mutate(sound, np.random.default_rng(seed)) for seed in range(50)]
    assert damaged == [mutate(sound, np.random.default_rng(seed)) for seed in range(50)]
    assert np.mean([content != sound for content in damaged]) > 0.9
