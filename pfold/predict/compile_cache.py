"""Compiled graphs kept on disk between processes.

MindSpore's own cache numbers the graphs of a process and takes number n back whatever its shape: read in another order
it fails, or worse. So only the first fold of a process uses it, in a folder of its own for everything that decides
which graphs that fold compiles; a folder is filled aside and then moved into place whole.
"""

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mindspore as ms

import pfold.ops as kernels
from pfold.files import digest, user_cache

_ENABLE, _PATH = "MS_COMPILER_CACHE_ENABLE", "MS_COMPILER_CACHE_PATH"
_SOURCES = ("model", "ops", "predict")
_used = False


@functools.cache
def _sources() -> str:
    package = Path(__file__).parents[1]
    files = sorted(file for folder in _SOURCES for file in (package / folder).glob("*.py"))
    return digest(*(file.read_text() for file in files))


@contextlib.contextmanager
def compile_cache(*key: Any) -> Iterator[None]:
    """Within it, the first time in a process, graphs are taken from the disk or put there.

    key: all that decides which graphs are compiled, and in which order. A cache that the user has set up by MindSpore's
    variables is left alone.
    """
    global _used
    if _used or _ENABLE in os.environ:
        yield
        return
    _used = True
    folder = user_cache() / "graphs" / digest(ms.__version__, _sources(), kernels.identity(), *key)
    if folder.is_dir():
        with _environment(folder):
            yield
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        with _environment(new):
            yield
        # Another process may have been first; its graphs are the same.
        with contextlib.suppress(OSError):
            os.rename(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """MindSpore's variables for a cache in `folder`.

    MindSpore also makes a cache depend on the program that was started. A job's program is another file each time, and
    an interactive session has none; the cache's key says all that matters, so this file is named instead.
    """
    from mindspore.graph import api

    program = api.entry_script_path
    api.entry_script_path = __file__
    os.environ.update({_ENABLE: "1", _PATH: str(folder)})
    try:
        yield
    finally:
        api.entry_script_path = program
        del os.environ[_ENABLE], os.environ[_PATH]
