"""The page of a training: its losses and validation by step, as curves."""

from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pfold.plots import write_plots
from pfold.training.checkpoint import Measured
from pfold.training.losses import LOSS_WEIGHTS

PAGE = "training.html"
# Points of a curve of losses, each the mean of the steps between it and the one before.
_MAX_POINTS = 500
_VALIDATED = {"lddt_ca": "lDDT-CA", "tm_score": "TM-score", "plddt": "pLDDT"}


def write_curves(results: Path, model: str, measured: Measured) -> Path:
    """Write `training.html` to the results folder, and beside it the script that draws; needs no network."""
    losses, validation = pd.DataFrame(measured.losses), pd.DataFrame(measured.validation)
    titles = ["losses (unweighted)", "weighted sum", "norm of the gradient", *_VALIDATED.values()]
    figure = make_subplots(rows=3, cols=2, subplot_titles=titles)
    means = binned(losses)
    for name in LOSS_WEIGHTS:
        if name in means and means[name].gt(0).any():
            _add(figure, 1, 1, means["step"], means[name], name.removesuffix("_loss"))
    for place, name in ((2, "loss"), (3, "norm")):
        _add(figure, *_cell(place), means["step"], means[name], name, legend=False)
    for place in (1, 2, 3):
        figure.update_yaxes(type="log", row=_cell(place)[0], col=_cell(place)[1])
    for place, score in enumerate(_VALIDATED, start=4):
        for name in dict.fromkeys(validation["set"]) if len(validation) else ():
            by_step = validation[validation["set"] == name].groupby("step", as_index=False)[score].mean()
            _add(figure, *_cell(place), by_step["step"], by_step[score], f"validation: {name}", legend=place == 4)
    figure.update_xaxes(title_text="step", row=3)
    figure.update_layout(title=f"Training of {model}: {len(losses)} steps", height=1000, template="plotly_white")
    return write_plots(results / PAGE, figure)


def _cell(place: int) -> tuple[int, int]:
    """Row and column of the plot of this number, from 1."""
    return (place + 1) // 2, 2 - place % 2


def _add(figure: go.Figure, row: int, col: int, x: pd.Series, y: pd.Series, name: str, *, legend: bool = True) -> None:
    line = go.Scatter(x=list(x), y=list(y), name=name, mode="lines", showlegend=legend)
    figure.add_trace(line, row=row, col=col)


def binned(losses: pd.DataFrame) -> pd.DataFrame:
    """The mean of each column of numbers over runs of steps, of which there are not more than a curve has points."""
    size = -(-len(losses) // _MAX_POINTS)
    runs = losses.select_dtypes("number").groupby(np.arange(len(losses)) // size)
    # A point stands where its run of steps ends.
    return runs.mean().assign(step=runs["step"].last())
