"""The sdist and the wheel contain what they should: built from the tree and from the sdist, without internet."""

import email
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import hotloop

ROOT = Path(__file__).parents[2]
LEFTOVERS = shutil.ignore_patterns(
    ".git", ".asv", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", ".coverage*"
)
EXPECTED_IN_SDIST = [
    ".ci/run",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "asv.conf.json",
    "benchmarks/kernels.py",
    "docs/backpropagation.md",
    "kernels/dense.py",
    "kernels/py.typed",
    "network/network.py",
    "network/datasets/optdigits.npz",
    "pyproject.toml",
    "src/hotloop/kernels/dense.py",
    "src/hotloop/network/datasets/optdigits.npz",
    "tests/oracle.py",
    "tests/project/test_packaging.py",
]


BUILD = """
import sys
from setuptools import build_meta
output, *kinds = sys.argv[1:]
for kind in kinds:
    getattr(build_meta, f"build_{kind}")(output)
"""


def build(source, output, *kinds):
    """Build with the installed setuptools, so that no test needs the internet, and return the files."""
    output.mkdir()
    command = [sys.executable, "-c", BUILD, str(output), *kinds]
    done = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return [next(output.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[kind])) for kind in kinds]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the sdist, the wheel made from it, and the wheel made from the tree."""
    folder = tmp_path_factory.mktemp("packaging")
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, symlinks=True, ignore=LEFTOVERS)
    sdist, from_tree = build(tree, folder / "a", "sdist", "wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (from_sdist,) = build(folder / f"hotloop-{hotloop.__version__}", folder / "b", "wheel")
    return sdist, from_sdist, from_tree


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_holds_both_folders_as_they_stand(built):
    files = contents(built[2])
    for folder in ("kernels", "network"):
        sources = [path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".npz", ".txt", ".css", ".js"}]
        assert len(sources) > 5
        for path in [*sources, ROOT / folder / "py.typed"]:
            assert files[f"hotloop/{path.relative_to(ROOT).as_posix()}"] == path.read_bytes()
    assert "hotloop/__init__.py" in files
    assert "hotloop/py.typed" in files
    assert {"hotloop/network/datasets/optdigits.npz", "hotloop/network/datasets/optdigits.txt"} <= set(files)
    assert {"hotloop/network/html/page.css", "hotloop/network/html/page.js"} <= set(files)


def test_a_wheel_holds_nothing_else(built):
    tops = {name.split("/")[0] for name in contents(built[2])}
    assert tops == {"hotloop", f"hotloop-{hotloop.__version__}.dist-info"}
    assert not [name for name in contents(built[2]) if "test" in name or "benchmark" in name or "oracle" in name]


def test_the_wheel_from_the_sdist_is_the_wheel_from_the_tree(built):
    from_sdist, from_tree = contents(built[1]), contents(built[2])
    record = f"hotloop-{hotloop.__version__}.dist-info/RECORD"
    assert set(from_sdist) == set(from_tree)
    assert [name for name in from_tree if name != record and from_tree[name] != from_sdist[name]] == []


def test_the_metadata_agree_with_the_package(built):
    files = contents(built[2])
    folder = f"hotloop-{hotloop.__version__}.dist-info"
    metadata = email.message_from_bytes(files[f"{folder}/METADATA"])
    assert metadata["Name"] == "hotloop"
    assert metadata["Version"] == hotloop.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause AND CC-BY-4.0"
    assert {"test", "bench", "dev"} <= set(metadata.get_all("Provides-Extra"))
    assert f"{folder}/licenses/LICENSE" in files
    assert f"{folder}/licenses/network/datasets/optdigits.txt" in files
    assert b"hotloop = hotloop.__main__:main" in files[f"{folder}/entry_points.txt"]


def test_an_sdist_holds_the_project(built):
    with tarfile.open(built[0]) as archive:
        members = archive.getmembers()
    top = f"hotloop-{hotloop.__version__}/"
    names = {member.name.removeprefix(top) for member in members}
    assert [name for name in EXPECTED_IN_SDIST if name not in names] == []
    assert not [member.name for member in members if member.issym() or member.islnk()]
    assert not [name for name in names if "__pycache__" in name or name.startswith(".git/")]
