"""Confidences of each atom and pair of tokens in a file: AlphaFold 3's JSON, or compact, for screens.

The compact form is a NumPy archive of the same keys, its numbers in 8-bit steps; both have the same readers.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pfold.errors import InputError
from pfold.results.sample import Sample
from pfold.targets.types import Target

# Forms of the configuration's `confidences`, and the ends of their files' names.
JSON, COMPACT = FORMS = ("json", "compact")
SUFFIXES = {JSON: ".json", COMPACT: ".npz"}
# Steps of 8-bit numbers in the compact form: PAE (Å), contact probabilities, pLDDT (0 to 100).
STEPS = {"pae": 0.25, "contact_probs": 1 / 255, "atom_plddts": 0.5}
# Decimals in JSON, as AlphaFold 3 has them.
_DECIMALS = {"pae": 1, "contact_probs": 2, "atom_plddts": 2}

Confidences = Mapping[str, Any]


def sample_confidences(sample: Sample, target: Target) -> dict[str, Any]:
    """Confidences of a sample by AlphaFold 3's keys, as arrays.

    atom_plddts [N_atom] (0 to 100) and atom_chain_ids [N_atom]; pae (Å) and contact_probs [N_token, N_token];
    token_chain_ids and token_res_ids [N_token].
    """
    full = sample.full_data
    ids = np.array(target.chain_ids)
    token_chain = ids[np.unique(full["token_asym_id"], return_inverse=True)[1]]
    return {
        "atom_chain_ids": token_chain[full["atom_to_token_idx"]],
        "atom_plddts": 100 * full["atom_plddt"],
        "contact_probs": np.asarray(full["contact_probs"]),
        "pae": np.asarray(full["token_pair_pae"]),
        "token_chain_ids": token_chain,
        "token_res_ids": np.asarray(full["token_res_id"]),
    }


def write_confidences(stem: Path, values: Confidences, form: str, *, compress: bool = False) -> Path:
    """Write confidences to `stem` and the form's suffix; returns the path. compress: gzip JSON, as ".json.gz"."""
    path = stem.with_name(stem.name + SUFFIXES[form])
    if form == COMPACT:
        path.write_bytes(_packed(values))
        return path
    text = json.dumps({key: _listed(key, value) for key, value in values.items()}) + "\n"
    if compress:
        path = path.with_name(f"{path.name}.gz")
        # Without a time in its header: the same result is the same file.
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text)
    return path


def read_confidences(path: Path) -> dict[str, Any]:
    """Read confidences of either form as arrays; keys as of `sample_confidences`.

    Raises InputError, naming the file, for one that can't be read.
    """
    try:
        if path.suffix == SUFFIXES[COMPACT]:
            return _unpacked(path)
        content = path.read_bytes()
        text = gzip.decompress(content) if path.suffix == ".gz" else content
        return {key: np.asarray(x) if isinstance(x, list) else x for key, x in json.loads(text).items()}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a file of confidences that can be read ({error})") from None


def confidences_file(stem: Path) -> Path:
    """The file of confidences whose name begins so, of whichever form. Raises InputError where there is none."""
    ends = (SUFFIXES[JSON], f"{SUFFIXES[JSON]}.gz", SUFFIXES[COMPACT])
    found = next((path for end in ends if (path := stem.with_name(stem.name + end)).is_file()), None)
    if found is None:
        raise InputError(f"{stem}{ends[0]} (or {', '.join(ends[1:])}) does not exist")
    return found


def _listed(key: str, value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return np.round(value.astype(np.float64), _DECIMALS[key]).tolist() if key in _DECIMALS else value.tolist()


def in_steps(key: str, values: np.ndarray) -> np.ndarray:
    """Values of a key of `STEPS` as uint8 numbers of its steps, of the same shape."""
    return np.clip(np.rint(np.asarray(values) / STEPS[key]), 0, 255).astype(np.uint8)


def _packed(values: Confidences) -> bytes:
    """A NumPy archive. LZMA leaves three quarters of what deflate does; the same result is the same file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        for key, value in values.items():
            content = io.BytesIO()
            np.save(content, in_steps(key, value) if key in STEPS else np.asarray(value), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{key}.npy")
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, content.getvalue())
    return packed.getvalue()


def _unpacked(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored.files}
    values: dict[str, Any] = {key: x * STEPS[key] if key in STEPS else x for key, x in arrays.items()}
    return {key: x.item() if x.ndim == 0 else x for key, x in values.items()}
