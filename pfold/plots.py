"""Pages of plots that need no network."""

from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from pfold.files import write_text

_PLOTLY = "plotly.js"


def write_plots(page: Path, figure: go.Figure) -> Path:
    """Write a figure as an HTML page, and beside it the script that draws it, which pages of a folder share."""
    script = page.with_name(_PLOTLY)
    if not script.is_file():
        write_text(script, get_plotlyjs())
    write_text(page, figure.to_html(include_plotlyjs=_PLOTLY))
    return page
