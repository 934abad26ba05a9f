"""Atlases from folders of volumes: formats, orientations, spacings, faults."""

import json

import numpy as np
import pytest

from atlalign.atlas import Atlas
from atlalign.errors import AtlasError
from atlalign.plane import Plane

SHAPE = (5, 6, 8)
TOML = """
name = "small"
version = "1"
species = "Mus musculus"
orientation = "{orientation}"
citation = "nobody"
license = "none"
[reference]
file = "{reference}"
resolution_um = {reference_resolution}
{reference_extra}
[annotation]
file = "{annotation}"
resolution_um = {resolution}
{annotation_extra}
[structures]
file = "{structures}"
format = "{format}"
"""
ROWS = [(1, "root", "all", None), (2, "CTX", "cortex", 1), (70000, "L1", "layer 1", 2)]


def _annotation():
    return np.random.default_rng(0).choice(np.array([0, 1, 2, 70000], np.uint32), SHAPE)


def _reference():
    return np.random.default_rng(1).integers(0, 500, SHAPE).astype(np.uint16)


def _write_volume(path, volume):
    suffix = "".join(path.suffixes)
    if suffix == ".npy":
        np.save(path, volume)
    elif suffix == ".npz":
        np.savez_compressed(path, data=volume)
    elif suffix == ".nrrd":
        import nrrd

        nrrd.write(str(path), volume)
    elif suffix in (".nii", ".nii.gz"):
        import nibabel

        # NIfTI readers disagree about uint32: float64 holds every id
        nibabel.save(nibabel.Nifti1Image(volume.astype(np.float64), np.eye(4)), path)
    else:
        import tifffile

        tifffile.imwrite(path, volume)


def _write_structures(path, kind):
    if kind == "csv":
        lines = [f"{i},{acronym},{name},{parent or ''},{i % 256},5,9" for i, acronym, name, parent in ROWS]
        path.write_text("\n".join(["id,acronym,name,parent_id,r,g,b", *lines]))
    elif kind == "brainglobe":
        paths = {1: [1], 2: [1, 2], 70000: [1, 2, 70000]}
        path.write_text(
            json.dumps(
                [
                    {
                        "id": i,
                        "acronym": a,
                        "name": n,
                        "structure_id_path": paths[i],
                        "rgb_triplet": [i % 256, 5, 9],
                    }
                    for i, a, n, _ in ROWS
                ]
            )
        )
    else:
        node = None
        for i, acronym, name, _ in reversed(ROWS):
            children = [node] if node else []
            node = {"id": i, "acronym": acronym, "name": name, "color_hex_triplet": f"{i % 256:02x}0509"}
            node["children"] = children
        path.write_text(json.dumps({"msg": [node]}))


def write_folder(folder, *, suffix=".npy", kind="csv", orientation="asr", **changes):
    folder.mkdir(exist_ok=True)
    values = {
        "orientation": orientation,
        "reference": f"reference{suffix}",
        "reference_resolution": [25, 50, 40],
        "reference_extra": "",
        "annotation": f"annotation{suffix}",
        "annotation_extra": "",
        "resolution": [25, 50, 40],
        "structures": "structures.file",
        "format": kind,
    } | changes
    _write_volume(folder / f"reference{suffix}", _reference())
    _write_volume(folder / f"annotation{suffix}", _annotation())
    _write_structures(folder / "structures.file", kind)
    (folder / "atlas.toml").write_text(TOML.format(**values))
    return folder


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".nrrd", ".nii", ".nii.gz", ".tif", ".tiff"])
def test_every_volume_format_gives_the_same_atlas(tmp_path, suffix):
    atlas = Atlas.load(write_folder(tmp_path, suffix=suffix))
    assert atlas.shape == SHAPE
    np.testing.assert_array_equal(atlas.annotation_volume(), _annotation())
    expected = np.clip(_reference() / np.percentile(_reference()[_reference() > 0], 99.9), 0, 1)
    np.testing.assert_allclose(atlas.reference_volume(), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["csv", "brainglobe", "allen"])
