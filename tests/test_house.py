"""The rules of the house, held by the syntax tree: the order of packages, capabilities in place of names, kernels that are pure."""

import ast
import dataclasses
import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gradline as gl
from gradline.design.dense import DenseDesign
from gradline.losses.defaults import PerTarget
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.sampling import spread_rows
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.refusing import smooth_and_free

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gradline"
MODULES = sorted(SOURCE.rglob("*.py"))


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def classes(*folders: str) -> dict[str, str]:
    """The classes defined in packages, with their packages."""
    return {
        node.name: folder
        for folder in folders
        for path in (SOURCE / folder).rglob("*.py")
        for node in tree(path).body
        if isinstance(node, ast.ClassDef)
    }


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=root, capture_output=True, text=True, env={"PYTHONPATH": str(root / "src"), "PATH": ""}
    )


def test_packages_stand_in_one_strict_order_and_modules_in_no_circle():
    found = lint_imports(ROOT)
    assert found.returncode == 0, found.stdout


# Imports of the wrong way, and what is said of each.
UPWARDS = {
    "losses/defaults.py": ("from gradline.model.record import Model", "gradline.losses.defaults -> gradline.model.record"),
    "solvers/registry.py": (
        "def later():\n    from gradline.api.fitting import fit\n    return fit",
        "gradline.solvers.registry -> gradline.api.fitting",
    ),
    "rows/arrays.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gradline.solvers.protocol import Solver",
        "gradline.rows.arrays -> gradline.solvers.protocol",
    ),
}
# Two modules of a package, and two packages within one, each in need of the other.
CIRCLES = {
    "summary/parts.py": (
        "def later():\n    from gradline.summary.render import Summary\n    return Summary",
        "No cycles are allowed in gradline.summary",
    ),
    "solvers/newton/steps.py": (
        "from gradline.solvers.kinks.exact import solver_for_kinks",
        "No cycles are allowed in gradline.solvers",
    ),
}


@pytest.mark.parametrize(
    ("contract", "planted"),
    [("packages in one strict order", UPWARDS), ("no circle among the modules of a package", CIRCLES)],
    ids=["order", "circles"],
)
def test_an_import_that_goes_the_wrong_way_fails(tmp_path, contract, planted):
    import shutil

    shutil.copytree(SOURCE, tmp_path / "src" / "gradline")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, (line, _) in planted.items():
        with (tmp_path / "src" / "gradline" / module).open("a") as file:
            file.write(f"\n{line}\n")
    found = lint_imports(tmp_path)
    assert found.returncode == 1
    assert f"{contract} BROKEN" in found.stdout
    for _, said in planted.values():
        assert said in found.stdout


