"""A finished target, which shows itself in a notebook."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfold.features.store import FeatureStore
from pfold.report.page import planned_features_ids, single_page
from pfold.report.tables import finished_samples
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
    row = finished_samples(config.results, [name]).iloc[0]
    best = {str(key): value for key, value in row.items()}
    folder = str(best["folder"])
    features_id = planned_features_ids(paths)[folder]
    return Prediction(name, paths.predictions / folder, best, FeatureStore(config.store / "features"), features_id)
