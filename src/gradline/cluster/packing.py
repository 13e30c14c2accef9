"""What is sent to workers: a job as bytes, its lasting parts apart and once, code of the user's own by value."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pickle
import sys
import sysconfig
import types
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

from gradline.autodiff.framework import function_name, references
from gradline.autodiff.tape import UserLoss
from gradline.autodiff.tapes import keep_tape
from gradline.base.errors import ClusterError

if TYPE_CHECKING:
    from gradline.tables.passes import Job

KEPT = 64
"""Parts that a process remembers."""

KEPT_BYTES = 2**28
"""How large these are together at most, as they were sent."""

DEEP = 12
"""How far a part that cannot be sent is looked for."""


@dataclass(frozen=True)
class Blob:
    """Bytes by the name of what they hold. data: None where whoever gets it is likely to have them."""

    digest: str
    data: bytes | None = field(repr=False)

    @property
    def size(self) -> int:
        return 0 if self.data is None else len(self.data)

    def bare(self) -> Blob:
        return Blob(self.digest, None)


@dataclass(frozen=True)
class Packed:
    """A job, and the parts that it refers to, in the order in which they can be opened."""

    job: Blob
    parts: tuple[Blob, ...]

    def bare(self, least: int) -> Packed:
        """Without the bytes of what is larger than ``least``."""
        return Packed(*_without(self, least))


def _without(packed: Packed, least: int) -> tuple[Blob, tuple[Blob, ...]]:
    def cut(blob: Blob) -> Blob:
        return blob.bare() if blob.size > least else blob

    return cut(packed.job), tuple(map(cut, packed.parts))


class Packer:
    """Packs jobs. A part that several jobs share is packed once and has one name for as long as it lives."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[Any, tuple[Blob, ...]]] = OrderedDict()
        self._by_value: list[types.ModuleType] = []

    def pack(self, job: Job[Any]) -> Packed:
        """Raises ClusterError for a job that cannot be sent, naming what in it."""
        import cloudpickle

        parts: dict[str, Blob] = {}
        lasting = {id(part): part for part in job.lasting}
        with _LOCK:
            try:
                data = self._dumped(job, lasting, parts)
            finally:
                # Parts are packed within the job, so that only the whole may put back what modules were before.
                while self._by_value:
                    cloudpickle.unregister_pickle_by_value(self._by_value.pop())
        return Packed(_blob(data), tuple(parts.values()))

    def _dumped(self, value: Any, lasting: dict[int, Any], parts: dict[str, Blob]) -> bytes:
        """parts: filled with what is referred to."""
        import cloudpickle

        packer = self

        class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
            def persistent_id(self, found: Any) -> str | None:
                if found is value or not (id(found) in lasting or isinstance(found, UserLoss)):
                    return None
                own = packer._part(found)
                parts.update({blob.digest: blob for blob in own})
                return own[-1].digest

            def reducer_override(self, found: Any) -> Any:
                # What decides whether code goes by value is asked while it is reduced.
                for module in _modules(found):
                    if is_own(module) and module.__name__ not in cloudpickle.list_registry_pickle_by_value():
                        cloudpickle.register_pickle_by_value(module)
                        packer._by_value.append(module)
                return super().reducer_override(found)

        held = io.BytesIO()
        try:
            Pickler(held, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
        except Exception as error:  # whatever an object raises that cannot be pickled, as a lock of multiprocessing its RuntimeError
            raise ClusterError(f"{_culprit(value)} ({error}); workers get code and values by pickle") from error
        return held.getvalue()

    def _part(self, part: Any) -> tuple[Blob, ...]:
        """The part's bytes, after those of the parts within it."""
        known = self._known.get(id(part))
        if known is not None:
            self._known.move_to_end(id(part))
            return known[1]
        within: dict[str, Blob] = {}
        data = self._dumped(part, {}, within)
        blobs = (*within.values(), _blob(data))
        # The part is kept beside its bytes: another object could get its number.
        self._known[id(part)] = part, blobs
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return blobs


_LOCK = RLock()
"""Which modules go by value is a setting of the process."""


def _blob(data: bytes) -> Blob:
    return Blob(hashlib.sha256(data).hexdigest(), data)


class Absent(Exception):
    """A worker does not have the bytes of these names."""

    def __init__(self, digests: tuple[str, ...]) -> None:
        super().__init__(digests)
        self.digests = digests


class Opener:
    """Opens what was packed, each part once: a loss that was compiled is found compiled."""

    def __init__(self, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept, self._kept_bytes, self._lock = kept, kept_bytes, RLock()
        self._held: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    def open(self, packed: Packed) -> Any:
        """The job. Raises Absent where bytes were left out that this process does not have."""
        blobs = (*packed.parts, packed.job)
        with self._lock:
            absent = tuple(blob.digest for blob in blobs if blob.data is None and blob.digest not in self._held)
            if absent:
                raise Absent(absent)
            for blob in blobs:
                self._opened(blob)
            job = self._held[packed.job.digest][0]
            self._forget(len(blobs))
            return job

    def _opened(self, blob: Blob) -> None:
        if blob.digest in self._held:
            self._held.move_to_end(blob.digest)
            return
        assert blob.data is not None
        held = self._held

        class Unpickler(pickle.Unpickler):
            def persistent_load(self, digest: Any) -> Any:
                return held[digest][0]

        value = Unpickler(io.BytesIO(blob.data)).load()
        if isinstance(value, UserLoss):
            keep_tape(value)
        held[blob.digest] = value, blob.size

    def _forget(self, latest: int) -> None:
        """Forget the oldest, but not the latest."""
        total = sum(size for _, size in self._held.values())
        while len(self._held) > latest and (len(self._held) > self._kept or total > self._kept_bytes):
            total -= self._held.popitem(last=False)[1][1]


def is_own(module: types.ModuleType) -> bool:
    """Whether a module is the user's own file, rather than a package that is installed, or gradline itself."""
    name, file = module.__name__, getattr(module, "__file__", None)
    if file is None or name.partition(".")[0] in ("gradline", "__main__") or name.partition(".")[0] in sys.stdlib_module_names:
        return False
    return not any(part in ("site-packages", "dist-packages") for part in file.split("/")) and not file.startswith(_STANDARD)


_STANDARD = sysconfig.get_paths()["stdlib"]


def _modules(found: Any) -> Iterator[types.ModuleType]:
    """The module that a function or class comes from, and a module itself."""
    if isinstance(found, types.ModuleType):
        yield found
    elif isinstance(found, types.FunctionType | type):
        module = sys.modules.get(found.__module__ or "")
        if module is not None:
            yield module


def _culprit(value: Any) -> str:
    """What of a job cannot be sent, in words."""
    import cloudpickle

    def fails(part: Any) -> bool:
        try:
            cloudpickle.dumps(part)
        except Exception:  # whatever the user's own object raises
            return True
        return False

    path, words = list[str](), type(value).__name__
    for _ in range(DEEP):
        found = next(((name, part) for name, part in _within(value) if fails(part)), None)
        if found is None:
            break
        name, value = found
        if isinstance(value, types.FunctionType) or callable(value):
            path, words = [], f"the function {function_name(value)!r}"
        else:
            path.append(name)
            words = words if words.startswith("the function") else type(value).__name__
    if not path:
        return f"{words} cannot be sent to workers"
    return f"{words} cannot be sent to workers: it refers to {'.'.join(path)!r}, a {type(value).__name__}"


def _within(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value refers to, by name."""
    if isinstance(value, types.FunctionType):
        yield from references(value)
    elif isinstance(value, types.MethodType):
        yield "__self__", value.__self__
        yield "__func__", value.__func__
    elif isinstance(value, dict):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{i}]", part) for i, part in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((part.name, getattr(value, part.name)) for part in dataclasses.fields(value))
    else:
        yield from getattr(value, "__dict__", {}).items()