def isinstance_names(path: Path) -> set[str]:
    """The class names that a module asks isinstance for."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
            names |= {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
    return names


def test_no_class_of_rows_solvers_losses_or_penalties_is_asked_for_outside_its_package():
    guarded = {
        name: folder
        for name, folder in classes("rows", "solvers", "losses", "penalties", "constraints", "tables").items()
        if name not in ASKED
    }
    wrong = {
        f"{path.relative_to(SOURCE)}: {name} of {guarded[name]}"
        for path in MODULES
        for name in isinstance_names(path) & set(guarded)
        if package(path) != guarded[name]
    }
    assert not wrong


# Protocols of a capability that a solver may declare beyond ``Solver``; asking for them asks for no class.
ASKED = {"EndsWithCurvature", "TakesAnyColumns", "BeginsWithMoments"}


def test_nothing_is_recognised_by_the_name_of_its_class():
    wrong = []
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Compare):
                for side in (node.left, *node.comparators):
                    if ast.unparse(side).startswith("type(") and ast.unparse(side).endswith(("__name__", ".__qualname__")):
                        wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(node)}")
    assert not [one for one in wrong if not one.startswith(OUTSIDERS)]


OUTSIDERS = (
    "rows/array_checks.py",
    "inference/covariance/clusters.py",
    "tables/sources/frames.py",
    "formulas/factors.py",
    "autodiff/tape.py",
)
"""Where objects of other libraries are looked at, which cannot be asked."""


@functools.cache
def kernels() -> dict[str, ast.ClassDef]:
    """Every class with a ``map`` over a block."""
    found = {}
    for path in MODULES:
        for node in ast.walk(tree(path)):
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


# What CONTRIBUTING.md says of a new loss, penalty, solver and source of rows, done from outside the package.

RANDOM = np.random.default_rng(8)
X = RANDOM.normal(size=(200, 2))
Y = 1.0 + X @ [2.0, -1.0] + 0.5 * RANDOM.normal(size=200)


@dataclasses.dataclass(frozen=True)
class Asinh(PerTarget):
    """log(1 + r^2 / scale^2) / 2 of r = y - eta: one class, with all it knows of itself."""

    scale: float

    name = "asinh"

    def elementwise(self, targets, predictors, order):
        r = (targets - predictors) / self.scale
        size = 1.0 + r * r
        gradient, curvature = -r / size / self.scale, (1.0 - r * r) / size**2 / self.scale**2
        return 0.5 * np.log(size), gradient if order >= 1 else None, curvature if order == 2 else None


@dataclasses.dataclass(frozen=True)
class TowardsOne:
    """strength / 2 times the sum of (b - 1)^2."""

    strength: float
    name: str = "towards one"

    def value(self, slopes):
        return 0.5 * self.strength * float(np.sum((slopes - 1.0) ** 2))

    def gradient(self, slopes):
        return self.strength * (slopes - 1.0)

    def curvature(self, slopes):
        return np.full(slopes.shape, self.strength)


@dataclasses.dataclass(frozen=True)
class Subspaces:
    """Newton's steps with the curvature of every row, for coefficients that are all free."""

    steps: int = 30

    def refuses(self, problem):
        if problem.joint or problem.loss.kinks() is not None or not problem.all_free:
            return "Subspaces takes smooth losses whose coefficients are all free; use gl.Newton()"
        return smooth_and_free(self, problem)

    def solve(self, problem, start=None, progress=False):
        found = np.zeros(problem.shape) if start is None else start
        for _ in range(self.steps):
            value, gradient, curvature = problem.evaluate(found, 2)
            found = found - np.linalg.solve(curvature, gradient.T.ravel()).reshape(problem.shape[::-1]).T
        size = float(np.linalg.norm(gradient))
        return Solution(found, value, "subspaces", Certificate(size < 1e-8, size, "its steps are done"), self.steps)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Rows that are drawn anew, a hundred at a time, at each pass: the same ones, from the number of their block."""

    n_rows: int
    n_columns: int = 3
    n_targets: int = 1
    intercept: bool = True
    source_name: str = "a generator"
    coded_levels: bool = False
    sparse_columns: bool = False
    resident: bool = False
    row_columns: None = None

    def blocks(self):
        for first in range(0, self.n_rows, 100):
            random = np.random.default_rng(first)
            x = random.normal(size=(100, 2))
            targets = 1.0 + x @ [[2.0], [-1.0]] + 0.5 * random.normal(size=(100, 1))
            yield Block(DenseDesign(x, True), targets, first_row=first)

    def reduce(self, kernel):
        return functools.reduce(kernel.merge, map(kernel.map, self.blocks()))

    def map(self, kernel):
        return np.concatenate([kernel.map(block) for block in self.blocks()])

    def take(self, rows):
        design = np.concatenate([block.design.dense()[:, 1:] for block in self.blocks()])[rows]
        return Block(DenseDesign(design, True), np.concatenate([block.targets for block in self.blocks()])[rows])

    def in_memory(self):
        return None

    def sample(self, n_rows, seed=0):
        return self.take(spread_rows(self.n_rows, min(n_rows, self.n_rows), seed))

    def iterate(self, kernel):
        return (kernel.map(block) for block in self.blocks())

    def reduce_runs(self, kernel, rows):
        return functools.reduce(kernel.merge, (next(kernel.map_run([block])) for block in self.blocks()))


class TestFromOutside:
    def test_a_loss(self):
        fit = gl.fit(X, Y, loss=Asinh(0.7))
        r = (Y - fit.predict(X)) / 0.7
        weight = r / (1.0 + r * r)
        assert fit.certificate.converged
        np.testing.assert_allclose(np.column_stack([np.ones(200), X]).T @ weight / 200, 0.0, atol=1e-9)
        assert "asinh(scale=0.7)" in str(fit.summary())

    def test_a_loss_in_a_model_file(self, tmp_path):
        fit = gl.fit(X, Y, loss=Asinh(0.7))
        fit.save(tmp_path / "model.json")
        np.testing.assert_array_equal(gl.load(tmp_path / "model.json").predict(X), fit.predict(X))
        assert gl.load(tmp_path / "model.json", loss=Asinh(0.7)).loss_function == Asinh(0.7)

    def test_a_penalty(self):
        fit = gl.fit(X, Y, penalty=TowardsOne(0.8))
        centred = X - X.mean(axis=0)
        expected = np.linalg.solve(2 * centred.T @ centred / 200 + 0.8 * np.eye(2), 2 * centred.T @ (Y - Y.mean()) / 200 + 0.8)
        np.testing.assert_allclose(fit.slopes, expected, rtol=1e-9)

    def test_a_solver(self):
        fit = gl.fit(X, Y, penalty=TowardsOne(0.8), solver=Subspaces())
        assert fit.solver == "subspaces"
        np.testing.assert_allclose(fit.coefficients, gl.fit(X, Y, penalty=TowardsOne(0.8)).coefficients, rtol=1e-9)
        with pytest.raises(ValueError, match=r"Subspaces takes smooth losses .* use gl\.Newton\(\)"):
            gl.fit(X, Y, loss="absolute", solver=Subspaces())

    def test_a_source_of_rows(self):
        rows = Drawn(2000)
        found = gl.Newton().solve(Problem(rows, gl.losses.huber(0.5)))
        block = rows.take(np.arange(2000))
        held = ArrayRows(block.design.dense()[:, 1:], block.targets)
        np.testing.assert_allclose(found.coefficients, gl.Newton().solve(Problem(held, gl.losses.huber(0.5))).coefficients, rtol=1e-9)
        np.testing.assert_allclose(found.coefficients[:, 0], [1.0, 2.0, -1.0], atol=0.1)
