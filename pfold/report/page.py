"""A single-file HTML report of a run."""

import html
from pathlib import Path
from typing import Any

import pandas as pd

from pfold import __version__
from pfold.config import RunConfig
from pfold.files import write_text
from pfold.report.tables import NOT_FOLDED, Status, best_samples
from pfold.results.structure import UNTRAINED_REMARK

# The AlphaFold Protein Structure Database's confidence classes: lowest pLDDT, colour, words.
PLDDT_CLASSES = (
    (90.0, "#0053d6", "very high (90 and above)"),
    (70.0, "#65cbf3", "confident (70 to 90)"),
    (50.0, "#ffdb13", "low (50 to 70)"),
    (0.0, "#ff7d45", "very low (below 50)"),
)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.warning { background: #fff3cd; border-left: 4px solid #d39e00; padding: .6rem 1rem; margin: 1rem 0; }
.note { color: #616e7c; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #e4e7eb; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.bar { display: flex; height: 1.4rem; border-radius: 3px; overflow: hidden; margin: .5rem 0; }
.chip { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .4rem; }
"""


def write_report(table: pd.DataFrame, config: RunConfig, path: Path) -> Path:
    """Write the report of a summary table; returns its path."""
    write_text(path, format_report(table, config))
    return path


def format_report(table: pd.DataFrame, config: RunConfig) -> str:
    """The report's HTML."""
    best = best_samples(table)
    problems = table[table.status.isin([*NOT_FOLDED, Status.REJECTED])]
    targets = table.drop_duplicates(["name", "status", "source"])
    counts = ", ".join(f"{n} {status}" for status, n in targets.status.value_counts().items())
    warning = f'<p class="warning">{UNTRAINED_REMARK}</p>' if config.untrained else ""
    settings = f"{config.n_cycle} cycles, {config.n_step} steps, {config.n_sample} samples a seed"
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>pfold report</title><style>{_STYLE}</style>',
            "<h1>pfold report</h1>",
            f'<p class="note">{config.model.name}, {settings}; pfold {__version__}. {counts or "no targets"}.</p>',
            warning,
            _plddt_bar(best),
            _best_table(best),
            _problem_table(problems),
            "</html>\n",
        ]
    )


def _plddt_bar(best: pd.DataFrame) -> str:
    if best.empty:
        return ""
    segments, legend, above = [], [], pd.Series(False, index=best.index)
    for lowest, colour, words in PLDDT_CLASSES:
        here = (best.plddt >= lowest) & ~above
        above |= here
        segments.append(f'<div style="flex:{int(here.sum())};background:{colour}"></div>')
        legend.append(f'<span class="chip" style="background:{colour}"></span>{words}: {int(here.sum())}')
    bar = f'<div class="bar">{"".join(segments)}</div>'
    return f'<h2>Best sample of each target by mean pLDDT</h2>{bar}<p class="note">{" &nbsp; ".join(legend)}</p>'


def _cell(value: Any, digits: int) -> str:
    return '<td class="number"></td>' if pd.isna(value) else f'<td class="number">{value:.{digits}f}</td>'


def _best_table(best: pd.DataFrame) -> str:
    if best.empty:
        return ""
    numbers = ("tokens", "chains", "pLDDT", "pTM", "ipTM", "ranking score")
    head = "<th>target</th>" + "".join(f'<th class="number">{name}</th>' for name in numbers)
    rows = []
    for row in best.to_dict("records"):
        link = html.escape(row["structure"], quote=True)
        cells = [f'<td><a href="{link}">{html.escape(row["name"])}</a></td>']
        cells += [_cell(row[key], 0) for key in ("n_token", "n_chain")]
        cells += [_cell(row["plddt"], 1), _cell(row["ptm"], 2), _cell(row["iptm"], 2), _cell(row["ranking_score"], 3)]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<h2>Folded</h2><table><tr>{head}</tr>{''.join(rows)}</table>"


def _problem_table(problems: pd.DataFrame) -> str:
    if problems.empty:
        return ""
    rows = "".join(
        f"<tr><td>{html.escape(str(row['name']))}</td><td>{row['status']}</td><td>{html.escape(str(row['reason']))}</td>"
        f"<td>{html.escape(str(row['source']))}</td></tr>"
        for row in problems.to_dict("records")
    )
    head = "<tr><th>target</th><th>status</th><th>reason</th><th>where</th></tr>"
    return f"<h2>Not folded</h2><table>{head}{rows}</table>"
