"""Registration by ANTs: the field is what ANTs itself does."""

from pathlib import Path

import ants
import numpy as np
import pytest

from atlalign import DisplacementField
from atlalign.errors import AtlalignError
from atlalign.non_ml import antspy_registration

FEW = (20, 10, 0)
# Each of 0.6.2, but TVMSQC, which takes half a minute.
TYPES = [
    "Translation", "Rigid", "Similarity", "QuickRigid", "DenseRigid", "BOLDRigid", "Affine", "AffineFast", "BOLDAffine",
    "TRSAA", "ElasticSyN", "SyN", "SyNRA", "SyNOnly", "SyNCC", "SyNabp", "SyNBold", "SyNBoldAff", "SyNAggro", "TVMSQ",
]  # fmt: skip
NEWER = ["TV[1]", "antsRegistrationSyNQuick[s]", "antsRegistrationSyN[t]"]


@pytest.fixture(scope="module")
def field_of_seed_7(bent_pair):
    return antspy_registration(bent_pair.fixed, bent_pair.moving, reg_iterations=FEW, random_state=7)[0]


@pytest.fixture(scope="module")
def rigid(bent_pair, tmp_path_factory):
    return antspy_registration(bent_pair.fixed, bent_pair.moving, "Rigid", path=tmp_path_factory.mktemp("rigid"))


def apply_in_ants(files, fixed, moving):
    images = ants.from_numpy(fixed), ants.from_numpy(moving)
    return ants.apply_transforms(*images, files, whichtoinvert=[False] * len(files)).numpy()


@pytest.mark.parametrize("registration_type", TYPES + NEWER)
def test_the_field_warps_as_ants_does_with_every_type(bent_pair, registration_type, tmp_path):
    iterations = (4, 2, 0) if "TV" in registration_type else FEW
    field, meta = antspy_registration(
        bent_pair.fixed, bent_pair.moving, registration_type, reg_iterations=iterations, path=tmp_path
    )
    inside, warped = bent_pair.inside(field), field.warp(bent_pair.moving)
    assert inside.mean() > 0.6
    expected = apply_in_ants(meta["fwdtransforms"], bent_pair.fixed, bent_pair.moving)
    np.testing.assert_allclose(warped[inside], expected[inside], atol=1e-4)
    np.testing.assert_allclose(warped[inside], meta["warpedmovout"].numpy()[inside], atol=1e-4)


def test_a_known_affine_transformation_is_found(affine_pair):
    field, _ = antspy_registration(affine_pair.fixed, affine_pair.moving, "Affine")
    assert field.shape == affine_pair.fixed.shape != affine_pair.moving.shape
    assert affine_pair.error(field) < affine_pair.identity_error() / 10


def test_a_known_deformation_is_found_better_than_by_its_affine_part(bent_pair):
    affine, _ = antspy_registration(bent_pair.fixed, bent_pair.moving, "Affine")
    syn, _ = antspy_registration(bent_pair.fixed, bent_pair.moving)
    assert bent_pair.error(syn) < bent_pair.error(affine) / 2 < bent_pair.identity_error() / 4


def test_a_moving_image_to_the_right_and_down_gives_positive_displacements():
    y, x = np.mgrid[:48, :64]
    fixed = np.exp(-((x - 26) ** 2 / 90 + (y - 20) ** 2 / 40))
    field, _ = antspy_registration(fixed, np.roll(fixed, (3, 7), axis=(0, 1)), "Translation")
    np.testing.assert_allclose(field.deltas_xy[20, 26], [7, 3], atol=0.2)


def test_the_inverse_of_the_field_warps_as_the_inverse_of_ants(bent_pair):
    h, w = bent_pair.fixed.shape
    moving = bent_pair.moving[6 : 6 + h, 2 : 2 + w]
    field, meta = antspy_registration(bent_pair.fixed, moving)
    expected = meta["warpedfixout"].numpy()
    backwards = [np.abs(f.warp(bent_pair.fixed) - expected).mean() for f in (field.pseudo_inverse(), field)]
    assert backwards[0] < 0.01
    assert backwards[0] < backwards[1] / 10


class TestSeed:
    def test_the_same_seed_gives_the_same_field(self, bent_pair, field_of_seed_7):
        again, _ = antspy_registration(bent_pair.fixed, bent_pair.moving, reg_iterations=FEW, random_state=7)
        assert again == field_of_seed_7

    def test_another_seed_gives_another_field(self, bent_pair, field_of_seed_7):
        other, _ = antspy_registration(
            bent_pair.fixed, bent_pair.moving, reg_iterations=FEW, random_state=np.random.default_rng(8)
        )
        assert other != field_of_seed_7
        assert bent_pair.error(other) < bent_pair.identity_error() / 3

    def test_the_processes_of_the_seed_leave_nothing_behind_and_fail_in_one_line(self, bent_pair, clean):
        broken = clean / "broken.mat"
        broken.write_text("no transform")
        with pytest.raises(AtlalignError, match=r"^ANTs must [^\n]*Received: [^\n]*$"):
            antspy_registration(bent_pair.fixed, bent_pair.moving, initial_transform=broken, random_state=1)
        broken.unlink()


