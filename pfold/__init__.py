"""pfold: proteome-scale protein structure prediction with the Protenix architecture in MindSpore."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["featurize", "load_model", "read_prediction", "read_targets"]


def __dir__() -> list[str]:
    """The public functions among the module's own names."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used: MindSpore and RDKit take seconds to load."""
    if name == "featurize":
        from pfold.features.featurize import featurize

        return featurize
    if name == "load_model":
        from pfold.inference.model import load_model

        return load_model
    if name == "read_prediction":
        from pfold.report.prediction import read_prediction

        return read_prediction
    if name == "read_targets":
        from pfold.targets.read import read_targets

        return read_targets
    raise AttributeError(f"module 'pfold' has no attribute {name!r}")
