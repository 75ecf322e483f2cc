"""Folds cases one after another in this process, and prints what came out: for tests of graphs kept on disk.

A model of one block of each kind takes seconds; its weights come in the order, file or type that the case names.
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pfold.features.featurize import featurize
from pfold.files import digest
from pfold.inference.model import Model
from pfold.inference.params import place_params
from pfold.targets.formats.fasta import merge_chains
from pfold.targets.types import AtomRef, Contact, Target, TemplateStructure
from pfold.weights.layout import C_ESM
from pfold.weights.load import load_weights
from pfold.weights.published import model_settings
from pfold.weights.untrained import untrained_weights
from tests.weights.torch_files import torch_save

_BLOCKS = ("n_msa_block", "n_pairformer_block", "n_diffusion_block", "n_atom_block", "n_confidence_block")
_weights: dict[str, dict[str, np.ndarray]] = {}


def small(name):
    """A published model with one block of each kind."""
    settings = model_settings(name)
    return dataclasses.replace(
        settings, **dict.fromkeys(_BLOCKS, 1), n_template_block=min(1, settings.n_template_block)
    )


def weights_of(settings, kind, folder):
    if settings.name not in _weights:
        _weights[settings.name] = untrained_weights(settings)
    weights = _weights[settings.name]
    match kind:
        case "layout":
            return weights
        case "sorted":
            return dict(sorted(weights.items()))
        case "reversed":
            return dict(reversed(weights.items()))
        case "safetensors":
            path = folder / f"{settings.name}.safetensors"
            save_file(weights, path)
        case "pt":
            path = folder / f"{settings.name}.pt"
            torch_save(path, dict(sorted(weights.items())))
    return load_weights(settings, path)


def backbone(sequence, folder):
    """A PDB file of a chain of alanines with made-up positions."""
    place = np.random.default_rng(5)
    path = folder / "template.pdb"
    with open(path, "w") as handle:
        for i in range(4 * len(sequence)):
            name, (x, y, z) = ("N", "CA", "C", "CB")[i % 4], 3.0 * (i // 4) + place.random(3)
            handle.write(f"ATOM  {i + 1:5d}  {name:3s} ALA A{i // 4 + 1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00\n")
    return path


def features_of(case, folder):
    """Features of the case's targets: sequences, with templates or a contact where it asks for them."""
    found = []
    for sequence in case["sequences"]:
        target = Target("t", merge_chains(sequence.split(":")))
        if case.get("template"):
            structure = TemplateStructure(backbone(target.entities[0].sequence, folder))
            entity = dataclasses.replace(target.entities[0], templates=(structure,))
            target = dataclasses.replace(target, entities=(entity, *target.entities[1:]))
        if case.get("contact"):
            ends = AtomRef("A", 2), AtomRef("B", 3)
            target = dataclasses.replace(target, contacts=(Contact(*ends, max_distance=8.0),))
        found.append(featurize(target))
    return found


def main():
    folder = Path(sys.argv[1])
    for case in json.loads(sys.argv[2]):
        settings = small(case.get("model", "protenix_tiny_default_v0.5.0"))
        dtype = case.get("dtype", "float32")
        weights = weights_of(settings, case.get("weights", "layout"), folder)
        model = Model(settings, place_params(settings, weights, dtype), dtype)
        features = features_of(case, folder)
        if settings.esm:
            drawn = np.random.default_rng(3).standard_normal((len(features[0]["token_index"]), C_ESM))
            features[0]["esm_token_embedding"] = drawn.astype(np.float32)
        options = {"n_cycle": 2, "n_step": 2, "n_sample": case.get("n_sample", 1), "logits": False}
        outputs = model.predict_batch(features, noise=[7 + i for i in range(len(features))], **options)
        coordinate = np.concatenate([out["coordinate"].reshape(-1) for out in outputs])
        assert np.isfinite(coordinate).all()
        print(json.dumps([digest(coordinate.tolist()), outputs[0]["compilations"], outputs[0]["timings"]["compile"]]))


if __name__ == "__main__":
    main()