def test_every_structures_format_gives_the_same_structures(tmp_path, kind):
    structures = Atlas.load(write_folder(tmp_path, kind=kind)).structures
    assert [s.acronym for s in structures.values()] == ["root", "CTX", "L1"]
    assert structures["L1"].path == (1, 2, 70000)
    assert structures["CTX"].rgb == (2, 5, 9)


def test_manifest_fields_are_the_atlass_own(tmp_path):
    atlas = Atlas.load(write_folder(tmp_path))
    assert (atlas.name, atlas.version, atlas.species) == ("small", "1", "Mus musculus")
    assert (atlas.citation, atlas.license) == ("nobody", "none")
    assert atlas.resolution_um == (25, 50, 40)
    assert atlas.shape_um == (125, 300, 320)
    assert atlas.spec == str(tmp_path.resolve())
    assert Atlas.load(atlas.spec).shape == atlas.shape


@pytest.mark.parametrize(("orientation", "axes", "flips"), [("psr", (0, 1, 2), (0,)), ("rip", (2, 1, 0), (0, 1))])
def test_other_orientations_are_brought_to_asr(tmp_path, orientation, axes, flips):
    # axes: which axis of the file is ap, dv, ml; flips: those of the result that run the other way
    atlas = Atlas.load(write_folder(tmp_path, orientation=orientation))
    expected = np.flip(_annotation().transpose(axes), flips)
    np.testing.assert_array_equal(atlas.annotation_volume(), expected)
    np.testing.assert_array_equal(atlas.resolution_um, np.array([25, 50, 40])[list(axes)])
    reference = np.flip(_reference().transpose(axes), flips)
    np.testing.assert_array_equal(np.argsort(atlas.reference_volume()[1], None)[:5], np.argsort(reference[1], None)[:5])


def test_a_mirrored_axis_mirrors_the_place_of_the_first_voxel(tmp_path):
    extra = "first_voxel_um = [20.0, 25.0, 20.0]"
    atlas = Atlas.load(write_folder(tmp_path, orientation="psr", reference_extra=extra))
    shifted = atlas.reference_plane(Plane([-7.5, 25, 0], [0, 0, 320], [125, 0, 0]), (5, 8))
    white = np.percentile(_reference()[_reference() > 0], 99.9)
    expected = np.clip(_reference()[::-1, 0] / white, 0, 1)
    np.testing.assert_allclose(shifted, expected, atol=1e-5)


def test_a_coarser_reference_is_interpolated_at_its_own_voxel_centres(tmp_path):
    folder = write_folder(
        tmp_path, reference_resolution=[50, 50, 40], reference_extra="first_voxel_um = [12.5, 25, 20]"
    )
    coarse = np.zeros((3, 6, 8), np.uint16)
    coarse[:] = np.array([100, 200, 400], np.uint16)[:, None, None]
    np.save(folder / "reference.npy", coarse)
    volume = Atlas.load(folder).reference_volume()
    np.testing.assert_allclose(volume[:, 3, 3], np.array([100, 150, 200, 300, 400]) / 400)


def test_an_oblique_plane_interpolates_a_linear_reference_exactly(tmp_path):
    folder = write_folder(tmp_path)
    ap, dv, ml = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    linear = 100.0 + 3 * ap + 5 * dv + 2 * ml
    np.save(folder / "reference.npy", linear)
    atlas = Atlas.load(folder)
    plane = Plane([40, 60, 60], [30, 20, 180], [-20, 150, 10])
    i, j, k = np.moveaxis(plane.grid_um((9, 7)) / (25, 50, 40) - 0.5, -1, 0)
    expected = (100 + 3 * i + 5 * j + 2 * k) / np.percentile(linear, 99.9)
    np.testing.assert_allclose(atlas.reference_plane(plane, (9, 7)), expected, rtol=1e-5)


