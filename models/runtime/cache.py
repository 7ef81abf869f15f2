"""Folders of files that are costly to make, each under a key that says all that they depend on.

An entry is written into a temporary folder and renamed, with the sha256 of each file: another process sees all of it
or nothing, and a file that was changed or cut off is found out. The cache is never needed: whatever goes wrong with
it is a warning.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from logging import getLogger
from pathlib import Path

from models.files import sha256_file

_logger = getLogger(__name__)

LISTING = "files.json"
KEPT = 4  # entries: an encoder, its successor while a catalogue is encoded anew, and some to spare
_TEMPORARY = "tmp-"
_ABANDONED_S = 3600.0


class FolderCache:
    """Entries by key below ``root``, which is made on the first write; safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, key: str) -> Path | None:
        """The folder of an entry whose files are all as they were written; None where there is none."""
        folder = self._root / key
        try:
            listing = json.loads((folder / LISTING).read_text(encoding="utf-8"))
            if {name: sha256_file(folder / name) for name in listing} == listing:
                _touch(folder)
                return folder
            problem = "a file changed"
        except (FileNotFoundError, NotADirectoryError) as error:
            if not folder.exists():
                return None
            problem = str(error)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            problem = str(error)
        _logger.warning("the cached model in %s is damaged (%s); it is made anew", folder, problem)
        self.discard(key)
        return None

    def discard(self, key: str) -> None:
        """Remove an entry. It is renamed first, so that nobody meets half of it."""
        condemned: Path | None = None
        try:
            condemned = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self._root))
            (self._root / key).rename(condemned / key)
        except FileNotFoundError:  # another process was faster
            return
        except OSError as error:
            _logger.warning("the cached model %s can't be removed: %s", self._root / key, error)
        finally:
            if condemned is not None:
                shutil.rmtree(condemned, ignore_errors=True)

    def write(self, key: str, fill: Callable[[Path], None]) -> bool:
        """Make an entry of the files that ``fill`` writes into the folder that it is given.

        Returns:
            Whether the entry is there now, by this process or by another that was faster. A full disk, a folder that
            can't be written, or any other OSError or RuntimeError of ``fill`` is a warning and False.
        """
        temporary: Path | None = None
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self._root))
            fill(temporary)
            listing = {path.name: sha256_file(path) for path in sorted(temporary.iterdir())}
            (temporary / LISTING).write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
            temporary.chmod(0o755)
            try:
                temporary.rename(self._root / key)
            except OSError:
                if not (self._root / key / LISTING).is_file():
                    raise
            self._prune(key)
        except (OSError, RuntimeError) as error:
            _logger.warning("the converted model can't be kept in %s, so each start converts it: %s", self._root, error)
            return False
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
        return True

    def _prune(self, newest: str) -> None:
        """Keep the entries used last, and sweep what processes that died left behind."""
        entries: list[tuple[float, Path]] = []
        for path in self._root.iterdir():
            try:
                used = path.stat().st_mtime
            except FileNotFoundError:  # another process was faster
                continue
            if path.name.startswith(_TEMPORARY):
                if time.time() - used > _ABANDONED_S:
                    shutil.rmtree(path, ignore_errors=True)
            elif (path / LISTING).is_file() and path.name != newest:
                entries.append((used, path))
        for _, path in sorted(entries, reverse=True)[KEPT - 1 :]:
            self.discard(path.name)


def _touch(folder: Path) -> None:
    try:
        os.utime(folder)
    except OSError:  # of another user, or read-only: then the order of use isn't known
        return
