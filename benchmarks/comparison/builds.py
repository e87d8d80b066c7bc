"""A commit's wheel, built as asv builds it, and its package in a folder of its own."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.comparison.worker import ROOT


class BuildError(RuntimeError):
    """A commit failed to build; the message has the last lines of what was said."""


@dataclass(frozen=True)
class Build:
    """A commit that has been built.

    `folder` has what asv's environment has: benchmarks find the wheel there, and keep machine code by commit.
    """

    commit: str
    folder: Path

    @property
    def package(self) -> Path:
        """The folder to import from."""
        return self.folder / "packages" / self.commit

    @property
    def settings(self) -> dict[str, str]:
        """The variables by which the suite knows the commit."""
        return {"ASV_COMMIT": self.commit, "ASV_ENV_DIR": str(self.folder)}


def git(*arguments: str) -> str:
    """Return what a command of Git prints; raise ValueError with its complaint."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"git {arguments[0]} failed")
    return done.stdout


def commit_of(name: str) -> str:
    """Return the full hash of a commit."""
    try:
        return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except ValueError:
        raise ValueError(f"no commit is called {name!r}") from None


def build(commit: str, folder: Path) -> Build:
    """Build a commit, unless it has been built in `folder` before.

    Raises
    ------
    BuildError
        With the last lines that the failing command printed.
    """
    found = Build(commit, folder)
    if found.package.is_dir():
        return found
    wheels = folder / "asv-build-cache" / commit
    wheels.mkdir(parents=True, exist_ok=True)
    found.package.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source, installed = Path(scratch, "source"), Path(scratch, "installed")
        source.mkdir()
        tar = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x"], cwd=source, input=tar, check=True)
        for wheel in wheels.glob("*.whl"):  # of a build that was broken off
            wheel.unlink()
        pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))
        pip("install", "--no-deps", "--target", str(installed), *map(str, wheels.glob("*.whl")))
        os.replace(installed, found.package)
    return found


def pip(*arguments: str) -> None:
    """Run pip; raise BuildError if it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BuildError("\n".join(done.stdout.strip().splitlines()[-12:]))
