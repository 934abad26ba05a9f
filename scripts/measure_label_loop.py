"""What ten sections that a person corrected change: a local network, fine-tuned on them, on sections held out.

A brain of the phantom is bent in a way of its own. The default local network registers its sections; a person, here a
function that knows the answer to within a fraction of a pixel, corrects ten of them as one does on the page of
`atlalign label`; the network goes on from these, and both register the rest.

Example: python scripts/measure_label_loop.py --out /tmp/loop
"""

import argparse
import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from atlalign import Atlas, DisplacementField, Registrar
from atlalign.evaluation import evaluate_methods, model_methods
from atlalign.label import LabelFolder, LabelSession, dataset_from_labels
from atlalign.pairs import PairSource
from atlalign.training import TrainingConfig, fit
from atlalign.weights import default_models

ATLAS = "phantom:50"
SHAPE = (160, 228)  # of the default local network, and of the atlas
POSITIONS_UM = np.arange(4000, 8200, 300)
HELD_OUT = (2, 5, 8, 11)  # of these
CLICK_PX = 0.5  # standard deviation of a person's hand


def truth_of(number: int) -> DisplacementField:
    """How a section is bent: as the whole brain is, and a little on its own."""
    whole = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=7, sigma=32, random_state=99)
    own = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=2, sigma=24, random_state=number)
    return whole(own)


def make_sections(folder: Path, atlas: Atlas) -> None:
    """Write the images: bent, of one stain, with noise."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, position in enumerate(POSITIONS_UM):
        section = truth_of(number).pseudo_inverse().warp(atlas.reference_plane(float(position), SHAPE))
        noisy = section**0.7 + rng.normal(0, 0.03, SHAPE) * (section > 0.02)
        iio.imwrite(folder / f"brain_s{number:03d}.png", np.round(255 * np.clip(noisy, 0, 1)).astype(np.uint8))


def register_all(folder: Path, atlas: Atlas, model: Path) -> None:
    """Register all sections as `atlalign register` does, each into its folder."""
    registrar = Registrar(atlas, local_model=model)
    for number, position in enumerate(POSITIONS_UM):
        name = f"brain_s{number:03d}"
        kind = "held_out" if number in HELD_OUT else "run"
        registration = registrar.register(
            folder / "sections" / f"{name}.png",
            position_um=float(position),
            pixel_size_um=(atlas.shape_um[2] / SHAPE[1], atlas.shape_um[1] / SHAPE[0]),
        )
        registration.save(folder / kind / name)


def correct_all(folder: Path, kind: str) -> int:
    """Let the person correct sections; returns how many points that took."""
    rng = np.random.default_rng(1)
    placed = 0
    for section in LabelFolder(folder / kind, [folder / "sections"]).sections:
        subject = section.load()
        session = LabelSession(subject, on_change=lambda labels, s=section, of=subject: s.save("anna", labels, of))
        session.set_hold(False)
        truth, tissue = truth_of(int(section.name[-3:])), subject.tissue()
        for y in range(12, SHAPE[0], 20):
            for x in range(16, SHAPE[1], 24):
                if tissue[y, x]:
                    there = truth.transform_points([[x, y]]) + rng.normal(0, CLICK_PX, (1, 2))
                    # the truth is in px of the image, which covers the slice edge to edge
                    session.add((x, y), subject.to_canvas(there)[0])
                    placed += 1
    return placed


def main() -> None:
    """Read the command line, run the loop once, and print what it changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to work in, replaced")
    parser.add_argument("--epochs", type=int, default=30, help="epochs on the ten (default: %(default)s)")
    given = parser.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True)
    atlas = Atlas.load(ATLAS)
    first = default_models()["local"]
    make_sections(given.out / "sections", atlas)
    register_all(given.out, atlas, first)
    placed = correct_all(given.out, "run")
    correct_all(given.out, "held_out")
    images = [given.out / "sections"]
    made = dataset_from_labels(given.out / "run", given.out / "labelled.h5", images=images, shape=SHAPE)
    dataset_from_labels(given.out / "held_out", given.out / "held_out.h5", images=images, shape=SHAPE)
    mine = fit(
        TrainingConfig(
            kind="local",
            data=given.out / "labelled.h5",
            out=given.out / "mine",
            init_from=first,
            compute_inv=False,
            losses=("mse", "vector_distance"),
            losses_weights=(0.0, 1.0),
            learning_rate=3e-4,
            batch_size=4,
            epochs=given.epochs,
            schedule="cosine",
            deformation="local",
            augmenter_mov="augmenter_1",
            validation_share=0.2,
            workers=0,
        )
    )
    print(f"{len(made.written)} sections, {placed / len(made.written):.0f} points each; {len(HELD_OUT)} held out")
    columns = {"endpoint_error_um": "off by um", "dice_depth_4": "Dice at depth 4"}
    for name, model in (("before", first), ("after", mine.best_model)):
        methods = model_methods([model])
        summary = evaluate_methods(methods, PairSource([given.out / "held_out.h5"]), depths=(4,)).summary
        for method in summary.index if name == "before" else summary.index[1:]:
            row = summary.loc[method]
            values = ", ".join(f"{title} {row[f'{key}_mean']:.3g}" for key, title in columns.items())
            print(f"{method if method == 'identity' else name:10s}{values}")


if __name__ == "__main__":
    main()
