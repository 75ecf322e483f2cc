"""A target's features from the stores of a run: alignments, templates and language-model embeddings."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pfold.config import RunConfig
from pfold.errors import DamagedError, InputError
from pfold.esm.features import esm_features
from pfold.esm.settings import MAX_RESIDUES, esm_settings, load_esm
from pfold.esm.store import EmbeddingStore
from pfold.features.featurize import assemble, own_alignments, own_templates
from pfold.features.msa import NO_ALIGNMENT, ChainAlignments
from pfold.features.schema import Features
from pfold.files import digest
from pfold.msa.a3m import Alignment, query_only
from pfold.msa.store import AlignmentStore
from pfold.run.identity import (
    RunIdentity,
    entity_alignment,
    esm_identity,
    features_id,
    needs_search,
    require_planned,
)
from pfold.run.jobs import PlannedFeatures, PlannedPrediction
from pfold.targets.types import PROTEIN, RNA, Entity, Target
from pfold.templates.hits import TemplateHit, read_template_hits
from pfold.templates.select import select_templates
from pfold.templates.store import TemplateHitStore
from pfold.templates.structures import Template

logger = logging.getLogger(__name__)


def target_features(target: Target, keys: Sequence[str], config: RunConfig, cpus: int = 1) -> Features:
    """Features of a target, all but the seeded motion of its conformers.

    keys: identity of each entity's alignment. Raises InputError where an alignment, template or component is wrong.
    """
    alignments = target_alignments(target, keys, config)
    templates = target_templates(target, keys, alignments, config, cpus)
    features = assemble(
        target, alignments, templates, msa_pair_as_unpair=config.msa_pair_as_unpair, use_msa=config.use_msa
    )
    if config.model.esm:
        embeddings = embedding_store(config)
        features = Features(features | esm_features(target, [embeddings.read(s) for s in protein_sequences(target)]))
    return features


def planned_features(
    target: Target, planned: PlannedFeatures | PlannedPrediction, run: RunIdentity, config: RunConfig, cpus: int = 1
) -> Features:
    """`target_features` of a target of the plan.

    Raises ChangedError where they would be others than were planned.
    """
    keys = [entity_alignment(entity, run, config) for entity in target.entities]
    require_planned(planned.features_id, features_id(target, keys, run), target.name)
    return target_features(target, planned.alignments, config, cpus)


def target_alignments(target: Target, keys: Sequence[str], config: RunConfig) -> list[ChainAlignments]:
    """Alignments of each entity: the user's own, the search's, or none.

    A search's rows serve both to pair chains by species and unpaired. Models that were not trained on alignments of RNA
    get none.
    """
    store = AlignmentStore(config.store / "alignments")
    alignments = own_alignments(target)
    for i, (entity, key) in enumerate(zip(target.entities, keys, strict=True)):
        if entity.kind == RNA and not config.use_rna_msa:
            alignments[i] = NO_ALIGNMENT
        elif needs_search(entity, config):
            if key not in store and config.search.engine != "precomputed":
                raise DamagedError(
                    f"the search found no alignment of {entity.sequence[:20]}... ({len(entity.sequence)} residues), or "
                    f"it is gone from the store {config.store}"
                )
            found = store.read(key, entity.sequence)
            alignments[i] = ChainAlignments(unpaired=found, paired=found)
    return alignments


def target_templates(
    target: Target, keys: Sequence[str], alignments: Sequence[ChainAlignments], config: RunConfig, cpus: int
) -> list[Sequence[Template]]:
    """Templates of each entity: the user's own, the search's, or none."""
    if not config.use_templates:
        return [()] * len(target.entities)
    templates = own_templates(target)
    for i, (entity, key) in enumerate(zip(target.entities, keys, strict=True)):
        hits = _template_hits(entity, key, alignments[i], config, cpus)
        if hits:
            settings = config.templates
            if settings.mmcif is None:
                raise InputError(
                    f"{entity.templates}: these hits name structures of the PDB; set search.templates.mmcif to a "
                    "folder of their mmCIF files"
                )
            templates[i] = select_templates(entity.sequence, hits, settings.mmcif, settings.max_date)
            logger.info("%s: %d templates of %d hits", target.name, len(templates[i]), len(hits))
    return templates


def _template_hits(
    entity: Entity, key: str, alignments: ChainAlignments, config: RunConfig, cpus: int
) -> list[TemplateHit]:
    if isinstance(entity.templates, Path):
        return read_template_hits(entity.templates)
    settings = config.templates
    if entity.kind != PROTEIN or entity.templates is not None or settings.seqres is None:
        return []
    from pfold.templates.search import search_templates

    store = TemplateHitStore(config.store / "template_hits")
    identity = digest("hits", key, entity.sequence, settings.identity())
    hits = store.read(identity)
    if hits is None:
        hits = search_templates(_profile_rows(entity, alignments), settings.seqres, cpus)
        store.write(identity, hits)
    return hits


def _profile_rows(entity: Entity, alignments: ChainAlignments) -> Alignment:
    return alignments.unpaired or alignments.paired or query_only(entity.sequence)


def protein_sequences(target: Target) -> list[str]:
    """Sequences of the protein entities, in order."""
    return [entity.sequence for entity in target.entities if entity.kind == PROTEIN]


def embedding_store(config: RunConfig) -> EmbeddingStore:
    """The store of the embeddings of a run's language model."""
    return EmbeddingStore(config.store / "embeddings" / digest(esm_identity(config)))


def embed_missing(targets: Sequence[Target], config: RunConfig) -> None:
    """Embed the protein sequences of targets that the store lacks, all in one pass through the model's layers.

    Chains that are too long are left out; their targets then fail by name.
    """
    from pfold.esm.embed import embed_sequences

    store = embedding_store(config)
    sequences = {s for target in targets for s in protein_sequences(target) if len(s) <= MAX_RESIDUES}
    missing = sorted(s for s in sequences if s not in store)
    if not missing:
        return
    settings = esm_settings(config.model.esm)
    logger.info("%s: embedding %d sequences", settings.name, len(missing))
    weights = load_esm(settings, config.esm_weights)
    for sequence, embeddings in zip(missing, embed_sequences(settings, weights, missing), strict=True):
        store.write(sequence, embeddings)
