"""Compressed and damaged data files: no more memory is taken than headers say, and each fault is one clear error."""

import contextlib
import gzip
import io
import resource
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from hotloop.datasets import load_npz
from hotloop.network.datasets.idx_file import read_idx
from hotloop.network.datasets.npz_file import array_names, read_arrays
from hotloop.network.validation import memory

X = np.arange(40.0).reshape(10, 4)
MEGABYTE = 10**6
NOT_READ = 20 * MEGABYTE  # what faulty data would inflate to
MOST = 4 * MEGABYTE  # memory that reading it may take


@contextlib.contextmanager
def little_memory():
    """Demand that no more than a few megabytes are taken."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


@pytest.fixture
def available(monkeypatch):
    def give(size):
        monkeypatch.setattr(memory, "available_memory", lambda: size)

    return give


# IDX


def idx(shape, values, compress=True):
    content = struct.pack(">HBB", 0, 8, len(shape)) + struct.pack(f">{len(shape)}I", *shape) + values
    return gzip.compress(content) if compress else content


@pytest.mark.parametrize(
    ("shape", "size", "message"),
    [
        ((3, 2, 3), NOT_READ, "images is too long: more than the 18 values that its header says: fetch it again"),
        ((2**31, 2**31, 2**31), 10, f"images is truncated: 10 values, where its header says {2**93}: fetch it again"),
        ((2**31, 2**31, 0), 10, "images is too long: more than the 0 values"),
        ((1000, 100, 100), 10, "images is truncated: 10 values, where its header says 10000000"),
    ],
)
@pytest.mark.parametrize("compress", [True, False])
def test_idx_is_read_as_far_as_its_header_says(tmp_path, shape, size, message, compress):
    (tmp_path / "images").write_bytes(idx(shape, bytes(size), compress))
    with little_memory(), pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "images", 3)


@pytest.mark.parametrize("compress", [True, False])
def test_idx_of_zeros_that_are_compressed_a_thousandfold(tmp_path, available, compress):
    (tmp_path / "images").write_bytes(idx((200, 100, 1000), bytes(NOT_READ), compress))
    images = read_idx(tmp_path / "images", 3)
    assert (images.shape, images.any()) == ((200, 100, 1000), False)
    available(NOT_READ - 1)
    with pytest.raises(MemoryError, match=r"what .*images holds needs 20 MB of memory; 20 MB are available"):
        read_idx(tmp_path / "images", 3)


def test_idx_gzip_is_known_by_its_first_bytes(tmp_path):
    for name, compress in (("plain.gz", False), ("compressed", True)):
        (tmp_path / name).write_bytes(idx((3,), b"\1\2\3", compress))
        assert read_idx(tmp_path / name, 1).tolist() == [1, 2, 3]


# NPZ


def npy(array=X, header=None):
    """Return an NPY file, with another header if it is given."""
    file = io.BytesIO()
    np.save(file, array)
    content = file.getvalue()
    if header is None:
        return content
    text = header.encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + array.tobytes()


@pytest.fixture
def archive(tmp_path):
    """Return a function that makes an NPZ file of members, each compressed by a method."""

    def make(method=zipfile.ZIP_DEFLATED, **members):
        path = tmp_path / "arrays.npz"
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w", method) as file:
            for name, content in members.items():
                file.writestr(f"{name}.npy", content)
        return path

    return make


def patched(path, offset_local, offset_central, value):
    """Change bytes of the first member's header, in both places that have it."""
    content = bytearray(path.read_bytes())
    for offset in (content.index(b"PK\3\4") + offset_local, content.index(b"PK\1\2") + offset_central):
        content[offset : offset + len(value)] = value
    path.write_bytes(content)
    return path


def test_npz_encrypted(archive):
    path = patched(archive(x=npy(), y=npy()), 6, 8, b"\1\0")
    with pytest.raises(ValueError, match=r"arrays.npz, array 'x.npy', is encrypted: save it without a password"):
        load_npz(path)


