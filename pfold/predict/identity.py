"""Identities: what an alignment, a target's features and a result depend on, as hashes."""

from dataclasses import dataclass
from pathlib import Path

from pfold.config import RunConfig
from pfold.files import digest, file_digest
from pfold.search.store import alignment_id
from pfold.targets.types import Entity, Target
from pfold.weights.load import weights_identity

# Raised when a release changes the numbers of features or predictions, so that older ones are made anew.
FEATURES_VERSION = 1
RESULT_VERSION = 1


@dataclass(frozen=True)
class RunIdentity:
    """Hashes that all targets of a run share."""

    search: str
    weights: str


def run_identity(config: RunConfig) -> RunIdentity:
    """Hash databases and weights. Raises ConfigError or WeightsError where one is missing."""
    config.search.check()
    return RunIdentity(config.search.identity(), weights_identity(config.model, config.weights))


def entity_alignment(entity: Entity, run: RunIdentity) -> str:
    """Identity of an entity's alignments: the user's own files where given, the search otherwise."""
    own = [path for path in (entity.unpaired_msa, entity.paired_msa) if path]
    if own:
        return digest("own", [_content(entity.unpaired_msa), _content(entity.paired_msa)])
    return alignment_id(entity.sequence, run.search)


def _content(path: Path | None) -> str:
    return file_digest(path) if path else ""


def needs_search(entity: Entity, config: RunConfig) -> bool:
    """Whether an entity's alignment comes from a search."""
    return config.search.engine != "none" and not (entity.unpaired_msa or entity.paired_msa)


def features_id(target: Target, alignments: list[str], config: RunConfig) -> str:
    """Identity of a target's features: target and alignments (`entity_alignment` of each entity)."""
    return digest("features", FEATURES_VERSION, target.id, alignments, config.msa_pair_as_unpair)


def target_seeds(target: Target, config: RunConfig) -> tuple[int, ...]:
    """The target's own seeds, or the configuration's."""
    return target.seeds or config.seeds


def result_id(target: Target, features: str, run: RunIdentity, config: RunConfig) -> str:
    """Identity of a result: features, model, weights, seeds and sampling settings."""
    seeds = list(target_seeds(target, config))
    sampling = config.sampling() | {"keep": config.keep}
    return digest("result", RESULT_VERSION, features, config.model.name, run.weights, seeds, sampling)
