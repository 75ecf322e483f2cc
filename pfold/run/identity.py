"""Identities: what an alignment, a target's features and a result depend on, as hashes."""

from dataclasses import asdict, dataclass
from pathlib import Path

from pfold.config import RunConfig
from pfold.errors import ChangedError
from pfold.esm.settings import esm_file, esm_settings
from pfold.files import digest, file_digest, large_file_digest
from pfold.msa.engines import check_search, protein_engine, rna_engine, search_files
from pfold.msa.store import alignment_id
from pfold.targets.types import PROTEIN, RNA, Entity, Target
from pfold.weights.load import resolve_weights, weights_identity
from pfold.weights.published import UNTRAINED

# Raised when a release changes the numbers of features or predictions, so that older ones are made anew.
FEATURES_VERSION = 2
RESULT_VERSION = 3


@dataclass(frozen=True)
class SearchIdentity:
    """Hashes of the searches of a run, of proteins and of RNA."""

    search: str
    rna_search: str


@dataclass(frozen=True)
class RunIdentity(SearchIdentity):
    """Hashes that all targets of a run share; features: everything of the run that features depend on."""

    weights: str
    features: str


def search_identity(config: RunConfig) -> SearchIdentity:
    """Hash the databases of the searches."""
    return SearchIdentity(
        search=protein_engine(config.search).identity(),
        rna_search=rna_engine(config.search).identity() if config.use_rna_msa else "",
    )


def run_identity(config: RunConfig) -> RunIdentity:
    """Hash databases and weights. Raises ConfigError or WeightsError where one is missing."""
    check_databases(config)
    components = file_digest(config.components) if config.components else ""
    templates = config.templates.identity() if config.use_templates else ""
    return RunIdentity(
        **asdict(search_identity(config)),
        weights=weights_identity(config.model, config.weights),
        features=digest(config.msa_pair_as_unpair, config.use_msa, templates, components, esm_identity(config)),
    )


def check_databases(config: RunConfig) -> None:
    """Raises ConfigError, naming key and remedy, where a database of the searches is missing or none."""
    config.templates.check()
    check_search(config.search)


def database_files(config: RunConfig) -> list[Path]:
    """The files that the searches of a run read."""
    return search_files(config.search) + config.templates.files()


def esm_identity(config: RunConfig) -> str:
    """The language model whose embeddings the model takes, and its weights; "" for none."""
    if not config.model.esm:
        return ""
    path = esm_file(esm_settings(config.model.esm), config.esm_weights)
    return f"{config.model.esm} {UNTRAINED if path is None else large_file_digest(path)}"


def weights_files(config: RunConfig) -> list[Path]:
    """The checkpoints a run reads; none where weights are untrained. Raises WeightsError where one is missing."""
    esm = esm_file(esm_settings(config.model.esm), config.esm_weights) if config.model.esm else None
    return [path for path in (resolve_weights(config.model, config.weights), esm) if path is not None]


def entity_alignment(entity: Entity, run: SearchIdentity, config: RunConfig) -> str:
    """Identity of an entity's alignments: the user's own where given, the search's otherwise; "" for none."""
    if entity.has_own_msa:
        return digest("own", [_content(entity.unpaired_msa), _content(entity.paired_msa)])
    if needs_search(entity, config):
        return searched_alignment(entity.sequence, entity.kind, run)
    return ""


def _content(own: Path | str | None) -> str:
    if not isinstance(own, Path):
        return own or ""
    try:
        return file_digest(own)
    except OSError as error:
        # Its target's own trouble, which the features stage names.
        return f"{own} can't be read ({error.strerror})"


def needs_search(entity: Entity, config: RunConfig) -> bool:
    """Whether an entity's alignment comes from a search."""
    if entity.has_own_msa or not config.use_msa:
        return False
    if entity.kind == RNA:
        return config.use_rna_msa and bool(config.search.rna_databases)
    return entity.kind == PROTEIN and config.search.engine != "none"


def features_id(target: Target, alignments: list[str], run: RunIdentity) -> str:
    """Identity of a target's features: target, alignments (`entity_alignment` of each entity) and own templates."""
    templates = [
        _content(e.templates) if isinstance(e.templates, Path) else _given(e) for e in target.entities if e.is_polymer
    ]
    return digest("features", FEATURES_VERSION, target.id, alignments, templates, run.features)


def _given(entity: Entity) -> list[list[str]] | str:
    if entity.templates is None or isinstance(entity.templates, Path):
        return "search"
    return [[_content(t.structure), t.chain, repr(t.residues)] for t in entity.templates]


def searched_alignment(sequence: str, kind: str, run: SearchIdentity) -> str:
    """Identity of the alignment that a search of a protein or RNA (`kind`) makes."""
    return alignment_id(sequence, run.search if kind == PROTEIN else run.rna_search)


def searched_databases(target: Target, config: RunConfig) -> tuple[str, ...]:
    """Names of the databases, or of the server, that a target's alignments are searched in."""
    search, found = config.search, []
    kinds = {entity.kind for entity in target.entities if needs_search(entity, config)}
    if PROTEIN in kinds:
        found += [path.name for path in search.databases] or [search.server]
    if RNA in kinds:
        found += [path.name for path in search.rna_databases]
    return tuple(found)


def require_planned(planned: str, now: str, what: str) -> None:
    """Raises ChangedError where what a job is to make has another identity now than when it was planned."""
    if planned != now:
        raise ChangedError(
            f"{what} has changed since the plan was made (databases, alignments, templates, weights or settings): "
            "run the same command again, which makes a new plan"
        )


def target_seeds(target: Target, config: RunConfig) -> tuple[int, ...]:
    """The target's own seeds, or the configuration's."""
    return target.seeds or config.seeds


def result_id(target: Target, features: str, run: RunIdentity, config: RunConfig) -> str:
    """Identity of a result: features, model, weights, seeds and sampling settings."""
    seeds = list(target_seeds(target, config))
    sampling = config.sampling() | {"keep": config.keep}
    return digest("result", RESULT_VERSION, features, config.model.name, run.weights, seeds, sampling)
