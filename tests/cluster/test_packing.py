"""What is sent to workers: once, by value, and opened once; what cannot be sent is named."""

import importlib
import multiprocessing
import sys
from dataclasses import dataclass
from typing import Any

import pytest

import gradline as gl
from gradline.autodiff.tape import UserLoss
from gradline.autodiff.tapes import tape_for
from gradline.cluster.packing import Absent, Opener, Packer, is_own

SETTINGS = [1.0]


def own(y, prediction):
    import jax.numpy as jnp

    return jnp.square(y - prediction) * SETTINGS[0]


@dataclass(frozen=True)
class Job:
    loss: Any
    step: int
    encoder: Any = None
    name = "job"

    @property
    def lasting(self):
        return (self.encoder,)

    def __call__(self, chunk):
        return chunk


def test_a_loss_is_one_object_on_a_worker_and_is_compiled_once():
    packer, opener, loss = Packer(), Opener(), UserLoss(own, None, "row", 1, 1)
    first, second = (opener.open(packer.pack(Job(loss, step))) for step in range(2))
    assert (first.step, second.step) == (0, 1)
    assert first.loss is second.loss
    assert first.loss is not loss
    # The function refers to a list, of which nobody could tell whether it changes; a copy's does not.
    assert tape_for(first.loss, "jax") is tape_for(second.loss, "jax")
    assert tape_for(loss, "jax") is not tape_for(loss, "jax")


def test_lasting_parts_go_once():
    packer, opener, encoder = Packer(), Opener(), {"levels": list(range(50_000))}
    first, second = (packer.pack(Job(None, step, encoder)) for step in range(2))
    assert first.parts == second.parts
    assert first.job.size < 20_000 < 100_000 < first.parts[0].size
    bare = second.bare(2**16)
    with pytest.raises(Absent) as absent:
        opener.open(bare)
    assert absent.value.digests == (first.parts[0].digest,)
    opened = opener.open(first)
    assert opener.open(bare).encoder is opened.encoder


def test_an_opener_forgets_the_oldest():
    packer, opener = Packer(), Opener(kept=2)
    jobs = [packer.pack(Job(None, step)) for step in range(3)]
    for job in jobs:
        opener.open(job)
    with pytest.raises(Absent):
        opener.open(jobs[0].bare(0))
    assert opener.open(jobs[2].bare(0)).step == 2


def test_modules_of_ones_own_go_by_value(tmp_path, monkeypatch):
    (tmp_path / "my_helpers.py").write_text("def half(x):\n    return 0.5 * x\n")
    (tmp_path / "my_losses.py").write_text("import my_helpers\n\ndef late(y, p):\n    return my_helpers.half((y - p) ** 2)\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("my_losses")
    assert is_own(module)
    assert not is_own(gl)
    assert not is_own(pytest)
    packed = Packer().pack(Job(module.late, 0))
    for name in ("my_losses", "my_helpers"):
        monkeypatch.delitem(sys.modules, name)
        (tmp_path / f"{name}.py").unlink()
    importlib.invalidate_caches()
    assert Opener().open(packed).loss(3.0, 1.0) == 2.0


def test_what_cannot_be_sent_is_named():
    import threading

    lock = threading.Lock()

    class Holder:
        def __init__(self):
            self.lock = lock

    def held(y, prediction):
        return lock

    shared = multiprocessing.Lock()

    def held_by_processes(y, prediction):
        return shared

    for job, told in (
        (Job(held_by_processes, 0), "the function 'held_by_processes' cannot be sent to workers: it refers to 'shared._semlock'"),
        (Job(held, 0), "the function 'held' cannot be sent to workers: it refers to 'lock'"),
        (Job(Holder(), 0), "cannot be sent to workers: it refers to 'loss.lock'"),
    ):
        with pytest.raises(gl.ClusterError, match=told):
            Packer().pack(job)
