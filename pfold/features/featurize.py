"""From a target and its alignments to the features of `pfold.features.schema`."""

from collections.abc import Sequence
from pathlib import Path

from pfold.features.atoms import augment_reference, token_and_atom_features
from pfold.features.constraints import constraint_features
from pfold.features.msa import (
    NO_ALIGNMENT,
    ChainAlignments,
    chain_columns,
    msa_features,
    single_row_features,
)
from pfold.features.schema import Features
from pfold.features.templates import empty_templates, template_features, with_pair_features
from pfold.features.tokens import tokenize
from pfold.msa.a3m import Alignment, parse_a3m, read_a3m, warn_of_other_query
from pfold.targets.types import Entity, Target
from pfold.templates.select import given_templates
from pfold.templates.structures import Template


def featurize(
    target: Target,
    seed: int = 101,
    alignments: Sequence[ChainAlignments] | None = None,
    templates: Sequence[Sequence[Template]] | None = None,
    *,
    msa_pair_as_unpair: bool = True,
) -> Features:
    """Input features of a target.

    seed: turns and moves the reference conformers (AF3 supplement, section 2.8). alignments: one of each entity; None
    reads the alignments the target brings along, and an entity without any stands alone. templates: those of each
    entity; None takes the structures the target brings along. msa_pair_as_unpair: rows for pairing also serve as
    unpaired rows. Returns the arrays of `pfold.features.schema`.
    Raises InputError for an alignment that can't be read or is another sequence's, unknown components, and bonds or
    constraints to atoms that do not exist.
    """
    features = assemble(target, alignments, templates, msa_pair_as_unpair=msa_pair_as_unpair)
    return augment_reference(Features(with_pair_features(features)), seed)


def assemble(
    target: Target,
    alignments: Sequence[ChainAlignments] | None = None,
    templates: Sequence[Sequence[Template]] | None = None,
    *,
    msa_pair_as_unpair: bool = True,
    use_msa: bool = True,
) -> Features:
    """The features before the seeded motion of the reference conformers, without pair features of templates.

    use_msa: without it the target's own residues are the only MSA row, as the reference does for models that
    take none; other arguments as `featurize`.
    """
    alignments = own_alignments(target) if alignments is None else alignments
    templates = own_templates(target) if templates is None else templates
    tokens = tokenize(target)
    features = token_and_atom_features(target, tokens) | constraint_features(target, tokens)
    if any(templates):
        features |= template_features(target, chain_columns(target, tokens), templates)
    else:
        features |= empty_templates(tokens.n_token)
    if use_msa:
        return Features(features | msa_features(target, tokens, alignments, msa_pair_as_unpair=msa_pair_as_unpair))
    return Features(features | single_row_features(features["restype"]))


def own_templates(target: Target) -> list[Sequence[Template]]:
    """The template structures that the target's input brings along; files of hits need a mirror of the PDB."""
    return [
        given_templates(e.sequence, e.templates) if e.templates and not isinstance(e.templates, Path) else []
        for e in target.entities
    ]


def own_alignments(target: Target) -> list[ChainAlignments]:
    """The alignments that the target's input brings along."""
    return [
        ChainAlignments(unpaired=_own(e.unpaired_msa, e), paired=_own(e.paired_msa, e))
        if e.is_polymer
        else NO_ALIGNMENT
        for e in target.entities
    ]


def _own(msa: Path | str | None, entity: Entity) -> Alignment | None:
    """An alignment from its file or text; None where there is none or an empty one."""
    if not msa:
        return None
    source = str(msa) if isinstance(msa, Path) else f"the input's alignment of chain {entity.ids[0]}"
    found = (
        read_a3m(msa, entity.sequence)
        if isinstance(msa, Path)
        else parse_a3m(msa.splitlines(), entity.sequence, source)
    )
    warn_of_other_query(found, entity.sequence, source)
    return found
