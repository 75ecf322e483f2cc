"""Data flows one way: no part imports a later one, and no modules import one another in a circle."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pfold

PACKAGE = Path(pfold.__file__).parent
# Each part may import itself and what stands before it (docs/architecture.md).
ORDER = [
    *("share", "errors", "constants", "logs", "strict_yaml", "files", "plots", "keyed_store"),
    *("targets", "chem", "weights", "msa", "templates", "features", "confidence"),
    *("kernels", "model", "inference", "esm", "checkpoints"),
    *(
        "config_file",
        "config_schema",
        "config",
        "project",
        "results",
        "evaluation",
        "run",
        "training",
        "report",
        "export",
        "doctor",
        "stages",
    ),
    *("cascade", "cli_parser", "cli"),
]


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("pfold", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """The package's modules that a file imports, anywhere in it; but for types alone."""
    found = set()
    for node in _imports(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found & set(known)


def _imports(node: ast.AST):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _imports(child)


def part_of(module: str) -> str:
    return module.split(".")[1]


def test_every_part_is_in_the_order_and_imports_no_later_one():
    known = modules()
    inside = {name: path for name, path in known.items() if name != "pfold"}
    assert {part_of(name) for name in inside} == set(ORDER)
    assert len(inside) > 130
    n_import = 0
    for name, path in inside.items():
        own = ORDER.index(part_of(name))
        for other in imported(path, known) - {"pfold"}:
            assert ORDER.index(part_of(other)) <= own, f"{name} imports {other}"
            n_import += 1
    assert n_import > 500


def test_no_modules_import_one_another_in_a_circle():
    known = modules()
    # A package's own file may name its parts, and its parts need not ask for it.
    graph = {
        name: {other for other in imported(path, known) if not name.startswith(f"{other}.")}
        for name, path in known.items()
        if name != "pfold"
    }
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def test_the_model_knows_nothing_of_how_it_is_run():
    known = modules()
    for name, path in known.items():
        if name.startswith("pfold.model"):
            assert {part_of(other) for other in imported(path, known) - {"pfold"}} <= {"model", "kernels", "constants"}


def test_the_package_knows_nothing_of_snakemake():
    for path in PACKAGE.rglob("*.py"):
        assert "import snakemake" not in path.read_text()
        assert "from snakemake" not in path.read_text()


def test_files_stay_short():
    here = Path(__file__).parent
    files = [*PACKAGE.rglob("*.py"), *here.rglob("*.py"), *(PACKAGE.parent / "kernels").rglob("*.*")]
    assert len(files) > 200
    long = {str(path): n for path in files if (n := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_only_folding_loads_mindspore():
    """Every job of the workflow imports the stages and the plan, and waits for what these import."""
    code = "import sys, pfold.cli, pfold.stages; print('mindspore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
