"""Damaged weights files give a result or a clear line, in memory proportional to the file."""

import io
import itertools
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

import hdrcnn
from hdrcnn import WeightsError, weights
from hdrcnn.batch import choose
from hdrcnn.models.hdrcnn import build
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.weights import array_pickle, npz, published
from tests.weights import fuzz_weights
from tests.weights.published import save_pickle
from training_code.run import start as starts, vgg16


def test_hundreds_of_damaged_files_are_handled(tmp_path):
    model = build(fuzz_weights.WIDTH)
    path, said = tmp_path / "w.npz", set()
    files = fuzz_weights.seeds(tmp_path, model)
    for content in files:
        path.write_bytes(content)
        assert fuzz_weights.attempt(path, model) == "read"
    for mutant in itertools.islice(fuzz_weights.mutants(files, seed=7), 400):
        path.write_bytes(mutant)
        said.add(fuzz_weights.attempt(path, model))
    # The damage reaches the archive, the arrays, the pickle, and harmless places.
    assert "read" in said
    assert any("not a weights file" in part for part in said)
    assert any("not read" in part for part in said)
    assert any("does not fit" in part for part in said)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",  # A memo index far away.
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",  # An array said to be of 1 TB.
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b".",  # A frame of the same size.
        b"\x80\x02]" + b"q\x00h\x00h\x00\x86h\x00a" * 3 + b".",  # A list that contains itself.
        b"(lp0\n" + b"".join(b"(g%dg%dlp%d\n" % (n, n, n + 1) for n in range(60)) + b".",
    ],
    ids=["memo", "array", "frame", "circle", "doubling"],
)  # fmt: skip
def test_a_small_file_that_asks_for_all_memory_is_refused(tmp_path, payload):
    resource = pytest.importorskip("resource")  # Not on Windows.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match=r"^[^\n]*p\.npz: [^\n]*$"):
        weights.load(save_pickle(tmp_path / "p.npz", payload))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_only_stand_ins_accept_a_state(tmp_path):
    """Otherwise a file could change the functions that it is allowed to call."""
    module, name = next(key for key in array_pickle._ADMITTED if key[1] == "_reconstruct")
    state = pickle.dumps((None, {"__defaults__": (1,)}), protocol=2)[2:-1]
    payload = b"\x80\x02c" + f"{module}\n{name}\n".encode() + state + b"b."
    with pytest.raises(WeightsError, match="state"):
        weights.load(save_pickle(tmp_path / "p.npz", payload))
    assert array_pickle._reconstruct.__defaults__ is None


