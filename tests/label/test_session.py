"""What a person can do with the pairs of a section, and what follows."""

import numpy as np
import pytest

from atlalign import DisplacementField, Section, register
from atlalign.label import LabelSession, SectionSubject
from tests.label.run_maker import ATLAS, bend, nothing


def subject(model=bend):
    section = Section(ATLAS.reference_plane(6000), pixel_size_um=100, name="s1")
    return SectionSubject(register(section, ATLAS, position_um=6000, local_model=model))


@pytest.fixture(scope="module")
def bent():
    return subject()


@pytest.fixture(scope="module")
def straight():
    return subject(nothing)


def test_it_opens_with_control_points_on_the_automatic_field(bent):
    session = LabelSession(bent)
    assert session.labels.pairs
    assert all(pair.automatic for pair in session.labels.pairs)
    assert session.warp.residuals(session.labels.pairs).max() < 1e-3
    assert session.warp.field == bent.automatic
    assert session.labels.state == "untouched"


def test_a_control_point_that_is_moved_corrects_the_field_and_becomes_the_persons(bent):
    session = LabelSession(bent)
    pair = session.labels.pairs[0]
    target = (pair.reference_xy[0] + 2, pair.reference_xy[1] - 1)
    session.move(pair.number, reference_xy=target)
    assert not session.labels.pair(pair.number).automatic
    assert session.warp.field.transform_points([target])[0] == pytest.approx(pair.moving_xy, abs=0.05)
    assert session.labels.state == "corrected"


def test_a_pair_without_a_moving_point_changes_nothing(bent):
    session = LabelSession(bent)
    session.add((50.0, 40.0))
    assert np.abs(session.warp.field.deltas_xy - bent.automatic.deltas_xy).max() < 0.01


def test_a_place_of_the_section_is_found_in_the_atlas(bent):
    session = LabelSession(bent)
    there = session.moving_point((44.3, 31.7))
    assert session.reference_point(there) == pytest.approx((44.3, 31.7), abs=1e-3)


def test_undo_and_redo_go_back_and_forth_over_everything(straight):
    session = LabelSession(straight)
    history = [session.labels]
    for change in (
        lambda: session.add((40, 30), (43, 30)),
        lambda: session.move(1, moving_xy=(44, 31)),
        lambda: session.set_method("rbf_cubic"),
        lambda: session.set_position(7000),
        lambda: session.set_note("torn"),
        lambda: session.delete([1]),
    ):
        change()
        history.append(session.labels)
    for labels in reversed(history[:-1]):
        session.undo()
        assert session.labels == labels
    assert not session.can_undo
    for labels in history[1:]:
        session.redo()
        assert session.labels == labels
    assert not session.can_redo


def test_a_change_after_undo_forgets_what_could_be_redone(straight):
    session = LabelSession(straight)
    session.add((40, 30), (43, 30))
    session.undo()
    session.add((50, 30), (53, 30))
    session.redo()
    assert [pair.reference_xy for pair in session.labels.pairs] == [(50, 30)]


def test_the_field_follows_undo(straight):
    session = LabelSession(straight)
    session.add((40, 30), (43, 30))
    assert session.warp.correction.norm.max() > 2.9
    session.undo()
    assert session.warp.correction.norm.max() == 0


def test_in_symmetric_mode_a_pair_has_a_twin_on_the_other_side_that_moves_along(straight):
    session = LabelSession(straight)
    session.set_symmetric(True)
    session.add((40, 30), (43, 31))
    assert [(p.reference_xy, p.moving_xy) for p in session.labels.pairs] == [((40, 30), (43, 31)), ((73, 30), (70, 31))]
    session.move(2, moving_xy=(69, 32))
    assert session.labels.pair(1).moving_xy == pytest.approx((44, 32))
    x = session.warp.correction.delta_x
    assert np.allclose(x, -x[:, ::-1], atol=0.02)
    session.delete([1])
    assert session.labels.pairs == ()


