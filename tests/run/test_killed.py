"""What a killed Snakemake leaves is removed where it is about the results that are held, and nowhere else."""

import base64
from pathlib import Path

from pfold.run.killed import forget_killed_run


def mark(folder: Path, path: str, length: int = 254) -> Path:
    letters = base64.urlsafe_b64encode(path.encode()).decode()
    *parents, last = [letters[i : i + length] for i in range(0, len(letters), length)]
    place = folder.joinpath("incomplete", *(f"@{part}" for part in parents), last)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    return place


def test_locks_and_marks_of_these_results_go_and_others_stay(tmp_path):
    (tmp_path / "locks").mkdir()
    mine, other, mixed = (tmp_path / f"locks/{i}.output.lock" for i in range(3))
    mine.write_text("results/receipts/plan.json\nresults/summary.csv\n")
    other.write_text("results2/receipts/plan.json\n")
    mixed.write_text("results/receipts/plan.json\nelsewhere/x\n")
    gone = [mark(tmp_path, "results/receipts/plan.json"), mark(tmp_path, f"results/receipts/predict/{'x' * 400}.json")]
    kept = [mark(tmp_path, "results2/receipts/plan.json"), tmp_path / "incomplete/no base64"]
    kept[1].touch()
    forget_killed_run(Path("results"), tmp_path)
    assert not mine.exists()
    assert other.exists()
    assert mixed.exists()
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    forget_killed_run(Path("results"), tmp_path / "nothing")
