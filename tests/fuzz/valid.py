"""Valid files of every format, which the fuzz tests change at random."""

import json

from tests.test_odd_records import SEQUENCE, af3

PROTENIX = [
    {
        "name": "complex",
        "modelSeeds": [1],
        "sequences": [
            {
                "proteinChain": {
                    "sequence": SEQUENCE,
                    "count": 2,
                    "id": ["A", "B"],
                    "modifications": [{"ptmType": "CCD_SEP", "ptmPosition": 3}],
                    "unpairedMsa": f">q\n{SEQUENCE}\n",
                }
            },
            {"dnaSequence": {"sequence": "GATTACA", "count": 1}},
            {"ligand": {"ligand": "CCD_NAG", "count": 1}},
            {"ligand": {"ligand": "CC(=O)O", "count": 1}},
            {"ion": {"ion": "MG", "count": 1}},
        ],
        "covalent_bonds": [
            {"entity1": 1, "copy1": 1, "position1": 4, "atom1": "OH"}
            | {"entity2": 3, "copy2": 1, "position2": 1, "atom2": "C1"}
        ],
        "constraint": {
            "contact": [
                {"entity1": 1, "copy1": 1, "position1": 1, "entity2": 2, "copy2": 1, "position2": 1}
                | {"max_distance": 8}
            ],
            "pocket": {
                "binder_chain": {"entity": 2, "copy": 1},
                "contact_residues": [{"entity": 1, "copy": 1, "position": 2}],
                "max_distance": 6,
            },
        },
    }
]
AF3 = json.loads(af3(templates=[], unpairedMsa="", pairedMsa="", modifications=[{"ptmType": "SEP", "ptmPosition": 3}]))
AF3["sequences"] += [{"ligand": {"id": ["L"], "ccdCodes": ["NAG"]}}, {"rna": {"id": "R", "sequence": "GGCC"}}]
AF3["bondedAtomPairs"] = [[["A", 4, "OH"], ["L", 1, "C1"]]]
BOLTZ = {
    "version": 1,
    "sequences": [
        {"protein": {"id": ["A", "B"], "sequence": SEQUENCE, "msa": "empty"}},
        {"ligand": {"id": "C", "smiles": "CCO"}},
        {"ligand": {"id": "D", "ccd": "NAG"}},
    ],
    "constraints": [
        {"bond": {"atom1": ["A", 4, "OH"], "atom2": ["D", 1, "C1"]}},
        {"pocket": {"binder": "C", "contacts": [["A", 1], ["A", 2]]}},
        {"contact": {"token1": ["A", 1], "token2": ["C", "C1"], "max_distance": 5.0}},
    ],
}
CONFIG = {
    "targets": ["x.fasta"],
    "model": "protenix_tiny_default_v0.5.0",
    "seeds": [1, 2],
    "n_step": 5,
    "device_bytes": 6.4e10,
    "search": {"engine": "none", "databases": [], "templates": {"max_date": "2021-01-01"}},
    "batch": {"max_targets": 4},
}
FASTA = f">a x\n{SEQUENCE}\n>b\nMKT:GGG\n>c\nAC(SEP)GT*\n"
BOLTZ_FASTA = f">A|protein|empty\n{SEQUENCE}\n>B|smiles\nCCO\n>C|ccd\nNAG\n>D|dna\nACGT\n"
CIF = """data_x
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_entity_id
_atom_site.label_seq_id
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
ATOM 1 N N GLY A 1 1 0.0 0.0 0.0
ATOM 2 C CA GLY A 1 1 1.4 0.0 0.0
ATOM 3 N N ALA A 1 2 2.4 1.0 0.0
ATOM 4 C CA ALA A 1 2 3.4 1.0 0.0
"""
HHR = """Query         q
No 1
>1abc_A some protein
Probab=99.9  E-value=1e-10  Score=100  Aligned_cols=10  Identities=50%  Similarity=1.0  Sum_probs=9.5
Q q                 1 MKTAYIAKQR   10 (10)
T 1abc_A            1 MKTAYIAKQR   10 (10)
"""
