"""Two fields side by side."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from atlalign import DisplacementField
from atlalign.visualization import generate_df_plots

TRUE = DisplacementField.generate((20, 30), "diffeomorphic", amplitude=3, sigma=5, random_state=0)
PREDICTED = 0.8 * TRUE


def test_every_panel_shows_what_its_labels_say():
    figure = generate_df_plots(TRUE, PREDICTED)
    panels = np.reshape([ax for ax in figure.axes if ax.images][:12], (4, 3))
    assert [ax.get_ylabel() for ax in panels[:, 0]] == ["delta_x (px)", "delta_y (px)", "length (px)", "Jacobian"]
    for name, row in zip(("delta_x", "delta_y", "norm", "jacobian"), panels, strict=True):
        true, predicted = getattr(TRUE, name), getattr(PREDICTED, name)
        for ax, expected in zip(row, (true, predicted, predicted - true), strict=True):
            np.testing.assert_array_equal(ax.images[0].get_array(), expected)
        assert row[0].images[0].get_clim() == row[1].images[0].get_clim()


def test_pyplot_does_not_keep_the_figure():
    before = plt.get_fignums()
    generate_df_plots(TRUE, PREDICTED)
    assert plt.get_fignums() == before


def test_the_figure_is_saved_at_its_size(tmp_path):
    generate_df_plots(TRUE, PREDICTED, tmp_path / "fields.png", figsize=(6, 5))
    with Image.open(tmp_path / "fields.png") as picture:
        assert picture.size == (600, 500)


def test_an_unknown_format_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="xyz"):
        generate_df_plots(TRUE, PREDICTED, tmp_path / "fields.xyz", figsize=(2, 2))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="mkdir"):
        generate_df_plots(TRUE, PREDICTED, tmp_path / "no" / "fields.png", figsize=(2, 2))


def test_identities_and_nan_are_drawn(tmp_path):
    identity = DisplacementField.generate((20, 30))
    broken = DisplacementField(np.full((20, 30), np.nan), np.zeros((20, 30)))
    generate_df_plots(identity, broken, tmp_path / "fields.png", figsize=(4, 4))


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(20, 30\) and \(9, 9\)"):
        generate_df_plots(TRUE, DisplacementField.generate((9, 9)))


def test_folds_are_enclosed():
    folded = 12 * TRUE
    assert (folded.jacobian <= 0).any()
    panels = [ax for ax in generate_df_plots(TRUE, folded).axes if ax.get_title() or ax.images]
    assert sum(bool(ax.collections) for ax in panels if len(ax.images) == 1 and not ax.get_label()) == 1
