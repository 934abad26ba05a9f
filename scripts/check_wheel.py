"""Build the wheel, install it into empty environments outside the checkout, and use it there as a newcomer would.

Needs `build` and `twine`: pip install ".[release]". Each interpreter takes some minutes, 3 GB of disk while it is
tried, and a download of about 1 GB. The exit code is 0 if every step passed.

Example:
    python scripts/check_wheel.py --python python3.11 --python python3.12 --python python3.13
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from release.archives import metadata, metadata_faults, source_faults, wheel_faults

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = Path(__file__).with_name("release") / "examples.py"
# One module of each part; together they load every core dependency.
MODULES = (
    "atlalign.atlas.atlas",
    "atlalign.augmentations.augmenter",
    "atlalign.base",
    "atlalign.data",
    "atlalign.dataset",
    "atlalign.evaluation.evaluating",
    "atlalign.export.brainglobe",
    "atlalign.export.itk",
    "atlalign.export.quint",
    "atlalign.export.qupath",
    "atlalign.label.session",
    "atlalign.metrics.evaluation",
    "atlalign.metrics.images",
    "atlalign.ml_utils.augmentation",
    "atlalign.ml_utils.io",
    "atlalign.ml_utils.layers.fields",
    "atlalign.ml_utils.losses.distances",
    "atlalign.nn.global_net",
    "atlalign.nn.local_net",
    "atlalign.non_ml.features",
    "atlalign.plane",
    "atlalign.quint.job",
    "atlalign.registration.points",
    "atlalign.registration.result",
    "atlalign.report.page",
    "atlalign.section.section",
    "atlalign.training.config",
    "atlalign.volume.volume",
    "atlalign.weights.catalogue",
    "atlalign.zoo.smooth",
)
DRAW = """
from PIL import Image
from atlalign import Atlas
Image.fromarray((Atlas.load("phantom:100").reference_plane(6000) * 255).astype("uint8")).save("s1.png")
"""
SMALL_DEMO = """
from atlalign.demo import DemoSize, run_demo
if __name__ == "__main__":
    run_demo("demo", DemoSize(n_pairs=8, epochs=1, n_sections=1))