def test_images_of_8_bits_come_back_in_their_grey_levels(bent_pair):
    fixed, moving = (np.rint(img * 255).astype("uint8") for img in (bent_pair.fixed, bent_pair.moving))
    field, meta = antspy_registration(fixed, moving, "Rigid")
    inside = bent_pair.inside(field)
    np.testing.assert_allclose(field.warp(moving)[inside], meta["warpedmovout"].numpy()[inside], atol=0.51)
    assert meta["warpedfixout"].numpy().max() > 100


def test_without_a_path_nothing_stays_on_the_disk_and_no_file_is_named(bent_pair, clean):
    _, meta = antspy_registration(bent_pair.fixed, bent_pair.moving, "Rigid")
    assert set(meta) == {"warpedmovout", "warpedfixout"}


def test_a_failure_leaves_nothing_behind_and_says_so_in_one_line(bent_pair, clean):
    broken = clean / "broken.mat"
    broken.write_text("no transform")
    with pytest.raises(AtlalignError, match=r"^ANTs must [^\n]*Received: [^\n]*verbose=True[^\n]*$"):
        antspy_registration(bent_pair.fixed, bent_pair.moving, initial_transform=broken)
    broken.unlink()


class TestPath:
    def test_the_composite_transform_in_the_folder_is_the_field(self, bent_pair, tmp_path):
        out = tmp_path / "a folder [1]"
        field, meta = antspy_registration(bent_pair.fixed, bent_pair.moving, reg_iterations=FEW, path=out)
        deltas = ants.image_read(str(out / "final_transformcomptx.nii.gz")).numpy()
        np.testing.assert_array_equal(deltas[..., ::-1], field.deltas_xy)
        assert all(Path(file).parent == out for file in meta["fwdtransforms"] + meta["invtransforms"])

    def test_files_of_an_earlier_registration_are_not_taken_for_new_ones(self, bent_pair, tmp_path):
        antspy_registration(bent_pair.fixed, bent_pair.moving, "SyN", reg_iterations=FEW, path=tmp_path)
        (tmp_path / "notes 1.txt").write_text("mine")
        field, meta = antspy_registration(bent_pair.fixed, bent_pair.moving, "Affine", path=tmp_path)
        assert [Path(file).name for file in meta["fwdtransforms"]] == ["0GenericAffine.mat"]
        second_differences = np.abs(np.diff(field.deltas_xy, n=2, axis=0))
        assert second_differences.max() < 1e-3
        assert (tmp_path / "notes 1.txt").read_text() == "mine"


class TestInitialTransform:
    @pytest.mark.parametrize("registration_type", ["SyNOnly", "Affine"])
    def test_it_is_part_of_the_field(self, bent_pair, rigid, registration_type):
        start, files = rigid[0], rigid[1]["fwdtransforms"]
        field, meta = antspy_registration(
            bent_pair.fixed, bent_pair.moving, registration_type, FEW, initial_transform=files
        )
        assert bent_pair.error(field) < bent_pair.error(start)
        inside = bent_pair.inside(field)
        np.testing.assert_allclose(
            field.warp(bent_pair.moving)[inside], meta["warpedmovout"].numpy()[inside], atol=1e-4
        )

    def test_a_matrix_that_follows_a_warp_is_not_inverted(self, bent_pair, tmp_path):
        """Of a matrix and one warp in this order, ANTsPy on its own takes the inverse of the matrix."""
        first, meta = antspy_registration(bent_pair.fixed, bent_pair.moving, "TV[1]", FEW, path=tmp_path / "1")
        field, meta = antspy_registration(
            bent_pair.fixed,
            bent_pair.moving,
            "Affine",
            initial_transform=meta["fwdtransforms"],
            path=tmp_path / "2",
        )
        assert [Path(file).suffix for file in meta["fwdtransforms"]] == [".mat", ".gz"]
        assert np.abs(field.deltas_xy - first.deltas_xy).max() > 1
        inside = bent_pair.inside(field)
        np.testing.assert_allclose(
            field.warp(bent_pair.moving)[inside], meta["warpedmovout"].numpy()[inside], atol=1e-4
        )

    def test_identity_starts_where_the_images_are(self, bent_pair):
        field, _ = antspy_registration(bent_pair.fixed, bent_pair.moving, "SyNOnly", (0,), initial_transform="Identity")
        assert field == DisplacementField.generate(bent_pair.fixed.shape)

    def test_a_missing_file_is_refused(self, bent_pair):
        with pytest.raises(FileNotFoundError, match=r"initial transform must .*nowhere\.mat"):
            antspy_registration(bent_pair.fixed, bent_pair.moving, initial_transform=["nowhere.mat"])


@pytest.mark.parametrize(("metric", "expected"), [("CC", 4), ("mattes", 32)])
def test_a_histogram_has_32_bins_and_a_correlation_windows_of_9_pixels(bent_pair, monkeypatch, metric, expected):
    received = {}

    def spy(*images, original=ants.registration, **settings):
        received.update(settings)
        return original(*images, **settings)

    monkeypatch.setattr(ants, "registration", spy)
    field, _ = antspy_registration(bent_pair.fixed, bent_pair.moving, syn_metric=metric)
    assert received["syn_sampling"] == expected
    assert bent_pair.error(field) < bent_pair.identity_error() / 8


def test_verbose_lets_ants_speak(bent_pair, capfd):
    antspy_registration(bent_pair.fixed, bent_pair.moving, "QuickRigid")
    assert capfd.readouterr().out == ""
    antspy_registration(bent_pair.fixed, bent_pair.moving, "QuickRigid", verbose=True)
    assert "Stage 0" in capfd.readouterr().out
