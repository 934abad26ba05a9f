"""Fields for ITK and ANTs: what their own programs make of our files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign import Atlas, DisplacementField, Plane, Section, register
from atlalign.errors import InvalidFileError
from atlalign.export.itk import (
    ItkFiles,
    read_field_nifti,
    read_field_nrrd,
    write_field_nifti,
    write_field_nrrd,
    write_itk,
)

ATLAS = Atlas.load("phantom:100")
READERS = {"field.nii.gz": read_field_nifti, "field.nii": read_field_nifti, "field.nrrd": read_field_nrrd}
WRITERS = {"field.nii.gz": write_field_nifti, "field.nii": write_field_nifti, "field.nrrd": write_field_nrrd}


def _bent(reference, moving):
    return DisplacementField.generate(reference.shape, "diffeomorphic", amplitude=3, sigma=10, random_state=1).deltas_xy


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a registration of a mirrored section whose pixels are larger than the canvas's, and its folder."""
    whole = ATLAS.plane(7400)
    plane = Plane(whole.origin_um + whole.u_um, -whole.u_um, whole.v_um)
    section = Section(ATLAS.reference_plane(plane, (60, 80)), name="s.tif")
    registration = register(section, ATLAS, plane=plane, local_model=_bent)
    return registration, ItkFiles(write_itk(registration, tmp_path_factory.mktemp("itk") / "out"))


def _inside(field, margin=1.0):
    """Return the pixels whose values come from well inside the input image."""
    height, width = field.shape
    y, x = np.indices(field.shape)
    x, y = x + field.delta_x, y + field.delta_y
    return (x > margin) & (x < width - 1 - margin) & (y > margin) & (y < height - 1 - margin)


@pytest.mark.parametrize("name", ["field", "field_nrrd", "inverse_field", "inverse_field_nrrd"])
def test_simpleitk_warps_with_our_file_as_we_do(written, name):
    sitk = pytest.importorskip("SimpleITK")
    registration, files = written
    inverse = name.startswith("inverse")
    field = registration.inverse_field if inverse else registration.field
    image = registration.reference if inverse else registration.moving
    fixed, moving = (sitk.ReadImage(str(path)) for path in (files.fixed, files.moving))
    if inverse:
        fixed, moving = moving, fixed
    vectors = sitk.ReadImage(str(getattr(files, name)), sitk.sitkVectorFloat64)
    assert vectors.GetDimension() == 2
    assert np.allclose(vectors.GetSpacing(), fixed.GetSpacing(), rtol=1e-6)
    transform = sitk.DisplacementFieldTransform(vectors)
    warped = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0))
    inside = _inside(field)
    assert inside.mean() > 0.8
    assert np.abs(warped - field.warp(image))[inside].max() < 1e-4
    assert np.abs(warped - image)[inside].max() > 0.1


def test_simpleitk_warps_the_section_itself_with_field_and_affine(written):
    sitk = pytest.importorskip("SimpleITK")
    registration, files = written
    section = sitk.GetImageFromArray(registration.section.image)
    section.SetSpacing([size / 1000 for size in registration.canvas.section_pixel_um])
    chain = sitk.CompositeTransform(2)
    chain.AddTransform(sitk.ReadTransform(str(files.canvas_to_section)))
    chain.AddTransform(sitk.DisplacementFieldTransform(sitk.ReadImage(str(files.field), sitk.sitkVectorFloat64)))
    fixed = sitk.ReadImage(str(files.fixed))
    warped = sitk.GetArrayFromImage(sitk.Resample(section, fixed, chain, sitk.sitkLinear, 0.0))
    inside = _inside(registration.field, margin=2)
    assert np.abs(warped - registration.warp())[inside].max() < 1e-4


def test_ants_warps_with_our_files_as_we_do(written):
    ants = pytest.importorskip("ants")
    registration, files = written
    fixed, moving = ants.image_read(str(files.fixed)), ants.image_read(str(files.moving))
    inside, back = _inside(registration.field, margin=2), _inside(registration.inverse_field)
    # ANTs' first axis is x.
    warped = ants.apply_transforms(fixed, moving, [str(files.field)]).numpy().T
    assert np.abs(warped - registration.field.warp(registration.moving))[inside].max() < 1e-4
    unwarped = ants.apply_transforms(moving, fixed, [str(files.inverse_field)]).numpy().T
    assert np.abs(unwarped - registration.inverse_field.warp(registration.reference))[back].max() < 1e-4
    section = ants.from_numpy(registration.section.image.T.astype(np.float32))
    section.set_spacing([size / 1000 for size in registration.canvas.section_pixel_um])
    chain = [str(files.field), str(files.canvas_to_section)]
    assert np.abs(ants.apply_transforms(fixed, section, chain).numpy().T - registration.warp())[inside].max() < 1e-4


