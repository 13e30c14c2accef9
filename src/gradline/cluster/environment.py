"""What must agree between processes for their bits to agree: versions of Python, NumPy, SciPy, Arrow, BLAS and frameworks."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Mapping, Sequence
from functools import cache

from gradline.base.errors import ClusterError
from gradline.base.threads import blas_libraries, controller
from gradline.base.version import __version__

Environment = Mapping[str, str]

PACKAGES = ("numpy", "scipy", "pyarrow")

FRAMEWORKS = ("tensorflow", "jax", "torch")


@cache
def environment() -> Environment:
    """Of this process: names to versions; "no" for a framework that is not installed."""
    found = {"gradline": __version__, "Python": platform.python_version(), "machine": platform.machine()}
    found |= {name: _version(name) for name in (*PACKAGES, *FRAMEWORKS)}
    libraries = [library.info() for library in blas_libraries(controller())]
    # The architecture is the processor that BLAS found, for which it has its own products.
    told = sorted({f"{info['internal_api']} {info['version']} {info.get('architecture') or ''}".strip() for info in libraries})
    return found | {"BLAS": ", ".join(told)}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "no"


def check_release(workers: Mapping[str, Environment]) -> None:
    """Raises ClusterError for a worker of another release of gradline, which may compute something else."""
    for worker, found in workers.items():
        if found["gradline"] != __version__:
            raise ClusterError(
                f"worker {worker} runs gradline {found['gradline']} and this process {__version__}; every process needs the same:"
                f' pip install "gradline=={__version__}" there'
            )


def differences(workers: Mapping[str, Environment]) -> str:
    """A sentence that says in what workers differ from this process, so that digits agree and bits may not; empty where they agree."""
    here = environment()
    # A framework that this process has not loaded plays no part.
    idle = {name for name in FRAMEWORKS if name not in sys.modules}
    odd: dict[str, tuple[str, str]] = {}
    for worker, found in workers.items():
        for name, version in here.items():
            if name not in idle and found.get(name) != version:
                odd.setdefault(name, (worker, found.get(name, "no")))
    if not odd:
        return ""
    told = [f"{name} is {here[name]} here and {theirs} on {worker}" for name, (worker, theirs) in odd.items()]
    return f"the workers differ from this process ({_listed(told)}): digits agree with a fit on one machine, the last bits may not"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
