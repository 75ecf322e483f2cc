"""Compiled graphs kept on disk: one file a graph, named and checked by everything the graph depends on.

MindSpore's own cache numbers the graphs of a process and takes number n back whatever it is. Here each graph is a file
of its own; before a graph is compiled, the file that was recorded with the very same signature is put where MindSpore
looks for its number, and after one that had none was compiled, what MindSpore wrote under that number is kept.
"""

import atexit
import contextlib
import functools
import hashlib
import json
import logging
import os
import platform
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import mindspore as ms

from pfold import kernels
from pfold.files import atomic_file, digest, user_cache

logger = logging.getLogger(__name__)

_ENABLE, _PATH = "MS_COMPILER_CACHE_ENABLE", "MS_COMPILER_CACHE_PATH"
# Take the file whatever MindSpore thinks of it: that it is the right one has been checked here, for each graph.
_FORCE = "MS_DEV_FORCE_USE_COMPILE_CACHE"


@functools.cache
def _environment() -> str:
    """What every graph depends on besides its inputs: pfold's sources, MindSpore, Python, operators and CPU."""
    package = Path(__file__).parents[1]
    sources = digest(*((file.name, file.read_text()) for file in sorted(package.rglob("*.py"))))
    return f"{sources} {ms.__version__} {sys.version_info[:2]} {kernels.identity()} {_cpu()}"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return f"{platform.machine()} " + next((line for line in lines if line.startswith(("flags", "Features"))), "")


class GraphFile:
    """The file of a compiled graph: a line of JSON with its signature and checksum, then what MindSpore wrote."""

    def __init__(self, signature: str) -> None:
        self._signature = f"{signature}\n{_environment()}"
        self.path = user_cache() / "graphs" / f"{digest(self._signature)}.graph"

    def read(self) -> bytes | None:
        """The graph; None where there is none. A file that is damaged or another graph's is removed."""
        try:
            head, _, graph = self.path.read_bytes().partition(b"\n")
        except OSError:
            return None
        if head == self._head(graph):
            return graph
        logger.warning("%s: the compiled graph is damaged and is made anew", self.path)
        with contextlib.suppress(OSError):
            self.path.unlink()
        return None

    def write(self, graph: bytes) -> None:
        """Keep a graph; the file is whole or not there."""
        with atomic_file(self.path) as temporary:
            temporary.write_bytes(self._head(graph) + b"\n" + graph)

    def _head(self, graph: bytes) -> bytes:
        checksum = hashlib.sha256(graph).hexdigest()
        return json.dumps({"signature": self._signature, "sha256": checksum}).encode()


class _Exchange:
    """The folder in which MindSpore reads and writes the graphs of this process, by number.

    MindSpore reads the folder's name once, and counts the compilations for which its cache is switched on.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pfold-graphs-"))
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._graphs = self._folder / "rank_0" / "graph_cache"
        self._graphs.mkdir(parents=True)
        self._number = 0

    @contextlib.contextmanager
    def compilation(self, file: GraphFile) -> Iterator[None]:
        """Within it one graph is compiled: taken from its file, or made and kept there."""
        known = file.read()
        if known is not None:
            (self._graphs / f"compile_cache_{self._number}.mindir").write_bytes(known)
        try:
            with _switched_on(self._folder, force=known is not None):
                yield
            self._number += 1
            for made in self._graphs.glob("compile_cache_*.mindir"):
                # A compilation that failed may have been counted or not: the number that was written tells.
                self._number = int(made.stem.rpartition("_")[2]) + 1
                if known is None:
                    _keep(file, made)
        finally:
            # Nothing may be left for another graph that gets this number.
            for made in self._graphs.glob("compile_cache_*.mindir"):
                made.unlink()


def _keep(file: GraphFile, made: Path) -> None:
    try:
        file.write(made.read_bytes())
    except OSError as error:
        logger.warning("%s: the compiled graph can't be kept (%s); the next job compiles it anew", file.path, error)


_exchange: _Exchange | None = None
# Threads of a process share MindSpore's count of compilations.
_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def graph_on_disk(signature: str) -> Iterator[None]:
    """Within it exactly one graph is compiled, the one of this signature; it is taken from the disk or kept there.

    A cache that the user has set up by MindSpore's variables is left alone.
    """
    global _exchange
    with _one_at_a_time:
        if _ENABLE in os.environ:
            yield
            return
        if _exchange is None:
            _exchange = _Exchange()
        with _exchange.compilation(GraphFile(signature)):
            yield


@contextlib.contextmanager
def _switched_on(folder: Path, *, force: bool) -> Iterator[None]:
    """MindSpore's variables for its cache in `folder`.

    MindSpore also makes a cache depend on the program that was started. A job's program is another file each time, and
    an interactive session has none; the signature says all that matters, so this file is named instead.
    """
    from mindspore.graph import api

    program = api.entry_script_path
    api.entry_script_path = __file__
    variables = {_ENABLE: "1", _PATH: str(folder)} | ({_FORCE: "1"} if force else {})
    os.environ.update(variables)
    try:
        yield
    finally:
        api.entry_script_path = program
        for name in variables:
            del os.environ[name]
