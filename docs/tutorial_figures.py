"""The figures of the tutorials, one function each; Sphinx's plot directive calls them."""

import matplotlib.pyplot as plt
import numpy as np

from atlalign import Atlas, DisplacementField, Registrar, Section

BLUE, ORANGE, GREY = "#1f5fa8", "#d2601a", "#777777"
SHAPE = (160, 228)
# Mean error, um, in each epoch of the global network of the page on training.
TRAINING_UM = (359, 358, 358, 348, 317, 299, 285, 279, 273, 269, 267, 265, 264, 264, 263)
VALIDATION_UM = (384, 383, 382, 360, 333, 304, 294, 290, 289, 286, 283, 285, 285, 284, 284)
# Mean error inside the brain, um, of each section that the page on fine-tuning keeps apart.
DEFAULT_UM = (89, 73, 95, 94, 106, 162, 134, 54)
TUNED_UM = (88, 74, 81, 94, 99, 132, 132, 47)


def series_outlines():
    """Sections of the series as the default networks register them: two whole ones, and the half one, twice."""
    atlas = Atlas.load("phantom:100")
    sections, registrar = _series(atlas), Registrar(atlas)
    cases = (
        ("mouse_s012", 12, 3025, "both"),
        ("mouse_s042", 42, 8025, "both"),
        ("mouse_s030, taken for a whole one", 30, 6025, "both"),
        ("mouse_s030, with hemisphere right", 30, 6025, "right"),
    )
    _, panels = plt.subplots(2, 2, figsize=(9.5, 6.9), layout="constrained")
    for panel, (title, number, position_um, hemisphere) in zip(panels.flat, cases, strict=True):
        registration = registrar.register(sections[number], position_um=position_um, hemisphere=hemisphere)
        panel.imshow(registration.overlay())
        panel.set_title(title, fontsize=10)
        panel.axis("off")


def series_positions():
    """The curves of two sections, and the line through the positions of the series."""
    from atlalign.registration import find_series_planes

    atlas = Atlas.load("phantom:200")  # coarse, to be quick
    sections = _series(Atlas.load("phantom:100"))
    registrar = Registrar(atlas, global_model=lambda reference, moving: np.zeros((*reference.shape, 2), np.float32))
    series = find_series_planes(registrar, list(sections.values()))
    _, (curves, line) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
    for number, color, text in ((24, BLUE, "whole (number 24)"), (30, ORANGE, "half (number 30)")):
        search = series.searches[list(sections).index(number)]
        curves.plot(search.positions_um / 1000, search.scores, ".-", color=color, label=text)
        true_mm = 3 + (number - 12) / 6
        curves.axvline(true_mm, color=color, lw=1, ls=":")
    curves.set(xlabel="position, mm (dotted: the true ones)", ylabel="how well the plane fits")
    curves.legend(frameon=False)
    alone = [(n, s.position_um / 1000) for n, s in zip(series.numbers, series.searches, strict=True) if s]
    line.plot(series.numbers, series.positions_um / 1000, "-", color=GREY, label="together")
    line.plot(*zip(*alone, strict=True), "o", color=BLUE, label="each alone")
    line.set(xlabel="section number", ylabel="position, mm")
    line.legend(frameon=False)


def training_curve():
    """The errors of the run of the page on training."""
    _, panel = plt.subplots(figsize=(7, 3.3), layout="constrained")
    epochs = np.arange(1, len(TRAINING_UM) + 1)
    panel.plot(epochs, TRAINING_UM, ".-", color=BLUE, label="training")
    panel.plot(epochs, VALIDATION_UM, ".-", color=ORANGE, label="validation")
    panel.set(xlabel="epoch", ylabel="mean error, um", ylim=(0, None))
    panel.legend(frameon=False)


def fine_tuned():
    """What the default networks and the fine-tuned one leave on each section of the page on fine-tuning."""
    _, panel = plt.subplots(figsize=(7, 3.3), layout="constrained")
    sections = np.arange(1, len(DEFAULT_UM) + 1)
    panel.vlines(sections, DEFAULT_UM, TUNED_UM, color=GREY, lw=1)
    panel.plot(sections, DEFAULT_UM, "o", color=BLUE, label="default networks")
    panel.plot(sections, TUNED_UM, "o", color=ORANGE, label="local network fine-tuned")
    panel.set(xlabel="section of mouse5", ylabel="mean error inside the brain, um", ylim=(0, None))
    panel.legend(frameon=False, loc="lower left")


def _series(atlas):
    """Draw the sections of the page on a series, by their numbers."""
    sections = {}
    for i in range(8):
        number, position_um, rng = 12 + 6 * i, 3000 + 1000 * i, np.random.default_rng(i)
        turned = DisplacementField.generate(SHAPE, "affine_simple", rotation=0.05 * (-1) ** i, translation_x=5 - i)
        bent = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=4, sigma=25, random_state=rng)
        section = turned(bent).warp(atlas.reference_plane(position_um, SHAPE))
        if number == 30:
            section[:, 100:] = 0
        if number == 48:
            section[:] = 0
        image = np.uint8((235 - 180 * section + rng.normal(0, 3, SHAPE)).clip(0, 255))
        sections[number] = Section(image, pixel_size_um=50, name=f"mouse_s{number:03}.png")
    return sections
