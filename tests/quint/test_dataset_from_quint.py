"""A registered series becomes a dataset: what is in it, what is left out, and how it goes on."""

import json
import os

import numpy as np
import pytest

from atlalign import Plane, Registrar, Section
from atlalign.dataset import check_dataset, open_dataset
from atlalign.errors import AtlalignError, InvalidFileError
from atlalign.ml_utils.io import SupervisedGenerator
from atlalign.quint import dataset_from_quint
from tests.quint.series_maker import ATLAS, SHAPE, entry, oblique_plane, picture, small_series, write_series


def make(folder, path=None, **options):
    path = path or folder / "series.json"
    return dataset_from_quint(path, folder, ATLAS, folder / "pairs.h5", **options)


def columns(folder, *names):
    with open_dataset(folder / "pairs.h5") as file:
        return [file[name][:] for name in names]


def test_each_section_becomes_a_pair_without_faults(tmp_path):
    small_series(tmp_path)
    made = make(tmp_path, stain="Nissl")
    assert list(made.tissue_overlap) == ["brain_s010.png", "brain_s011.png", "brain_s012.png"]
    assert min(made.tissue_overlap.values()) > 0.95
    assert (made.left_out, made.without_image, made.without_anchoring) == ({}, [], [])
    assert check_dataset(tmp_path / "pairs.h5") == []
    with open_dataset(tmp_path / "pairs.h5") as file:
        assert file["img"].shape == (3, *SHAPE)
        assert file["p"][:].tolist() == [5050, 5650, 6250]
        assert file["image_id"][:].tolist() == [10, 11, 12]
        assert len(set(file["dataset_id"][:])) == 1
        assert file.attrs["atlas"] == ATLAS.spec
        assert file.attrs["stain"] == "Nissl"
        assert file.attrs["resolution_um"].tolist() == [100, 100]


def test_the_generator_gives_what_the_registrar_shows_its_networks(tmp_path):
    plane = oblique_plane()
    markers = [[70, 60, 77, 64]]
    image = picture(plane)
    write_series(tmp_path, [("a.png", image, entry("a.png", plane, image.shape, markers))])
    make(tmp_path, place_by="anchoring")
    [pair], _ = SupervisedGenerator(tmp_path / "pairs.h5")[0]
    seen = []

    def predict(*images):
        seen.append(np.stack(images, axis=-1))
        return np.zeros((*SHAPE, 2))

    Registrar(ATLAS, local_model=predict).register(Section(image), plane=plane)
    assert np.abs(pair - seen[0]).max() < 0.5 / 255 + 1e-4


def test_sections_of_other_sizes_than_the_series_states_are_the_same_pairs(tmp_path):
    plane = oblique_plane()
    stated = entry("a.png", plane, (94, 126), [[35, 30, 38.5, 32]])
    small, large = stated, entry("b.png", plane, (188, 252), [[70, 60, 77, 64]])
    write_series(tmp_path, [("a.png", picture(plane), small), ("b.png", picture(plane), large)])
    make(tmp_path)
    for column in columns(tmp_path, "img", "deltas_xy"):
        assert np.array_equal(column[0], column[1])


def test_a_size_of_the_pairs_can_be_chosen(tmp_path):
    small_series(tmp_path)
    make(tmp_path, shape=(40, 57))
    with open_dataset(tmp_path / "pairs.h5") as file:
        assert file["deltas_xy"].shape == (3, 40, 57, 2)
        assert file.attrs["resolution_um"].tolist() == [200, 200]


def test_the_brains_number_follows_from_the_names_of_its_sections(tmp_path):
    found = []
    for run, (n, more) in enumerate([(3, {}), (3, {"resolution": 5}), (2, {})]):
        folder = tmp_path / str(run)
        folder.mkdir()
        small_series(folder, n, **more)
        make(folder)
        found.append(columns(folder, "dataset_id")[0][0])
    assert found[0] == found[1] != found[2]
    make(folder, dataset_id=42)
    assert columns(folder, "dataset_id")[0].tolist() == [42, 42]


@pytest.fixture
def mixed_series(tmp_path):
    """A series of which one section is good, and each of the others has something else."""
    good, beyond = oblique_plane(tilt=0), oblique_plane(14000, tilt=0)
    shape = (188, 252)
    fold = [[80, 90, 170, 90], [170, 90, 80, 90]]
    sections = [
        ("missing.png", None, entry("missing.png", good, shape)),
        ("good.png", picture(good), entry("good.png", good, shape)),
        ("folded.png", picture(good), entry("folded.png", good, shape, fold)),
        ("beyond.png", picture(good), entry("beyond.png", beyond, shape)),
        ("blank.png", np.full(shape, 250, np.uint8), entry("blank.png", good, shape)),
        ("cropped.png", picture(good)[:, :200], entry("cropped.png", good, shape)),
        ("free.png", picture(good), {"filename": "free.png", "nr": 3}),
        ("broken.png", None, entry("broken.png", good, shape)),
    ]
    path = write_series(tmp_path, sections)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and no more")
    return path


