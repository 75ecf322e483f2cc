"""Folder names of targets: safe on every file system, unique, and readable."""

import hashlib
import re
from collections.abc import Iterable

MAX_LENGTH = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
# Names that Windows keeps for devices.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def folder_names(names: Iterable[str]) -> list[str]:
    """A folder name for each target name, in order.

    Letters, digits, ".", "_" and "-" stay, anything else becomes "_"; no name starts with "." or "-" or is over 100
    characters. Of names that would fall together, also by case alone, the first keeps its form and the others get a
    hash of the full name.
    """
    taken: set[str] = set()
    folders = []
    for name in names:
        folder = _UNSAFE.sub("_", name).lstrip("._-")
        if len(folder) > MAX_LENGTH or not folder or _RESERVED.fullmatch(folder) or folder.lower() in taken:
            folder = f"{folder[: MAX_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
        taken.add(folder.lower())
        folders.append(folder)
    return folders
