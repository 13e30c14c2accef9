"""The rules of the house, held by the syntax tree: the order of packages, capabilities in place of names, kernels that are pure."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gradline"
MODULES = sorted(SOURCE.rglob("*.py"))


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def classes(*folders: str) -> dict[str, str]:
    """The classes defined in packages, with their packages."""
    return {
        node.name: folder
        for folder in folders
        for path in (SOURCE / folder).rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=root, capture_output=True, text=True, env={"PYTHONPATH": str(root / "src"), "PATH": ""}
    )


def test_packages_stand_in_one_strict_order():
    found = lint_imports(ROOT)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("losses/defaults.py", "from gradline.model.record import Model"),
        ("solvers/registry.py", "def later():\n    from gradline.api.fitting import fit\n    return fit"),
        ("rows/arrays.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gradline.solvers.protocol import Solver"),
    ],
)
def test_an_import_that_goes_the_wrong_way_fails(tmp_path, module, line):
    import shutil

    shutil.copytree(SOURCE, tmp_path / "src" / "gradline")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "src" / "gradline" / module).open("a") as file:
        file.write(f"\n{line}\n")
    found = lint_imports(tmp_path)
    assert found.returncode == 1
    assert "packages in one strict order BROKEN" in found.stdout


def isinstance_names(path: Path) -> set[str]:
    """The class names that a module asks isinstance for."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
            names |= {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
    return names


def test_no_class_of_rows_solvers_or_losses_is_asked_for_outside_its_package():
    guarded = classes("rows", "solvers", "losses", "tables")
    wrong = {
        f"{path.relative_to(SOURCE)}: {name} of {guarded[name]}"
        for path in MODULES
        for name in isinstance_names(path) & set(guarded)
        if package(path) != guarded[name]
    }
    assert not wrong


def test_nothing_is_recognised_by_the_name_of_its_class():
    wrong = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                for side in (node.left, *node.comparators):
                    if ast.unparse(side).startswith("type(") and ast.unparse(side).endswith(("__name__", ".__qualname__")):
                        wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(node)}")
    assert not [one for one in wrong if not one.startswith(OUTSIDERS)]


OUTSIDERS = ("rows/array_checks.py", "tables/sources/", "formulas/", "autodiff/", "cli/errors.py")
"""Where objects of other libraries are looked at, which cannot be asked."""


def kernels() -> dict[str, ast.ClassDef]:
    """Every class with a ``map`` over a block."""
    found = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and part.name == "map" and any(a.arg == "block" for a in part.args.args):
                        found[f"{path.relative_to(SOURCE)}:{node.name}"] = node
    return found


def test_kernels_keep_nothing_of_what_they_have_seen():
    assert len(kernels()) > 50
    wrong = []
    for name, kernel in kernels().items():
        for node in ast.walk(kernel):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
            wrong += [f"{name}: {ast.unparse(node)}" for target in targets if isinstance(target, ast.Attribute)]
    assert not wrong
