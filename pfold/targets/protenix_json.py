"""Protenix JSON reader (protein chains): a list of jobs, each with a name and a list of sequences."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pfold.errors import InputError
from pfold.targets.fasta import bad_letter
from pfold.targets.types import Entity, Rejection, Target, chain_ids

JOB_KEYS = {"name", "sequences", "modelSeeds", "assembly_id"}
CHAIN_KEYS = {"sequence", "count", "id", "modifications", "pairedMsaPath", "unpairedMsaPath"}


def read_protenix_json(text: str, path: Path) -> Iterator[Target | Rejection]:
    """Read a Protenix JSON. Yields a Target or a Rejection for each job.

    Alignment paths are relative to the JSON's folder. What pfold can't fold yet is rejected naming the key.
    """
    try:
        jobs = json.loads(text)
    except json.JSONDecodeError as error:
        yield Rejection(path.name, f"the JSON can't be read: {error.msg}", f"{path}, line {error.lineno}")
        return
    if not isinstance(jobs, list):
        yield Rejection(path.name, "expected a list of jobs: [{...}, ...]", f"{path}, line 1")
        return
    for number, job in enumerate(jobs, start=1):
        name = str(job.get("name", "")) if isinstance(job, dict) else ""
        source = f'{path}, record {number} ("{name}")'
        try:
            if not isinstance(job, dict):
                raise InputError("a job is an object: {...}")
            yield _target(job, name, path.parent, source)
        except InputError as error:
            yield Rejection(name or f"{path.name}:{number}", str(error), source)


def _target(job: dict[str, Any], name: str, folder: Path, source: str) -> Target:
    if not name:
        raise InputError('the job has no "name"')
    _refuse_unknown(job, JOB_KEYS, "the job")
    sequences = job.get("sequences")
    if not isinstance(sequences, list) or not sequences:
        raise InputError('"sequences" is not a list of at least one sequence')
    entities: list[Entity] = []
    taken: set[str] = set()
    for number, item in enumerate(sequences, start=1):
        where = f"sequences[{number}]"
        if not isinstance(item, dict) or len(item) != 1:
            raise InputError(f'{where} is not an object with one key, such as "proteinChain"')
        ((kind, chain),) = item.items()
        if kind != "proteinChain":
            raise InputError(f'{where}: "{kind}" can\'t be folded yet; only "proteinChain" can')
        entity = _protein(chain, where, folder, taken)
        entities.append(entity)
        taken.update(entity.ids)
    seeds = job.get("modelSeeds") or []
    if not all(isinstance(seed, int) for seed in seeds):
        raise InputError('"modelSeeds" is not a list of whole numbers')
    return Target(name, tuple(entities), source, tuple(seeds))


def _refuse_unknown(item: dict[str, Any], known: set[str], where: str) -> None:
    for key in item:
        if key not in known and item[key]:
            raise InputError(f'{where}: the key "{key}" is not supported')


def _protein(chain: dict[str, Any], where: str, folder: Path, taken: set[str]) -> Entity:
    where = f"{where}.proteinChain"
    _refuse_unknown(chain, CHAIN_KEYS, where)
    if chain.get("modifications"):
        raise InputError(f'{where}: "modifications" can\'t be folded yet')
    sequence = str(chain.get("sequence", "")).upper()
    if not sequence:
        raise InputError(f'{where}: "sequence" is empty')
    problem = bad_letter(sequence)
    if problem:
        raise InputError(f"{where}, {problem}")
    count = chain.get("count", 1)
    if not isinstance(count, int) or count < 1:
        raise InputError(f'{where}: "count" is {count!r}, not a whole number above 0')
    ids = chain.get("id") or chain_ids(count, taken)
    if not isinstance(ids, list) or len(set(ids)) != count or not all(isinstance(i, str) for i in ids):
        raise InputError(f'{where}: "id" must be a list of {count} different chain ids')
    if taken.intersection(ids):
        raise InputError(f"{where}: chain ids {sorted(taken.intersection(ids))} are used twice")
    paths = {}
    for key, argument in (("unpairedMsaPath", "unpaired_msa"), ("pairedMsaPath", "paired_msa")):
        if chain.get(key):
            paths[argument] = folder / chain[key]
            if not paths[argument].is_file():
                raise InputError(f'{where}: "{key}": the file {paths[argument]} does not exist')
    return Entity("protein", sequence, tuple(ids), **paths)
