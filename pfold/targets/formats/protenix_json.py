"""Protenix JSON: a list of jobs, each with a name, sequences, covalent bonds and constraints.

The AlphaFold Server's JSON (dialect "alphafoldserver") has the same shape and is read here too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pfold.errors import InputError
from pfold.targets.formats import fields
from pfold.targets.formats.ligand_files import read_ligand
from pfold.targets.named_files import note_file
from pfold.targets.rejected import rejected
from pfold.targets.types import (
    DNA,
    ION,
    LIGAND,
    PROTEIN,
    RNA,
    AtomRef,
    Bond,
    Contact,
    Entity,
    Pocket,
    Rejection,
    Target,
    printable,
)

_JOB_KEYS = {"name", "sequences", "modelSeeds", "assembly_id", "covalent_bonds", "constraint", "dialect", "version"}
_POLYMERS = {"proteinChain": PROTEIN, "dnaSequence": DNA, "rnaSequence": RNA}
_COMMON_KEYS = {"sequence", "count", "id", "modifications"}
_MSA_KEYS = {"unpairedMsa", "unpairedMsaPath"}
_PROTEIN_KEYS = {
    "pairedMsa",
    "pairedMsaPath",
    "msa",
    "templatesPath",
    "useStructureTemplate",
    "maxTemplateDate",
    "glycans",
}
_CHAIN_KEYS = {
    PROTEIN: _COMMON_KEYS | _MSA_KEYS | _PROTEIN_KEYS,
    RNA: _COMMON_KEYS | _MSA_KEYS,
    DNA: _COMMON_KEYS,
}
_UNSUPPORTED = {
    "glycans": 'write the glycan as a ligand ("CCD_NAG_NAG") and its bonds as covalent_bonds',
    "maxTemplateDate": "set search.templates.max_date in the configuration",
}
SERVER_DIALECT = "alphafoldserver"


def read_protenix_jobs(jobs: list[Any], path: Path) -> Iterator[Target | Rejection]:
    """Read the jobs of a Protenix or AlphaFold Server JSON. Yields a Target or a Rejection for each.

    Paths are relative to the JSON's folder. A key that pfold does not know is rejected by name.
    """
    for position, job in enumerate(jobs, start=1):
        given = job.get("name") if isinstance(job, dict) else None
        name = str(given) if isinstance(given, str | int) else ""
        source = f'{path}, record {position} ("{printable(name)}")'
        try:
            yield _target(fields.as_object(job, "the job"), name, path.parent, source)
        except Exception as error:
            yield rejected(error, name or f"{path.name}:{position}", source)


def _target(job: fields.Item, name: str, folder: Path, source: str) -> Target:
    if not name:
        raise InputError(f'the job has no "name", or it is no text: {fields.shown(job.get("name"))}')
    fields.refuse_unknown(job, _JOB_KEYS, "the job")
    if job.get("dialect") not in (None, "protenix", SERVER_DIALECT):
        raise InputError(f'the dialect "{job["dialect"]}" is unknown')
    sequences = fields.sequence_list(job)
    drafts = [_entity(item, f"sequences[{i}]", folder) for i, item in enumerate(sequences, start=1)]
    entities = fields.with_chain_ids(drafts)
    bonds = fields.as_list(job.get("covalent_bonds"), '"covalent_bonds"')
    contacts, pockets = _constraints(job.get("constraint") or {}, entities)
    return Target(
        name,
        entities,
        source,
        fields.model_seeds(job.get("modelSeeds"), "the job"),
        bonds=tuple(b for i, bond in enumerate(bonds, 1) for b in _bonds(bond, f"covalent_bonds[{i}]", entities)),
        contacts=contacts,
        pockets=pockets,
    )


def _entity(item: Any, where: str, folder: Path) -> fields.Draft:
    key, inner = fields.only_key(item, where)
    where = f"{where}.{key}"
    content = fields.as_object(inner, where)
    if key in _POLYMERS:
        return fields.draft(_polymer(content, _POLYMERS[key], where, folder), content, where)
    if key in ("ligand", "ion"):
        fields.refuse_unknown(content, {key, "count", "id"}, where)
        value = fields.text(content, key, where)
        entity = (
            Entity(ION, "", (), codes=fields.ccd_codes([value.removeprefix("CCD_")], where))
            if key == "ion"
            else ligand(value, folder)
        )
        return fields.draft(entity, content, where)
    raise InputError(f'{where}: "{key}" is no kind of molecule; known are {", ".join(_POLYMERS)}, ligand, ion')


def _polymer(item: fields.Item, kind: str, where: str, folder: Path) -> Entity:
    fields.refuse_unknown(item, _CHAIN_KEYS[kind], where)
    fields.refuse_used(item, _UNSUPPORTED, where)
    paired = fields.own_alignment(item, "pairedMsa", where, folder)
    unpaired = fields.own_alignment(item, "unpairedMsa", where, folder)
    if paired is None and unpaired is None and item.get("msa"):
        unpaired, paired = _precomputed(item["msa"], where, folder)
    templates: Path | tuple[()] | None = None
    if item.get("templatesPath"):
        templates = fields.existing_file(folder, item["templatesPath"], "templatesPath", where)
        if templates.suffix not in (".a3m", ".hhr"):
            raise InputError(f'{where}: "templatesPath": {templates} does not end in .a3m or .hhr')
    elif item.get("useStructureTemplate") is False:
        templates = ()
    return Entity(
        kind,
        fields.polymer_sequence(item, kind, where),
        (),
        unpaired_msa=unpaired,
        paired_msa=paired,
        templates=templates,
        modifications=fields.modifications(item.get("modifications"), *fields.MODIFICATION_KEYS[kind], where),
    )


def _precomputed(value: Any, where: str, folder: Path) -> tuple[Path | None, Path | None]:
    """Unpaired and paired alignments of the older "msa" field: a folder, or an object that names one."""
    if isinstance(value, dict):
        fields.refuse_unknown(value, ("precomputed_msa_dir", "pairing_db"), f"{where}.msa")
        value = value.get("precomputed_msa_dir")
        if value is None:
            return None, None
    place = fields.named_path(folder, value, "msa", where)
    unpaired, paired = place / "non_pairing.a3m", place / "pairing.a3m"
    if not unpaired.is_file() and not paired.is_file():
        raise InputError(f'{where}: "msa": the folder {place} has no non_pairing.a3m and no pairing.a3m')
    note_file(unpaired)
    note_file(paired)
    return (unpaired if unpaired.is_file() else None), (paired if paired.is_file() else None)


def ligand(value: str, folder: Path) -> Entity:
    """A ligand of CCD codes ("CCD_NAG_BMA"), of a file with coordinates ("FILE_x.sdf"), or a SMILES string."""
    if value.startswith("CCD_"):
        codes = tuple(value.removeprefix("CCD_").split("_"))
        if not all(codes):
            raise InputError(f"the ligand {fields.shown(value)} has an empty CCD code")
        return Entity(LIGAND, "", (), codes=fields.ccd_codes(codes, "the ligand"))
    if value.startswith("FILE_"):
        path = fields.named_path(folder, value.removeprefix("FILE_"), "ligand", "the ligand")
        return Entity(LIGAND, "", (), molecule=read_ligand(path))
    return Entity(LIGAND, "", (), smiles=value)


def _chain(entities: tuple[Entity, ...], entity: int, copy: int, where: str) -> str:
    if entity > len(entities):
        raise InputError(f"{where}: there is no entity {entity}; the job has {len(entities)}")
    ids = entities[entity - 1].ids
    if copy > len(ids):
        raise InputError(f"{where}: entity {entity} has no copy {copy}; it has {len(ids)}")
    return ids[copy - 1]


_BOND_ENDS = (("left", "1"), ("right", "2"))
_BOND_PARTS = ("entity", "copy", "position", "atom")
_BOND_KEYS = {f"{side}_{p}" for side, _ in _BOND_ENDS for p in _BOND_PARTS} | {
    f"{p}{n}" for _, n in _BOND_ENDS for p in _BOND_PARTS
}


def _bonds(value: Any, where: str, entities: tuple[Entity, ...]) -> list[Bond]:
    """The bonds of an entry; without copy numbers every copy of one entity is bound to the same of the other."""
    item = fields.as_object(value, where)
    fields.refuse_unknown(item, _BOND_KEYS, where)
    ends = []
    for side, n in _BOND_ENDS:
        # "left_entity" is the older spelling of "entity1".
        part = {p: item[k] for p in _BOND_PARTS for k in (f"{p}{n}", f"{side}_{p}") if item.get(k) is not None}
        entity = fields.whole(part, "entity", f"{where}, end {n}")
        position, atom = fields.whole(part, "position", f"{where}, end {n}"), part.get("atom")
        if atom is None or str(atom) == "":
            raise InputError(f'{where}, end {n}: "atom" is missing')
        if "copy" in part:
            chains = [_chain(entities, entity, fields.whole(part, "copy", where), where)]
        else:
            _chain(entities, entity, 1, where)
            chains = list(entities[entity - 1].ids)
        ends.append([AtomRef(chain, position, str(atom)) for chain in chains])
    if len(ends[0]) != len(ends[1]):
        raise InputError(
            f"{where}: one end has {len(ends[0])} copies and the other {len(ends[1])}; "
            "name copies, one bond an entry, or make the counts equal"
        )
    return [Bond(a, b) for a, b in zip(*ends, strict=True)]


def _constraints(value: Any, entities: tuple[Entity, ...]) -> tuple[tuple[Contact, ...], tuple[Pocket, ...]]:
    item = fields.as_object(value, '"constraint"')
    fields.refuse_unknown(item, ("contact", "pocket"), '"constraint"')
    contacts = fields.as_list(item.get("contact"), "constraint.contact")
    pockets = [_pocket(item["pocket"], entities)] if item.get("pocket") else []
    found = [_contact(entry, f"constraint.contact[{i}]", entities) for i, entry in enumerate(contacts, start=1)]
    return tuple(found), tuple(pockets)


def _contact(value: Any, where: str, entities: tuple[Entity, ...]) -> Contact:
    item = fields.as_object(value, where)
    keys = {f"{p}{n}" for p in _BOND_PARTS for n in (1, 2)}
    fields.refuse_unknown(item, keys | {"max_distance", "min_distance"}, where)
    ends = []
    for n in (1, 2):
        chain = _chain(entities, fields.whole(item, f"entity{n}", where), fields.whole(item, f"copy{n}", where), where)
        atom = item.get(f"atom{n}")
        ends.append(AtomRef(chain, fields.whole(item, f"position{n}", where), "" if atom is None else str(atom)))
    return Contact(
        ends[0], ends[1], fields.number(item, "max_distance", where), fields.number(item, "min_distance", where, 0.0)
    )


def _pocket(value: Any, entities: tuple[Entity, ...]) -> Pocket:
    where = "constraint.pocket"
    item = fields.as_object(value, where)
    fields.refuse_unknown(item, ("binder_chain", "contact_residues", "max_distance"), where)
    binder = fields.as_object(item.get("binder_chain"), f"{where}.binder_chain")
    fields.refuse_unknown(binder, ("entity", "copy"), f"{where}.binder_chain")
    residues = []
    for i, entry in enumerate(fields.as_list(item.get("contact_residues"), f"{where}.contact_residues"), start=1):
        place = f"{where}.contact_residues[{i}]"
        residue = fields.as_object(entry, place)
        fields.refuse_unknown(residue, ("entity", "copy", "position"), place)
        chain = _chain(entities, fields.whole(residue, "entity", place), fields.whole(residue, "copy", place), place)
        residues.append(AtomRef(chain, fields.whole(residue, "position", place)))
    if not residues:
        raise InputError(f'{where}: "contact_residues" is empty')
    chain = _chain(entities, fields.whole(binder, "entity", where), fields.whole(binder, "copy", where), where)
    return Pocket(chain, tuple(residues), fields.number(item, "max_distance", where))
