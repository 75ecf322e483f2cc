"""A Foldcomp database: chains of proteins, a tenth of their size, which Foldseek reads (Kim et al. 2023).

The database is MMseqs2's form of one: NAME holds the entries, NAME.index where each is, NAME.lookup their names.
"""

import itertools
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import gemmi

from pfold.errors import ConfigError
from pfold.files import atomic_file

# MMseqs2's number for data of no kind that it knows.
_GENERIC_DBTYPE = 12
_MIN_RESIDUES = 3


def protein_chains(name: str, structure: gemmi.Structure) -> Iterator[tuple[str, str]]:
    """Name and PDB text of each stretch of the twenty amino acids in a target, as Foldcomp knows no other residues.

    Of one stretch the name is the target's, of several NAME_CHAIN; a modified residue cuts a chain into NAME_CHAIN_1,
    NAME_CHAIN_2, ... Stretches of less than three residues are left out: they have no torsion to be kept by.
    """
    stretches = {chain.name: _stretches(chain) for chain in structure[0]}
    n_stretch = sum(map(len, stretches.values()))
    for chain, parts in stretches.items():
        for number, residues in enumerate(parts, start=1):
            one = gemmi.Structure()
            one.add_model(gemmi.Model(1))
            one[0].add_chain(gemmi.Chain("A"))
            for residue in residues:
                one[0]["A"].add_residue(residue)
            part = f"_{number}" if len(parts) > 1 else ""
            yield name if n_stretch == 1 else f"{name}_{chain}{part}", one.make_pdb_string()


def _stretches(chain: gemmi.Chain) -> list[list[gemmi.Residue]]:
    """Residues of the twenty amino acids that follow each other, three or more."""
    known = set(gemmi.expand_one_letter_sequence("ACDEFGHIKLMNPQRSTVWY", gemmi.ResidueKind.AA))
    groups = itertools.groupby(chain, lambda residue: residue.name in known and residue.label_seq is not None)
    stretches = [list(residues) for is_known, residues in groups if is_known]
    return [residues for residues in stretches if len(residues) >= _MIN_RESIDUES]


def write_foldcomp(chains: Iterable[tuple[str, str]], path: Path) -> list[Path]:
    """Write chains (name, PDB text) as a database; returns its files. Raises ConfigError without Foldcomp."""
    foldcomp = _foldcomp()
    ends = ("", ".index", ".lookup", ".dbtype")
    paths = [path.with_name(path.name + end) for end in ends]
    with ExitStack() as files:
        entries, index, lookup, dbtype = [files.enter_context(atomic_file(place)) for place in paths]
        offset = 0
        with entries.open("wb") as data, index.open("w") as places, lookup.open("w") as names:
            for number, (name, text) in enumerate(chains):
                entry = foldcomp.compress(name, text)
                data.write(entry)
                places.write(f"{number}\t{offset}\t{len(entry)}\n")
                names.write(f"{number}\t{name}\t0\n")
                offset += len(entry)
        dbtype.write_bytes(struct.pack("<i", _GENERIC_DBTYPE))
    return paths


def _foldcomp() -> ModuleType:
    try:
        import foldcomp
    except ImportError as error:
        raise ConfigError(
            f"a Foldcomp database needs the package foldcomp ({error}): pip install 'pfold[foldcomp]'; it is made for "
            "Python 3.11 on x86-64 and for some others"
        ) from None
    return foldcomp
