"""Take the pictures of the page of `atlalign label` that the documentation shows, in headless Chromium.

Needs the packages chromium and chromium-driver, and selenium. Example:

    python scripts/make_label_screenshots.py --out docs/_static --only label
    python scripts/make_label_screenshots.py --out /tmp/shots --size 1920,1080
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from atlalign import Atlas, DisplacementField, register  # noqa: E402
from atlalign.label import LabelFolder, LabelSession  # noqa: E402
from tests.label.browser import Served, chromium  # noqa: E402

_POSITIONS_UM = (4200, 4800, 5400, 6000, 6600, 7200)
_STILL_SECONDS = 0.6  # until what was said is drawn


def make_folder(folder: Path, spec: str) -> None:
    """Write sections of a phantom that are bent in a known way, and what a middling network makes of them."""
    atlas = Atlas.load(spec)
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for number, position in enumerate(_POSITIONS_UM, start=1):
        reference = atlas.reference_plane(position)
        grow = reference.shape[1] / 114
        bent = DisplacementField.generate(
            reference.shape, "diffeomorphic", amplitude=3 * grow, sigma=13 * grow, random_state=number
        )
        section = bent.warp(reference) ** 0.8
        noise = rng.normal(0, 0.02, section.shape) * (section > 0.05)
        name = f"mouse7_s{number:03d}.png"
        iio.imwrite(folder / "images" / name, np.round(245 - 190 * np.clip(section + noise, 0, 1)).astype(np.uint8))
        most = bent.pseudo_inverse() * 0.75

        def network(reference, moving, answer=most):
            return answer.deltas_xy

        registration = register(folder / "images" / name, atlas, position_um=position, local_model=network)
        registration.save(folder / "run" / Path(name).stem)


def say_something(folder: Path) -> None:
    """Let somebody have worked on some of the sections."""
    sections = LabelFolder(folder / "run", [folder / "images"]).sections
    for which, change in (
        (0, lambda session: session.set_state("corrected")),
        (1, lambda session: session.add(*_shifted(session, (0.4, 0.4), (3, -2)))),
        (4, lambda session: (session.set_state("rejected"), session.set_note("torn at the left cortex"))),
    ):
        section = sections[which]
        subject = section.load()
        change(LabelSession(subject, on_change=lambda labels, s=section, of=subject: s.save("anna", labels, of)))


def _shifted(session, share, by):
    height, width = session.subject.shape
    place = np.array(share) * [width, height]
    return place, np.array(session.moving_point(place)) + by


def take(tab, url: str, out: Path, only: str, spec: str) -> None:
    """Go through the states of the page, and take a picture of each."""
    height, width = Atlas.load(spec).shape[1:]

    def at(x: float, y: float) -> tuple[float, float]:
        return x * width, y * height

    def shot(name: str) -> None:
        if only in ("", name):
            time.sleep(_STILL_SECONDS)
            path = out / f"{name}.png"
            tab.driver.save_screenshot(str(path))
            if only:
                few = Image.open(path).convert("RGB").quantize(256, kmeans=4)
                few.save(path, optimize=True)

    tab.open(f"{url}?section=mouse7_s003")
    shot("opened")
    pairs = (
        ((0.30, 0.30), (0.312, 0.325)),
        ((0.70, 0.32), (0.693, 0.348)),
        ((0.50, 0.62), (0.503, 0.60)),
        ((0.22, 0.55), (0.235, 0.56)),
        ((0.78, 0.56), (0.765, 0.565)),
    )
    for first, last in pairs:
        start, end = at(*first), at(*last)
        tab.saved(lambda place=start: tab.click("overlay", *place))
        tab.saved(lambda start=start, end=end: tab.drag("overlay", start, end))
    tab.press("g")
    tab.hover("overlay", *at(0.36, 0.5))
    tab.wait_for("document.getElementById('structure').textContent.trim()", 10)
    shot("label")
    tab.click("section", *at(0.42, 0.24))
    tab.wait_for(lambda: 0 in tab.places("section"))
    shot("half_pair")
    tab.press("\ue00c", "f")
    tab.wait_for("document.body.classList.contains('swapped')")
    tab.wait_for(lambda: tab.places("overlay") == tab.places("section"))
    shot("swapped")
    tab.press("f", "m", "b", "b", "v", "v", "v")
    tab.saved(lambda: tab.click("overlay", *at(0.36, 0.42)))
    tab.saved(lambda: tab.drag("overlay", at(0.36, 0.42), at(0.62, 0.46)))
    shot("folds")
    tab.press("z", "?")
    tab.wait_for("document.getElementById('help').open")
    shot("help")


def main() -> None:
    """Read the command line, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--size", default="1280,800", help="width and height of the window, px (default: %(default)s)")
    parser.add_argument("--only", default="", help="take this picture alone, with few colours (default: all)")
    parser.add_argument("--atlas", default="phantom:50", help="a phantom (default: %(default)s)")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    width, height = map(int, given.size.split(","))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder, given.atlas)
        say_something(folder)
        server = Served(folder / "run", "--images", folder / "images")
        try:
            with chromium((width, height)) as tab:
                take(tab, server.url, given.out, given.only, given.atlas)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
