"""Finished results in other programs' formats: the best sample of each target."""

import functools
import logging
import shutil
import textwrap
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
import pandas as pd
from biotite.structure.io import pdbx

from pfold.errors import ConfigError, InputError
from pfold.export.foldcomp import protein_chains, write_foldcomp
from pfold.export.modelarchive import write_modelarchive
from pfold.files import atomic_file
from pfold.report.tables import finished_samples
from pfold.results.confidences import COMPACT, JSON, confidences_file, read_confidences, write_confidences
from pfold.results.layout import CONFIDENCES, SUMMARY, best_prefix, best_structure
from pfold.run.paths import RunPaths
from pfold.weights.remarks import weights_remark

logger = logging.getLogger(__name__)

# Names of the archive, sequences and Foldcomp database that are written for all targets together.
ARCHIVE, SEQUENCES, FOLDCOMP = "pfold_results.zip", "pfold_results.fasta", "pfold_foldcomp"
# Columns of atoms that BinaryCIF holds as numbers.
_ATOM_NUMBERS: dict[str, type] = {"id": int}
_ATOM_NUMBERS |= dict.fromkeys(("Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "B_iso_or_equiv"), float)


@dataclass(frozen=True)
class Finished:
    """A target that is done: its name and result folder, and the kind of weights it was folded with."""

    name: str
    folder: Path
    weights: str

    @property
    def remark(self) -> str:
        """What is to be said of the weights; "" for published ones."""
        return weights_remark(self.weights)

    @property
    def structure(self) -> Path:
        """The best sample's mmCIF."""
        return best_structure(self.folder)

    @property
    def confidences(self) -> Path:
        """The best sample's confidences."""
        return confidences_file(self.folder / f"{best_prefix(self.folder)}{CONFIDENCES}")


def export_results(results: Path, form: str, output: Path, names: Sequence[str] = ()) -> list[Path]:
    """Write finished targets of a run, those of these names or all, in a form of `FORMS`; returns the files.

    Raises InputError for a name that is not among the finished ones, and ConfigError for an unknown form.
    """
    if form not in FORMS:
        raise ConfigError(f'"{form}" is no form of results; use one of {", ".join(FORMS)}')
    finished = finished_targets(results, names)
    output.mkdir(parents=True, exist_ok=True)
    written = FORMS[form](finished, results, output)
    logger.info("%d target(s) as %s: %s", len(finished), form, output)
    return written


def finished_targets(results: Path, names: Sequence[str] = ()) -> list[Finished]:
    """The finished targets of a run by its summary table, the best first.

    Raises InputError for an unknown name, and for a result that is gone since.
    """
    predictions = RunPaths(results).predictions
    rows = finished_samples(results, names).to_dict("records")
    finished = [Finished(row["name"], predictions / row["folder"], row["weights"]) for row in rows]
    for target in finished:
        if not target.structure.is_file():
            raise InputError(f"{target.name}: {target.structure} is gone; run again, which folds it anew")
    return finished


def _each(end: str, write: Callable[[Finished, Path], None]) -> Callable[[list[Finished], Path, Path], list[Path]]:
    """Writes one file for each target, its name and this end."""

    def write_all(finished: list[Finished], results: Path, output: Path) -> list[Path]:
        paths = [output / f"{x.folder.name}{end}" for x in finished]
        for target, path in zip(finished, paths, strict=True):
            with atomic_file(path) as temporary:
                write(target, temporary)
        return paths

    return write_all


def _write_mmcif(target: Finished, path: Path) -> None:
    shutil.copyfile(target.structure, path)


def _write_pdb(target: Finished, path: Path) -> None:
    """Chains get names of one character. Raises InputError for what PDB files have no room for."""
    structure = gemmi.read_structure(str(target.structure))
    n_atom = structure[0].count_atom_sites()
    if n_atom > 99_999 or len(structure[0]) > 62:
        raise InputError(
            f"{target.name}: {n_atom} atoms in {len(structure[0])} chains do not fit into a PDB file (99,999 and 62); "
            "use mmcif or bcif"
        )
    structure.shorten_chain_names()
    if target.remark:
        structure.raw_remarks = [f"REMARK 999 {line}" for line in textwrap.wrap(target.remark, 68)]
    structure.write_pdb(str(path))


def _write_bcif(target: Finished, path: Path) -> None:
    """BinaryCIF: every category of the mmCIF, compressed column by column."""
    source = pdbx.CIFFile.read(str(target.structure)).block
    categories = {
        name: pdbx.BinaryCIFCategory({key: _binary_column(name, key, column) for key, column in category.items()})
        for name, category in source.items()
    }
    written = pdbx.BinaryCIFFile({target.folder.name: pdbx.BinaryCIFBlock(categories)})
    with path.open("wb") as file:
        pdbx.compress(written).write(file)


def _binary_column(category: str, key: str, column: pdbx.CIFColumn) -> pdbx.BinaryCIFColumn:
    """A column as text, as it stands; or as the numbers of an atom."""
    if category == "atom_site" and key in _ATOM_NUMBERS:
        return pdbx.BinaryCIFColumn(column.as_array(_ATOM_NUMBERS[key]))
    return pdbx.BinaryCIFColumn(column.data.array, None if column.mask is None else column.mask.array)


def _write_confidences(target: Finished, path: Path, form: str) -> None:
    write_confidences(path.with_name(path.name + ".of"), read_confidences(target.confidences), form).replace(path)


def _write_fasta(finished: list[Finished], results: Path, output: Path) -> list[Path]:
    """The sequences of all polymers, with the mean pLDDT of their residues in the header."""
    with atomic_file(output / SEQUENCES) as temporary, temporary.open("w") as file:
        for target in finished:
            remark = f" {target.remark}" if target.remark else ""
            structure = gemmi.read_structure(str(target.structure))
            for chain in structure[0]:
                polymer = chain.get_polymer()
                if len(polymer):
                    plddt = np.mean([np.mean([atom.b_iso for atom in residue]) for residue in polymer])
                    sequence = gemmi.one_letter_code([residue.name for residue in polymer]).upper()
                    file.write(f">{target.name}|{chain.name} pLDDT={plddt:.2f}{remark}\n{sequence}\n")
    return [output / SEQUENCES]


def _write_zip(finished: list[Finished], results: Path, output: Path) -> list[Path]:
    """One archive of the best samples, their scores, and their rows of the tables."""
    paths, names = RunPaths(results), [target.name for target in finished]
    with (
        atomic_file(output / ARCHIVE) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for path in (paths.summary, paths.pairs):
            table = pd.read_parquet(path)
            archive.writestr(f"{path.stem}.csv", table[table.name.isin(names)].to_csv(index=False))
        for target in finished:
            summary = target.folder / f"{best_prefix(target.folder)}{SUMMARY}"
            for path in (target.structure, summary, target.confidences):
                archive.write(path, f"predictions/{target.folder.name}/{path.name}")
    return [output / ARCHIVE]


def _write_foldcomp(finished: list[Finished], results: Path, output: Path) -> list[Path]:
    """All chains of proteins as a Foldcomp database. Raises InputError for weights that it would have to name."""
    if any(target.remark for target in finished):
        raise InputError(
            f"{results}: made with {finished[0].weights} weights, which a Foldcomp database can't say; use mmcif"
        )
    structures = ((target.folder.name, gemmi.read_structure(str(target.structure))) for target in finished)
    chains = (chain for name, structure in structures for chain in protein_chains(name, structure))
    return write_foldcomp(chains, output / FOLDCOMP)


def _write_modelarchive(finished: list[Finished], results: Path, output: Path) -> list[Path]:
    """Two files a target: the model, and the archive of its PAE."""
    return [
        path
        for target in finished
        for path in write_modelarchive(
            target.structure, read_confidences(target.confidences), output / target.folder.name
        )
    ]


# What `pfold export` can write.
FORMS: dict[str, Callable[[list[Finished], Path, Path], list[Path]]] = {
    "mmcif": _each(".cif", _write_mmcif),
    "pdb": _each(".pdb", _write_pdb),
    "bcif": _each(".bcif", _write_bcif),
    "fasta": _write_fasta,
    "json": _each("_confidences.json", functools.partial(_write_confidences, form=JSON)),
    "compact": _each("_confidences.npz", functools.partial(_write_confidences, form=COMPACT)),
    "foldcomp": _write_foldcomp,
    "zip": _write_zip,
    "modelarchive": _write_modelarchive,
}
