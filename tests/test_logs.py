import logging

import pytest

from pfold import logs
from pfold.logs import Progress, start_logging


@pytest.fixture(autouse=True)
def quiet_afterwards():
    yield
    root = logging.getLogger("pfold")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.propagate = True


def test_events_go_to_stderr_and_the_file_begun_anew(tmp_path, capsys):
    path = tmp_path / "logs" / "a.log"
    for text in ("first run", "second run"):
        start_logging(path)
        logging.getLogger("pfold.x").info(text)
    assert "second run" in capsys.readouterr().err
    assert path.read_text().count("\n") == 1
    assert path.read_text().endswith("INFO second run\n")


def test_a_long_item_is_heard_of_now_and_then(capsys, monkeypatch):
    start_logging()
    bar = Progress([1, 2], "fold", "target")
    seen = []
    for item in bar:
        seen.append(item)
        bar.note("soon")
    assert seen == [1, 2]
    assert "soon" not in capsys.readouterr().err
    monkeypatch.setattr(logs, "SECONDS_BETWEEN_LINES", -1.0)
    bar.note("crambin, seed 101: cycle 2 of 10")
    assert "INFO crambin, seed 101: cycle 2 of 10" in capsys.readouterr().err
