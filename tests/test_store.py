from __future__ import annotations

import contextlib
import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save

from tsae.errors import ModelFileError, OutputError
from tsae.store import (
    FORMAT_VERSION,
    check_writable,
    open_atomically,
    read_manifest,
    read_model,
    write_atomically,
    write_model,
)

TENSORS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "threshold": np.array(2.5),
    "role": np.array([0, 1, 2]),
}
MANIFEST = {"kind": "test", "channels": ["pressure [bar]", "Δp"], "nested": {"lag": 5, "rate": 1e-3, "none": None}}

arrays = hnp.arrays(
    dtype=st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
    shape=hnp.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tsae"
    write_model(path, TENSORS, MANIFEST)
    return path


def assert_equal_to_what_was_written(path: Path) -> None:
    tensors, manifest = read_model(path)
    assert {name: (array.dtype, array.shape) for name, array in tensors.items()} == {
        name: (array.dtype, array.shape) for name, array in TENSORS.items()
    }
    assert all(np.array_equal(tensors[name], array) for name, array in TENSORS.items())
    assert {name: manifest[name] for name in MANIFEST} == MANIFEST


def test_a_model_comes_back_as_it_was_written(model):
    assert_equal_to_what_was_written(model)
    assert read_manifest(model) == read_model(model)[1]
    assert [path.name for path in model.parent.iterdir()] == ["model.tsae"]


@settings(max_examples=25)
@given(
    tensors=st.dictionaries(st.text(max_size=8).map("t.{}".format), arrays, max_size=4),
    manifest=st.dictionaries(st.text(max_size=8).map("m.{}".format), json_values, max_size=4),
)
def test_every_model_comes_back_as_it_was_written(tmp_path_factory, tensors, manifest):
    path = tmp_path_factory.getbasetemp() / "any.tsae"
    write_model(path, tensors, manifest)
    read, facts = read_model(path)
    assert {name: facts[name] for name in manifest} == manifest
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read[name], array)
        assert read[name].flags.writeable


def test_the_same_model_gives_the_same_bytes(model):
    whole = model.read_bytes()
    for _ in range(5):
        write_model(model, dict(reversed(TENSORS.items())), MANIFEST)
        assert model.read_bytes() == whole


def test_views_and_transposed_arrays_are_written_as_they_look(tmp_path):
    table = np.arange(12.0).reshape(3, 4)
    write_model(tmp_path / "m", {"transposed": table.T, "every_second": table[:, ::2]}, {})
    tensors, _ = read_model(tmp_path / "m")
    assert tensors["transposed"].tolist() == table.T.tolist()
    assert tensors["every_second"].tolist() == table[:, ::2].tolist()


def test_any_flipped_byte_is_refused_or_harmless(model):
    """Harmless is what JSON does not tell apart, such as another white space."""
    whole = model.read_bytes()
    n_refused = 0
    for position in range(len(whole)):
        for flip in (0x01, 0xFF):
            damaged = bytearray(whole)
            damaged[position] ^= flip
            model.write_bytes(damaged)
            try:
                assert_equal_to_what_was_written(model)
            except ModelFileError:
                n_refused += 1
    assert n_refused > 1.9 * len(whole)


def test_a_flipped_byte_of_the_manifest_is_refused_without_reading_the_tensors(model):
    model.write_bytes(model.read_bytes().replace(b"pressure [bar]", b"pressure [car]"))
    with pytest.raises(ModelFileError, match=r"model.tsae' is damaged \(the checksum of its manifest does not match\)"):
        read_manifest(model)


def test_a_flipped_bit_of_a_weight_is_refused_and_says_what_to_do(model):
    whole = bytearray(model.read_bytes())
    whole[-1] ^= 1
    model.write_bytes(whole)
    message = r"checksum of its tensors does not match\); restore it from a copy or fit again"
    with pytest.raises(ModelFileError, match=message):
        read_model(model)


def test_a_file_cut_anywhere_is_refused(model):
    whole = model.read_bytes()
    for length in range(len(whole)):
        model.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            read_model(model)


def test_bytes_behind_the_end_are_refused(model):
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(ModelFileError, match="is damaged"):
        read_model(model)


def test_a_newer_format_is_refused_by_its_number(tmp_path):
    write_model(tmp_path / "m", TENSORS, {"format_version": FORMAT_VERSION + 1})
    message = rf"has format version {FORMAT_VERSION + 1}, this tsae reads up to {FORMAT_VERSION}; upgrade tsae"
    with pytest.raises(ModelFileError, match=message):
        read_model(tmp_path / "m")


def header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