def test_planes_outside_the_atlas_are_empty(tmp_path):
    atlas = Atlas.load(write_folder(tmp_path))
    plane = Plane([-100, 0, 0], [0, 0, 320], [0, 300, 0])
    assert not atlas.annotation_plane(plane).any()
    assert not atlas.reference_plane(plane).any()


def test_values_that_are_not_numbers_become_dark(tmp_path):
    folder = write_folder(tmp_path)
    volume = _reference().astype(np.float32)
    volume[2] = np.nan
    np.save(folder / "reference.npy", volume)
    atlas = Atlas.load(folder)
    assert np.isfinite(atlas.reference_volume()).all()
    assert atlas.reference_volume()[4].any()


def _toml(folder, old, new):
    path = folder / "atlas.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "atlas.toml").unlink(), "must hold an atlas.toml"),
        (lambda f: (f / "atlas.toml").write_text("name = "), "valid TOML"),
        (lambda f: _toml(f, 'name = "small"', ""), "name is not valid"),
        (lambda f: _toml(f, "[25, 50, 40]", "[25, -50, 40]"), "resolution_um"),
        (lambda f: _toml(f, '"asr"', '"asa"'), "orientation is not valid"),
        (lambda f: _toml(f, "[25, 50, 40]", "[25, nan, 40]"), r"resolution_um\.1 is not valid.*finite"),
        (lambda f: _toml(f, "[25, 50, 40]", "[25, inf, 40]"), r"resolution_um\.1 is not valid.*finite"),
        (
            lambda f: _toml(f, "[annotation]", "first_voxel_um = [0, nan, 0]\n[annotation]"),
            r"reference\.first_voxel_um\.1 is not valid.*finite.*page \"Install\"",
        ),
        (lambda f: (f / "atlas.toml").write_text("a = " + "[" * 10_000), "nested too deeply"),
        (lambda f: (f / "atlas.toml").write_text("a = " + "9" * 5000), "valid TOML"),
        (lambda f: (f / "structures.file").write_text("id,acronym\n1," + "a" * 140_000), r"structures\.file.*field"),
        (lambda f: _toml(f, '"csv"', '"xls"'), "structures.format is not valid"),
        (lambda f: _toml(f, 'name = "small"', 'name = "small"\ncolour = 1'), "colour is not valid"),
        (lambda f: (f / "annotation.npy").unlink(), "Every file that an atlas.toml names must exist"),
        (lambda f: (f / "annotation.npy").write_bytes(b"junk"), r"annotation\.npy"),
        (
            lambda f: (f / "annotation.npy").write_bytes((f / "annotation.npy").read_bytes()[:200]),
            r"annotation\.npy",
        ),
        (lambda f: np.save(f / "annotation.npy", np.zeros((3, 4))), "3D array of numbers"),
        (lambda f: np.save(f / "annotation.npy", np.zeros((9, 9, 9), np.uint32)), r"reference\.npy"),
        (lambda f: np.save(f / "annotation.npy", np.array([[["a"]]])), "3D array of numbers"),
        (lambda f: (f / "structures.file").write_text("id\n1"), r"structures\.file"),
        (
            lambda f: (f / "structures.file").write_text("id,acronym,name,parent_id,r,g,b\n1,a,a,7,0,0,0"),
            "parent",
        ),
    ],
)
def test_a_fault_that_shows_at_once_is_one_line_that_names_the_file(tmp_path, spoil, message):
    folder = write_folder(tmp_path)
    spoil(folder)
    with pytest.raises(AtlasError, match=message) as caught:
        Atlas.load(folder)
    assert "\n" not in str(caught.value)
    assert "Received" in str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".nrrd", ".nii.gz", ".tif"])
