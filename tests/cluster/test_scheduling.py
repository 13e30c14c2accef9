"""The driver's loop, on workers that are simulated: order, faults, blame, deadlines, and nothing left behind."""

import random

import pytest
import simulated
from hypothesis import given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.cluster.scheduling import Avoided, Loop, Patience


def loop_over(seam, count, patience=Patience(), **options):
    return Loop(seam, [simulated.Task(i) for i in range(count)], patience, Avoided(), seam.clock, **options)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 60), st.integers(0, 2**32), st.floats(0, 0.3))
def test_outcomes_come_in_order_whatever_happens(workers, count, seed, deadly):
    draw = random.Random(seed)
    clock = simulated.Clock()
    seam = simulated.Seam(clock, workers, lambda number: draw.expovariate(1.0), restart=3.0)
    for _ in range(int(deadly * count)):
        clock.at(draw.uniform(0, count / workers), lambda: seam.workers and draw.choice(list(seam.workers.values())).die())
    loop = loop_over(seam, count)
    try:
        found = list(loop.outcomes())
    except gl.ClusterError as error:
        # Deaths at random may hit one task three times, the last of them alone.
        found = list(range(count)) if "died over part" in str(error) else str(error)
    assert found == list(range(count))


def test_a_bounded_number_is_handed_out():
    clock = simulated.Clock()
    slow = {0: 100.0}
    seam = simulated.Seam(clock, 2, lambda number: slow.get(number, 1.0))
    outcomes = loop_over(seam, 50, ahead=4).outcomes()
    assert next(outcomes) == 0
    # All that went on while the first was awaited: four for each of two threads.
    assert max(number for _, _, (number,) in seam.began) <= 8


def test_a_lost_worker_costs_no_more_than_its_task():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 4, lambda number: 1.0)
    clock.at(5.5, lambda: next(iter(seam.workers.values())).die())
    assert list(loop_over(seam, 40).outcomes()) == list(range(40))
    # 40 tasks on four workers take 10 s; on three from 5.5 s on, 12 s with the one that was lost.
    assert clock.time <= 13.0


def test_the_task_that_kills_is_the_one_that_is_blamed():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 3, lambda number: None if number == 17 else 1.0, restart=2.0)
    with pytest.raises(gl.ClusterError, match="workers died over part 17, the last with nothing else to do"):
        list(loop_over(seam, 40).outcomes())
    assert [number for _, _, (number,) in seam.began].count(17) == 3


def test_innocent_neighbours_of_a_killer_are_read_in_the_end():
    clock = simulated.Clock()
    left = {7: 2}

    def seconds(number):
        if left.get(number, 0):
            left[number] -= 1
            return None
        return 1.0

    seam = simulated.Seam(clock, 2, seconds, restart=1.0)
    assert list(loop_over(seam, 20).outcomes()) == list(range(20))


def test_no_worker_for_a_while_is_an_error():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0)
    clock.at(3.5, lambda: [worker.die() for worker in list(seam.workers.values())])
    with pytest.raises(gl.ClusterError, match="no worker for 30 s, with part 6 still to read"):
        list(loop_over(seam, 20).outcomes())
    assert 33.0 < clock.time < 35.0


def test_workers_that_come_back_in_time_go_on():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0, restart=20.0)
    clock.at(3.5, lambda: [worker.die() for worker in list(seam.workers.values())])
    assert list(loop_over(seam, 20).outcomes()) == list(range(20))


def test_a_stopped_worker_is_done_without():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0)

    clock.at(2.5, next(iter(seam.workers.values())).stop)
    assert list(loop_over(seam, 20, Patience(deadline=60.0)).outcomes()) == list(range(20))
    # What the stopped worker held waits for its deadline; what follows goes to the other.
    assert 60.0 < clock.time < 85.0
    late = [name for time, name, _ in seam.began if time > 70.0]
    assert set(late) <= {"worker-1"}


def test_all_stopped_is_an_error():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0)
    clock.at(2.5, lambda: [worker.stop() for worker in seam.workers.values()])
    with pytest.raises(gl.ClusterError, match=r"no answer to part .* within 60 s, three times"):
        list(loop_over(seam, 20, Patience(deadline=60.0)).outcomes())


def test_time_that_others_take_is_no_delay():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0)
    for worker in seam.workers.values():
        worker.belongs_to_others(seconds=500.0)
    assert list(loop_over(seam, 20, Patience(deadline=60.0)).outcomes()) == list(range(20))
    assert [number for _, _, (number,) in seam.began] == list(range(20))
    assert clock.time == 510.0


def test_a_worker_that_stops_beside_one_that_others_use_is_done_without():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0)
    stopped, used = seam.workers.values()
    used.belongs_to_others(seconds=500.0)
    clock.at(0.5, stopped.stop)
    assert list(loop_over(seam, 20, Patience(deadline=60.0)).outcomes()) == list(range(20))
    assert clock.time < 530.0


def test_time_that_others_took_stretches_no_deadline():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0)
    stopped, used = seam.workers.values()
    for worker in (stopped, used):
        worker.belongs_to_others(seconds=500.0)
    clock.at(505.5, stopped.stop)
    assert list(loop_over(seam, 20, Patience(deadline=60.0)).outcomes()) == list(range(20))
    # Three times the slowest task, which has waited for 500 seconds, would be 25 minutes.
    assert clock.time < 600.0


def test_whoever_asks_no_further_leaves_no_task():
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0)
    outcomes = loop_over(seam, 20).outcomes()
    next(outcomes)
    outcomes.close()
    assert seam.cancelled == 3
    assert not any(worker.queue for worker in seam.workers.values())


def test_an_interrupt_leaves_no_task(monkeypatch):
    clock = simulated.Clock()
    seam = simulated.Seam(clock, 2, lambda number: 1.0)

    def interrupt():
        raise KeyboardInterrupt

    clock.at(4.5, interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(loop_over(seam, 20).outcomes())
    assert seam.cancelled == 4
