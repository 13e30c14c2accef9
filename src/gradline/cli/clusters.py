"""What ``--cluster`` stands for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradline.cluster.cluster import Cluster
    from gradline.tables.table import Table


@contextmanager
def opened_cluster(address: str | None) -> Iterator[Cluster | None]:
    """The workers at ``tcp://host:8786``, or those of ``local:4``, which end with the context; None where none are asked for."""
    if address is None:
        yield None
        return
    from gradline.base.errors import ArgumentError
    from gradline.cli.options import usage
    from gradline.cluster.cluster import Cluster

    try:
        cluster = Cluster.connect(address)
    except ArgumentError as error:
        raise usage(f"--cluster: {error}") from None
    with cluster:
        yield cluster


def table_on(cluster: Cluster | None, data: Any, **how: Any) -> Table:
    """The table, whose rows the workers read where there are any."""
    from gradline.tables.table import open_table

    return open_table(data, **how) if cluster is None else cluster.table(data, **how)
