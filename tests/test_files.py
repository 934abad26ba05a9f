"""Outputs appear whole or not at all."""

import pytest

from atlalign._files import atomic_folder, atomic_path


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "a.tar.gz") as temporary:
        assert temporary.suffix == ".gz"
        assert temporary.parent == tmp_path


def test_a_missing_folder_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="mkdir -p"), atomic_path(tmp_path / "none" / "a.txt"):
        pass


def test_an_error_leaves_no_folder(tmp_path):
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "out") as temporary:
        (temporary / "a.txt").write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_keeps_what_is_not_replaced(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    (out / "a.txt").write_text("old")
    with atomic_folder(out) as temporary:
        (temporary / "a.txt").write_text("new")
    assert {path.name: path.read_text() for path in out.iterdir()} == {"mine.txt": "mine", "a.txt": "new"}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(NotADirectoryError, match="Received a file"), atomic_folder(tmp_path / "out"):
        pass


def test_a_folder_in_the_place_of_one_file_stops_all_of_them(tmp_path):
    out = tmp_path / "out"
    (out / "b.txt").mkdir(parents=True)
    (out / "a.txt").write_text("old")
    with pytest.raises(IsADirectoryError, match=r"b\.txt"), atomic_folder(out) as temporary:
        (temporary / "a.txt").write_text("new")
        (temporary / "b.txt").write_text("new")
    assert (out / "a.txt").read_text() == "old"
    assert sorted(path.name for path in out.iterdir()) == ["a.txt", "b.txt"]


def test_what_goes_into_a_folder_that_exists_never_leaves_it(tmp_path):
    # It may be a mount point: a file made beside it could not be renamed into it.
    with atomic_folder(tmp_path) as temporary:
        assert temporary.parent == tmp_path


def test_a_folder_that_somebody_else_makes_meanwhile_gets_the_files_as_well(tmp_path):
    out = tmp_path / "out"
    with atomic_folder(out) as temporary:
        (temporary / "a.txt").write_text("new")
        out.mkdir()
        (out / "b.txt").write_text("theirs")
    assert {path.name: path.read_text() for path in out.iterdir()} == {"a.txt": "new", "b.txt": "theirs"}
    assert list(tmp_path.iterdir()) == [out]
