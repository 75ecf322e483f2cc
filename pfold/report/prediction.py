"""A finished target, which shows itself in a notebook."""

import difflib
import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfold.errors import InputError
from pfold.features.store import FeatureStore
from pfold.files import read_table
from pfold.report.page import single_page
from pfold.report.tables import best_samples
from pfold.results.layout import best_structure
from pfold.run.last_configuration import last_configuration
from pfold.run.paths import RunPaths

# Height of a page in a notebook, pixels.
_HEIGHT = 900


@dataclass(frozen=True)
class Prediction:
    """A finished target of a run: its name, result folder, and the best sample's row of the summary table."""

    name: str
    folder: Path
    best: Mapping[str, Any]
    store: FeatureStore
    features_id: str

    @property
    def structure(self) -> Path:
        """The best sample's mmCIF."""
        return best_structure(self.folder)

    def page(self) -> str:
        """The target's page of the report as one HTML file, with the data and scripts in it."""
        return single_page(self.folder, self.store, self.features_id)

    def _repr_html_(self) -> str:
        page = html.escape(self.page(), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:{_HEIGHT}px;border:0"></iframe>'


def read_prediction(results: str | Path, name: str) -> Prediction:
    """A finished target of a results folder by its name. Raises InputError where there is none."""
    config = last_configuration(Path(results))
    paths = RunPaths(config.results)
    done = best_samples(read_table(paths.summary, "finish the run, or write it with `pfold summary`"))
    found = done[done.name == name]
    if found.empty:
        near = difflib.get_close_matches(name, done.name, 1)
        hint = f"did you mean {near[0]}?" if near else "`pfold status` lists them"
        raise InputError(f"{config.results}: no finished target is named {name}; {hint}")
    best = {str(key): value for key, value in found.iloc[0].items()}
    folder = str(best["folder"])
    plan = read_table(paths.plan_table, "make it with `pfold plan`").set_index("folder")
    features_id = str(plan.at[folder, "features_id"])
    return Prediction(name, paths.predictions / folder, best, FeatureStore(config.store / "features"), features_id)
