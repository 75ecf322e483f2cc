"""The files that pfold brings along beside its Python: operators' sources, workflow, profiles and configuration.

In the repository they are its top-level folders; an installed package has them in pfold/share.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shared(name: str) -> Path:
    """A file or folder by its place in the repository, such as "kernels/cpu" or "Snakefile"."""
    installed = _PACKAGE / "share"
    return (installed if installed.is_dir() else _PACKAGE.parent) / name
