"""Fragments: long protein chains cut into short ones, each an example of its own."""

import zlib
from collections.abc import Iterator

import gemmi
import numpy as np

# Share of a fragment's residues that the structure must have.
_RESOLVED = 0.9


def cut_fragments(
    structure: gemmi.Structure, name: str, shortest: int, longest: int
) -> Iterator[tuple[str, gemmi.Structure]]:
    """Runs of `shortest` to `longest` residues of a structure's protein chains, one after another, as structures.

    Yields the name of each, "NAME_CHAIN_FIRST", and a structure of one chain that ends where the run ends. Lengths are
    drawn, the same for the same name. Chains that need no cut, and runs of which a tenth or more is not resolved, are
    left out.
    """
    generator = np.random.Generator(np.random.Philox(zlib.crc32(name.encode())))
    for chain in structure[0]:
        polymer = chain.get_polymer()
        entity = structure.get_entity_of(polymer)
        if entity is None or entity.polymer_type != gemmi.PolymerType.PeptideL:
            continue
        sequence, start = list(entity.full_sequence) or [residue.name for residue in polymer], 0
        while len(sequence) > longest and len(sequence) - start >= shortest:
            size = min(int(generator.integers(shortest, longest + 1)), len(sequence) - start)
            residues = [residue for residue in polymer if start < (residue.label_seq or 0) <= start + size]
            if len({residue.label_seq for residue in residues}) > _RESOLVED * size:
                fragment = _structure(residues, sequence[start : start + size], start)
                fragment.resolution = structure.resolution
                fragment.info = structure.info
                yield f"{name}_{polymer.subchain_id()}_{start + 1}", fragment
            start += size


def _structure(residues: list[gemmi.Residue], sequence: list[str], before: int) -> gemmi.Structure:
    """A structure of one chain of these residues, of which `before` residues are cut off."""
    chain, entity = gemmi.Chain("A"), gemmi.Entity("1")
    for residue in residues:
        moved = residue.clone()
        moved.label_seq = (residue.label_seq or 0) - before
        moved.seqid = gemmi.SeqId(str(moved.label_seq))
        moved.subchain = "A"
        chain.add_residue(moved)
    entity.entity_type, entity.polymer_type = gemmi.EntityType.Polymer, gemmi.PolymerType.PeptideL
    entity.subchains, entity.full_sequence = ["A"], sequence
    structure, model = gemmi.Structure(), gemmi.Model(1)
    model.add_chain(chain)
    structure.add_model(model)
    structure.entities.append(entity)
    return structure