def manifest_header(manifest: str, checksum: str = '""') -> bytes:
    both = f'{{"sha256": {checksum}, "manifest": {manifest}}}'
    return header(json.dumps({"__metadata__": {"tsae": both}}).encode())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"time,pressure\n2026-01-01,1.0\n" * 9, id="csv"),
        pytest.param(bytes(range(256)) * 4, id="bytes"),
        pytest.param(b"\0" * 64, id="zeros"),
        pytest.param(b"\xff" * 64, id="endless header"),
        pytest.param(save({"a": np.zeros(3)}), id="safetensors"),
        pytest.param(save({"a": np.zeros(3)}, metadata={"format": "pt"}), id="other metadata"),
        pytest.param(header(b"[" * 200_000), id="nested"),
        pytest.param(header(b'"tsae"'), id="not an object"),
        pytest.param(manifest_header("{}"), id="no version"),
        pytest.param(manifest_header('{"format_version": Infinity}'), id="infinite version"),
        pytest.param(manifest_header('{"format_version": "x"}'), id="text as version"),
        pytest.param(manifest_header("[1]"), id="list"),
        pytest.param(manifest_header("[" * 200_000), id="nested manifest"),
    ],
)
def test_what_is_not_a_model_is_refused(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"notes.txt' is not a tsae model.*write one with `tsae fit`"):
        read_model(path)


@pytest.mark.parametrize("manifest", ['{"format_version": 1}', '{"format_version": 1, "x": "\\ud800"}'])
@pytest.mark.parametrize("checksum", ["null", "7", '"0000"', "[]"])
def test_a_made_up_checksum_is_refused(tmp_path, manifest, checksum):
    (tmp_path / "m").write_bytes(manifest_header(manifest, checksum))
    with pytest.raises(ModelFileError, match="checksum of its manifest"):
        read_model(tmp_path / "m")


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("behind_a_header", [False, True])
def test_a_pickle_is_refused_and_not_executed(tmp_path, behind_a_header):
    trap = pickle.dumps(Trap(tmp_path / "executed"))
    (tmp_path / "m").write_bytes(header(trap) if behind_a_header else trap)
    with pytest.raises(ModelFileError, match="is not a tsae model"):
        read_model(tmp_path / "m")
    assert not (tmp_path / "executed").exists()
    pickle.loads(trap)
    assert (tmp_path / "executed").exists(), "the trap does not work"


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(
        ModelFileError, match=r"cannot read model '.*absent': No such file or directory; check the path"
    ):
        read_model(tmp_path / "absent")
    with pytest.raises(ModelFileError, match="Is a directory"):
        read_model(tmp_path)


def test_unwritable_paths_are_found_before_anything_is_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot write '.*m': No such file or directory; choose another path"):
        check_writable(tmp_path / "absent" / "m")
    with pytest.raises(OutputError, match="Not a directory"):
        check_writable(tmp_path / "file" / "m")
    with pytest.raises(OutputError, match=r"is a folder; name a file in it"):
        check_writable(tmp_path)
    check_writable(tmp_path / "m")
    check_writable(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_manifest_that_is_not_json_leaves_the_old_model(model):
    with pytest.raises(TypeError):
        write_model(model, TENSORS, {"random_state": object()})
    assert_equal_to_what_was_written(model)


def test_a_path_may_be_text_and_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomically("plain.txt", b"hello")
    assert Path("plain.txt").read_bytes() == b"hello"


def test_a_file_written_in_pieces_is_put_in_place_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "scores.csv"
    with open_atomically(path) as file:
        file.write(b"time,")
        assert not path.exists()
        file.write(b"score\n")
    assert path.read_bytes() == b"time,score\n"
    with pytest.raises(TypeError), open_atomically(path) as file:
        file.writelines([b"half", None])
    assert path.read_bytes() == b"time,score\n"
    assert [each.name for each in tmp_path.iterdir()] == ["scores.csv"]


_FULL_DISK = """
import resource, sys, numpy as np
from tsae.errors import OutputError
from tsae.store import write_model
resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, 64_000))
try:
    write_model(sys.argv[1], {"big": np.zeros(100_000)}, {})
except OutputError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_model_and_no_litter(model):
    """A limit on file sizes fails a write half-way, as a full disk does."""
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, model], capture_output=True, text=True, check=True)
    assert f"cannot write '{model}': File too large; free space or choose another path" in done.stdout
    assert_equal_to_what_was_written(model)
    assert [path.name for path in model.parent.iterdir()] == ["model.tsae"]


_WRITE_FOR_EVER = """
import sys, numpy as np
from tsae.store import write_model
big = np.random.default_rng(0).normal(size=2_000_000)
while True:
    write_model(sys.argv[1], {"big": big}, {"kind": "big"})
"""


def half_written(folder: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):  # put in place meanwhile
        return any(path.stat().st_size > 0 for path in folder.glob(".model.tsae.*"))
    return False


def test_a_killed_process_leaves_a_whole_model(model):
    process = subprocess.Popen([sys.executable, "-c", _WRITE_FOR_EVER, model])
    try:
        patience = time.monotonic() + 60
        while not half_written(model.parent):
            assert time.monotonic() < patience
            assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert read_model(model)[1]["kind"] in ("test", "big")
