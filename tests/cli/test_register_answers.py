"""What `atlalign register` says of a section, and when it is interrupted."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from atlalign.cli.register_answers import say
from atlalign.registration import Outcome, SectionJob

UPRIGHT, TURNED = {"flip": None, "rotate": 0}, {"flip": None, "rotate": 180}


def _outcome(orientation, *, applied, flag=None):
    quality = {f"tissue_overlap_{when}": {"value": 0.9, "flag": None} for when in ("before", "after")}
    quality["folded"] = {"value": 2.0, "flag": "It folds."}
    quality["orientation"] = {"value": "turned by 180 degrees" if orientation == TURNED else "as given", "flag": flag}
    record = {
        "canvas": {"position_um": 6650.0},
        "search": {},
        "orientation": {"given": UPRIGHT, "best": orientation, "applied": applied},
    }
    return Outcome(SectionJob("s1.png"), Path("s1"), record=record, quality=quality)


@pytest.mark.parametrize(("orientation", "expected"), [(TURNED, ", turned by 180 degrees (found)"), (UPRIGHT, "")])
def test_the_line_says_that_a_section_was_turned(orientation, expected, capsys):
    say(_outcome(orientation, applied=True), Path("s1"), False)
    line = capsys.readouterr().out.splitlines()[0]
    assert line == f"s1.png: position 6650 um (found){expected}, tissue overlap 0.900 -> 0.900, results in s1"


def test_that_a_section_should_be_turned_is_noted_first(capsys):
    say(_outcome(TURNED, applied=False, flag="It fits better turned."), Path("s1"), False)
    line, *notes = capsys.readouterr().out.splitlines()
    assert notes == ["  note: It fits better turned.", "  note: It folds."]
    assert "turned" not in line


@pytest.mark.parametrize(
    ("searching", "expected"), [(True, "With the same call the search begins again."), (False, "does the rest.")]
)
def test_an_interrupted_search_is_said_to_begin_again(run, tmp_path, monkeypatch, searching, expected):
    def interrupted(jobs, *args, series_progress, **how):
        if searching:
            next(iter(series_progress(jobs)))
        raise KeyboardInterrupt

    monkeypatch.setattr("atlalign.registration.register_batch", interrupted)
    for name in ("s1", "s2"):
        iio.imwrite(tmp_path / f"{name}.png", np.zeros((8, 8), np.uint8))
    answer = run("atlalign", "register", tmp_path, "--series", "--atlas", "phantom:200", "--out", tmp_path / "out")
    assert answer.code == 130
    assert answer.err.strip().endswith(expected)