def test_a_truncated_volume_is_one_line_that_names_the_file(tmp_path, suffix):
    folder = write_folder(tmp_path, suffix=suffix)
    path = folder / f"annotation{suffix}"
    # a TIFF ends in the offsets of its pages: only the loss of voxels makes it unreadable
    path.write_bytes(path.read_bytes()[: -900 if suffix == ".tif" else -150])
    with pytest.raises(AtlasError, match="annotation") as caught:
        Atlas.load(folder).annotation_volume()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["allen", "brainglobe"])
def test_structures_that_are_nested_too_deeply_are_one_line_that_names_the_file(tmp_path, kind):
    folder = write_folder(tmp_path, kind=kind)
    (folder / "structures.file").write_text("[" * 100_000)
    with pytest.raises(AtlasError, match=r"structures\.file.*RecursionError") as caught:
        Atlas.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [-1, 2.5, np.nan, 2.0**32, np.uint64(2**32 + 1), np.int64(2**32)])
def test_an_annotation_that_holds_no_ids_is_refused(tmp_path, value):
    folder = write_folder(tmp_path)
    np.save(folder / "annotation.npy", np.full(SHAPE, value))
    with pytest.raises(AtlasError, match="must hold structure ids"):
        Atlas.load(folder).annotation_plane(0)


def test_ids_of_64_bits_are_read_whole(tmp_path):
    folder = write_folder(tmp_path)
    np.save(folder / "annotation.npy", np.full(SHAPE, 2**32 - 1, np.uint64))
    assert (Atlas.load(folder).annotation_plane(0) == 2**32 - 1).all()


def test_an_annotation_of_only_0_is_refused_when_first_used(tmp_path):
    folder = write_folder(tmp_path)
    np.save(folder / "annotation.npy", np.zeros(SHAPE, np.uint32))
    atlas = Atlas.load(folder)
    with pytest.raises(AtlasError, match="ids other than 0") as caught:
        atlas.annotation_plane(0)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [0, np.nan, -3, np.inf])
def test_a_reference_without_a_bright_voxel_is_refused_when_first_used(tmp_path, value):
    folder = write_folder(tmp_path)
    np.save(folder / "reference.npy", np.full(SHAPE, value, np.float32))
    atlas = Atlas.load(folder)
    with pytest.raises(AtlasError, match="finite values above 0") as caught:
        atlas.reference_plane(0)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_array_of_an_archive_is_taken_by_its_key(tmp_path):
    folder = write_folder(tmp_path, suffix=".npz", annotation_extra='key = "b"')
    np.savez(folder / "annotation.npz", a=np.zeros((2, 2)), b=_annotation())
    np.testing.assert_array_equal(Atlas.load(folder).annotation_volume(), _annotation())
    _toml(folder, '"b"', '"c"')
    with pytest.raises(AtlasError, match=r"a, b\. Received: c"):
        Atlas.load(folder)


def test_pickled_arrays_are_never_read(tmp_path):
    folder = write_folder(tmp_path)
    np.save(folder / "annotation.npy", np.array([[[{}]]], dtype=object), allow_pickle=True)
    with pytest.raises(AtlasError, match=r"annotation\.npy"):
        Atlas.load(folder)


def test_an_annotation_whose_first_voxel_is_elsewhere_is_refused(tmp_path):
    folder = write_folder(tmp_path, annotation_extra="first_voxel_um = [0, 0, 0]")
    with pytest.raises(AtlasError, match="half its spacing"):
        Atlas.load(folder)


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing"])
def test_a_path_that_leads_nowhere_is_refused_with_the_three_choices(name):
    with pytest.raises(AtlasError, match=r"'phantom', a folder with an atlas\.toml, or an installed BrainGlobe"):
        Atlas.load(name)


def test_spacing_is_for_the_phantom_only(tmp_path):
    with pytest.raises(ValueError, match="only the phantom"):
        Atlas.load(write_folder(tmp_path), spacing_um=50)
