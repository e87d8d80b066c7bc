"""Model files and their places: what is no model file, and how one is written."""

import os
import re
import resource

import pytest
from model_files import crafted, refused, state, trained, write_small
from users import as_nobody

from hotloop import Network


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small model file."""
    return write_small(tmp_path_factory.mktemp("saved") / "model.safetensors")


# Files that are not ours, and places where none can be.


@pytest.mark.parametrize("kind", ["F32", "F16", "F64", "I32", "BOOL", "BF16", "F8_E4M3", "F8_E5M2"])
def test_a_safetensors_file_of_another_program(kind, tmp_path):
    count = 8 // {"F64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2}.get(kind, 1)
    for metadata in (None, {"format": "pt"}):
        path = crafted(tmp_path / "model", kind, metadata=metadata, shape=(count,))
        refused(path, "a safetensors file, but not one that hotloop wrote")


def test_numbers_that_numpy_has_not(tmp_path):
    refused(crafted(tmp_path / "model", "BF16", metadata={"hotloop": "{}"}, shape=(4,)), "damaged|altered")


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"PK\x03\x04 a zip", b"\x89HDF\r\n", b"a,b\n1,2\n" * 50], ids=str
)
def test_another_kind_of_file(content, tmp_path):
    (tmp_path / "model").write_bytes(content)
    refused(tmp_path / "model", "not a safetensors file")


@pytest.mark.parametrize("value", [None, 5, b"x", [], 1.5], ids=repr)
def test_what_is_no_path(value):
    for call in (Network.load, Network([2, 1], seed=0).save):
        with pytest.raises(
            TypeError, match=re.escape(f"path must be a path such as 'model.safetensors', got {value!r}")
        ):
            call(value)


@pytest.mark.parametrize(("value", "match"), [
    ("", "path must not be empty"), ("a\0b", r"path must be a path, got 'a\\x00b'"), ("\ud800", "path must be a path"),
])  # fmt: skip
def test_what_no_path_can_be(value, match):
    for call in (Network.load, Network([2, 1], seed=0).save):
        with pytest.raises(ValueError, match=match):
            call(value)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/null", tmp_path / "pipe"):
        with pytest.raises(OSError, match=f"{path} is a device or a pipe; wanted a model file"):
            Network.load(path)
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / ("n" * 256), tmp_path / "loop"):
        with pytest.raises(OSError, match=str(path)):
            Network.load(path)


def test_no_file_at_all(tmp_path):
    for path, exception in [(tmp_path, IsADirectoryError), (tmp_path / "no" / "model", FileNotFoundError)]:
        with pytest.raises(exception, match=path.name):
            Network.load(path)


def test_no_permission(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # from within, the folders above matter to nobody
    path, folder, net = tmp_path / "model", tmp_path / "folder", trained(None)
    path.write_bytes(saved.read_bytes())
    folder.mkdir()
    for place, mode in [(tmp_path, 0o755), (path, 0), (folder, 0o555)]:
        place.chmod(mode)
    with as_nobody():
        with pytest.raises(PermissionError, match="model"):
            Network.load("model")
        with pytest.raises(PermissionError, match="model"):
            net.save("folder/model")
    assert not [*folder.iterdir()]


# Writing.


def test_saving_replaces_the_file(saved, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    Network.load(saved).save(path)
    assert state(Network.load(path)) == state(Network.load(saved)) | {"metadata": Network.load(path).metadata}
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_saving_through_a_link_leaves_the_link(saved, tmp_path):
    (tmp_path / "link").symlink_to("model")
    Network.load(saved).save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert state(Network.load(tmp_path / "model")) == state(Network.load(saved))


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError("no space left"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_a_write_that_fails_leaves_the_old_file(where, failure, saved, tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.write_bytes(b"old")

    def fail(*arguments):
        raise failure

    monkeypatch.setattr(os, where, fail)
    with pytest.raises(type(failure)):
        Network.load(saved).save(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"model": b"old"}


def test_a_full_disk_leaves_the_old_file(saved, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    net, limits = Network.load(saved), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            net.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"model": b"old"}


def test_a_reader_never_sees_half_a_file(saved, tmp_path, monkeypatch):
    """At the moment of the renaming, the new file is whole and on the disk, under another name in the same folder."""
    path, seen = tmp_path / "model", []
    path.write_bytes(b"old")

    def look(source, target):
        seen.append((path.read_bytes(), state(Network.load(source)), os.path.dirname(source)))
        rename(source, target)

    rename = os.replace
    monkeypatch.setattr(os, "replace", look)
    Network.load(saved).save(path)
    assert seen == [(b"old", state(Network.load(saved)), str(tmp_path))]


def test_a_pipe_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "model")
    with pytest.raises(OSError, match="model is a device or a pipe"):
        trained(None).save(tmp_path / "model")
    assert (tmp_path / "model").is_fifo()


@pytest.mark.parametrize("name", ["no/model", "."])
def test_places_where_nothing_can_be_written(name, tmp_path):
    with pytest.raises(OSError, match=r"there is no folder .* to write model in|is a folder"):
        trained(None).save(tmp_path / name)
    assert not [*tmp_path.iterdir()]
