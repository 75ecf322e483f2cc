"""How far a run is: targets by what became of them, and the device time that is left."""

from dataclasses import dataclass, field

from pfold.config import RunConfig
from pfold.files import read_record, read_table
from pfold.results.receipt import is_done
from pfold.run.failures import FailureStore
from pfold.run.paths import RunPaths
from pfold.run.plan import State
from pfold.targets.table import RecordStatus


@dataclass
class RunProgress:
    """Targets of a run by name; hours_left is the predicted device time of what is left and running."""

    done: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    failed: dict[str, list[str]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    hours_left: float = 0.0


def run_progress(config: RunConfig) -> RunProgress:
    """Where each target of the last plan stands now. Raises PfoldError before there is a plan."""
    paths = RunPaths(config.results)
    table = read_table(paths.plan_table, "start the run, or make a plan with `pfold plan`")
    notes = [read_record(note, "folders") for note in paths.running.glob("*.json")]
    in_hand = {folder for note in notes if note is not None for folder in note["folders"]}
    records = read_table(paths.targets, "start the run, or make it with `pfold targets`", columns=["name", "status"])
    failures = FailureStore(paths.failures)
    progress = RunProgress(rejected=records.name[records.status == RecordStatus.REJECTED].tolist())
    minutes = 0.0
    for row in table.to_dict("records"):
        name, folder = row["name"], row["folder"]
        if is_done(paths.predictions / folder, row["result_id"]):
            progress.done.append(name)
            continue
        failure = failures.read(folder, row["result_id"])
        if failure is not None and not failure.retryable:
            progress.failed.setdefault(failure.reason, []).append(name)
            continue
        (progress.running if folder in in_hand else progress.left).append(name)
        minutes += row["minutes"] if row["state"] == State.FOLD else 0
    progress.hours_left = minutes / 60
    return progress


# Names shown of each group.
_SHOWN = 10


def format_status(progress: RunProgress) -> str:
    """The progress as lines for a person: a count and the first names of each group."""
    lines = [f"done      {len(progress.done)}", _line("running", progress.running)]
    lines.append(f"failed    {sum(len(names) for names in progress.failed.values())}")
    groups = sorted(progress.failed.items(), key=lambda group: -len(group[1]))
    lines += [f"  {_line(reason, names)}" for reason, names in groups]
    lines += [_line("left", progress.left), _line("rejected", progress.rejected)]
    lines.append(f"predicted device time left: {progress.hours_left:.1f} hours")
    return "\n".join(lines)


def _line(what: str, names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{what:10}{len(names)}" + (f"  {shown}" if names else "")
