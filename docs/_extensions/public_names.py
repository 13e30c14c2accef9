"""The reference: a page for each public name, made from what the package itself lists, so that none is forgotten."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import gradline as gl

SECTIONS = {
    "Fitting": ["fit", "path", "load", "compare_models", "Moments"],
    "What a fit is": ["Fit", "Path"],
    "For scikit-learn": ["LinearRegression", "LinearClassifier"],
    "Beyond one machine, and on a page": ["Cluster", "studio"],
}
"""Names of ``gl`` by what they are for; solvers and errors are told by their kind, and the rest are modules."""

MODULES = ("losses", "penalties", "constraints", "schedules", "plot", "datasets")


BEHIND = {"gradline.studio": "gradline.studio.opening.studio"}
"""The function that a module which can be called stands for."""


def public_names() -> dict[str, list[str]]:
    """Headings of the reference, and the full names below each: every name that completion offers."""
    kinds = {name: getattr(gl, name) for name in gl.__all__}
    told = {name for names in SECTIONS.values() for name in names}
    errors = [name for name, value in kinds.items() if inspect.isclass(value) and issubclass(value, Exception | Warning)]
    found = {heading: [name for name in names if name in kinds] for heading, names in SECTIONS.items()}
    modules = [name for name, value in kinds.items() if isinstance(value, ModuleType) and not callable(value)]
    others = sorted(set(kinds) - told - set(errors) - set(modules), key=str.lower)
    found["Solvers, and what goes with them"] = others
    headings = {heading: [f"gradline.{name}" for name in names] for heading, names in found.items() if names}
    for module in (*MODULES, *sorted(set(modules) - set(MODULES))):
        listed = getattr(gl, module).__all__
        headings[f"gl.{module}"] = [f"gradline.{module}.{name}" for name in listed]
    headings["Errors and warnings"] = [f"gradline.{name}" for name in errors]
    return headings


def value_of(full_name: str) -> Any:
    """What a full name stands for."""
    found: Any = gl
    behind = BEHIND.get(full_name)
    if behind is not None:
        return getattr(importlib.import_module(behind.rpartition(".")[0]), behind.rpartition(".")[2])
    for part in full_name.split(".")[1:]:
        found = getattr(found, part)
    return found


def first_sentence(value: Any) -> str:
    """Of its docstring, in one line."""
    paragraph = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")
    end = paragraph.find(". ")
    return paragraph if end < 0 else paragraph[: end + 1]


def file_of(full_name: str) -> str:
    """Of its page. Some file systems do not tell ``Path`` from ``path``."""
    return full_name + ("-class" if inspect.isclass(value_of(full_name)) else "")


def page(full_name: str) -> str:
    """A page of the reference, as reStructuredText."""
    value = value_of(full_name)
    shown = full_name.replace("gradline.", "gl.", 1)
    lines = [shown, "=" * len(shown), "", f".. currentmodule:: {full_name.rpartition('.')[0]}", ""]
    name = full_name.rpartition(".")[2]
    if full_name in BEHIND:
        lines[-2:] = [f".. currentmodule:: {BEHIND[full_name].rpartition('.')[0]}", ""]
    if inspect.isclass(value):
        lines += [f".. autoclass:: {name}", "   :members:", "   :inherited-members: Exception, tuple", ""]
    elif callable(value):
        lines += [f".. autofunction:: {name}", ""]
    else:
        lines += [f".. autodata:: {name}", ""]
    return "\n".join(lines)


def write(folder: Path) -> None:
    """The pages and their index, rewritten only where they differ, so that a second build is quick."""
    pages = {}
    index = ["# Reference", "", "Every public name, with its parameters, what it returns and raises, and an example that is run.", ""]
    for heading, names in public_names().items():
        index += [f"## {heading}", "", "| | |", "| --- | --- |"]
        for full_name in names:
            pages[f"{file_of(full_name)}.rst"] = page(full_name)
            said = first_sentence(value_of(full_name)).replace("|", "\\|").replace("``", "`")
            index.append(f"| [`{full_name.replace('gradline.', 'gl.', 1)}`]({file_of(full_name)}.rst) | {said} |")
        index += ["", "```{toctree}", ":hidden:", "", *map(file_of, names), "```", ""]
    pages["index.md"] = "\n".join(index)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


RESULTS = ("gradline.Fit", "gradline.Path")
"""Classes that nobody makes by hand: how is beside the point."""


def escape_bars(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    r"""Absolute values such as \|b\| are no substitutions of reStructuredText. Literals and examples stay as they are."""
    for index, line in enumerate(lines):
        if "|" in line and not line.lstrip().startswith(">>>"):
            parts = line.split("``")
            lines[index] = "``".join(part if inside % 2 else part.replace("|", "\\|") for inside, part in enumerate(parts))


def hide_signature(app: Any, what: str, name: str, *others: Any) -> tuple[str, str] | None:
    """Of results."""
    return ("", "") if what == "class" and name in RESULTS else None


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    write(Path(app.srcdir) / "reference")
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("autodoc-process-signature", hide_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
