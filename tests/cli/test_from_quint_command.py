"""`atlalign dataset from-quint`: what it writes and says, and how it answers wrong input."""

import json
import subprocess
import sys

import pytest

from atlalign.dataset import check_dataset, open_dataset
from tests.quint.series_maker import ATLAS, SHAPE, entry, picture, small_series, write_series


def convert(run, series, images, out, *words):
    return run("atlalign", "dataset", "from-quint", series, "--images", images, "--atlas", "phantom:100", out, *words)


def test_it_writes_a_dataset_without_faults_and_says_how_well_it_fits(run, tmp_path):
    series = small_series(tmp_path)
    answer = convert(run, series, tmp_path, tmp_path / "pairs.h5")
    assert answer.code == 0, answer.err
    first, second = answer.out.strip().splitlines()
    assert first == f"Wrote 3 pairs to {tmp_path / 'pairs.h5'}"
    assert second == "Tissue overlap with the atlas: median 1.000, lowest 0.960 (brain_s011.png)"
    assert "Left out" not in answer.err
    assert check_dataset(tmp_path / "pairs.h5") == []


def test_it_says_in_a_line_each_what_was_left_out(run, tmp_path):
    plane, shape = ATLAS.plane(6050), SHAPE
    fold = [[30, 40, 80, 40], [80, 40, 30, 40]]
    missing = [(f"m{i}.png", None, entry(f"m{i}.png", plane, shape)) for i in range(7)]
    there = [
        (name, picture(plane, shape), entry(name, plane, shape, rows))
        for name, rows in (("a.png", []), ("b.png", fold))
    ]
    free = [("f.png", None, {"filename": "f.png"})]
    series = write_series(tmp_path, [*missing, *there, *free])
    answer = convert(run, series, tmp_path, tmp_path / "pairs.h5")
    assert answer.code == 0, answer.err
    lines = [line for line in answer.err.splitlines() if not line.startswith("Converting")]
    assert lines[0] == "Left out 7 with no image: m0.png, m1.png, m2.png, m3.png, m4.png and 2 more"
    assert lines[1] == "Left out 1 with no anchoring: f.png"
    assert lines[2].startswith("Left out b.png: Markers must not fold the section.")
    assert len(lines) == 3


def test_a_program_reads_the_same_as_json(run, tmp_path):
    series = small_series(tmp_path)
    (tmp_path / "brain_s010.png").unlink()
    (tmp_path / "brain_s011.png").write_bytes(b"no image")
    answer = json.loads(convert(run, series, tmp_path, tmp_path / "pairs.h5", "--json").out)
    assert answer["without_image"] == ["brain_s010.png"]
    assert list(answer["left_out"]) == ["brain_s011.png"]
    assert list(answer["tissue_overlap"]) == ["brain_s012.png"]


def test_the_options_reach_the_conversion(run, tmp_path, monkeypatch):
    received = {}

    def record(*args, **kwargs):
        received.update(kwargs, args=args)
        raise ValueError("enough")

    monkeypatch.setattr("atlalign.quint.dataset_from_quint", record)
    words = (
        "--place-by anchoring --shape 40,57 --least-overlap 0.8 --pixel-size-um 10,12 --channel 1 --dataset-id 5 "
        "--stain Nissl --workers 2"
    )
    assert convert(run, tmp_path / "s.json", tmp_path, tmp_path / "o.h5", *words.split()).code == 2
    assert received.pop("args") == (tmp_path / "s.json", tmp_path, "phantom:100", tmp_path / "o.h5")
    received.pop("progress")
    assert received == {
        "place_by": "anchoring",
        "shape": (40, 57),
        "least_overlap": 0.8,
        "pixel_size_um": (10, 12),
        "channel": 1,
        "dataset_id": 5,
        "stain": "Nissl",
        "workers": 2,
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere.json"], "nowhere.json"),
        (["series.json", "--images", "nowhere"], "must be in a folder"),
        (["series.json", "--images", "empty"], "none of 2"),
        (["broken.json"], "must be a series"),
        (["series.json", "--atlas", "no_such_atlas"], "no_such_atlas"),
        (["series.json", "--shape", "big"], "--shape"),
        (["series.json", "--shape", "4,4"], "shape"),
        (["series.json", "--pixel-size-um", "0"], "pixel_size_um"),
        (["series.json", "--pixel-size-um", "1,2,3"], "pixel_size_um"),
        (["series.json", "--least-overlap", "nan"], "least_overlap"),
        (["series.json", "--place-by", "hand"], "tissue, anchoring"),
        (["plain.json", "--place-by", "anchoring"], "need markers"),
        (["series.json", "--workers", "0"], "workers"),
        (["series.json", "--dataset-id", "-1"], "dataset-id"),
        (["series.json", "nowhere/out.h5"], "folder must exist"),
        (["series.json", "empty"], "must be a file"),
        (["series.txt"], ".json, .xml or .csv"),
    ],
)
def test_wrong_input_gets_one_line_and_leaves_nothing(run, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    small_series(tmp_path, 2)
    plane = ATLAS.plane(6050)
    write_series(tmp_path, [("p.png", picture(plane, SHAPE), entry("p.png", plane, SHAPE))], "plain.json")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "series.txt").write_text("{}")
    (tmp_path / "empty").mkdir()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    defaults = [] if len(words) > 1 and not words[1].startswith("--") else ["out.h5"]
    for option, value in (("--images", "."), ("--atlas", "phantom:100")):
        if option not in words:
            defaults += [option, value]
    answer = run("atlalign", "dataset", "from-quint", *words, *defaults)
    assert answer.code == 2
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    assert answer.err.startswith("Error: ")
    assert expected in answer.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_ctrl_c_stops_it_in_order_and_the_same_call_goes_on(tmp_path):
    small_series(tmp_path)
    words = ["dataset", "from-quint", "series.json", "--images", ".", "--atlas", "phantom:100", "pairs.h5"]
    for limit, code in ((2, 130), (99, 0)):
        program = (
            "import sys, atlalign.quint.conversion as conversion\n"
            "from atlalign.cli import main\n"
            "original, calls = conversion._convert, []\n"
            "def convert(*args):\n"
            "    calls.append(args)\n"
            f"    if len(calls) == {limit}: raise KeyboardInterrupt\n"
            "    return original(*args)\n"
            "conversion._convert = convert\n"
            "sys.argv[0] = 'atlalign'\n"
            "main()\n"
        )
        finished = subprocess.run(
            [sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert finished.returncode == code, finished.stderr
    with open_dataset(tmp_path / "pairs.h5") as file:
        assert file["image_id"][:].tolist() == [10, 11, 12]
