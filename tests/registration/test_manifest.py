"""Manifests: what a row says, what holds where it says nothing, and faults that are named."""

import json

import pytest

from atlalign import Atlas
from atlalign.errors import InvalidFileError
from atlalign.registration import SectionOptions, read_manifest

ATLAS = Atlas.load("phantom:200")
ANCHORING = [0, 300, 320, 456, 0, 0, 0, 0, -320]


@pytest.fixture
def read(tmp_path):
    """Write a manifest into a folder with some sections and other files, and read it."""
    for name in ("s1.tif", "s2.tif", "s3.tif", "mask.png"):
        (tmp_path / name).touch()
    slices = [{"filename": f"s{i}.tif", "anchoring": ANCHORING} for i in (1, 2)]
    (tmp_path / "series.json").write_text(json.dumps({"slices": slices}))

    def read(text, **defaults):
        file = tmp_path / "brain.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_manifest(file, ATLAS, defaults=SectionOptions(**defaults))

    return read


def test_every_column_is_read(read, tmp_path):
    (job,) = read(
        "section,position_um,pixel_size_um,channel,flip,rotate,invert,hemisphere,mask,out\n"
        "s1.tif,5400,12.4x14.2,2,Horizontal,90,yes,left,mask.png,first\n"
    )
    assert job.section == tmp_path / "s1.tif"
    assert job.mask == tmp_path / "mask.png"
    assert (job.position_um, job.pixel_size_um, job.channel) == (5400, (12.4, 14.2), 2)
    assert (job.flip, job.rotate, job.invert, job.hemisphere) == ("horizontal", 90, True, "left")
    assert job.out == "first"


def test_an_anchoring_gives_the_plane(read):
    (job,) = read("section,anchoring\ns1.tif,series.json\n")
    assert job.plane.position_um == pytest.approx(5700, abs=1)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffsection,position_um\r\ns1.tif,5400.5\r\n",
        "section\tposition_um\ns1.tif\t5400.5\n",
        "Section;Position_um\n\ns1.tif;5400,5\n;\n",
        'section,position_um\n"s1.tif"," 5400.5 "\n',
    ],
    ids=["Excel", "tabs", "semicolons", "quotes"],
)
def test_tables_are_read_as_programs_write_them(read, text):
    (job,) = read(text)
    assert (job.section.name, job.position_um) == ("s1.tif", 5400.5)


@pytest.mark.parametrize("size", ["12.4x14.2", '"12.4,14.2"', "12.4 X 14.2"])
def test_pixel_sizes_across_and_down(read, size):
    assert read(f"section,pixel_size_um\ns1.tif,{size}\n")[0].pixel_size_um == (12.4, 14.2)


def test_options_hold_where_a_cell_is_empty(read):
    first, second = read("section,position_um,invert\ns1.tif,,no\ns2.tif,5400,\n", position_um=6000, invert=True)
    assert (first.position_um, first.invert) == (6000, False)
    assert (second.position_um, second.invert) == (5400, True)


def test_a_place_in_a_row_takes_the_place_of_the_option(read, tmp_path):
    (job,) = read("section,position_um\ns3.tif,5400\n", anchoring=tmp_path / "series.json")
    assert (job.position_um, job.plane) == (5400, None)
    (job,) = read("section,anchoring\ns1.tif,series.json\n", position_um=6000, pixel_size_um=10, rotate=90)
    assert (job.position_um, job.pixel_size_um, job.rotate) == (None, None, 0)
    assert job.plane is not None


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ("s9.tif,,,,,,,,,,", "s9.tif"),
        (",5400,,,,,,,,,", "it names no section"),
        ("s1.tif,here,,,,,,,,,", "position_um must be a number. Received: 'here'"),
        ("s1.tif,20000,,,,,,,,,", "position_um must satisfy"),
        ("s1.tif,nan,,,,,,,,,", "position_um must satisfy"),
        ("s1.tif,5400,series.json,,,,,,,,", "position_um and anchoring are both given"),
        ("s3.tif,,series.json,,,,,,,,", "s3.tif, which is not among the 2"),
        ("s1.tif,,none.json,,,,,,,,", "none.json"),
        ("s1.tif,,series.json,12,,,,,,,", "an anchoring implies its own pixel size"),
        ("s1.tif,,,wide,,,,,,,", "pixel_size_um must be a number"),
        ("s1.tif,,,1x2x3,,,,,,,", "Received: (1.0, 2.0, 3.0)"),
        ("s1.tif,,,,first,,,,,,", "channel must be a whole number"),
        ("s1.tif,,,,,sideways,,,,,", "flip must be"),
        ("s1.tif,,,,,,45,,,,", "rotate must be"),
        ("s1.tif,,,,,,,perhaps,,,", "invert must be yes or no"),
        ("s1.tif,,,,,,,,top,,", "hemisphere must be"),
        ("s1.tif,,,,,,,,,none.png,", "none.png"),
        ("s1.tif,,,,,,,,,,../elsewhere", "out must be a name"),
        ("s1.tif,,,,,,,,,,/elsewhere", "out must be a name"),
        ("s1.tif,,,,,,,,,,a,more", "more cells than the header"),
    ],
)
def test_a_fault_is_named_with_its_row(read, cells, fault):
    header = "section,position_um,anchoring,pixel_size_um,channel,flip,rotate,invert,hemisphere,mask,out"
    with pytest.raises(InvalidFileError) as raised:
        read(f"{header}\ns2.tif\n{cells}\n")
    assert "row 3: " in str(raised.value)
    assert fault in str(raised.value)
    assert "\n" not in str(raised.value)


def test_every_fault_is_named(read):
    with pytest.raises(InvalidFileError, match=r"row 2: .*row 4: .*row 5: its result folder s3 is that of row 3"):
        read("section,position_um\ns1.tif,here\ns3.tif,\ns9.tif,\ns3.tif,\n")


def test_of_many_faults_the_first_are_named(read):
    with pytest.raises(InvalidFileError, match=r"row 11: .*; and 3 more\.$") as raised:
        read("section,position_um\n" + 13 * "s1.tif,here\n")
    assert "row 12" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("section,positon_um\ns1.tif,5400\n", "Received: 'positon_um' .* Did you mean position_um"),
        ("section,animal\ns1.tif,7\n", "Received: 'animal' .* Remove it"),
        ("section,section\ns1.tif,s2.tif\n", "section twice"),
        ("position_um\n5400\n", "must have a column section"),
        ("", "must have a column section"),
        ("section\n", "must have a section in a row"),
        (b"section\n\xff\xfe.tif\n", "UTF-8"),
    ],
)
def test_tables_that_are_no_manifests_are_refused(read, text, message):
    with pytest.raises(InvalidFileError, match=message):
        read(text)


def test_a_manifest_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="The manifest must be an existing file"):
        read_manifest(tmp_path / "none.csv", ATLAS)
