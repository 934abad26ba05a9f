"""Every reader of the package, with a sound file for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SECTION_SHAPE = (60, 90)


@dataclass(frozen=True)
class Reader:
    """A reader and the files that it reads.

    Parameters
    ----------
    name : str
        What the file is.
    file : str
        The file that is damaged, in the folder of samples; what else is in its top folder lies beside it.
    read : callable
        Takes the path of the damaged file.
    """

    name: str
    file: str
    read: Callable[[Path], Any]


def readers() -> dict[str, Reader]:
    """Return the readers by name."""
    found = [
        Reader("dataset", "dataset/pairs.h5", _dataset),
        Reader("model", "model/model.keras", _model),
        Reader("section PNG", "png/section.png", _section),
        Reader("section JPEG", "jpeg/section.jpg", _section),
        Reader("section TIFF", "tiff/section.tif", _section),
        Reader("section pyramid", "pyramid/section.ome.tif", _section),
        Reader("mask", "mask/mask.png", _mask),
        Reader("field", "saved/deltas_xy.npy", _field),
        Reader("field NIfTI", "saved/itk/field.nii.gz", _nifti),
        Reader("field NRRD", "saved/itk/field.nrrd", _nrrd),
        Reader("registration", "saved/registration.json", lambda path: _saved(path.parent)),
        Reader("quality", "saved/quality.json", lambda path: _files(path.parent).read_quality()),
        Reader("areas", "saved/structures.csv", lambda path: _files(path.parent).read_areas()),
        Reader("labels", "saved/labels.tif", lambda path: _files(path.parent).read_labels()),
        Reader("GeoJSON", "saved/structures.geojson", _qupath),
        Reader("QUINT", "saved/quint.json", _quint),
        Reader("anchorings XML", "xml/series.xml", _series),
        Reader("anchorings CSV", "csv/series.csv", _series),
        Reader("landmarks", "landmarks/landmarks.csv", _landmarks),
        Reader("landmark pairs", "pairs/pairs.csv", _landmark_pairs),
        Reader("points", "points/points.csv", _points),
        Reader("groups CSV", "groups/groups.csv", _groups),
        Reader("groups JSON", "groups_json/groups.json", _groups),
        Reader("manifest", "manifest/manifest.csv", _manifest),
        Reader("training settings", "settings/train.toml", _settings),
        Reader("history", "history/history.csv", _history),
        Reader("atlas manifest", "atlas/atlas.toml", _atlas),
        Reader("atlas structures", "atlas/structures.csv", _atlas),
        Reader("atlas volume", "atlas/annotation.nrrd", _atlas),
    ]
    return {reader.name: reader for reader in found}


def make_samples(folder: Path) -> None:
    """Write a sound file for every reader."""
    import imageio.v3 as iio
    import tifffile

    from atlalign import Atlas, register
    from atlalign.section import Section
    from atlalign.simulate import simulate_dataset

    for reader in readers().values():
        (folder / reader.file).parent.mkdir(parents=True, exist_ok=True)
    atlas = Atlas.load("phantom:400")
    image = (255 * atlas.reference_plane(6000, shape=SECTION_SHAPE)).astype(np.uint8)

    def nothing(reference, moving):
        return np.zeros((*reference.shape, 2))

    registration = register(Section(image, 100), atlas, position_um=6000, local_model=nothing)
    registration.save(folder / "saved", ["qupath", "quint", "itk"])
    simulate_dataset(folder / "dataset" / "pairs.h5", atlas, n=2, shape=(32, 48), random_state=0)
    iio.imwrite(folder / "png" / "section.png", image)
    iio.imwrite(folder / "mask" / "mask.png", image)
    iio.imwrite(folder / "jpeg" / "section.jpg", np.stack([image] * 3, axis=-1))
    iio.imwrite(folder / "tiff" / "section.tif", image)
    _write_pyramid(folder / "pyramid" / "section.ome.tif", image, tifffile)
    _write_texts(folder)
    iio.imwrite(folder / "manifest" / "a.png", image)
    _write_atlas(folder / "atlas")
    _write_model(folder / "model" / "model.keras")


def lay_out(samples: Path, reader: Reader, folder: Path) -> Path:
    """Copy the files of a reader into an empty folder, and return where the one is that is damaged."""
    top = Path(reader.file).parts[0]
    shutil.copytree(samples / top, folder / top)
    return folder / reader.file


def _write_pyramid(path: Path, image, tifffile) -> None:
    with tifffile.TiffWriter(path, ome=True) as tif:
        metadata = {"axes": "YX", "PhysicalSizeX": 5.0, "PhysicalSizeY": 5.0}
        tif.write(image, subifds=1, tile=(16, 16), metadata=metadata)
        tif.write(image[::2, ::2], subfiletype=1, tile=(16, 16))


def _write_texts(folder: Path) -> None:
    header = "Filenames,ox,oy,oz,ux,uy,uz,vx,vy,vz"
    texts = {
        "csv/series.csv": f"{header}\na_s001.png,456,250,320,-456,0,0,0,0,-320\n",
        "xml/series.xml": '<?xml version="1.0" encoding="UTF-8"?>\n<series name="a">\n<slice filename="a_s001.png" '
        'nr="1" width="90" height="60" anchoring="ox=456&amp;oy=250&amp;oz=320&amp;ux=-456&amp;uy=0&amp;uz=0&amp;'
        'vx=0&amp;vy=0&amp;vz=-320"/>\n</series>\n',
        "landmarks/landmarks.csv": ",X,Y\n0,10.5,20\n1,30,40\n",
        "pairs/pairs.csv": "section,x,y,ap_um,dv_um,ml_um\na.png,10,20,6000,3000,4000\na.png,30,20,6000,3000,6000\n",
        "points/points.csv": "x,y,name\n10,20,a\n30.5,40,b\n",
        "groups/groups.csv": "group,acronym\nstriatum,CP\nstriatum,ACB\n",
        "groups_json/groups.json": '{"striatum": ["CP", "ACB"], "cortex": "CTX"}\n',
        "manifest/manifest.csv": "section,position_um,pixel_size_um,flip,rotate\na.png,6000,10,horizontal,180\n",
        "settings/train.toml": 'kind = "global"\ndata = ["pairs.h5"]\nout = "run"\nepochs = 3\nfilters = [4, 8]\n'
        'losses = ["ncc_9", "grad"]\nlosses_weights = [1.0, 0.1]\n',
        "history/history.csv": "epoch,seconds,loss,val_loss\n1,3.5,0.5,0.6\n2,3.4,0.4,0.5\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _write_atlas(folder: Path) -> None:
    import nrrd

    volume = np.zeros((12, 10, 14), np.uint32)
    volume[2:10, 2:8, 2:12] = 1
    nrrd.write(str(folder / "annotation.nrrd"), volume)
    nrrd.write(str(folder / "reference.nrrd"), (volume * 200).astype(np.uint16))
    (folder / "structures.csv").write_text("id,acronym,name,parent_id,r,g,b\n1,root,root,,1,2,3\n", encoding="utf-8")
    (folder / "atlas.toml").write_text(
        'name = "small"\nversion = "1"\norientation = "asr"\n'
        '[annotation]\nfile = "annotation.nrrd"\nresolution_um = [100, 100, 100]\n'
        '[reference]\nfile = "reference.nrrd"\nresolution_um = [100, 100, 100]\n'
        '[structures]\nfile = "structures.csv"\nformat = "csv"\n',
        encoding="utf-8",
    )


def _write_model(path: Path) -> None:
    from atlalign.ml_utils.models import save_model
    from atlalign.nn import supervised_global_model_factory

    save_model(supervised_global_model_factory(filters=(4,), dense_layers=(4,), shape=(32, 48)), path, separate=False)


def _files(folder: Path):
    from atlalign.registration import RegistrationFiles

    return RegistrationFiles(folder)


def _dataset(path: Path) -> None:
    from atlalign.dataset import check_dataset
    from atlalign.pairs import PairSource

    if not check_dataset(path):
        PairSource([path]).pair(1, 0)


def _model(path: Path) -> None:
    from atlalign.ml_utils.models import load_model

    load_model(path)


def _section(path: Path) -> None:
    from atlalign.section import Section

    section = Section.read(path)
    if max(section.shape) < 5000:
        section.normalized((40, 60))
        section.level(len(section.level_shapes) - 1)


def _mask(path: Path) -> None:
    from atlalign.section.mask import open_mask

    open_mask(path, SECTION_SHAPE)


def _field(path: Path) -> None:
    from atlalign.base import DisplacementField

    DisplacementField.from_file(path)


def _nifti(path: Path) -> None:
    from atlalign.export.itk import read_field_nifti

    read_field_nifti(path)


def _nrrd(path: Path) -> None:
    from atlalign.export.itk import read_field_nrrd

    read_field_nrrd(path)


def _saved(folder: Path) -> None:
    from atlalign.registration import read_registration

    read_registration(folder).section_to_atlas([[3, 4]])


def _qupath(path: Path) -> None:
    from atlalign.export.qupath import read_qupath

    read_qupath(path)


def _series(path: Path) -> None:
    from atlalign.plane_io import read_anchorings
    from atlalign.quint.series import read_series

    read_anchorings(path)
    read_series(path)


def _quint(path: Path) -> None:
    from atlalign import Atlas
    from atlalign.quint.series import read_series

    read_series(path, extent_um=Atlas.load("phantom:400").shape_um)


def _landmarks(path: Path) -> None:
    from atlalign.landmarks import read_landmarks

    read_landmarks(path)


def _landmark_pairs(path: Path) -> None:
    from atlalign.registration import read_landmark_pairs

    read_landmark_pairs(path)


def _points(path: Path) -> None:
    from atlalign.registration.point_table import open_points

    for _ in open_points(path, "section").blocks():
        pass


def _groups(path: Path) -> None:
    from atlalign.registration import read_groups

    read_groups(path)


def _manifest(path: Path) -> None:
    from atlalign import Atlas
    from atlalign.registration.manifest import read_manifest

    read_manifest(path, Atlas.load("phantom:400"))


def _settings(path: Path) -> None:
    from atlalign.training import read_config

    read_config(path)


def _history(path: Path) -> None:
    from atlalign.run_folder import RunFolder

    RunFolder(path.parent).read_history()


def _atlas(path: Path) -> None:
    from atlalign import Atlas

    atlas = Atlas.load(path.parent)
    atlas.annotation_plane(atlas.shape_um[0] / 2, (8, 9))
    atlas.reference_plane(atlas.shape_um[0] / 2, (8, 9))
