"""AlphaFold 3 JSON (dialect "alphafold3", versions 1 to 4): one target a file."""

from pathlib import Path
from typing import Any

from pfold.errors import InputError
from pfold.files import read_unpacked
from pfold.targets.formats import fields
from pfold.targets.types import DNA, LIGAND, PROTEIN, RNA, Bond, Entity, Target, TemplateStructure

DIALECT = "alphafold3"
VERSIONS = (1, 2, 3, 4)
_JOB_KEYS = {"dialect", "version", "name", "modelSeeds", "sequences", "bondedAtomPairs", "userCCD", "userCCDPath"}
_COMMON_KEYS = {"id", "sequence", "modifications", "description"}
_MSA_KEYS = {"unpairedMsa", "unpairedMsaPath"}
_CHAIN_KEYS = {
    PROTEIN: _COMMON_KEYS | _MSA_KEYS | {"pairedMsa", "pairedMsaPath", "templates"},
    RNA: _COMMON_KEYS | _MSA_KEYS,
    DNA: _COMMON_KEYS,
}


def read_alphafold3(job: fields.Item, path: Path) -> Target:
    """Read an AlphaFold 3 input; paths are relative to the file's folder. Raises InputError naming the key."""
    fields.refuse_unknown(job, _JOB_KEYS, "the input")
    if job.get("version", 1) not in VERSIONS:
        raise InputError(
            f'"version" is {fields.shown(job.get("version"))}; versions {VERSIONS[0]} to {VERSIONS[-1]} can be read'
        )
    name = fields.text(job, "name", "the input")
    sequences = fields.sequence_list(job)
    entities = fields.with_chain_ids([_entity(s, f"sequences[{i}]", path.parent) for i, s in enumerate(sequences, 1)])
    pairs = fields.as_list(job.get("bondedAtomPairs"), '"bondedAtomPairs"')
    return Target(
        name,
        entities,
        f'{path}, record 1 ("{name}")',
        fields.model_seeds(job.get("modelSeeds"), "the input"),
        bonds=tuple(_bond(pair, f"bondedAtomPairs[{i}]") for i, pair in enumerate(pairs, start=1)),
        components=_components(job, path.parent),
    )


def _components(job: fields.Item, folder: Path) -> str:
    if job.get("userCCD") and job.get("userCCDPath"):
        raise InputError('"userCCD" and "userCCDPath" are both given; keep one')
    if job.get("userCCDPath"):
        path = fields.existing_file(folder, job["userCCDPath"], "userCCDPath", "the input")
        try:
            return read_unpacked(path).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f'"userCCDPath": {path} can\'t be read ({error})') from None
    return fields.text(job, "userCCD", "the input") if job.get("userCCD") else ""


def _entity(item: Any, where: str, folder: Path) -> fields.Draft:
    kind, inner = fields.only_key(item, where)
    where = f"{where}.{kind}"
    content = fields.as_object(inner, where)
    if kind == LIGAND:
        entity = _ligand(content, where)
    elif kind in _CHAIN_KEYS:
        entity = _polymer(content, kind, where, folder)
    else:
        raise InputError(f'{where}: "{kind}" is no kind of molecule; known are protein, rna, dna, ligand')
    if not content.get("id"):
        raise InputError(f'{where}: "id" is missing')
    return fields.draft(entity, content, where)


def _ligand(item: fields.Item, where: str) -> Entity:
    fields.refuse_unknown(item, ("id", "ccdCodes", "smiles", "description"), where)
    codes, smiles = item.get("ccdCodes"), item.get("smiles")
    if bool(codes) == bool(smiles):
        raise InputError(f'{where}: give either "ccdCodes" or "smiles"')
    if smiles:
        return Entity(LIGAND, "", (), smiles=fields.text(item, "smiles", where))
    return Entity(LIGAND, "", (), codes=fields.ccd_codes(fields.as_list(codes, f"{where}.ccdCodes"), where))


def _polymer(item: fields.Item, kind: str, where: str, folder: Path) -> Entity:
    fields.refuse_unknown(item, _CHAIN_KEYS[kind], where)
    return Entity(
        kind,
        fields.polymer_sequence(item, kind, where),
        (),
        unpaired_msa=fields.own_alignment(item, "unpairedMsa", where, folder),
        paired_msa=fields.own_alignment(item, "pairedMsa", where, folder),
        templates=_templates(item.get("templates"), where, folder),
        modifications=fields.modifications(item.get("modifications"), *fields.MODIFICATION_KEYS[kind], where),
    )


def _templates(value: Any, where: str, folder: Path) -> tuple[TemplateStructure, ...] | None:
    """Templates of a chain; none at all leaves them to the search, an empty list is the wish for none."""
    if value is None:
        return None
    found = []
    for i, entry in enumerate(fields.as_list(value, f"{where}.templates"), start=1):
        place = f"{where}.templates[{i}]"
        item = fields.as_object(entry, place)
        fields.refuse_unknown(item, ("mmcif", "mmcifPath", "queryIndices", "templateIndices"), place)
        if bool(item.get("mmcif")) == bool(item.get("mmcifPath")):
            raise InputError(f'{place}: give either "mmcif" or "mmcifPath"')
        structure = (
            fields.text(item, "mmcif", place)
            if item.get("mmcif")
            else fields.existing_file(folder, item["mmcifPath"], "mmcifPath", place)
        )
        query, template = (fields.as_list(item.get(k), f"{place}.{k}") for k in ("queryIndices", "templateIndices"))
        if len(query) != len(template) or not all(
            isinstance(i, int) and 0 <= i <= fields.MAX_WHOLE for i in (*query, *template)
        ):
            raise InputError(f'{place}: "queryIndices" and "templateIndices" are not equally long lists of numbers')
        found.append(TemplateStructure(structure, residues=tuple(zip(query, template, strict=True))))
    return tuple(found)


def _bond(value: Any, where: str) -> Bond:
    ends = fields.as_list(value, where)
    if len(ends) != 2:
        raise InputError(f'{where} is not a pair of atoms, such as [["A", 1, "CA"], ["B", 1, "C1"]]')
    return Bond(*(fields.atom_ref(end, where) for end in ends))
