"""BrainGlobe atlases: one written to disk and read by name, and objects of the older interface."""

import json
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from atlalign.atlas import Atlas
from atlalign.atlas.brainglobe import installed_brainglobe, wrap_brainglobe
from atlalign.errors import AtlasError, MissingExtraError

NAME = "tiny_mouse_100um"
SHAPE = (6, 5, 7)
STRUCTURES = [
    {
        "id": 999,
        "acronym": "root",
        "name": "root",
        "structure_id_path": [999],
        "rgb_triplet": [255, 255, 255],
    },
    {"id": 5, "acronym": "CTX", "name": "cortex", "structure_id_path": [999, 5], "rgb_triplet": [0, 128, 16]},
]


def _volumes():
    rng = np.random.default_rng(0)
    return {
        "template": rng.integers(1, 60000, SHAPE).astype(np.uint16),
        "annotation": rng.choice(np.array([0, 5, 999], np.uint32), SHAPE),
        "hemispheres": rng.integers(1, 3, SHAPE).astype(np.uint8),
    }


def _write(folder, *, symmetric=False, with_voxels=True):
    """Write an atlas as brainglobe-atlasapi 3 stores it: components under one root, volumes as OME-Zarr."""
    pytest.importorskip("brainglobe_atlasapi", minversion="3")
    import shutil

    import ngff_zarr

    root = folder / "brainglobe-atlasapi"
    terminology, annotations, templates = (
        root / kind / "tiny" / "1_0" for kind in ("terminologies", "annotation-sets", "templates")
    )
    terminology.mkdir(parents=True)
    lines = ["identifier,parent_identifier,annotation_value,name,abbreviation,color_hex_triplet,root_identifier_path"]
    for s in STRUCTURES:
        path = s["structure_id_path"]
        colour = "#" + "".join(f"{channel:02X}" for channel in s["rgb_triplet"])
        parent = path[-2] if len(path) > 1 else ""
        lines.append(f'{s["id"]},{parent},{s["id"]},{s["name"]},{s["acronym"]},{colour},"{path}"')
    (terminology / "terminology.csv").write_text("\n".join(lines))
    volumes = _volumes()
    for name, target in (
        ("template", templates / "template.ome.zarr"),
        ("annotation", annotations / "annotations_compressed.ome.zarr"),
        ("hemispheres", annotations / "hemispheres.ome.zarr"),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        image = ngff_zarr.to_ngff_image(volumes[name], dims=["z", "y", "x"], scale=dict.fromkeys("zyx", 0.1))
        ngff_zarr.to_ngff_zarr(str(target), ngff_zarr.to_multiscales(image, scale_factors=[]), version="0.5")
        if not with_voxels:
            for chunks in target.glob("**/c"):
                shutil.rmtree(chunks)
    manifest = root / "atlases" / NAME / "1_0" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(
        json.dumps(
            {
                "name": NAME,
                "version": "1.0",
                "species": "Mus musculus",
                "citation": "nobody",
                "symmetric": symmetric,
                "orientation": "asr",
                "resolution": [100.0, 100.0, 100.0],
                "shape": list(SHAPE),
                "terminology": {"name": "tiny", "location": "/terminologies/tiny/1_0"},
                "annotation_set": {
                    "name": "tiny",
                    "location": "/annotation-sets/tiny/1_0",
                    "template": {"location": "/templates/tiny/1_0"},
                },
            }
        )
    )
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("brainglobe"))


@pytest.fixture(scope="module")
def atlas(installed):
    return Atlas.load(NAME, brainglobe_dir=installed)


def test_an_installed_atlas_is_listed(installed):
    assert installed_brainglobe(installed) == [NAME]


def test_planes_are_those_that_were_written(atlas):
    volumes = _volumes()
    assert atlas.shape == SHAPE
    assert atlas.resolution_um == (100, 100, 100)
    np.testing.assert_array_equal(atlas.annotation_plane(250), volumes["annotation"][2])
    white = np.percentile(volumes["template"], 99.9)
    np.testing.assert_allclose(atlas.reference_plane(250), np.clip(volumes["template"][2] / white, 0, 1), atol=1e-6)


def test_a_folder_of_the_same_name_does_not_hide_an_installed_atlas(installed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).mkdir()
    assert Atlas.load(NAME, brainglobe_dir=installed).shape == SHAPE


def test_structures_are_those_that_were_written(atlas):
    assert [s.acronym for s in atlas.structures.values()] == ["root", "CTX"]
    assert atlas.structures["CTX"].rgb == (0, 128, 16)
    assert atlas.structures["CTX"].path == (999, 5)