def test_a_point_goes_where_the_registration_says(written):
    sitk = pytest.importorskip("SimpleITK")
    registration, files = written
    marker = np.argwhere(ATLAS.annotation_plane(7400) == ATLAS.structures["MRK"].id).mean(axis=0)[::-1]
    field = sitk.DisplacementFieldTransform(sitk.ReadImage(str(files.field), sitk.sitkVectorFloat64))
    affine = sitk.ReadTransform(str(files.canvas_to_section))
    section_mm = np.array(affine.TransformPoint(field.TransformPoint((marker * 0.1).tolist())))
    found = section_mm * 1000 / registration.canvas.section_pixel_um
    expected = registration.atlas_to_section(registration.canvas.plane.pixels_to_um(marker[None], (80, 114)))[0]
    assert np.abs(found - expected).max() < 1e-3
    # The section is mirrored: the marker of the animal's left lies on the left of its image.
    assert found[0] < registration.section.shape[1] / 2


def test_every_named_file_is_there_and_no_other(written):
    _, files = written
    named = {path.name for path in vars(files).values() if path != files.folder}
    assert {path.name for path in files.folder.iterdir()} == named


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=10, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    spacing=st.tuples(st.floats(1e-3, 10), st.floats(1e-3, 10)),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_written_is_read(tmp_path_factory, name, shape, spacing, seed):
    field = DisplacementField(*np.random.default_rng(seed).normal(0, 5, (2, *shape)))
    path = tmp_path_factory.mktemp("field") / name
    WRITERS[name](path, field, spacing)
    again, spacing_mm = READERS[name](path)
    assert np.allclose(again.deltas_xy, field.deltas_xy, rtol=1e-5, atol=1e-5)
    assert np.allclose(spacing_mm, spacing, rtol=1e-6)


@pytest.mark.parametrize("name", ["field.nii.gz", "field.nrrd"])
def test_a_field_of_simpleitk_is_read(tmp_path, name):
    sitk = pytest.importorskip("SimpleITK")
    vectors = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    image = sitk.GetImageFromArray(vectors, isVector=True)
    image.SetSpacing((0.1, 0.2))
    sitk.WriteImage(image, str(tmp_path / name))
    field, spacing_mm = READERS[name](tmp_path / name)
    assert np.allclose(field.deltas_xy, vectors / [0.1, 0.2], rtol=1e-5)
    assert np.allclose(spacing_mm, (0.1, 0.2))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", [b"", b"no field", b"NRRD0004\ntype: float\n"], ids=["empty", "text", "cut off"])
def test_a_file_without_a_field_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidFileError, match="A field must be") as caught:
        READERS[name](path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_cut_off_is_refused(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, DisplacementField(*np.random.default_rng(0).normal(size=(2, 20, 30))), 1)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InvalidFileError, match="A field must be"):
        READERS[name](path)


def test_a_field_of_the_intent_that_itk_turns_is_refused(tmp_path):
    import nibabel

    image = nibabel.Nifti1Image(np.zeros((3, 4, 1, 1, 2), np.float32), np.eye(4))
    image.header.set_intent(1006)
    nibabel.save(image, tmp_path / "field.nii.gz")
    with pytest.raises(InvalidFileError, match="intent 1006"):
        read_field_nifti(tmp_path / "field.nii.gz")


@pytest.mark.parametrize("name", ["field.nii.gz", "field.nrrd"])
def test_a_field_whose_axes_are_turned_is_refused(tmp_path, name):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(np.zeros((5, 7, 2)), isVector=True)
    image.SetDirection((-1, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / name))
    with pytest.raises(InvalidFileError, match="not turned"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", WRITERS)
def test_a_field_that_is_not_finite_is_not_written(tmp_path, name):
    with pytest.raises(ValueError, match="must be finite"):
        WRITERS[name](tmp_path / name, DisplacementField(np.full((3, 3), np.nan), np.zeros((3, 3))), 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_field_nifti, write_field_nrrd])
def test_another_ending_is_refused(tmp_path, write):
    with pytest.raises(ValueError, match="must end in"):
        write(tmp_path / "field.tif", DisplacementField.generate((3, 3)), 1)


@pytest.mark.parametrize("spacing", [0, -1, (1, np.nan), (1, 2, 3), "wide"])
def test_a_spacing_that_is_not_positive_is_refused(tmp_path, spacing):
    with pytest.raises(ValueError, match="spacing_mm must be"):
        write_field_nrrd(tmp_path / "field.nrrd", DisplacementField.generate((3, 3)), spacing)