def test_npz_of_an_unknown_method(archive):
    path = patched(archive(x=npy(), y=npy()), 8, 10, b"\x63\0")
    with pytest.raises(ValueError, match=r"array 'x.npy', is compressed by method 99, which is unknown: use"):
        load_npz(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_of_every_known_method(archive, method):
    arrays = read_arrays(archive(method, x=npy(), Y=npy(X[:, 0])), ["x", "y"])
    np.testing.assert_array_equal(arrays["x"], X)
    np.testing.assert_array_equal(arrays["y"], X[:, 0])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_cut_and_flipped_anywhere(archive, method):
    """There is one kind of error, unless the damage is in what is not read."""
    path = archive(method, x=npy(), y=npy())
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        for damaged in (whole[:place], whole[:place] + b"\xff\xff" + whole[place + 2 :]):
            path.write_bytes(damaged)
            try:
                found = read_arrays(path, ["x", "y"])
            except ValueError as error:
                assert str(error).startswith(str(path))  # noqa: PT017 (most, not all, raise)
            else:
                np.testing.assert_array_equal(found["x"], X)


def header(shape="(10, 4)", descr="'<f8'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (header("(-10, 4)"), r"is damaged: its header says \(-10, 4\) of float64"),
        (header("(-10, -4)"), r"is damaged: its header says \(-10, -4\) of float64, 320 bytes; 320 follow"),
        (header(f"({2**62}, {2**62})"), "is damaged: its header says .* follow"),
        (header("(9, 4)"), r"is damaged: its header says \(9, 4\) of float64, 288 bytes; 320 follow"),
        (header("(11, 4)"), r"is damaged: .* 352 bytes; 320 follow"),
        (header("(10.5, 4)"), "cannot be read as NPZ.*shape"),
        (header("'ab'"), "cannot be read as NPZ.*shape"),
        (header("5"), "cannot be read as NPZ.*shape"),
        (header(descr="'<f99'"), "cannot be read as NPZ"),
        (header(descr="'nonsense'"), "cannot be read as NPZ"),
        (header(descr="'|O'"), r"holds Python objects \(dtype object\); unpickling them would run code"),
        (header(descr="[('a', '|O')]"), "holds Python objects"),
        ("{", "cannot be read as NPZ"),
        ("-" * 5000 + "1", "cannot be read as NPZ"),
        ("(" * 150, "cannot be read as NPZ"),
        ("{'shape': (10, 4)}", "cannot be read as NPZ.*keys"),
        ("x" * 20000, "cannot be read as NPZ"),
        ("\x1b[2J", "cannot be read as NPZ"),
    ],
)
def test_npz_with_odd_headers(archive, text, message):
    path = archive(x=npy(header=text), y=npy())
    with pytest.raises(ValueError, match=f"arrays.npz, array 'x.npy', {message}") as caught:
        load_npz(path)
    assert str(caught.value).isprintable()


def test_npz_of_another_version(archive):
    path = archive(x=b"\x93NUMPY\3\0" + npy()[8:], y=npy())
    with pytest.raises(ValueError, match=r"array 'x.npy', .*version 3.0; wanted an array of numbers or text"):
        load_npz(path)
    field = np.zeros(3, [("a" * 70000, "f8")])
    with warnings.catch_warnings(action="ignore"):  # the warning that version 2 is needed
        path = archive(x=npy(field), y=npy())
    with pytest.raises(ValueError, match="cannot be read as NPZ"):  # NumPy's limit on the length of headers
        load_npz(path)