def test_hemispheres_of_an_asymmetric_atlas_are_those_that_were_written(atlas):
    points = (np.argwhere(np.ones(SHAPE)) + 0.5) * 100
    np.testing.assert_array_equal(atlas.hemisphere_at(points), _volumes()["hemispheres"].ravel())


def test_metadata_is_carried_over(atlas):
    assert (atlas.name, atlas.version, atlas.spec) == (NAME, "1.0", NAME)
    assert (atlas.species, atlas.citation) == ("Mus musculus", "nobody")


def test_an_atlas_from_another_folder_is_found_again_by_a_worker(installed, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(installed)
    sent = pickle.dumps(Atlas.load(NAME, brainglobe_dir="."))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    again = pickle.loads(sent)
    np.testing.assert_array_equal(again.annotation_volume(), _volumes()["annotation"])
    assert again.brainglobe_dir == str(installed.resolve())


def test_a_symmetric_atlas_is_split_in_the_middle(tmp_path):
    atlas = Atlas.load(NAME, brainglobe_dir=_write(tmp_path, symmetric=True))
    sides = atlas.hemisphere_at([[50, 50, 100 * k + 50] for k in range(7)])
    # the middle plane of an odd number counts as left
    assert sides.tolist() == [2, 2, 2, 1, 1, 1, 1]


def test_volumes_that_are_not_on_the_machine_are_not_downloaded(tmp_path, capsys):
    atlas = Atlas.load(NAME, brainglobe_dir=_write(tmp_path, with_voxels=False))
    with pytest.raises(AtlasError, match=r"must be on this machine.*Fetch them once with"):
        atlas.annotation_plane(0)
    assert capsys.readouterr().out == ""


def test_an_atlas_that_is_not_installed_is_an_error_that_names_the_command(installed):
    with pytest.raises(AtlasError, match=r"brainglobe install -a allen_mouse_25um") as caught:
        Atlas.load("allen_mouse_25um", brainglobe_dir=installed)
    assert NAME in str(caught.value)
    assert "'phantom'" in str(caught.value)
    assert "atlas.toml" in str(caught.value)
    assert not (installed / "brainglobe-atlasapi" / "atlases" / "allen_mouse_25um").exists()


def test_a_misspelt_name_of_an_installed_atlas_is_put_right(installed):
    with pytest.raises(AtlasError, match=rf"Did you mean {NAME}\?$"):
        Atlas.load(NAME[:3] + NAME[4:], brainglobe_dir=installed)


def test_a_misspelt_name_of_a_known_atlas_is_put_right(installed):
    pytest.importorskip("brainglobe_atlasapi.atlas_name")
    with pytest.raises(AtlasError, match=r"mean allen_mouse_25um\? .*brainglobe install -a allen_mouse_25um$"):
        Atlas.load("allen_mous_25um", brainglobe_dir=installed)


def test_a_damaged_installation_is_one_line(tmp_path):
    folder = _write(tmp_path)
    next(folder.glob("**/terminology.csv")).unlink()
    with pytest.raises(AtlasError, match="must be whole") as caught:
        Atlas.load(NAME, brainglobe_dir=folder)
    assert "\n" not in str(caught.value)


def test_without_the_extra_the_error_names_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "brainglobe_atlasapi", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'atlalign\[brainglobe\]'"):
        Atlas.load("allen_mouse_25um", brainglobe_dir=tmp_path)
    assert installed_brainglobe(tmp_path) == []


def test_the_older_interface_is_read_through_its_own_names():
    volumes = _volumes()
    old = SimpleNamespace(
        metadata={"name": NAME, "version": "1.2", "symmetric": True},
        reference=volumes["template"],
        annotation=volumes["annotation"],
        structures={s["id"]: s for s in STRUCTURES},
        resolution=(100.0, 100.0, 100.0),
        shape=SHAPE,
    )
    atlas = wrap_brainglobe(old, NAME)
    np.testing.assert_array_equal(atlas.annotation_volume(), volumes["annotation"])
    assert atlas.reference_volume().max() == 1


def test_a_volume_of_another_shape_than_stated_is_refused():
    wrong = SimpleNamespace(
        metadata={},
        template=np.zeros((1, 2, 3)),
        annotation=np.zeros((1, 2, 3)),
        structures={s["id"]: s for s in STRUCTURES},
        resolution=(100, 100, 100),
        shape=SHAPE,
    )
    with pytest.raises(AtlasError, match="must have the shape"):
        wrap_brainglobe(wrong, NAME).reference_plane(0)
