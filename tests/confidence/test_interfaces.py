"""Interface scores against the published script's table of an AlphaFold 3 prediction (AURKA and TPX2)."""

import gzip
import json

import gemmi
import numpy as np
import pytest

from pfold.chem.residues import STANDARD_RESIDUES
from pfold.confidence.interfaces import InterfaceResidues, both_directions, interface_scores, tm_length_scale


def worked_example(folder) -> InterfaceResidues:
    name = "fold_aurka_0_tpx2_0"
    data = json.loads(gzip.decompress((folder / f"{name}_full_data_0.json.gz").read_bytes()))
    model = gemmi.read_structure(str(folder / f"{name}_model_0.cif"))[0]
    chain, beta, plddt, tokens = [], [], [], []
    n_token = 0
    for number, part in enumerate(model):
        for residue in part:
            atoms = {atom.name: atom for atom in residue}
            standard = residue.name in STANDARD_RESIDUES
            if "CA" in atoms:
                # The token of a modified residue's Cα: each of its atoms is one.
                tokens.append(n_token + (0 if standard else list(atoms).index("CA")))
                atom = atoms["CB" if "CB" in atoms else "CA"]
                chain.append(number)
                beta.append(atom.pos.tolist())
                plddt.append(data["atom_plddts"][atom.serial - 1])
            n_token += 1 if standard else len(atoms)
    assert n_token == len(data["pae"])
    pae = np.array(data["pae"])[np.ix_(tokens, tokens)]
    return InterfaceResidues(
        chain=np.array(chain),
        nucleic=np.zeros(len(chain), bool),
        pae=pae,
        beta=np.array(beta),
        plddt=np.array(plddt),
        contact_probs=np.array(data["contact_probs"])[np.ix_(tokens, tokens)],
        n_token=n_token,
    )


@pytest.mark.shared
def test_every_digit_of_the_published_table(shared):
    folder = shared / "data/ipsae"
    x = worked_example(folder)
    forward, backward = interface_scores(x, 0, 1), interface_scores(x, 1, 0)
    # The table's LIS is an older version's, which counts a PAE of 12 Å too; these are version 4's.
    assert [f"{s.lis:.4f}" for s in (forward, backward)] == ["0.6487", "0.6643"]
    assert f"{both_directions(forward, backward).lis:.4f}" == "0.6565"
    table = (folder / "fold_aurka_0_tpx2_0_model_0_10_10.txt").read_text().split("\n")
    rows = [line.split() for line in table if line.startswith(("A ", "B "))]
    assert [row[4] for row in rows] == ["asym", "asym", "max"]
    for row, s in zip(rows, (forward, backward, both_directions(forward, backward)), strict=True):
        found = [f"{s.ipsae:.6f}", f"{s.ipsae_d0chn:.6f}", f"{s.ipsae_d0dom:.6f}", f"{s.iptm_d0chn:.6f}"]
        found += [f"{s.pdockq:.4f}", f"{s.pdockq2:.4f}", str(s.n0res), str(s.n0chn), str(s.n0dom)]
        assert found == [row[5], row[6], row[7], *row[9:12], *row[13:16]]
        assert s.clis > 0
        assert s.ilis == pytest.approx((s.lis * s.clis) ** 0.5)
        assert 0.5 < s.actifptm < 1


def residues(distance: float, error: float, *, nucleic: bool = False) -> InterfaceResidues:
    """Two chains of 30 residues in line, side by side at a distance, with one error between them."""
    line = np.stack([3.8 * np.arange(30), np.zeros(30), np.zeros(30)], axis=1)
    chain = np.repeat([0, 1], 30)
    pae = np.where(chain[:, None] == chain[None], 1.0, error)
    contact = np.where(distance <= 8, 0.9, 0.1) * np.ones((60, 60))
    beta = np.concatenate([line, line + [0, distance, 0]])
    return InterfaceResidues(chain, np.full(60, nucleic), pae, beta, np.full(60, 80.0), contact, 60)


def test_scores_of_what_is_near_far_and_nucleic():
    near, far = (interface_scores(residues(*case), 0, 1) for case in ((5.0, 3.0), (50.0, 25.0)))
    d0 = float(tm_length_scale(30, nucleic=False))
    assert near.ipsae == pytest.approx(1 / (1 + (3.0 / d0) ** 2))
    assert near.lis == near.clis == near.ilis == pytest.approx(0.75)
    assert near.actifptm == pytest.approx(1 / (1 + (3.0 / (1.24 * 45 ** (1 / 3) - 1.8)) ** 2))
    assert (near.n0res, near.n0chn, near.n0dom) == (30, 60, 60)
    assert (far.ipsae, far.lis, far.clis, far.pdockq, far.pdockq2, far.actifptm) == (0, 0, 0, 0, 0, 0)
    assert far.iptm_d0chn > 0
    assert interface_scores(residues(5.0, 3.0, nucleic=True), 0, 1).ipsae > near.ipsae
    assert tm_length_scale(5, nucleic=False) == 1.0
    assert tm_length_scale(5, nucleic=True) == 2.0
