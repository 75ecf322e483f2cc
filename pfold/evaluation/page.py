"""The page of an evaluation: confidence against what happened, and the table."""

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pfold.plots import write_plots
from pfold.weights.remarks import weights_remark

PAGE = "evaluation.html"
_COLUMNS = ("name", "rank", "plddt", "ptm", "lddt", "lddt_ca", "tm_score", "gdt_ts", "rmsd_ca")
_TITLES = (
    "mean lDDT of residues by pLDDT",
    "mean error of residue pairs by PAE (Å)",
    "TM-score by pTM",
)


def write_page(
    results: Path, table: pd.DataFrame, by_plddt: pd.DataFrame, by_pae: pd.DataFrame, interfaces: pd.DataFrame
) -> Path:
    """Write `evaluation.html` to the results folder, and beside it the script that draws; needs no network.

    table, by_plddt, by_pae, interfaces: what `evaluate` writes; interfaces may be empty.
    """
    touching = len(interfaces) > 0 and bool(interfaces["iptm"].notna().any())
    titles = [*_TITLES, "DockQ by ipTM" if touching else "DockQ by ipTM: no chains touch", "samples"]
    specs = [[{}, {}], [{}, {}], [{"type": "table", "colspan": 2}, None]]
    figure = make_subplots(
        rows=3, cols=2, specs=specs, subplot_titles=titles, vertical_spacing=0.07, row_heights=[1, 1, 1.4]
    )
    _add(figure, 1, 1, by_plddt["plddt"], by_plddt["lddt"], _counted(by_plddt["n_residue"], "residues"), 100)
    _add(figure, 1, 2, by_pae["pae"], by_pae["error"], _counted(by_pae["n_pair"], "pairs"), 32)
    _add(figure, 2, 1, table["ptm"], table["tm_score"], table["name"], 1)
    if touching:
        best = interfaces[interfaces["iptm"].notna()]
        label = best["name"] + " " + best["chain_1"] + best["chain_2"]
        _add(figure, 2, 2, best["iptm"], best["dockq"], label, 1)
    cells = [table[key].map("{:.2f}".format) if table[key].dtype.kind == "f" else table[key] for key in _COLUMNS]
    figure.add_trace(go.Table(header={"values": _COLUMNS}, cells={"values": cells}, columnwidth=[3, *[1] * 8]), 3, 1)
    remarks = " ".join(filter(None, map(weights_remark, dict.fromkeys(table["weights"]))))
    title = f"{table['name'].nunique()} targets against known structures<br><sub>{remarks}</sub>"
    figure.update_layout(title=title, height=1400, template="plotly_white", showlegend=False)
    return write_plots(results / PAGE, figure)


def _counted(numbers: pd.Series, what: str) -> pd.Series:
    return numbers.map(lambda n: f"{n} {what}")


def _add(figure: go.Figure, row: int, col: int, x: pd.Series, y: pd.Series, text: pd.Series, end: float) -> None:
    """Points, and the line on which a confidence is what happens."""
    line = go.Scatter(
        x=[0, end], y=[0, end], mode="lines", line={"dash": "dot", "color": "lightgrey"}, hoverinfo="skip"
    )
    figure.add_trace(line, row=row, col=col)
    figure.add_trace(go.Scatter(x=list(x), y=list(y), text=list(text), mode="markers"), row=row, col=col)
