"""A structure file as a training example: its features, and where its atoms are."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from pfold.config import RunConfig
from pfold.errors import InputError
from pfold.features.featurize import assemble
from pfold.features.schema import Features
from pfold.features.tokens import Tokens, tokenize
from pfold.run.identity import entity_alignment, search_identity
from pfold.run.inputs import target_features
from pfold.targets.formats.fields import file_target_name
from pfold.targets.formats.structure_file import load_structure, structure_target
from pfold.targets.read import STRUCTURE_SUFFIXES
from pfold.targets.types import LIGAND, Target
from pfold.training.data.fragments import cut_fragments
from pfold.training.data.symmetry import Symmetry, find_symmetry
from pfold.training.labels import Truth

_DATE = "_pdbx_database_status.recvd_initial_deposition_date"


@dataclass(frozen=True, eq=False)
class Example:
    """One structure: what the model is told of it, and what it is to find.

    features: before the seeded motion of the reference conformers; truth: of the same atoms; whole: of all atoms of the
    file, of which a crop has those with the numbers `origin` [A]; symmetry: which of them are equal; chain: number of
    the chain of each token, kind: that chain's kind ("protein", ...), date: of deposition, where the file has it.
    """

    name: str
    target: Target
    features: Features
    truth: Truth
    whole: Truth
    origin: np.ndarray
    symmetry: Symmetry
    chain: np.ndarray
    kinds: tuple[str, ...]
    date: datetime.date | None

    @property
    def n_token(self) -> int:
        """Number of tokens."""
        return len(self.chain)


class StoredFeatures:
    """What the stores of a run have of targets, as their features."""

    def __init__(self, run: RunConfig) -> None:
        self._run, self._searches = run, search_identity(run)

    def of(self, target: Target) -> Features:
        """Features of a target. Raises InputError or DamagedError where an alignment of it is not there."""
        keys = [entity_alignment(entity, self._searches, self._run) for entity in target.entities]
        return target_features(target, keys, self._run)


def structure_files(folder: Path) -> list[Path]:
    """The structure files below a folder, by name."""
    return sorted(path for path in folder.rglob("*") if path.name.removesuffix(".gz").endswith(STRUCTURE_SUFFIXES))


def read_example(
    path: Path, *, use_msa: bool, resolution: float | None = None, stored: StoredFeatures | None = None
) -> Example:
    """Read a structure: its first biological assembly, where it names one, else what it holds.

    resolution: to assume (Å) where the file has none; without it such a structure teaches no confidence. stored:
    alignments and templates of what is in the file; None takes sequences alone. Raises InputError for a file that can't
    be read, holds what pfold can't fold, or has no resolved atom, and for an alignment that is not there.
    """
    structure = load_structure(path)
    _take_first_assembly(structure)
    return make_example(structure, path, use_msa=use_msa, resolution=resolution, stored=stored)


def read_fragments(
    path: Path,
    lengths: tuple[int, int],
    *,
    use_msa: bool,
    resolution: float | None = None,
    stored: StoredFeatures | None = None,
) -> list[Example]:
    """Read the fragments of a structure's protein chains (`pfold.training.data.fragments`), as `read_example`."""
    name = file_target_name(path)
    return [
        make_example(fragment, path.with_name(part), use_msa=use_msa, resolution=resolution, stored=stored)
        for part, fragment in cut_fragments(load_structure(path), name, *lengths)
    ]


def make_example(
    structure: gemmi.Structure, path: Path, *, use_msa: bool, resolution: float | None, stored: StoredFeatures | None
) -> Example:
    """What `read_example` returns, of a structure that was read; it is named after the path."""
    try:
        target = structure_target(structure, path)
        tokens = tokenize(target)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    coordinate, mask = _positions(structure, tokens)
    if not mask.any():
        raise InputError(f"{path}: no atom of the structure is where the components of its residues have one")
    known = structure.resolution or resolution or 0.0
    features = assemble(target, use_msa=use_msa) if stored is None else stored.of(target)
    truth = Truth(coordinate, mask, _ligand_bonds(tokens, mask), known)
    chains = tokens.assembly.chains
    chain = tokens.chain_of_residue[tokens.residue_of_token]
    origin, symmetry = np.arange(len(mask)), find_symmetry(tokens)
    kinds = tuple(c.kind for c in chains)
    return Example(target.name, target, features, truth, truth, origin, symmetry, chain, kinds, _date(structure))


def _take_first_assembly(structure: gemmi.Structure) -> None:
    """Make of a structure its assembly 1; where it is that, or names none, nothing changes."""
    if not structure.assemblies:
        return
    transforms = [operator.transform for g in structure.assemblies[0].generators for operator in g.operators]
    if len(transforms) == 1 and transforms[0].is_identity():
        return
    structure.transform_to_assembly(structure.assemblies[0].name, gemmi.HowToNameCopiedChain.Short)
    structure.setup_entities()


def _positions(structure: gemmi.Structure, tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [A, 3] (Å) and mask [A] of the atoms of the tokens; those that the file lacks are masked zeros."""
    coordinate = np.zeros((len(tokens.token_of_atom), 3))
    mask = np.zeros(len(coordinate))
    found = {(chain, number): residue for chain, number, residue in _residues(structure)}
    atom = 0
    for chain in tokens.assembly.chains:
        for number, residue in enumerate(chain.residues, start=1):
            known = found.get((chain.id, number))
            for name in residue.atom_name:
                place = known.find_atom(str(name), "*") if known is not None and known.name == residue.code else None
                if place is not None and place.occ > 0:
                    coordinate[atom], mask[atom] = place.pos.tolist(), 1
                atom += 1
    return coordinate, mask


def _residues(structure: gemmi.Structure) -> Iterator[tuple[str, int, gemmi.Residue]]:
    """Subchain, number in it from 1, and residue of the first model's first conformers."""
    for chain in structure[0]:
        for subchain in chain.subchains():
            entity = structure.get_entity_of(subchain)
            numbered = entity is not None and bool(entity.full_sequence)
            for position, residue in enumerate(subchain.first_conformer(), start=1):
                number = residue.label_seq if numbered and residue.label_seq is not None else position
                yield subchain.subchain_id(), number, residue


def _ligand_bonds(tokens: Tokens, mask: np.ndarray) -> np.ndarray:
    """Resolved pairs of atoms that are bound between a polymer and a ligand of several atoms, in both directions."""
    bonds = tokens.bonds
    chain = tokens.chain_of_residue[tokens.residue_of_atom]
    ligand = np.array([c.kind == LIGAND and c.n_atom > 1 for c in tokens.assembly.chains])[chain]
    polymer = np.array([c.kind != LIGAND for c in tokens.assembly.chains])[chain]
    first, second = bonds[:, 0], bonds[:, 1]
    between = (ligand[first] & polymer[second]) | (ligand[second] & polymer[first])
    bonds = bonds[between & (mask[first] > 0) & (mask[second] > 0)]
    return np.concatenate([bonds, bonds[:, ::-1]])


def _date(structure: gemmi.Structure) -> datetime.date | None:
    return datetime.date.fromisoformat(structure.info[_DATE]) if _DATE in structure.info else None
