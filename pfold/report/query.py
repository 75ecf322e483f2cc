"""SQL over the tables of a run."""

from pathlib import Path

import duckdb
import pandas as pd

from pfold.errors import InputError
from pfold.run.paths import RunPaths


def query_tables(results: Path, sql: str) -> pd.DataFrame:
    """What a query says of the tables `summary`, `pairs`, `plan` and `targets` of a run (docs/output.md).

    Raises InputError where there is no table yet, or the query is wrong.
    """
    paths = RunPaths(results)
    tables = {"summary": paths.summary, "pairs": paths.pairs, "plan": paths.plan_table, "targets": paths.targets}
    there = {name: path for name, path in tables.items() if path.is_file()}
    if not there:
        raise InputError(f"{results} has no tables; is it a results folder, and has a run begun there?")
    with duckdb.connect() as connection:
        try:
            for name, path in there.items():
                connection.read_parquet(str(path)).create_view(name)
            return connection.execute(sql).df()
        except duckdb.Error as error:
            raise InputError(f"the query failed; tables are {', '.join(there)}: {error}") from None
