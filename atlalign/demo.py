"""The whole product on a phantom: register new sections, simulate, fine-tune both networks, register again, report."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from atlalign._files import atomic_path
from atlalign.atlas import Atlas
from atlalign.report import registration_figure, write_page
from atlalign.simulate import SimulatedPair, simulate_dataset, simulate_pair
from atlalign.training import TrainingConfig, fit
from atlalign.weights import default_models

if TYPE_CHECKING:
    from atlalign.registration import Registration

_GRID_UM = 100  # coarse, to be quick
_SECTION_UM = 50  # size of the pixels of the sections that are registered
_WHEN = ("before", "default", "after")
CONTENTS = {
    "report.html": "what came of it, with pictures",
    "sections/": f"the images of the new sections, {_SECTION_UM} um a pixel: what to register",
    "section_1/ ...": "their registrations with the fine-tuned networks, as `atlalign register` writes them",
    "figures/": "the pictures of the report",
    "global/, local/": "the two trainings; best.keras is the network",
    "global.h5, local.h5": "the simulated pairs",
    "summary.json": "the errors",
}
# What the default networks were trained with: the field counts, the image is looked at.
_SETTINGS: dict[str, dict[str, Any]] = {
    "global": {"losses": ("mse", "vector_distance"), "losses_weights": (0.0, 1.0), "batch_size": 8},
    "local": {
        "losses": ("mse", "vector_distance"),
        "losses_weights": (0.0, 1.0),
        "batch_size": 8,
        "compute_inv": False,
        "diffeomorphic": True,
    },
}


@dataclass(frozen=True)
class DemoSize:
    """How much the demo does.

    Parameters
    ----------
    n_pairs : int
        Simulated pairs for each network.
    epochs : int
        Passes over them.
    n_sections : int
        New sections to register.
    """

    n_pairs: int = 800
    epochs: int = 4
    n_sections: int = 4


def run_demo(
    out: str | os.PathLike, size: DemoSize | None = None, seed: int = 0, workers: int = 2, watch: Any = None
) -> dict:
    """Register sections of the phantom with the default networks, fine-tune these on it, and register again.

    Parameters
    ----------
    out : path-like
        Folder to fill; must not exist or be empty.
    size : DemoSize, optional
        How much to do.
    seed : int
        Start of all randomness.
    workers : int
        Processes that simulate.
    watch : object, optional
        Shows progress: `say(text)`, `track(items, description, **how)`, `training()` (a Keras callback).

    Returns
    -------
    dict
        ``error_before_px``, ``error_default_px`` and ``error_after_px``: mean distance in tissue, in px of 100 um,
        between where the structures of the atlas are in the sections and where they were put without networks, by the
        default ones and by those that were fine-tuned; ``sections``: the same for each.

    Raises
    ------
    FileExistsError
        If the folder holds something.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"The demo needs a new or empty folder. Received: {out}. Choose another name.")
    size, watch = size or DemoSize(), watch or Silent()
    out.mkdir(parents=True, exist_ok=True)
    atlas = Atlas.load(f"phantom:{_GRID_UM}")
    models = _train(out, atlas, size, seed, workers, watch)
    watch.say("Registering new sections")
    errors, pictures = _register(out, atlas, size, seed, models)

    summary = {
        **{f"error_{when}_px": float(np.mean([error[f"{when}_px"] for error in errors])) for when in _WHEN},
        "sections": errors,
    }
    with atomic_path(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2), encoding="utf-8")
    text = (
        f"Mean error in tissue: {_in_words(summary, 'error_')} (1 px = {_GRID_UM} um), over {len(errors)} simulated "
        "sections of the phantom that no network had seen. Before: each section placed on the plane by the extent of "
        "its tissue. The default networks know the mouse brain, not the phantom."
    )
    curves = {f"Training of the {kind} network": f"{kind}/curves.png" for kind in ("global", "local")}
    inside = "In this folder: " + "; ".join(f"{name} {what}" for name, what in CONTENTS.items()) + "."
    write_page(out / "report.html", "atlalign demo", [text, inside], {**pictures, **curves})
    return summary


