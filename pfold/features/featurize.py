"""From a target and its alignments to the features of `pfold.features.schema`."""

from collections.abc import Sequence

import numpy as np

from pfold.features.atoms import augment_reference, token_and_atom_features
from pfold.features.msa import ChainAlignments, msa_features
from pfold.features.templates import empty_templates
from pfold.search.a3m import read_a3m
from pfold.targets.types import Target

Features = dict[str, np.ndarray]


def featurize(
    target: Target,
    seed: int = 101,
    alignments: Sequence[ChainAlignments] | None = None,
    msa_pair_as_unpair: bool = True,
) -> Features:
    """Input features of a target.

    seed: turns and moves the reference conformers (AF3 supplement, section 2.8). alignments: one of each entity; None
    reads the alignment files the target names, and an entity without any stands alone. msa_pair_as_unpair: rows for
    pairing also serve as unpaired rows. Returns the arrays of `pfold.features.schema`.
    Raises InputError for an alignment that can't be read or is another sequence's.
    """
    return augment_reference(assemble(target, alignments, msa_pair_as_unpair), seed)


def assemble(
    target: Target, alignments: Sequence[ChainAlignments] | None = None, msa_pair_as_unpair: bool = True
) -> Features:
    """The features before the seeded motion of the reference conformers; arguments as `featurize`."""
    if alignments is None:
        alignments = own_alignments(target)
    return (
        token_and_atom_features(target)
        | empty_templates(target.n_token)
        | msa_features(target, alignments, msa_pair_as_unpair)
    )


def own_alignments(target: Target) -> list[ChainAlignments]:
    """The alignments that the target's input names."""
    return [
        ChainAlignments(
            unpaired=read_a3m(e.unpaired_msa, e.sequence) if e.unpaired_msa else None,
            paired=read_a3m(e.paired_msa, e.sequence) if e.paired_msa else None,
        )
        for e in target.entities
    ]
