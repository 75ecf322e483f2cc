"""Data flows one way: no stage imports a later one."""

import ast
import subprocess
import sys
from pathlib import Path

import pfold

PACKAGE = Path(pfold.__file__).parent
# Each part may import itself and what stands before it.
ORDER = ["targets", "chem", "search", "weights", "ops", "features", "model", "confidence", "predict", "results"]


def imported_parts(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {module.split(".")[1] for module in modules if module.startswith("pfold.")}


def test_no_stage_imports_a_later_one():
    checked = 0
    for part in ORDER:
        later = set(ORDER[ORDER.index(part) + 1 :]) | {"stages", "cli"}
        for path in (PACKAGE / part).glob("*.py"):
            assert not imported_parts(path) & later, path
            checked += 1
    assert checked > 50


def test_the_model_knows_nothing_of_how_it_is_run():
    for path in (PACKAGE / "model").glob("*.py"):
        assert imported_parts(path) <= {"model", "ops"}, path


def test_the_package_knows_nothing_of_snakemake():
    for path in PACKAGE.rglob("*.py"):
        assert "import snakemake" not in path.read_text()
        assert "from snakemake" not in path.read_text()


def test_files_stay_short():
    assert max(len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")) <= 400


def test_only_folding_loads_mindspore():
    """Every job of the workflow imports the stages and the plan, and waits for what these import."""
    code = "import sys, pfold.cli, pfold.stages; print('mindspore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