"""
RESULT = (  # what the README says that a result folder holds
    *("overlay.png", "labels.tif", "structures.csv", "registered.tif", "deltas_xy.npy", "inv_deltas_xy.npy"),
    *("quality.json", "registration.json"),
)
SECONDS = 1800  # that a step may take
OURS_ALONE = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "KERAS_BACKEND")


@dataclass(frozen=True)
class Step:
    """A command that has to end with 0, print a text and leave files in the folder where it runs."""

    name: str
    command: Sequence[str]
    says: str = ""
    leaves: Sequence[str] = ()

    def faults(self, folder: Path, environment: dict[str, str]) -> list[str]:
        """Run it; return what is wrong, a line each."""
        how = {"cwd": folder, "env": environment, "timeout": SECONDS, "check": False}
        try:
            done = subprocess.run(self.command, capture_output=True, text=True, **how)
        except (OSError, subprocess.TimeoutExpired) as error:
            return [str(error)]
        faults = [f"{name} was not written" for name in self.leaves if not (folder / name).is_file()]
        if self.says not in done.stdout:
            faults.append(f"does not say {self.says!r}: {done.stdout.strip()[-500:]!r}")
        if done.returncode:
            faults += [f"exit code {done.returncode}", *(done.stdout + done.stderr).strip().splitlines()[-30:]]
        return faults


class Report:
    """Prints a line for each thing that is checked, and remembers whether all passed."""

    def __init__(self):
        self.passed = True

    def check(self, where: str, name: str, look: Callable[[], list[str]]) -> bool:
        """Look, say what was found, and return whether it is well."""
        start = time.monotonic()
        faults = look()
        seconds = time.monotonic() - start
        print(f"{'FAIL' if faults else 'pass'}  {where}  {name}  ({seconds:.0f} s)", flush=True)
        for fault in faults:
            print(f"      {fault}", flush=True)
        self.passed &= not faults
        return not faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if everything passed, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="an interpreter; may be repeated. This one if none is given")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where wheel and source go: %(default)s")
    parser.add_argument("--full-demo", action="store_true", help="run `atlalign demo` itself, not a smaller one")
    given = parser.parse_args(arguments)
    pythons = {python: _version(python) for python in given.python or [sys.executable]}
    report = Report()
    with tempfile.TemporaryDirectory(prefix="check_wheel_") as temporary:
        built = Path(temporary) / "dist"
        build = Step("build", (sys.executable, "-m", "build", "--outdir", str(built), str(ROOT)))
        if not report.check("sources", "python -m build", lambda: build.faults(Path(temporary), dict(os.environ))):
            return 1
        (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
        twine = Step("twine", (sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)))
        report.check("archives", "twine check --strict", lambda: twine.faults(built, dict(os.environ)))
        report.check(wheel.name, f"content, {wheel.stat().st_size / 1e6:.1f} MB", lambda: wheel_faults(wheel, ROOT))
        report.check(wheel.name, "metadata", lambda: metadata_faults(wheel, ROOT, list(pythons.values())))
        report.check(sdist.name, f"content, {sdist.stat().st_size / 1e6:.1f} MB", lambda: source_faults(sdist))
        for python, version in pythons.items():
            use(wheel, python, version, report, Path(temporary) / version, given.full_demo)
        if report.passed:
            given.dist.mkdir(parents=True, exist_ok=True)
            kept = [shutil.copy(archive, given.dist) for archive in (wheel, sdist)]
            print("Everything passed:", *kept)
    return 0 if report.passed else 1


def use(wheel: Path, python: str, version: str, report: Report, folder: Path, full_demo: bool) -> None:
    """Install the wheel into an empty environment, run every step in an empty folder, and remove both."""
    work = folder / "empty folder"  # with a space, as people's folders have
    work.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name not in OURS_ALONE}
    environment["ATLALIGN_CACHE"] = str(folder / "cache")
    try:
        for number, step in enumerate(steps(wheel, python, folder / "env", full_demo)):
            passed = report.check(f"Python {version}", step.name, lambda step=step: step.faults(work, environment))
            if number < 2 and not passed:  # nothing runs in an environment that is not there
                return
    finally:
        shutil.rmtree(folder)


def steps(wheel: Path, python: str, env: Path, full_demo: bool) -> Iterator[Step]:
    """Yield what a newcomer does, in that order."""
    scripts = env / ("Scripts" if os.name == "nt" else "bin")
    own, atlalign = str(scripts / "python"), str(scripts / "atlalign")
    version = f"atlalign {metadata(wheel)['Version']}"
    yield Step("an empty environment", (python, "-m", "venv", str(env)))
    yield Step("pip install", (own, "-m", "pip", "install", "--quiet", str(wheel)))
    yield Step("pip check", (own, "-m", "pip", "check"))
    yield Step("import atlalign", (own, "-c", "import atlalign; print(atlalign.__file__)"), says=str(env))
    yield Step("atlalign --version", (atlalign, "--version"), says=version)
    yield Step("python -m atlalign --version", (own, "-m", "atlalign", "--version"), says=version)
    for name in ("atlalign-train", "label-tool"):
        yield Step(f"{name} --help", (str(scripts / name), "--help"), says="Usage: ")
    yield Step("atlalign weights list", (atlalign, "weights", "list"), says=str(env))
    yield Step("draw a section of the phantom", (own, "-c", DRAW), leaves=["s1.png"])
    register = (atlalign, "register", "s1.png", "--atlas", "phantom:100", "--position-um", "6000", "--out", "s1")
    leaves = [f"s1/{name}" for name in RESULT]
    yield Step("atlalign register", (*register, "--pixel-size-um", "100"), leaves=leaves)
    if full_demo:
        yield Step("atlalign demo", (atlalign, "demo", "demo"), leaves=["demo/report.html"])
    else:
        yield Step("atlalign demo, smaller", (own, "-c", SMALL_DEMO), leaves=["demo/report.html"])
    yield Step(f"examples of {len(MODULES)} modules", (own, str(EXAMPLES), *MODULES), says=" 0 failed")


def _version(python: str) -> str:
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"--python must name an interpreter that starts. Received: {python}. {error}") from None


if __name__ == "__main__":
    sys.exit(main())
