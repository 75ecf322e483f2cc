"""The report of a run: a folder that opens from disk in any browser, and needs no network.

report/index.html       the run: what ran, distributions, the table of all targets, a screen's matrix
report/index.js         its data
report/target.html      any target: index.html links to target.html#FOLDER, which loads
report/targets/FOLDER.js
report/lib/             the scripts, ours (web/) and those of others (`pfold.report.libraries`)
"""

import json
import logging
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from pfold.config import RunConfig
from pfold.errors import InputError
from pfold.features.store import FeatureStore
from pfold.files import read_table, write_text
from pfold.report.front_data import front_data
from pfold.report.libraries import FRONT_LIBRARIES, TARGET_LIBRARIES, WEB, library
from pfold.report.tables import Tables, best_samples
from pfold.report.target_data import pack_target, packed
from pfold.run.paths import RunPaths

logger = logging.getLogger(__name__)

# Of the data files of targets: what reads them changes with it.
DATA_VERSION = 1
# Fewer targets than these are not worth processes of their own.
_MIN_PARALLEL = 50


def write_report(tables: Tables, config: RunConfig, path: Path, *, cpus: int = 1) -> Path:
    """Write the report whose front page is `path`; data of targets that is there already is kept. Returns the path."""
    folder = path.parent
    for name in sorted({*TARGET_LIBRARIES} - {*FRONT_LIBRARIES}):
        _write_changed(folder / "lib" / name, library(name))
    _write_changed(folder / "lib" / "target.js", _own("target.js"))
    _write_changed(folder / "target.html", _own("target.html"))
    _write_targets(best_samples(tables.summary), config, folder / "targets", cpus)
    return write_front_page(tables, config, path)


def write_front_page(tables: Tables, config: RunConfig, path: Path) -> Path:
    """Write the front page of a report, its data and scripts; returns the path."""
    for name in FRONT_LIBRARIES:
        _write_changed(path.parent / "lib" / name, library(name))
    for name in ("report.css", "common.js", "front.js"):
        _write_changed(path.parent / "lib" / name, _own(name))
    title = "pfold report" if path == RunPaths(config.results).report else "pfold report of a run that failed: so far"
    data = json.dumps(front_data(tables, config, title), separators=(",", ":"), allow_nan=False)
    write_text(path.with_suffix(".js"), f"const DATA = {data};\n")
    write_text(path, _own("index.html").replace("front_data.js", f"{path.stem}.js"))
    return path


def _own(name: str) -> str:
    """One of our own files."""
    return (WEB / name).read_text(encoding="utf-8")


def _write_changed(path: Path, text: str) -> None:
    """Write a file that is not there, or is another."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _write_targets(best: pd.DataFrame, config: RunConfig, folder: Path, cpus: int) -> None:
    """Write the data of targets that have none of this result yet, and remove that of targets that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in {*folder.glob("*.js")} - {folder / f"{name}.js" for name in best.folder}:
        path.unlink()
    paths = RunPaths(config.results)
    features_of = planned_features_ids(paths)
    jobs = [
        Job(paths.predictions / name, result_id, FeatureStore(config.store / "features"), features_of[name], folder)
        for name, result_id in zip(best.folder, best.result_id, strict=True)
        if not _has_data(folder, name, result_id)
    ]
    for message in _written(jobs, cpus):
        if message:
            logger.error("%s", message)


def planned_features_ids(paths: RunPaths) -> dict[str, str]:
    """Results folder -> identity of its target's features, by the plan."""
    plan = read_table(paths.plan_table, "make it with `pfold plan`")
    return dict(zip(plan.folder, plan.features_id, strict=True))


@dataclass(frozen=True)
class Job:
    """A target whose data is to be written: its result, its identity and features, and whereto."""

    result: Path
    result_id: str
    store: FeatureStore
    features_id: str
    folder: Path


def _written(jobs: list[Job], cpus: int) -> Iterable[str]:
    if cpus == 1 or len(jobs) < _MIN_PARALLEL:
        yield from map(_write_target, jobs)
        return
    # Not forked: this process may have threads.
    with ProcessPoolExecutor(cpus, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_write_target, jobs, chunksize=8)


def _write_target(job: Job) -> str:
    """Write one target's data; returns what is wrong with its result."""
    name = job.result.name
    path = job.folder / f"{name}.js"
    try:
        data = pack_target(job.result, job.store, job.features_id)
    except (InputError, OSError, ValueError, KeyError) as error:
        path.unlink(missing_ok=True)
        return f"{name}: its page can't be made ({error})"
    write_text(path, f'{_call(name, job.result_id)}"{data}");\n')
    return ""


def _call(folder: str, result_id: str) -> str:
    return f"pfoldTarget({DATA_VERSION}, {json.dumps(folder)}, {json.dumps(result_id)}, "


def _has_data(folder: Path, name: str, result_id: str) -> bool:
    wanted = _call(name, result_id)
    try:
        with (folder / f"{name}.js").open() as file:
            return file.read(len(wanted)) == wanted
    except FileNotFoundError:
        return False


def single_page(result: Path, store: FeatureStore, features_id: str) -> str:
    """The page of one target, whole: its data and all scripts are in it. Raises InputError as `target_data` does."""
    page = _own("target.html")
    style = _own("report.css")
    page = page.replace('<link rel="stylesheet" href="lib/report.css">', f"<style>{style}</style>")
    libraries = {name: packed(library(name)) for name in TARGET_LIBRARIES}
    ours = "\n".join(map(_own, ("common.js", "target.js")))
    data = f"window.SINGLE = {json.dumps({'data': pack_target(result, store, features_id), 'libraries': libraries})};"
    first, _, rest = page.partition("<!-- scripts -->")
    last = rest.partition("<!-- /scripts -->")[2]
    return f"{first}<script>{data}</script><script>{ours}</script>{last}"
