"""The files in the folder of compiled code: which are sound, which damaged, and which nothing will load any more."""

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotloop.kernels import cache

# Files of Numba's own cache, which earlier versions used: module.function-line.py311.nbi, and .1.nbc
NUMBAS = re.compile(r"(\w+)\.[\w.]+-\d+\.py\d+\w*(\.\d+)?\.nb[ic]")
LARGEST = 1 << 20  # bytes, about, of the largest file, which has the training loop
SHOWN = 3  # damaged files in a message


@dataclass
class CacheFiles:
    """The files of one folder, by what to do about them."""

    folder: Path
    count: int = 0
    size: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers, and the damaged files, in types that JSON has."""
        counts = {"other": len(self.other), "stale": len(self.stale), "superseded": len(self.superseded)}
        return {"count": self.count, "bytes": self.size, "damaged": self.damaged} | counts


def examine(folder: Path) -> CacheFiles:
    """Read every file, and sort out those that are `damaged`, `other`, `stale` or `superseded`.

    Other files are for other settings, CPUs or versions, stale ones for other sources of hotloop's kernels, superseded
    ones are of Numba's own cache. Whether the source of a function outside hotloop has changed is not known. Other
    processes may add and remove files meanwhile.
    """
    found = CacheFiles(folder)
    modules = {path.stem for path in Path(cache.__file__).parent.rglob("*.py")}
    versions, settings = cache.versions(), cache.settings()
    for path in sorted(folder.glob("*")):
        numbas = NUMBAS.fullmatch(path.name)
        if numbas and numbas[1] in modules:
            found.superseded.append(path.name)
        if path.suffix != cache.SUFFIX:
            continue
        try:
            size = path.stat().st_size
            key, _ = cache.read(path)
        except FileNotFoundError:
            continue
        except cache.DamagedError as fault:
            found.damaged[path.name] = str(fault)
        except OSError as fault:
            found.damaged[path.name] = f"cannot be read: {fault.strerror}"
        else:
            found.count, found.size = found.count + 1, found.size + size
            if key["function"].startswith("hotloop.kernels.") and key["source"] != cache.source_stamp():
                found.stale.append(path.name)
            elif key["versions"] != versions or key["settings"] != settings:
                found.other.append(path.name)
    return found


def repair(folder: Path) -> list[str]:
    """Remove damaged, stale and superseded files; return a line about each kind that there was."""
    found, lines = examine(folder), []
    for names, kind, what in (
        (list(found.damaged), "damaged", ""),
        (found.stale, "", " of older sources"),
        (found.superseded, "", " of Numba's cache, which hotloop no longer uses"),
    ):
        removed = [name for name in names if _remove(folder / name)]
        if removed:
            lines.append(f"removed {number_of_files(len(removed), kind)}{what}")
        if len(removed) < len(names):
            lines.append(f"cannot remove {number_of_files(len(names) - len(removed), kind)}{what}")
    return lines


def why_unwritable(folder: Path) -> str | None:
    """Return why no file as large as the training loop's can be written there; None if one can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(LARGEST))
    except OSError as fault:
        return fault.strerror
    return None


def number_of_files(count: int, kind: str = "") -> str:
    """Return a number of files in words: "1 file", "2 damaged files"."""
    return " ".join(filter(None, (str(count), kind, "file" if count == 1 else "files")))


def describe(damaged: dict[str, str]) -> str:
    """Return which files are damaged, and how; of many only the first."""
    shown = [f"{name} {fault}" for name, fault in damaged.items()][:SHOWN]
    return "; ".join(shown + ["..."] * (len(damaged) > SHOWN))


def _remove(path: Path) -> bool:
    """Remove a file or an empty folder; return whether it is gone."""
    try:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
