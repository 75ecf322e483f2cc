"""Boltz YAML (schema version 1): one target a file, named after it."""

from pathlib import Path
from typing import Any

from pfold.errors import InputError
from pfold.strict_yaml import load_yaml
from pfold.targets.formats import fields
from pfold.targets.types import (
    DNA,
    LIGAND,
    POLYMERS,
    PROTEIN,
    AtomRef,
    Bond,
    Contact,
    Entity,
    Pocket,
    Target,
    TemplateStructure,
)

_POLYMER_KEYS = {"id", "sequence", "modifications", "cyclic", "msa"}
_NO_POTENTIALS = {"force": "pfold has no steering potentials; the constraint without force is read"}
# Boltz's default of a pocket's and a contact's max_distance, Å.
_MAX_DISTANCE = 6.0


def read_boltz(content: str, path: Path) -> Target:
    """Read a Boltz input; paths are relative to the file's folder. Raises InputError naming the key."""
    try:
        job = fields.as_object(load_yaml(content), "the file")
    except ValueError as error:
        raise InputError(f"the YAML can't be read: {error}") from None
    fields.refuse_unknown(job, ("version", "sequences", "constraints", "templates", "properties"), "the file")
    fields.refuse_used(job, {"properties": "pfold predicts no affinities; remove the key"}, "the file")
    if job.get("version", 1) != 1:
        raise InputError(f'"version" is {fields.shown(job["version"])}; version 1 can be read')
    sequences = fields.sequence_list(job)
    templates = _templates(job, path.parent)
    drafts = [_entity(item, f"sequences[{i}]", path.parent, templates) for i, item in enumerate(sequences, start=1)]
    name = fields.file_target_name(path)
    bonds, contacts, pockets = _constraints(job)
    return Target(
        name,
        fields.with_chain_ids(drafts),
        f'{path}, record 1 ("{name}")',
        bonds=tuple(bonds),
        contacts=tuple(contacts),
        pockets=tuple(pockets),
    )


# Templates by the chain they are for; "" for those of all protein chains.
_Templates = dict[str, list[TemplateStructure]]


def _entity(item: Any, where: str, folder: Path, templates: _Templates) -> fields.Draft:
    kind, inner = fields.only_key(item, where)
    kind, where = kind.lower(), f"{where}.{kind}"
    content = fields.as_object(inner, where)
    if not content.get("id"):
        raise InputError(f'{where}: "id" is missing')
    if kind in POLYMERS:
        entity = _polymer(content, kind, where, folder, templates)
    elif kind == LIGAND:
        entity = _ligand(content, where)
    else:
        raise InputError(f'{where}: "{kind}" is no kind of molecule; known are protein, dna, rna, ligand')
    return fields.draft(entity, content, where)


def _ligand(item: fields.Item, where: str) -> Entity:
    fields.refuse_unknown(item, ("id", "smiles", "ccd"), where)
    if bool(item.get("smiles")) == bool(item.get("ccd")):
        raise InputError(f'{where}: give either "smiles" or "ccd"')
    if item.get("smiles"):
        return Entity(LIGAND, "", (), smiles=fields.text(item, "smiles", where))
    codes = item["ccd"] if isinstance(item["ccd"], list) else [item["ccd"]]
    return Entity(LIGAND, "", (), codes=fields.ccd_codes(codes, where))


def _polymer(item: fields.Item, kind: str, where: str, folder: Path, templates: _Templates) -> Entity:
    fields.refuse_unknown(item, _POLYMER_KEYS, where)
    fields.refuse_used(item, {"cyclic": "the reference has no cyclic polymers; a bond can join the ends"}, where)
    ids = item["id"] if isinstance(item["id"], list) else [item["id"]]
    own = [t for key in ("", *map(str, ids)) for t in templates.get(key, [])] if kind == PROTEIN else []
    return Entity(
        kind,
        fields.polymer_sequence(item, kind, where),
        (),
        unpaired_msa=_msa(item.get("msa"), kind, where, folder),
        templates=tuple(own) or None,
        modifications=fields.modifications(item.get("modifications"), "ccd", "position", where),
    )


