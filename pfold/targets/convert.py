"""Write targets of any format as Protenix JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pfold.errors import InputError
from pfold.files import write_text
from pfold.targets.formats.fields import MODIFICATION_KEYS
from pfold.targets.names import folder_names
from pfold.targets.types import ION, LIGAND, PROTEIN, AtomRef, Entity, Target

_KEYS = {"protein": "proteinChain", "dna": "dnaSequence", "rna": "rnaSequence"}


def write_protenix_json(targets: Sequence[Target], path: Path) -> None:
    """Write targets as one Protenix JSON; ligands with coordinates become .mol files beside it.

    Raises InputError for what a Protenix JSON can't say, naming target and part.
    """
    jobs = [_job(target, path) for target in targets]
    write_text(path, json.dumps(jobs, indent=1) + "\n")


def _job(target: Target, path: Path) -> dict[str, Any]:
    def refuse(what: str) -> InputError:
        return InputError(f"{target.source}: a Protenix JSON can't say {what}")

    if target.components:
        raise refuse('"userCCD"; give your components as a file (the key "components" of the configuration)')
    if len(target.pockets) > 1:
        raise refuse(f"{len(target.pockets)} pockets; it has one")
    job: dict[str, Any] = {"name": target.name, "sequences": []}
    if target.seeds:
        job["modelSeeds"] = list(target.seeds)
    for number, entity in enumerate(target.entities, start=1):
        if entity.templates is not None and not isinstance(entity.templates, Path) and entity.templates:
            raise refuse("templates given as structures; it takes files of hits (.a3m, .hhr)")
        job["sequences"].append(_sequence(entity, target, number, path))
    if target.bonds:
        job["covalent_bonds"] = [_ends(target, bond.first, bond.second) for bond in target.bonds]
    constraint: dict[str, Any] = {}
    if target.contacts:
        constraint["contact"] = [
            _ends(target, c.first, c.second) | {"max_distance": c.max_distance, "min_distance": c.min_distance}
            for c in target.contacts
        ]
    for pocket in target.pockets:
        if any(ref.atom for ref in pocket.residues):
            raise refuse("a pocket with atoms of a ligand; it takes residues")
        constraint["pocket"] = {
            "binder_chain": _place(target, pocket.binder),
            "contact_residues": [_place(target, r.chain) | {"position": r.position} for r in pocket.residues],
            "max_distance": pocket.max_distance,
        }
    return job | ({"constraint": constraint} if constraint else {})


def _sequence(entity: Entity, target: Target, number: int, path: Path) -> dict[str, Any]:
    common = {"count": entity.count, "id": list(entity.ids)}
    if entity.kind == ION:
        return {"ion": {"ion": entity.codes[0], **common}}
    if entity.kind == LIGAND:
        return {"ligand": {"ligand": _ligand(entity, target, number, path), **common}}
    keys = MODIFICATION_KEYS[entity.kind]
    chain: dict[str, Any] = {"sequence": entity.sequence, **common}
    if entity.modifications:
        chain["modifications"] = [{keys[0]: f"CCD_{m.code}", keys[1]: m.position} for m in entity.modifications]
    for key, msa in (("unpairedMsa", entity.unpaired_msa), ("pairedMsa", entity.paired_msa)):
        if isinstance(msa, Path):
            chain[f"{key}Path"] = str(msa.resolve())
        elif msa is not None:
            chain[key] = msa
    if isinstance(entity.templates, Path):
        chain["templatesPath"] = str(entity.templates.resolve())
    elif entity.templates == () and entity.kind == PROTEIN:
        chain["useStructureTemplate"] = False
    return {_KEYS[entity.kind]: chain}


def _ligand(entity: Entity, target: Target, number: int, path: Path) -> str:
    if entity.codes:
        return "CCD_" + "_".join(entity.codes)
    if entity.smiles:
        return entity.smiles
    (folder,) = folder_names([target.name])
    file = path.parent / f"{path.stem[:60]}.{folder}.{number}.mol"
    write_text(file, entity.molecule)
    return f"FILE_{file.name}"


def _place(target: Target, chain_id: str) -> dict[str, int]:
    for number, entity in enumerate(target.entities, start=1):
        if chain_id in entity.ids:
            return {"entity": number, "copy": entity.ids.index(chain_id) + 1}
    raise InputError(f'{target.source}: there is no chain "{chain_id}"')


def _ends(target: Target, first: AtomRef, second: AtomRef) -> dict[str, Any]:
    ends: dict[str, Any] = {}
    for n, ref in ((1, first), (2, second)):
        ends |= {f"{key}{n}": value for key, value in _place(target, ref.chain).items()}
        ends[f"position{n}"] = ref.position
        if ref.atom:
            ends[f"atom{n}"] = ref.atom
    return ends
