"""The JavaScript that a report shows structures, plots and tables with, out of pinned Python packages.

Nothing of it is in pfold: it is written into each report, which then needs no network. Mol* is taken as RCSB builds it
(dash-molstar), Plotly and DataTables (itables) as their packages bring them.
"""

import base64
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pfold.errors import PfoldError

WEB = Path(__file__).parent / "web"
# Of a report's page -> package, and the file in it.
_SOURCES = {
    "molstar.js": ("dash-molstar", "dash_molstar/rcsb-molstar.js"),
    "plotly.js": ("plotly", "plotly/package_data/plotly.min.js"),
    "datatables.js": ("itables", "itables/html/dt_bundle.js"),
    "datatables.css": ("itables", "itables/html/dt_bundle.css"),
}
FRONT_LIBRARIES = ("plotly.js", "datatables.js", "datatables.css")
TARGET_LIBRARIES = ("molstar.js", "plotly.js")


def library(name: str) -> str:
    """The text of a library by its name in the report. Raises PfoldError where its package is missing."""
    package, place = _SOURCES[name]
    try:
        path = Path(str(distribution(package).locate_file(place)))
        text = path.read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError) as error:
        raise PfoldError(
            f"the report needs {place} of the package {package} ({error}); pip install {package}"
        ) from None
    return _as_script(text) if name == "datatables.js" else text


def _as_script(module: str) -> str:
    """A module as a script, since browsers load no modules from disk; `dataTables` is the promise of it."""
    encoded = base64.b64encode(module.encode()).decode()
    return f'const dataTables = import("data:text/javascript;base64,{encoded}");\n'
