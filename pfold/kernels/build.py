"""Compiles the fused operators for CPUs (kernels/cpu) into one library, once for each state of their sources."""

import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from pfold.constants import MASKED, N_POSITION_BINS
from pfold.files import atomic_file, digest, user_cache
from pfold.share import shared

logger = logging.getLogger(__name__)

SOURCES = shared("kernels/cpu")
# Numbers that C++ and Python share are Python's.
_CONSTANTS = (f"-DPFOLD_MASKED={MASKED}f", f"-DPFOLD_N_POSITION_BINS={N_POSITION_BINS}")
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fopenmp", "-fPIC", *_CONSTANTS)
_AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma")
# The library holds the operators once for each instruction set; which one runs is decided when it is loaded.
_PER_SET = ("operators.cpp", "gradient_operators.cpp")
INSTRUCTION_SETS: dict[str, tuple[str, ...]] = {"portable": ()}
if platform.machine() in ("x86_64", "AMD64"):
    INSTRUCTION_SETS |= {
        "avx2": ("-mavx2", "-mfma"),
        "avx512": _AVX512,
        "avx512_bf16": (*_AVX512, "-mavx512bf16"),
    }


class KernelBuildError(Exception):
    """The fused operators can't be compiled on this machine."""


def kernel_library() -> Path:
    """Path of the compiled library; compiles it where neither the environment nor the cache has one of these sources.

    The compiler is $CXX, g++ or clang++. Raises KernelBuildError, saying why, where there is none that is needed, or it
    fails.
    """
    sources = sorted(SOURCES.glob("*.h")) + sorted(SOURCES.glob("*.cpp"))
    if not sources:
        raise KernelBuildError(f"the sources are not in {SOURCES}")
    identity = digest("kernels", *FLAGS, *(file.read_text() for file in sources))
    name = f"{platform.machine()}-{identity[:16]}.so"
    folders = library_folders()
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    compiler = _compiler()
    library = next(folder for folder in folders if _writable(folder) or folder == folders[-1]) / name
    start = time.perf_counter()
    logger.info("compiling the fused operators with %s: once, about half a minute", compiler)
    _build(compiler, library)
    logger.info("fused operators compiled in %.0f s: %s", time.perf_counter() - start, library)
    return library


def library_folders() -> list[Path]:
    """Where the library is looked for: in the environment, for all who use it, then in the user's cache.

    It is compiled into the first of them that can be written. An interpreter of the system keeps nothing, and a cache
    that is named ($PFOLD_CACHE) is the only place.
    """
    prefix, cache = Path(sys.prefix), user_cache() / "kernels"
    environment = sys.prefix != sys.base_prefix or (prefix / "conda-meta").is_dir()
    if "PFOLD_CACHE" in os.environ or not environment:
        return [cache]
    return [prefix / "share/pfold/kernels", cache]


def _writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _compiler() -> str:
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and shutil.which(name):
            return name
    raise KernelBuildError("there is no C++ compiler (set CXX, or install g++)")


def _build(compiler: str, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the finished library can be moved into place at once.
    with TemporaryDirectory(dir=library.parent) as folder:
        # The portable ones first, for the sake of the linker, below.
        objects = {
            (name, source): Path(folder) / f"{name}-{source}.o" for name in INSTRUCTION_SETS for source in _PER_SET
        }
        commands = [
            [compiler, *FLAGS, *INSTRUCTION_SETS[name], f"-DPFOLD_ISA={name}", "-c", SOURCES / source, "-o", file]
            for (name, source), file in objects.items()
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, commands))
        finished = Path(folder) / library.name
        # Of an inline function that several objects hold the linker keeps the first: it must be the portable one.
        common = [SOURCES / name for name in ("library.cpp", "memory.cpp")]
        _run([compiler, *FLAGS, "-shared", *common, *objects.values(), "-o", finished])
        os.replace(finished, library)


def _run(command: Sequence[str | Path]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise KernelBuildError(f"{' '.join(map(str, command))} failed:\n{result.stderr.strip()[:2000]}")


def install_library() -> None:
    """See that the environment has the library, for all who use it, also where a user's cache has one already."""
    library, folder = kernel_library(), library_folders()[0]
    if library.parent != folder and _writable(folder):
        with atomic_file(folder / library.name) as temporary:
            shutil.copyfile(library, temporary)
        (folder / library.name).chmod(0o755)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        install_library()
    except KernelBuildError as error:
        sys.exit(f"{error}\npfold will use its slower reference operators")