class Silent:
    """Shows no progress."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def track(self, items: Iterable, description: str, **how: int) -> Iterable:
        """Return the items."""
        return items

    def training(self) -> list:
        """Return no callbacks."""
        return []


def _in_words(errors: dict, prefix: str = "") -> str:
    before, default, after = (f"{errors[f'{prefix}{when}_px']:.2f} px" for when in _WHEN)
    return f"{before} before, {default} with the default networks, {after} after fine-tuning them"


def _train(out: Path, atlas: Atlas, size: DemoSize, seed: int, workers: int, watch: Any) -> dict[str, Path]:
    from atlalign.ml_utils.predict import Predictor

    models: dict[str, Path] = {}
    for number, kind in enumerate(_SETTINGS):
        data, default = out / f"{kind}.h5", default_models()[kind]
        simulate_dataset(
            data,
            atlas,
            size.n_pairs,
            shape=Predictor(default, f"{kind} model").shape,
            deformation="both",
            place_by="tissue",
            random_state=seed + number,
            workers=workers,
            progress=partial(watch.track, description=f"Simulating pairs ({kind})"),
            # Whole, coronal sections: what there is time to learn.
            max_tilt_degrees=0,
            damage=0,
        )
        watch.say(f"Fine-tuning the default {kind} network on {size.n_pairs} pairs")
        config = TrainingConfig(
            kind=cast(Any, kind),
            data=(data,),
            out=out / kind,
            init_from=default,
            # The local network learns from what the global one leaves.
            global_model=models.get("global_model"),
            mirror=0.5,
            epochs=size.epochs,
            learning_rate=3e-4,
            schedule="cosine",
            seed=seed,
            **_SETTINGS[kind],
        )
        models[f"{kind}_model"] = fit(config, callbacks=watch.training()).best_model
    return models


def _register(out: Path, atlas: Atlas, size: DemoSize, seed: int, models: dict) -> tuple[list[dict], dict]:
    from atlalign.registration import Registrar

    default, tuned = Registrar(atlas), Registrar(atlas, **models)
    (out / "sections").mkdir(exist_ok=True)
    (out / "figures").mkdir(exist_ok=True)
    errors, pictures = [], {}
    for number in range(1, size.n_sections + 1):
        name = f"section_{number}"
        pair, path = _new_section(out / "sections" / f"{name}.png", number, seed)
        how: dict[str, Any] = {"position_um": pair.p, "pixel_size_um": _SECTION_UM}
        registration = tuned.register(path, **how)
        registration.save(out / name)
        before, after = _errors_px(registration, pair)
        by_default = _errors_px(default.register(path, **how), pair)[1]
        error = {"name": name, "position_um": pair.p, "before_px": before, "default_px": by_default, "after_px": after}
        errors.append(error)
        figure = f"figures/{name}.png"
        with atomic_path(out / figure) as temporary:
            registration_figure(registration).savefig(temporary, dpi=70)
        pictures[f"{name}: plane at {pair.p} um, mean error {_in_words(error)}"] = figure
    return errors, pictures


def _new_section(path: Path, number: int, seed: int) -> tuple[SimulatedPair, Path]:
    """Draw a section that no dataset holds; every other one is on a bright background, as brightfield is."""
    fine = Atlas.load(f"phantom:{_SECTION_UM}")
    # A spawn key of its own keeps these draws apart from those of the datasets.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    pair = simulate_pair(fine, deformation="both", random_state=rng, max_tilt_degrees=0, damage=0)
    Image.fromarray(255 - pair.img if number % 2 else pair.img).save(path)
    return pair, path


def _errors_px(registration: Registration, pair: SimulatedPair) -> tuple[float, float]:
    """Mean distance in tissue, in canvas px, to the true places: placed by its tissue, and registered."""
    from atlalign.base import DisplacementField

    atlas, canvas = registration.atlas, registration.canvas
    rows, columns = np.nonzero(atlas.annotation_plane(canvas.plane, canvas.shape))
    canvas_points = np.column_stack([columns, rows]).astype(float)
    points_um = canvas.plane.pixels_to_um(canvas_points, canvas.shape)

    # The field of the pair lives on the finer grid of the section's own plane.
    plane_points = canvas.plane.um_to_pixels(points_um, pair.img.shape)
    truth = DisplacementField.from_deltas_xy(pair.deltas_xy).transform_points(plane_points)
    unregistered = canvas.canvas_to_section(canvas_points)
    registered = registration.atlas_to_section(points_um)
    unit = _GRID_UM / _SECTION_UM
    before, after = (
        float(np.linalg.norm(points - truth, axis=1).mean() / unit) for points in (unregistered, registered)
    )
    return before, after
