"""What TensorBoard gets to see of a training."""

import struct
import sys
from pathlib import Path

import pytest

from pfold.training.events import FOLDER, Events


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """Value by tag and step of all event files: records of a length, its checksum, the event, and its checksum."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")
    found = {}
    for path in sorted(folder.iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = event_pb2.Event.FromString(content[place + 12 : place + 12 + length])
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
            place += 12 + length + 4
    return found


def test_losses_and_validation_become_scalars_by_step(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    events = Events(tmp_path, 0)
    events.losses(20, {"loss": 1.5, "mse_loss": 0.25})
    rows = [{"set": "train", "lddt_ca": 0.5}, {"set": "train", "lddt_ca": 1.0}, {"set": "unseen", "lddt_ca": 0.25}]
    events.validation(40, rows, ["lddt_ca"])
    events.close()
    assert scalars(tmp_path / FOLDER) == {
        ("train/loss", 20): 1.5,
        ("train/mse_loss", 20): 0.25,
        ("validation/train/lddt_ca", 40): 0.75,
        ("validation/unseen/lddt_ca", 40): 0.25,
    }


def test_without_the_package_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    events = Events(tmp_path, 0)
    events.losses(20, {"loss": 1.5})
    events.close()
    assert not list(tmp_path.iterdir())
