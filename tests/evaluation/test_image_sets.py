"""Sets of pictures: from scikit-learn, and downloaded from a server that the test starts."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.evaluation.idx_files import idx
from tsae.errors import DataError, OutputError, ParameterError
from tsae.evaluation import image_sets
from tsae.evaluation.image_sets import cache_folder, fetch, image_dataset, image_datasets

PARTS = {
    "train_images": np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3),
    "train_labels": np.arange(5, dtype=np.uint8),
    "test_images": np.full((2, 4, 3), 9, np.uint8),
    "test_labels": np.array([7, 8], np.uint8),
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        self.server.asked.append(self.path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    """Serves the folder `www`; `asked` lists the paths it was asked for."""
    (tmp_path / "www").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "www"))) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url_of(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture
def tiny(tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of one set on that server; the folder of its catalogue."""
    files = {}
    for part, array in PARTS.items():
        content = gzip.compress(idx(array))
        (tmp_path / "www" / f"{part}.gz").write_bytes(content)
        files[part] = {"name": f"{part}.gz", "sha256": hashlib.sha256(content).hexdigest()}
    urls = [url_of(server) + "nowhere/", url_of(server)]
    (tmp_path / "catalogue.json").write_text(json.dumps({"tiny": {"urls": urls, "files": files}}))
    monkeypatch.setattr(image_sets, "bundled_folder", lambda *_: tmp_path)
    return tmp_path


def test_digits_are_scikit_learns_and_need_no_network():
    digits, data = image_dataset("digits"), load_digits()
    np.testing.assert_array_equal(np.concatenate([digits.train, digits.test]), data.images)
    np.testing.assert_array_equal(np.concatenate([digits.train_labels, digits.test_labels]), data.target)


def test_the_catalogue_names_every_file_by_address_and_checksum():
    assert image_datasets() == ("digits", "mnist", "fashion-mnist")
    for entry in image_sets._catalogue().values():
        assert set(entry["files"]) == set(PARTS)
        assert len({file["sha256"] for file in entry["files"].values()}) == len(PARTS)
        assert all(len(bytes.fromhex(file["sha256"])) == 32 for file in entry["files"].values())
        assert all(url.startswith(("http://", "https://")) and url.endswith("/") for url in entry["urls"])
        assert entry["licence"]
    with pytest.raises(ParameterError, match=r"`name` \(='cifar'\) .*digits, mnist, fashion-mnist"):
        image_dataset("cifar")


def test_a_set_is_downloaded_once(tiny: Path, server: ThreadingHTTPServer):
    first = image_dataset("tiny", folder=tiny / "cache")
    for part, array in PARTS.items():
        found = getattr(first, part.removesuffix("_images"))
        np.testing.assert_array_equal(found, array)
    asked = list(server.asked)
    assert [path for path in asked if "nowhere" not in path] == [f"/{part}.gz" for part in PARTS]
    second = image_dataset("tiny", folder=tiny / "cache")
    np.testing.assert_array_equal(second.train, first.train)
    assert server.asked == asked
    assert sorted(path.name for path in (tiny / "cache" / "tiny").iterdir()) == sorted(f"{part}.gz" for part in PARTS)


def test_downloads_go_into_the_users_cache(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tiny / "home"))
    assert cache_folder() == tiny / "home" / "tsae"
    image_dataset("tiny")
    assert (tiny / "home" / "tsae" / "tiny" / "train_images.gz").exists()


def test_another_file_than_the_one_that_was_meant_is_refused(tiny: Path):
    (tiny / "www" / "train_images.gz").write_bytes(gzip.compress(idx(PARTS["test_images"])))
    with pytest.raises(DataError, match=r"cannot download 'train_images.gz' .*has SHA-256 \w{64}, not \w{64}"):
        image_dataset("tiny", folder=tiny / "cache")
    assert not list((tiny / "cache" / "tiny").iterdir())


def test_a_file_that_was_damaged_on_the_disk_is_refused_and_kept(tiny: Path):
    image_dataset("tiny", folder=tiny / "cache")
    path = tiny / "cache" / "tiny" / "test_labels.gz"
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"has another SHA-256 .*delete it"):
        image_dataset("tiny", folder=tiny / "cache")
    assert path.read_bytes() == b"damaged"


def test_a_server_that_is_not_there_is_an_error_that_says_what_to_do(tmp_path: Path, server: ThreadingHTTPServer):
    path = tmp_path / "cache" / "x.gz"
    with pytest.raises(DataError, match=r"cannot download 'x.gz' .*404.*; put the file at .*x.gz' yourself"):
        fetch([url_of(server) + "x.gz"], path, sha256="0" * 64)
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match="refused"):
        fetch([url_of(server) + "x.gz"], path, sha256="0" * 64)
    assert not path.parent.exists()


def test_a_folder_that_cannot_be_written_is_named(tiny: Path):
    (tiny / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file/tiny"):
        image_dataset("tiny", folder=tiny / "file")


def test_images_and_labels_must_belong_together(tiny: Path):
    catalogue = json.loads((tiny / "catalogue.json").read_text())
    files = catalogue["tiny"]["files"]
    files["train_labels"] = files["test_labels"]
    (tiny / "catalogue.json").write_text(json.dumps(catalogue))
    with pytest.raises(DataError, match=r"train images \(5, 4, 3\) and labels \(2,\) do not belong together"):
        image_dataset("tiny", folder=tiny / "cache")
