"""What the report's front page shows of a run."""

import platform
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from pfold import __version__
from pfold.config import RunConfig
from pfold.files import read_table
from pfold.report.tables import Status, Tables, target_summary
from pfold.run.jobs import JOB_KINDS, PREDICT
from pfold.run.paths import RunPaths
from pfold.weights.published import UNTRAINED

# Columns of the page's table of targets.
TABLE_COLUMNS = (
    *("name", "bait", "prey", "status", "ranking_score", "plddt", "ptm", "iptm", "ipsae", "best_pair"),
    *("fraction_disordered", "has_clash", "n_token", "n_chain", "n_msa", "search", "seconds", "stopped"),
    *("reason", "folder"),
)
# Scores of pairs of chains by which a screen's matrix can be shown.
_MATRIX_SCORES = ("ipsae", "iptm", "pdockq", "pdockq2", "lis", "ilis", "actifptm", "pae_min")
_MB = 1e6
_MIB = 2**20


def front_data(tables: Tables, config: RunConfig, title: str) -> dict[str, Any]:
    """The front page's data, as its script reads it (web/front.js); title: what the page calls itself."""
    paths = RunPaths(config.results)
    plan = read_table(paths.plan_table, "make it with `pfold plan`")
    jobs = job_measurements(paths)
    rows = target_summary(tables.summary)[list(TABLE_COLUMNS)]
    return {
        "title": title,
        "warning": config.remark,
        "facts": _facts(config),
        "counts": rows.status.value_counts().to_dict(),
        "stages": _stage_times(jobs),
        "columns": list(TABLE_COLUMNS),
        "rows": _plain(rows),
        "times": _plain(_times(rows, plan)),
        "memory": _plain(_memory(jobs, plan)),
        "screen": _screen(tables),
    }


def _plain(table: pd.DataFrame) -> list[list[Any]]:
    """Rows as lists, with None for what is missing."""
    return table.astype(object).where(table.notna(), None).to_numpy().tolist()


def _facts(config: RunConfig) -> list[tuple[str, str]]:
    settings = f"{config.n_cycle} cycles, {config.n_step} steps, {config.n_sample} samples a seed, {config.dtype}"
    databases = ", ".join(str(database) for database in config.search.databases)
    return [
        ("model", config.model.name),
        ("weights", UNTRAINED if config.weights_kind == UNTRAINED else str(config.weights)),
        ("settings", settings),
        ("seeds", ", ".join(map(str, config.seeds))),
        ("search", f"{config.search.engine}{f': {databases}' if databases else ''}"),
        ("pfold", f"{__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"),
        ("written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
    ]


def job_measurements(paths: RunPaths) -> pd.DataFrame:
    """What Snakemake measured of each job: kind, job, seconds, mb (peak memory). Empty without Snakemake."""
    rows = []
    for kind in JOB_KINDS:
        for path in sorted((paths.results / "benchmarks" / kind).glob("*.tsv")):
            measured = pd.read_csv(path, sep="\t", na_values="NA").iloc[-1]
            rows.append((kind, path.stem, measured["s"], measured["max_rss"] * _MIB / _MB))
    table = pd.DataFrame(rows, columns=["kind", "job", "seconds", "mb"])
    return table.astype({"seconds": float, "mb": float})


def _stage_times(jobs: pd.DataFrame) -> list[dict[str, Any]]:
    """Of each kind of job: how many, the sum and the longest (seconds), and the highest peak of memory (MB)."""
    stages = []
    for kind in JOB_KINDS:
        own = jobs[jobs.kind == kind]
        if len(own):
            seconds = {"seconds": round(own.seconds.sum(), 1), "longest": round(own.seconds.max(), 1)}
            stages.append({"stage": kind, "jobs": len(own), **seconds, "mb": _maximum(own.mb)})
    return stages


def _maximum(values: pd.Series) -> int | None:
    return None if values.isna().all() else round(values.max())


def _times(rows: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """name, n_token, and the seconds that finished targets took, and that the plan predicted where it planned them."""
    done = rows[rows.status == Status.DONE].merge(plan[["folder", "minutes"]], on="folder", how="left")
    return done.assign(predicted=(60 * done.minutes).where(done.minutes > 0).round(2))[
        ["name", "n_token", "seconds", "predicted"]
    ]


def _memory(jobs: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """job, bucket of its targets and mb (peak of memory) of the jobs that fold."""
    bucket = plan[plan.batch.notna()].drop_duplicates("batch")[["batch", "bucket"]]
    own = jobs[jobs.kind == PREDICT].merge(bucket, left_on="job", right_on="batch")
    return own.assign(mb=own.mb.round())[["job", "bucket", "mb"]].dropna()


def _screen(tables: Tables) -> dict[str, Any] | None:
    """Scores of each bait with each prey, the best of the pair's chains; None where the run is no screen."""
    pairs = tables.pairs[tables.pairs.bait.fillna("").ne("") & tables.pairs.prey.fillna("").ne("")]
    if pairs.empty:
        return None
    best = pairs.drop_duplicates("folder")
    columns = ["bait", "prey", "folder", *_MATRIX_SCORES]
    return {"columns": columns, "scores": list(_MATRIX_SCORES), "rows": _plain(best[columns])}
