"""A commit's wheel, built as asv builds it, and the package installed in a separate folder.

With it lies what the commit requires and this environment lacks, such as a dependency that was dropped later. What the
environment has, both commits take from there.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.comparison.worker import ROOT


class BuildError(RuntimeError):
    """A commit cannot be built or imported; the message has the last lines of output.

    Parameters
    ----------
    reason : str
    commit : str
    """

    def __init__(self, reason: str, commit: str) -> None:
        super().__init__(reason)
        self.commit = commit


@dataclass(frozen=True)
class Build:
    """A commit that has been built.

    `folder` is laid out like asv's environment: benchmarks find the wheel there, and keep machine code by commit.
    """

    commit: str
    folder: Path

    @property
    def package(self) -> Path:
        """The folder to import from."""
        return self.folder / "packages" / self.commit

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that tell the suite which commit it measures."""
        return {"ASV_COMMIT": self.commit, "ASV_ENV_DIR": str(self.folder)}


def git(*arguments: str) -> str:
    """Return the output of a Git command; raise ValueError with its error message."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or [f"git {arguments[0]} failed"])[-1])
    return done.stdout


def commit_of(name: str) -> str:
    """Return the full hash of a commit."""
    try:
        return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except ValueError:
        hint = ": this clone is shallow, fetch its whole history" if is_shallow() else ""
        raise ValueError(f"no commit is called {name!r}{hint}") from None


def is_shallow() -> bool:
    """Whether the checkout lacks part of its history; raise ValueError if it is no checkout."""
    return git("rev-parse", "--is-shallow-repository").strip() == "true"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Make a folder and lock it: two gates at the same time would disturb each other's builds and times."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another gate in {folder}", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield folder


def build(commit: str, folder: Path) -> Build:
    """Build a commit, unless it has been built in `folder` before; raise BuildError if that fails."""
    found = Build(commit, folder)
    if found.package.is_dir():
        return found
    wheels = folder / "asv-build-cache" / commit
    for place in (wheels, found.package.parent):
        place.mkdir(parents=True, exist_ok=True)
    for wheel in wheels.glob("*.whl"):  # left by an interrupted build
        wheel.unlink()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source, installed = Path(scratch, "source"), Path(scratch, "installed")
        source.mkdir()
        tar = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x"], cwd=source, input=tar, check=True)
        try:
            pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))
            wanted = [str(wheel) for wheel in wheels.glob("*.whl")]
            while wanted:
                pip("install", "--no-deps", "--target", str(installed), *wanted)
                wanted = lacking(installed)
        except subprocess.CalledProcessError as error:
            raise BuildError("\n".join(error.stdout.strip().splitlines()[-12:]), commit) from None
        os.replace(installed, found.package)
    return found


def lacking(installed: Path) -> list[str]:
    """Return what the distributions in a folder require and neither it nor this environment has."""
    path = [str(installed), *sys.path]
    present = {canonicalize_name(str(one.metadata["Name"])) for one in metadata.distributions(path=path)}
    required = [
        Requirement(text) for one in metadata.distributions(path=[str(installed)]) for text in one.requires or []
    ]
    return [
        str(one)
        for one in required
        if (one.marker is None or one.marker.evaluate({"extra": ""})) and canonicalize_name(one.name) not in present
    ]


def pip(*arguments: str) -> None:
    """Run pip; raise CalledProcessError with all that it printed if it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
