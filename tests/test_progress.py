"""Progress: every item passes, lines appear only when they are of use."""

from atlalign import _progress


def test_all_items_pass_in_order():
    assert list(_progress.track([3, 1, 2], "Working")) == [3, 1, 2]


def test_what_is_quick_prints_nothing(capsys):
    list(_progress.track(range(5), "Working"))
    assert capsys.readouterr().err == ""


def test_what_is_slow_prints_how_many_are_done_counting_those_before(capsys, monkeypatch):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    list(_progress.track(range(2), "Working", total=5, done=3))
    assert capsys.readouterr().err.splitlines() == ["Working: 4/5", "Working: 5/5"]


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(_progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(_progress.track(range(3), "Working")) == [0, 1, 2]
    assert "Working" in capsys.readouterr().err
