"""What stands in the wheel and in the source distribution, and what should."""

import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

DATA = (
    "atlalign/py.typed",
    "atlalign/label/page.html",
    "atlalign/label/page.js",
    "atlalign/weights/global.keras",
    "atlalign/weights/local.keras",
    "atlalign/weights/position.keras",
)
SOURCES = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "docs/conf.py", "tests/conftest.py")
LARGEST_WHEEL_MB = 20


def metadata(wheel: Path) -> Message:
    """Return the core metadata of a wheel.

    Parameters
    ----------
    wheel : Path
        The wheel.

    Returns
    -------
    Message
        Its fields, for example ``metadata(wheel)["Version"]``.
    """
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def wheel_faults(wheel: Path, root: Path) -> list[str]:
    """Return what is wrong with the content of a wheel, a line each.

    Parameters
    ----------
    wheel : Path
        The wheel.
    root : Path
        The checkout that it was built from.

    Returns
    -------
    list of str
        Modules and data that are missing, files that do not belong there, no licence, no console script, too large.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        scripts = "".join(archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    modules = {path.relative_to(root).as_posix() for path in (root / "atlalign").rglob("*.py")}
    info = f"atlalign-{metadata(wheel)['Version']}.dist-info"
    faults = [f"{name} is missing" for name in sorted({*modules, *DATA, f"{info}/licenses/LICENSE"} - names)]
    foreign = {name for name in names if PurePosixPath(name).parts[0] not in ("atlalign", info)}
    stale = {name for name in names if name.endswith((".pyc", ".partial")) or "__pycache__" in name}
    faults += [f"{name} does not belong there" for name in sorted(foreign | stale)]
    faults += [f"no console script {name}" for name in project["scripts"] if f"{name} = " not in scripts]
    if wheel.stat().st_size > LARGEST_WHEEL_MB * 1e6:
        faults.append(f"{wheel.stat().st_size / 1e6:.0f} MB; at most {LARGEST_WHEEL_MB} are expected")
    return faults


def source_faults(sdist: Path) -> list[str]:
    """Return what is missing from the source distribution, a line each.

    Parameters
    ----------
    sdist : Path
        The .tar.gz.

    Returns
    -------
    list of str
        Nobody can build, read and test the package from the archive without these.
    """
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    return [f"{name} is missing" for name in (*SOURCES, *DATA) if name not in names]


def metadata_faults(wheel: Path, root: Path, tested: list[str]) -> list[str]:
    """Return what the metadata of a wheel says otherwise than pyproject.toml and the interpreters that try it.

    Parameters
    ----------
    wheel : Path
        The wheel.
    root : Path
        The checkout that it was built from.
    tested : list of str
        Versions of Python that the wheel is tried on, such as "3.12".

    Returns
    -------
    list of str
        A line each.
    """
    fields = metadata(wheel)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    expected = {
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "Requires-Python": project["requires-python"],
        "License-Expression": project["license"],
        "Description-Content-Type": "text/markdown",
    }
    faults = [f"{name} is {fields[name]!r}, not {value!r}" for name, value in expected.items() if fields[name] != value]
    classifiers = fields.get_all("Classifier", [])
    named = [f"Programming Language :: Python :: {version}" for version in tested]
    faults += [f"no classifier {name!r}, but it is tried on it" for name in named if name not in classifiers]
    extras = set(fields.get_all("Provides-Extra", []))
    faults += [f"no extra {name!r}" for name in project["optional-dependencies"] if name not in extras]
    return faults
