"""Where everything is in the result folder of a target; AlphaFold 3's layout.

FOLDER/FOLDER_model.cif, FOLDER_summary_confidences.json, FOLDER_confidences.json   of the best sample
FOLDER/seed-101_sample-0/model.cif, ...                                             of each sample (keep: all)
FOLDER/ranking_scores.csv                                                           of all samples (keep: all)
FOLDER/result.json                                                                  the receipt
"""

from pathlib import Path

# The file that makes a folder a finished result.
RECEIPT = "result.json"
RANKING = "ranking_scores.csv"
MODEL = "model.cif"
SUMMARY = "summary_confidences.json"
# Its form gives it a suffix (pfold.results.confidences).
CONFIDENCES = "confidences"
# Of the configuration's `keep`.
KEEP_ALL, KEEP_BEST = "all", "best"


def best_prefix(folder: Path) -> str:
    """What the names of the best sample's files begin with."""
    return f"{folder.name}_"


def best_structure(folder: Path) -> Path:
    """The structure of the best sample."""
    return folder / f"{best_prefix(folder)}{MODEL}"


def sample_label(seed: int, number: int) -> str:
    """Name of a sample's folder."""
    return f"seed-{seed}_sample-{number}"


def sample_structure(folder: Path, rank: int, seed: int, number: int, keep: str) -> Path | None:
    """The structure of a sample; None where only the best one's was kept."""
    if rank == 1:
        return best_structure(folder)
    return folder / sample_label(seed, number) / MODEL if keep == KEEP_ALL else None