def test_sections_that_cannot_be_used_are_left_out_with_the_reason(mixed_series, tmp_path):
    made = make(tmp_path)
    assert list(made.tissue_overlap) == ["good.png"]
    assert made.without_image == ["missing.png"]
    assert made.without_anchoring == ["free.png"]
    reasons = {
        "folded.png": "must not fold",
        "beyond.png": "tissue of the atlas",
        "blank.png": "tissue",
        "cropped.png": "200 x 188 px, for 252 x 188",
        "broken.png": "cannot be read|damaged|PNG",
    }
    assert set(made.left_out) == set(reasons)
    for name, reason in made.left_out.items():
        assert any(part in reason for part in reasons[name].split("|")), reason
        assert "\n" not in reason
    assert check_dataset(tmp_path / "pairs.h5") == []


def test_a_series_without_a_usable_section_leaves_nothing_behind(mixed_series, tmp_path):
    (tmp_path / "good.png").unlink()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(AtlalignError, match=r"(?s)^[^\n]*5 with an image, none of which can. folded.png: [^\n]*$"):
        make(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_sections_that_overlap_less_than_asked_are_left_out(tmp_path):
    good = oblique_plane(tilt=0)
    off = Plane(good.origin_um + np.array([0, 0, 2500]), good.u_um, good.v_um)
    image = picture(good)
    write_series(
        tmp_path,
        [("a.png", image, entry("a.png", good, image.shape)), ("b.png", image, entry("b.png", off, image.shape))],
    )
    assert list(make(tmp_path).tissue_overlap) == ["a.png", "b.png"]
    made = make(tmp_path, least_overlap=0.9)
    assert list(made.tissue_overlap) == ["a.png"]
    assert "at least 0.9" in made.left_out["b.png"]


def test_the_file_is_the_same_whatever_the_number_of_workers(tmp_path):
    small_series(tmp_path)
    make(tmp_path)
    one = (tmp_path / "pairs.h5").read_bytes()
    make(tmp_path, workers=2)
    assert (tmp_path / "pairs.h5").read_bytes() == one


def test_an_interrupted_conversion_goes_on_where_it_stopped(tmp_path):
    small_series(tmp_path)
    make(tmp_path)
    whole = (tmp_path / "pairs.h5").read_bytes()
    (tmp_path / "pairs.h5").unlink()

    def interrupt(sections, total, done):
        yield next(iter(sections))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, progress=interrupt)
    assert not (tmp_path / "pairs.h5").exists()
    counts = []

    def count(sections, total, done):
        counts.append((total, done))
        return sections

    make(tmp_path, progress=count)
    assert counts == [(3, 1)]
    assert (tmp_path / "pairs.h5").read_bytes() == whole
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("change", ["image", "markers", "option"])
def test_an_interrupted_conversion_does_not_go_on_with_something_else(tmp_path, change):
    path = small_series(tmp_path)

    def interrupt(sections, total, done):
        yield next(iter(sections))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, progress=interrupt)
    options = {}
    if change == "image":
        os.utime(tmp_path / "brain_s011.png", ns=(1, 1))
    elif change == "markers":
        series = json.loads(path.read_text())
        series["slices"][1]["markers"][0][3] += 1
        path.write_text(json.dumps(series))
    else:
        options = {"place_by": "anchoring"}
    with pytest.raises(AtlalignError, match="unfinished conversion with other settings"):
        make(tmp_path, **options)


def test_files_without_markers_are_labelled_by_their_anchoring(tmp_path):
    small_series(tmp_path, 1)
    anchoring = ATLAS.plane(5050).to_quicknii()
    header = "Filenames,ox,oy,oz,ux,uy,uz,vx,vy,vz"
    path = tmp_path / "series.csv"
    path.write_text(f"{header}\nbrain_s010.png,{','.join(map(str, anchoring))}\n")
    make(tmp_path)
    expected = columns(tmp_path, "img", "deltas_xy", "image_id")
    make(tmp_path, path)
    for found, same in zip(columns(tmp_path, "img", "deltas_xy", "image_id"), expected, strict=True):
        assert np.array_equal(found, same)


def test_placing_by_anchoring_needs_markers(tmp_path):
    small_series(tmp_path, 1)
    with pytest.raises(ValueError, match="every field is 0"):
        make(tmp_path, place_by="anchoring")


@pytest.mark.parametrize(
    "options",
    [
        {"place_by": "hand"},
        {"least_overlap": 2},
        {"least_overlap": float("nan")},
        {"channel": -1},
        {"dataset_id": -1},
        {"dataset_id": 2**63},
        {"dataset_id": 1.5},
        {"workers": 0},
        {"shape": (3, 3)},
        {"pixel_size_um": 0},
    ],
)
def test_an_option_out_of_range_is_refused_before_anything_is_read(tmp_path, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}.*Received"):
        make(tmp_path, tmp_path / "nowhere.json", **options)


def test_a_series_of_another_atlas_is_refused(tmp_path):
    path = small_series(tmp_path, 1)
    series = json.loads(path.read_text())
    path.write_text(json.dumps({**series, "target": "Rat", "target-resolution": [512, 1024, 512]}))
    with pytest.raises(InvalidFileError, match="atlas"):
        make(tmp_path)
    assert not list(tmp_path.glob("*.h5"))
