"""The configuration of the last run in a results folder."""

from pathlib import Path

from pfold.config import RunConfig, parse_config
from pfold.config_file import with_paths
from pfold.errors import PfoldError
from pfold.files import read_record
from pfold.run.paths import RunPaths


def last_configuration(results: Path) -> RunConfig:
    """The configuration of the last run in a results folder. Raises PfoldError where there was none."""
    path = RunPaths(results).configuration
    record = read_record(path, "folder", "keys")
    if record is None:
        raise PfoldError(f"{results} is no results folder of pfold, or nothing has run there yet ({path} is missing)")
    keys = with_paths(record["keys"], Path(record["folder"]))
    return parse_config(keys | {"results": str(results)}, str(path))