def test_npz_of_nested_and_twofold_members(archive, tmp_path):
    path = archive(**{"folder/x": npy(), "x\x1b[2J": npy(), "y": npy()})
    with pytest.raises(ValueError, match=r"holds no array 'x'; found folder/x, x\\x1b\[2j, y$"):
        load_npz(path)
    for other in (archive(x=npy()).read_bytes(), b"not an array", b""):
        path = archive(x=other, y=npy())
        with pytest.raises(ValueError, match=r"array 'x.npy', cannot be read as NPZ"):
            load_npz(path)
    path = archive(x=npy(), X=npy(), y=npy())
    with pytest.raises(ValueError, match="holds two arrays named 'x': rename one"):
        load_npz(path)
    with zipfile.ZipFile(path, "w") as file:
        file.mkdir("x")
        file.writestr("y.npy", npy())
    assert array_names(path) == ("y",)


def test_npz_reads_only_what_is_asked_for(archive):
    data = load_npz(archive(x=npy(), y=npy(X[:, 0] / 3), notes=b"no array", other=npy(np.zeros((0, 7)))))
    assert data.x_train.shape == (8, 4)


def test_npz_that_holds_less_than_it_says(archive):
    """The size is wrong in the archive's directory and in the header."""
    size = 10**9
    text = header(f"({size // 8},)")
    path = archive(x=npy(header=text), y=npy())
    start = len(npy(header=text)) - X.nbytes
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2") + 24
    content[at : at + 4] = struct.pack("<I", start + size)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"array 'x.npy', is damaged: \d+ bytes cannot hold 10000"):
        load_npz(path)


def test_npz_that_holds_more_than_its_header_says(archive):
    path = archive(x=npy() + bytes(NOT_READ), y=npy())
    with (
        little_memory(),
        pytest.raises(ValueError, match=rf"array 'x.npy', is damaged: .* 320 bytes; {320 + NOT_READ} follow"),
    ):
        load_npz(path)


def test_npz_of_zeros_that_are_compressed_a_thousandfold(archive, available):
    path = archive(x=npy(np.zeros((NOT_READ // 8, 1))), y=npy(np.zeros(NOT_READ // 8)))
    assert path.stat().st_size < 2 * NOT_READ / 900
    assert not read_arrays(path, ["x"])["x"].any()
    available(2 * NOT_READ - 1)
    with pytest.raises(MemoryError, match=r"what .*arrays.npz holds needs 40 MB of memory; 40 MB are available"):
        load_npz(path)


# What is available


@pytest.fixture
def root(tmp_path):
    """Return a folder like that of a system with control groups, of which the lower leave less."""
    files = {
        "proc/meminfo": "MemTotal: 900 kB\nMemAvailable:    800 kB\n",
        "proc/self/cgroup": "0::/user/job\n",
        "proc/self/statm": "100 20 3\n",
        "sys/fs/cgroup/memory.max": "max\n",
        "sys/fs/cgroup/user/memory.max": "500000\n",
        "sys/fs/cgroup/user/memory.current": "300000\n",
        "sys/fs/cgroup/user/memory.stat": "anon 1\nactive_file 1000\ninactive_file 20000\n",
        "sys/fs/cgroup/user/job/memory.max": "max\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_is_available(root, monkeypatch):
    assert memory.available_memory(root) == 500000 - 300000 + 21000
    (root / "sys/fs/cgroup/user/memory.current").write_text("600000")
    assert memory.available_memory(root) == 0
    (root / "proc/self/cgroup").unlink()
    assert memory.available_memory(root) == 800 * 1024
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200 * resource.getpagesize(), -1))
    assert memory.available_memory(root) == 100 * resource.getpagesize()


def test_what_is_available_where_little_is_known(tmp_path, monkeypatch):
    assert 2**20 < memory.available_memory(tmp_path) < 2**60
    monkeypatch.setattr(memory.os, "sysconf", lambda _: (_ for _ in ()).throw(ValueError))
    assert memory.available_memory(tmp_path) == memory.total_memory() == float("inf")


def test_sizes_in_words():
    sizes = [999, 1000, 123456, 7.2e9, 3e13]
    assert [memory.in_words(size) for size in sizes] == ["999 bytes", "1 kB", "123 kB", "7.2 GB", "30 TB"]
