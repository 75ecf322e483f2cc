"""What the page of a training shows."""

import pandas as pd

from pfold.training.checkpoint import Measured
from pfold.training.curves import binned, write_curves


def test_long_trainings_are_shown_by_means_of_runs_of_steps():
    losses = pd.DataFrame({"step": range(1200), "loss": [1.0, 2.0, 6.0] * 400, "examples": "x"})
    found = binned(losses)
    assert len(found) == 400
    assert found["loss"].eq(3.0).all()
    assert found["step"].tolist() == list(range(2, 1200, 3))


def test_short_trainings_are_shown_step_by_step():
    losses = pd.DataFrame({"step": [0, 1], "loss": [3.0, 2.0]})
    assert binned(losses)["loss"].tolist() == [3.0, 2.0]


def test_the_page_has_losses_that_were_measured_and_no_others(tmp_path):
    rows = [{"step": i, "examples": "x", "norm": 1.0, "loss": 4.0, "mse_loss": 1 / (i + 1)} for i in range(3)]
    rows[1]["plddt_loss"] = 2.0
    page = write_curves(tmp_path, "pfold_demo", Measured(rows, [])).read_text()
    assert '"name":"mse"' in page
    assert '"name":"plddt"' in page
    assert '"name":"pae"' not in page
    assert '"name":"validation' not in page
