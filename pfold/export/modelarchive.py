"""A prediction as ModelArchive takes it: mmCIF, and PAE in a file of its own that the mmCIF names.

ModelCIF keeps scores of pairs of residues outside of the model's file, as mmCIF in a zip archive
(`_ma_entry_associated_files`).
"""

import zipfile
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from pfold.files import atomic_file
from pfold.results.confidences import Confidences
from pfold.results.modelcif import add_loop

# Number of the metric, behind the two of pLDDT (pfold.results.modelcif).
PAE_METRIC = "3"
_PAIR_COLUMNS = ("ordinal_id", "model_id") + tuple(
    f"label_{part}_id_{end}" for end in (1, 2) for part in ("asym", "seq", "comp")
)


def write_modelarchive(structure: Path, confidences: Confidences, stem: Path) -> list[Path]:
    """Write STEM.cif, which names STEM_associated.zip, and that with the PAE (Å) of all pairs of polymers' residues."""
    document = gemmi.cif.read(str(structure))
    block = document.sole_block()
    archive = stem.with_name(f"{stem.name}_associated.zip")
    scores = f"{stem.name}_local_pairwise_qa.cif"
    _name_files(block, archive.name, scores)
    model = stem.with_name(f"{stem.name}.cif")
    with atomic_file(model) as temporary:
        temporary.write_text(document.as_string(gemmi.cif.WriteOptions(gemmi.cif.Style.Pdbx)))
    residues = _polymer_residues(gemmi.read_structure(str(structure)))
    text = _pairwise_scores(block, residues, confidences)
    with atomic_file(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr(scores, text)
    return [model, archive]


def _name_files(block: gemmi.cif.Block, archive: str, scores: str) -> None:
    metric = block.find_loop("_ma_qa_metric.id").get_loop()
    known = {"id": PAE_METRIC, "mode": "local-pairwise", "name": "PAE", "software_group_id": "1", "type": "PAE"}
    metric.add_row([known[tag.split(".")[1]] for tag in metric.tags])
    columns = ["id", "entry_id", "file_url", "file_type", "file_format", "file_content"]
    entry = gemmi.cif.as_string(block.find_value("_entry.id"))
    row = ["1", entry, archive, "archive", "zip", "archive with multiple files"]
    add_loop(block, "_ma_entry_associated_files.", columns, [row])
    columns = ["id", "archive_file_id", "file_path", "file_format", "file_content", "description"]
    row = ["1", "1", scores, "cif", "local pairwise QA scores", "Predicted aligned error of pairs of residues"]
    add_loop(block, "_ma_associated_archive_file_details.", columns, [row])


def _polymer_residues(structure: gemmi.Structure) -> list[tuple[str, int, str]]:
    """Chain, number and component of each residue of polymers, in the order of the file."""
    return [
        (residue.subchain, residue.label_seq, residue.name)
        for chain in structure[0]
        for residue in chain
        if residue.label_seq is not None
    ]


def _pairwise_scores(model: gemmi.cif.Block, residues: list[tuple[str, int, str]], confidences: Confidences) -> str:
    """The mmCIF text of PAE between residues, with the model's title, which says where weights are untrained."""
    pae = residue_pae(confidences, [(chain, number) for chain, number, _ in residues])
    document = gemmi.cif.Document()
    block = document.add_new_block(model.name)
    for tag in ("_entry.id", "_struct.entry_id", "_struct.title"):
        block.set_pair(tag, model.find_value(tag))
    loop = block.init_loop("_ma_qa_metric_local_pairwise.", [*_PAIR_COLUMNS, "metric_id", "metric_value"])
    names = [[chain, str(number), gemmi.cif.quote(code)] for chain, number, code in residues]
    values = np.char.mod("%.2f", pae)
    n = len(names)
    ordinals = (str(i) for i in range(1, n * n + 1))
    rows: list[Any] = [
        [next(ordinals), "1", *names[i], *names[j], PAE_METRIC, str(values[i, j])] for i in range(n) for j in range(n)
    ]
    loop.set_all_values([list(column) for column in zip(*rows, strict=True)])
    return document.as_string()


def residue_pae(confidences: Confidences, residues: list[tuple[str, int]]) -> np.ndarray:
    """PAE (Å) between residues (chain id, number), the mean over the tokens of each.  [N_residue, N_residue]."""
    number_of = {residue: i for i, residue in enumerate(residues)}
    token_residue = np.array(
        [
            number_of.get((str(chain), int(number)), -1)
            for chain, number in zip(confidences["token_chain_ids"], confidences["token_res_ids"], strict=True)
        ]
    )
    tokens = np.flatnonzero(token_residue >= 0)
    membership = np.zeros((len(residues), len(tokens)))
    membership[token_residue[tokens], np.arange(len(tokens))] = 1.0
    membership /= membership.sum(axis=1, keepdims=True)
    return np.asarray(membership @ np.asarray(confidences["pae"])[np.ix_(tokens, tokens)] @ membership.T)