@pytest.mark.parametrize("way", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["a", "params"])
def test_an_archive_that_unpacks_to_too_many_zeros_is_refused(tmp_path, name, way):
    """64 MB in 64 kB: real weights are noise and hardly compress."""
    resource = pytest.importorskip("resource")  # Not on Windows.
    content = io.BytesIO()
    np.save(content, np.zeros(64 << 20, np.uint8))
    with zipfile.ZipFile(tmp_path / "w.npz", "w", way) as archive:
        archive.writestr(f"{name}.npy", content.getvalue())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match=r"w\.npz: [^\n]*(length|compressed)"):
        weights.load(tmp_path / "w.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_an_array_counts_with_its_size_as_float32(tmp_path, monkeypatch):
    """Numbers of one byte are four times as long as float32."""
    record = {"width": 2, "linearisation": "srgb", "blend": "pixel"}
    npz.write(tmp_path / "w.npz", {"a": np.zeros(100_000, np.uint8)}, record)
    weights.load(tmp_path / "w.npz")
    monkeypatch.setattr(npz, "MAX_TOTAL_BYTES", 399_999)
    with pytest.raises(WeightsError, match=r"w\.npz: [^\n]*unpacks"):
        weights.load(tmp_path / "w.npz")


@pytest.mark.parametrize("shape", [(1 << 40,), (3,), (-2,)])
def test_an_array_that_does_not_match_its_header_is_not_read(tmp_path, shape):
    content = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("a.npy", content.getvalue() + bytes(8))
    with pytest.raises(WeightsError, match=r"w\.npz: [^\n]*header"):
        weights.load(tmp_path / "w.npz")


def test_too_long_metadata_are_refused(tmp_path, monkeypatch):
    metadata = Hdrcnn(2, "srgb", "pixel", training={"a": "b" * 1000})
    weights.save(tmp_path / "w.npz", {"a": np.zeros(2)}, metadata)
    weights.load(tmp_path / "w.npz")
    monkeypatch.setattr(npz, "LARGEST_RECORD", 1000)
    with pytest.raises(WeightsError, match=r"w\.npz: [^\n]*metadata"):
        weights.load(tmp_path / "w.npz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_pipes_devices_and_folders_are_refused_before_opening(tmp_path, kind):
    """A pipe would hang and a device never end, also behind a link."""
    path, link = tmp_path / "w.npz", tmp_path / "link.npz"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    link.symlink_to(path)
    for file in (path, link):
        for load in (weights.load, hdrcnn.load, choose.sha256, starts.load, vgg16.read):
            with pytest.raises(WeightsError, match=rf"^[^\n]*{file.name}: [^\n]*{kind}[^\n]*$"):
                load(file)
        assert not published.recognised(file)
        with pytest.raises(WeightsError, match=kind):
            published.read_list(file)


def many_of_one(kind: str) -> bytes:
    """A pickle of 50 arrays or texts that share the same 100 kB of zeros."""
    data = b"B" + struct.pack("<I", 100_000) + bytes(100_000) + b"q\x00"
    text = b"X" + struct.pack("<I", 100_000) + bytes(100_000) + b"q\x00"
    number = b"cnumpy\ndtype\nq\x01(X\x02\0\0\0f4tRq\x02"
    plain = b"(K\x01(M\xa8\x61th\x02\x89h\x00t"
    start, one = {
        "state": (data, b"cnumpy\nndarray\n(tR" + plain + b"b"),
        "buffer": (data, b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x02(M\xa8\x61tX\x01\0\0\0CtR"),
        "text": (text, b"c_codecs\nencode\n(h\x00X\x06\0\0\0latin1tR"),
        "object": (text, b"(c_codecs\nencode\nh\x00X\x06\0\0\0latin1o"),
    }[kind]
    return b"\x80\x05" + start + number + b"]" + (b"(" + one + b"e") * 50 + b"."


@pytest.mark.parametrize("kind", ["state", "buffer", "text", "object"])
def test_arrays_that_share_bytes_are_counted_separately(tmp_path, monkeypatch, kind):
    """5 MB from 100 kB is refused, unless the margin is raised."""
    path = save_pickle(tmp_path / "p.npz", many_of_one(kind))
    with pytest.raises(WeightsError, match=r"p\.npz: [^\n]*1,4"):
        weights.load(path)
    monkeypatch.setattr(npz, "MARGIN", 10_000_000)
    with pytest.raises(WeightsError) as said:  # These are not the published arrays.
        weights.load(path)
    assert "take more" not in str(said.value)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"cnumpy.core.numeric\n_frombuffer\n(\x8a\x06" + bytes(5) + b"\x01", "no bytes"),
        (b"cnumpy.core.numeric\n_frombuffer\n(h\x00NNh\x00tR.", "two orders"),
        (b"c_codecs\nencode\n(X\x01\0\0\0ah\x00tR.", "Latin-1"),
        (b"cnumpy\ndtype\n(h\x00tR.", "number type"),
    ],
)
def test_arguments_of_stand_ins_are_checked(tmp_path, payload, reason):
    """Such as a size of 1 TB instead of bytes, or nested lists of 2^20 parts when written out."""
    lists = b"]q\x000" + b"".join(b"](h\x00h\x00eq\x000" for _ in range(20))
    if reason == "no bytes":
        payload += b"cnumpy\ndtype\n(X\x02\0\0\0f4tR(K\x01tX\x01\0\0\0CtR."
    with pytest.raises(WeightsError, match=rf"p\.npz: [^\n]*{reason}"):
        weights.load(save_pickle(tmp_path / "p.npz", b"\x80\x02" + lists + payload))


def test_metadata_of_invalid_characters_are_refused(tmp_path):
    """NumPy still makes a string of them, on which Python fails later."""
    record = np.array(["{}x"])
    record.view(np.uint32)[2] = 0x7FFFFFFF
    np.savez(tmp_path / "w.npz", metadata=record, a=np.zeros(1))
    with pytest.raises(WeightsError, match="metadata"):
        weights.load(tmp_path / "w.npz")


def test_a_network_is_not_built_for_a_width_that_no_array_has(tmp_path):
    metadata = Hdrcnn(width=200, linearisation="srgb", blend="pixel")
    weights.save(tmp_path / "w.npz", {"block1_conv1/kernel": np.zeros((3, 3, 3, 2))}, metadata)
    with pytest.raises(WeightsError, match=r"w\.npz: .*200"):
        hdrcnn.load(tmp_path / "w.npz")


@pytest.mark.parametrize("kind", ["<U3", "c8", "?"])
def test_arrays_that_are_not_numbers_are_named(tmp_path, kind):
    record = {"width": 2, "linearisation": "srgb", "blend": "pixel"}
    npz.write(tmp_path / "w.npz", {"odd": np.zeros(2, kind)}, record)
    with pytest.raises(WeightsError, match=r"w\.npz: [^\n]*odd"):
        weights.load(tmp_path / "w.npz")


@pytest.mark.parametrize("record", [["hdrcnn"], "hdrcnn", None, 3])
def test_metadata_that_are_not_a_record_are_refused(tmp_path, record):
    np.savez(tmp_path / "w.npz", metadata=np.array(json.dumps(record)), a=np.zeros(1))
    with pytest.raises(WeightsError, match=r"w\.npz: .*no record"):
        weights.load(tmp_path / "w.npz")