def _msa(value: Any, kind: str, where: str, folder: Path) -> Path | str | None:
    """An a3m file, or "empty" for none; without the key the search finds one."""
    if value in (None, 0, ""):
        return None
    if kind == DNA:
        raise InputError(f'{where}: "msa" is not supported: DNA has no alignment')
    if str(value) == "empty":
        return ""
    if str(value).endswith(".csv"):
        raise InputError(f'{where}: "msa": {fields.shown(value)}: .csv alignments are not supported; give an .a3m')
    return fields.existing_file(folder, value, "msa", where)


def _templates(job: fields.Item, folder: Path) -> _Templates:
    found: _Templates = {}
    for i, entry in enumerate(fields.as_list(job.get("templates"), '"templates"'), start=1):
        where = f"templates[{i}]"
        item = fields.as_object(entry, where)
        fields.refuse_unknown(item, ("cif", "pdb", "chain_id", "template_id", "force", "threshold"), where)
        fields.refuse_used(item, _NO_POTENTIALS, where)
        if bool(item.get("cif")) == bool(item.get("pdb")):
            raise InputError(f'{where}: give either "cif" or "pdb"')
        key = "cif" if item.get("cif") else "pdb"
        path = fields.existing_file(folder, item[key], key, where)
        chains, own = (_ids(item.get(k)) for k in ("chain_id", "template_id"))
        if own and len(own) != len(chains):
            raise InputError(f'{where}: "chain_id" and "template_id" do not name equally many chains')
        for chain, template in zip(chains or [""], own or [""] * max(len(chains), 1), strict=True):
            found.setdefault(chain, []).append(TemplateStructure(path, template))
    return found


def _ids(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(v) for v in (value if isinstance(value, list) else [value])]


def _constraints(job: fields.Item) -> tuple[list[Bond], list[Contact], list[Pocket]]:
    bonds: list[Bond] = []
    contacts: list[Contact] = []
    pockets: list[Pocket] = []
    for i, entry in enumerate(fields.as_list(job.get("constraints"), '"constraints"'), start=1):
        kind, inner = fields.only_key(entry, f"constraints[{i}]")
        where = f"constraints[{i}].{kind}"
        item = fields.as_object(inner, where)
        fields.refuse_used(item, _NO_POTENTIALS, where)
        if kind == "bond":
            fields.refuse_unknown(item, ("atom1", "atom2"), where)
            bonds.append(Bond(fields.atom_ref(item.get("atom1"), where), fields.atom_ref(item.get("atom2"), where)))
        elif kind == "contact":
            fields.refuse_unknown(item, ("token1", "token2", "max_distance", "force"), where)
            ends = (_token(item.get("token1"), where), _token(item.get("token2"), where))
            contacts.append(Contact(*ends, fields.number(item, "max_distance", where, _MAX_DISTANCE)))
        elif kind == "pocket":
            fields.refuse_unknown(item, ("binder", "contacts", "max_distance", "force"), where)
            residues = tuple(_token(t, where) for t in fields.as_list(item.get("contacts"), f"{where}.contacts"))
            if not residues or not item.get("binder"):
                raise InputError(f'{where}: "binder" and "contacts" are needed')
            pockets.append(
                Pocket(str(item["binder"]), residues, fields.number(item, "max_distance", where, _MAX_DISTANCE))
            )
        else:
            raise InputError(f'{where}: "{kind}" is no constraint; known are bond, pocket, contact')
    return bonds, contacts, pockets


def _token(value: Any, where: str) -> AtomRef:
    """A residue as [chain id, number], or an atom of a ligand as [chain id, name]."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], int | str):
        raise InputError(f'{where}: {fields.shown(value)} is not a token, such as ["A", 10] or ["B", "C1"]')
    if isinstance(value[1], int):
        return AtomRef(str(value[0]), fields.position(value[1], where))
    return AtomRef(str(value[0]), 1, value[1])