def test_on_the_midline_there_is_no_twin(straight):
    session = LabelSession(straight)
    session.set_symmetric(True)
    session.add((56.5, 30), (56.5, 33))
    assert len(session.labels.pairs) == 1


def test_out_of_symmetric_mode_twins_part(straight):
    session = LabelSession(straight)
    session.set_symmetric(True)
    session.add((40, 30), (43, 31))
    session.set_symmetric(False)
    session.move(1, moving_xy=(50, 31))
    assert session.labels.pair(2).moving_xy == (70, 31)


def test_a_preview_is_shown_but_neither_kept_nor_reported(straight):
    changes = []
    session = LabelSession(straight, on_change=changes.append)
    session.add((40, 30), (43, 30))
    session.preview(1, reference_xy=(45, 30))
    assert session.quick_warp().field.sample([[45, 30]])[0] == pytest.approx([-2, 0], abs=0.2)
    assert session.labels.pair(1).reference_xy == (40, 30)
    session.end_preview()
    assert session.shown is session.labels
    assert len(changes) == 1


def test_every_change_is_reported_once_and_no_change_is_not(straight):
    changes = []
    session = LabelSession(straight, on_change=changes.append)
    session.add((40, 30), (43, 30))
    session.set_note("")
    session.delete([99])
    session.undo()
    session.undo()
    assert len(changes) == 2


def test_reset_leaves_the_control_points_and_the_note(bent):
    session = LabelSession(bent)
    session.set_note("good")
    session.add((40, 30), (43, 30))
    session.set_position(7000)
    session.reset()
    assert all(pair.automatic for pair in session.labels.pairs)
    assert (session.labels.note, session.labels.state, session.labels.corners_um) == ("good", "untouched", None)
    assert session.warp.field == bent.automatic


def test_the_plane_follows_the_position(straight):
    session = LabelSession(straight)
    session.set_position(7000)
    assert straight.plane_of(session.labels).position_um == 7000
    with pytest.raises(ValueError, match="position_um must satisfy"):
        session.set_position(20000)
    assert straight.plane_of(session.labels).position_um == 7000


def test_the_figures_are_those_of_the_field(straight):
    session = LabelSession(straight)
    session.add((40, 30), (43, 30))
    figures, field = session.numbers(), session.warp.field
    assert figures["without_folds"] == 100
    assert figures["mean_displacement"] == pytest.approx(field.average_displacement)
    assert figures["mean_displacement_um"] == pytest.approx(100 * field.average_displacement)
    assert figures["worst_residual"] < 0.05


def test_a_note_that_is_written_letter_by_letter_is_one_step(straight):
    session = LabelSession(straight)
    session.add((40, 30), (43, 30))
    for note in ("t", "to", "tor", "torn"):
        session.set_note(note)
    session.undo()
    assert session.labels.note == ""
    assert len(session.labels.pairs) == 1
    session.redo()
    assert session.labels.note == "torn"


def test_a_rejected_section_stays_rejected_when_a_pair_is_moved(straight):
    session = LabelSession(straight)
    session.set_state("rejected")
    session.add((40, 30), (43, 30))
    assert session.labels.state == "rejected"


@pytest.mark.parametrize("place", [(-3, 10), (10, 90), (float("nan"), 1)])
def test_a_place_outside_is_refused(straight, place):
    session = LabelSession(straight)
    with pytest.raises(ValueError, match="Received"):
        session.add(place, (10, 10))
    assert session.labels.pairs == ()


def test_the_field_of_a_known_deformation_is_found_again_from_pairs(straight):
    truth = DisplacementField.generate(straight.shape, "diffeomorphic", amplitude=2, sigma=20, random_state=5)
    session = LabelSession(straight)
    for x in range(12, 110, 16):
        for y in range(10, 75, 14):
            session.add((x, y), truth.transform_points([[x, y]])[0])
    inner = np.s_[10:66, 12:108]
    assert np.hypot(*np.moveaxis(session.warp.field.deltas_xy - truth.deltas_xy, -1, 0))[inner].max() < 0.3
