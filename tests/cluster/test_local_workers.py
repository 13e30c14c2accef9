"""Workers that `gl.Cluster.local` starts: what they are, what they leave behind, and what is said where they do not start."""

import _thread
import logging
import os
import subprocess
import sys
import threading

import dask
import distributed
import distributed.gc
import numpy as np
import psutil
import pytest
from faulty import page_faults
from many_parts import until

import gradline as gl


def alive(pid):
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def log_levels():
    return [handler.level for handler in logging.getLogger("distributed").handlers]


def test_local_workers_end_with_their_cluster(folder):
    before, watching = dask.config.get("distributed"), distributed.gc._gc_diagnosis_users
    with gl.Cluster.local(np.int64(2)) as cluster:
        client = cluster._engine.seam.dask_client
        running = sorted(client.run(os.getpid).values())
        assert len(running) == 2
        assert repr(cluster) == "Cluster(Client, 2 threads)"
        # An interrupt that came while it ran was lost.
        assert distributed.gc._gc_diagnosis_users == watching
        addresses = list(cluster._engine.seam._workers())
        assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)
        gl.fit("y ~ x + z", folder, cluster=cluster)
        # Dask has its workers hand back what is freed at once; a pass keeps it for its next block.
        assert max(client.run(page_faults).values()) < 5_000
    until(lambda: not any(alive(pid) for pid in running))
    with pytest.raises(gl.ClusterError, match="the cluster is closed"):
        cluster.check()
    assert distributed.gc._gc_diagnosis_users == watching
    assert dask.config.get("distributed") == before


@pytest.mark.parametrize("first", [0, 1])
def test_two_clusters_are_closed_in_any_order(first):
    timeout = "distributed.deploy.lost-worker-timeout"
    before, levels = dask.config.get("distributed"), log_levels()
    clusters = [gl.Cluster.local(1), gl.Cluster.local(1)]
    clusters[first].close()
    # The other still needs it.
    assert dask.config.get(timeout) == "1d"
    clusters[1 - first].close()
    assert dask.config.get("distributed") == before
    assert log_levels() == levels


def test_what_the_user_configures_meanwhile_stays():
    with gl.Cluster.local(1):
        setting = dask.config.set({"distributed.deploy.lost-worker-timeout": "7s"})
    with setting:
        assert dask.config.get("distributed.deploy.lost-worker-timeout") == "7s"


@pytest.mark.usefixtures("interrupts_arrive")
def test_an_interrupt_while_workers_start_leaves_none_behind():
    before, children = dask.config.get("distributed"), psutil.Process().children(recursive=True)

    def begun():
        return [child for child in psutil.Process().children(recursive=True) if child not in children and works(child)]

    def works(child):
        try:
            return "resource_tracker" not in " ".join(child.cmdline()) and alive(child.pid)
        except psutil.NoSuchProcess:
            return False

    def interrupt():
        # A worker's process has begun and has not come up.
        until(begun)
        _thread.interrupt_main()

    watching = threading.Thread(target=interrupt)
    watching.start()
    with pytest.raises(KeyboardInterrupt):
        gl.Cluster.local(1)
    watching.join()
    until(lambda: not begun())
    assert dask.config.get("distributed") == before


def test_dask_is_configured_as_before_where_workers_do_not_start(monkeypatch):
    def fails(**how):
        assert dask.config.get("distributed.deploy.lost-worker-timeout") == "1d"
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(distributed, "LocalCluster", fails)
    before = dask.config.get("distributed")
    with pytest.raises(gl.ClusterError, match=r"did not start \(Nanny failed to start\); a script starts workers under \"if __name__"):
        gl.Cluster.local(2)
    assert dask.config.get("distributed") == before


def test_a_script_without_a_guard_is_told_of_it(tmp_path):
    (tmp_path / "script.py").write_text("import gradline as gl\ngl.Cluster.local(1)\n")
    done = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "under \"if __name__ == '__main__':\", since Python has each new process import the script" in done.stderr
