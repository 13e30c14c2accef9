"""Tables on their way into a fit: a formula learned, rows held in memory where they are few and read anew at each pass where not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.formulas.encoder import FormulaDesign, FormulaOffset, FormulaTargets
from gradline.formulas.formula import Encoder
from gradline.losses.arguments import LossArgument, as_loss
from gradline.losses.own_loss import joint_message
from gradline.losses.protocol import Loss, UnboundLoss
from gradline.preparing.formula_arguments import check_pairs, formula_for, mask_of, notes_on_blank_text, notes_on_levels
from gradline.preparing.from_arrays import Prepared, idle_rows, spread_offset, without_idle_targets
from gradline.preparing.order import with_labels, with_order
from gradline.preparing.table_clusters import ClusterColumns, group_columns
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.fingerprint import MODULUS, fingerprint
from gradline.rows.kernel import Kernel
from gradline.solvers.protocol import BeginsWithMoments, Solver
from gradline.tables.encoders import PlainEncoder, PlainValues, RowValues
from gradline.tables.progress import watching
from gradline.tables.rows import TableRows
from gradline.tables.sources.renamed import composed_names
from gradline.tables.table import Table, open_table

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.formulas.absorbed import AbsorbedTerm

MOST_HELD = 2**23
"""Numbers that are held in memory, 64 MiB: every solver then works, and passes cost no reading."""

MOST_AHEAD = 500
"""Columns up to which a pass takes other sums along than moments: they may be many times as large."""


@contextmanager
def watched_table(
    formula: Any,
    data: Any,
    target: Any,
    *,
    features: Any,
    missing: Any,
    where: str | None,
    query: str | None,
    database: Any,
    loss: LossArgument,
    prediction: Callable[[Any], Any] | None,
    backend: str | None,
    weights: Any,
    frequencies: Any,
    offset: Any,
    intercept: Any,
    groups: Any,
    solver: str | Solver,
    progress: bool | None,
    absorbed: tuple[AbsorbedTerm, ...] = (),
    ahead: Kernel[Any] | None = None,
) -> Iterator[Prepared]:
    """A table's rows and a loss that go together; a bar counts rows for as long as the context lasts. Raises as ``gradline.fit`` says.

    ahead: what squared loss is going to sum first, which the first pass over rows that are not held takes along; their moments unless
    given.
    """
    for keyword, given in (("weights", weights), ("frequencies", frequencies), ("offset", offset)):
        if given is not None and not isinstance(given, str):
            raise ArgumentTypeError(
                f"{keyword}= names a column where the data is a table, and this is {type(given).__name__}; put it into the table first"
            )
    if missing not in (None, "drop", "error"):
        raise ArgumentError(f'missing must be "drop" or "error", not {missing!r}')
    if not isinstance(intercept, bool | np.bool_):
        raise ArgumentTypeError(f"intercept must be True or False, not {intercept!r}")
    unbound = as_loss(loss, prediction, backend)
    if isinstance(formula, Mapping):
        unbound = unbound.with_own_formulas()
    target, features, weights, frequencies, offset = (composed_names(given) for given in (target, features, weights, frequencies, offset))
    opened = open_table(data, query=query, database=database, where=where)
    if unbound.takes_order:
        formula = with_order(formula, opened)
    elif unbound.takes_labels:
        formula = with_labels(formula, opened)
    read = formula_for(opened, formula, target, features, unbound, offset, bool(intercept))
    labels = () if groups is None else composed_names(group_columns(groups))
    single = [*(name for name in (weights, frequencies) if name is not None), *labels]
    opened.check_columns(single)
    if absorbed:
        from gradline.preparing.absorbed_columns import check_terms, columns_read

        check_terms(opened, absorbed)
        single += columns_read(absorbed)
    with watching("reading rows", progress) as meter:
        table = opened.restricted([*read.columns, *single]).counted_by(meter)
        encoder = read.learn(table)
        blanks = notes_on_blank_text(encoder, table)
        source = TableSource(table, encoder, weights, frequencies, missing or "drop")
        if absorbed:
            prepared = _prepare_absorbed(source, unbound, absorbed, labels)
            yield replace(prepared, notes=(*prepared.notes, *blanks))
            return
        prepared = _prepare(source, unbound, ahead=(ahead,) if _begins_with_moments(solver) else None)
        check_pairs(formula, prepared.loss)
        clusters = ClusterColumns(source, labels) if labels else None
        yield replace(prepared, notes=(*prepared.notes, *blanks, *notes_on_levels(encoder, prepared.used)), clusters=clusters)


@dataclass(frozen=True)
class TableSource:
    """A table with the formula learned from it, and the columns beside the formula. missing: as for ``TableRows``."""

    table: Table
    encoder: Encoder
    weights: str | None
    frequencies: str | None
    missing: Any

    def rows(
        self, n_predictors: int = 1, *, missing: Any = None, targets: RowValues | None = None, constant: tuple[bool, ...] = ()
    ) -> TableRows:
        """The rows; n_predictors: what one formula's offset is repeated for, but those that are constant. targets: in place of the
        formula's."""
        encoder, table = self.encoder, self.table
        features = encoder.names[int(encoder.intercept) :]
        options = {"weights": self.weights, "frequencies": self.frequencies, "missing": missing or self.missing}
        if encoder.plain and all(name in table.columns for name in (*features, *encoder.target_names)):
            # Columns taken as they are need no evaluating, only copying.
            return TableRows(table, PlainEncoder(features, encoder.intercept), targets or PlainValues(encoder.target_names), **options)
        offset: RowValues | None = FormulaOffset(encoder) if any(encoder.offsets) else None
        if offset is not None and offset.n_values < n_predictors:
            offset = _Repeated(offset, n_predictors, constant)
        return TableRows(table, FormulaDesign(encoder), targets or FormulaTargets(encoder), offset=offset, **options)

    @property
    def weighted(self) -> bool:
        return self.weights is not None or self.frequencies is not None

    @property
    def row_columns(self) -> dict[str, str | None]:
        """The columns beside the formula, for whoever needs the rows again."""
        return {name: column for name, column in (("weights", self.weights), ("frequencies", self.frequencies)) if column is not None}


@dataclass(frozen=True)
class _Repeated:
    """One column of values for each of several linear predictors."""

    one: RowValues
    n_values: int
    constant: tuple[bool, ...] = ()

    @property
    def columns(self) -> Any:
        return self.one.columns

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        return spread_offset(self.one.values(batch, first_row), self.n_values, self.constant)


def _begins_with_moments(solver: str | Solver) -> bool:
    """Whether squared loss is likely to be solved by a pass of second moments first."""
    return solver == "auto" or (isinstance(solver, BeginsWithMoments) and solver.begins_with_moments)


def _prepare(source: TableSource, unbound: UnboundLoss, *, ahead: tuple[Kernel[Any] | None] | None) -> Prepared:
    rows = source.rows()
    held = rows.as_arrays(MOST_HELD)
    prepared = _streamed(source, rows, unbound, ahead) if held is None else _in_memory(source, rows, held, unbound)
    mask = mask_of(source.encoder, prepared.loss)
    return replace(prepared, mask=mask, notes=rows.notes)


def _prepare_absorbed(source: TableSource, unbound: UnboundLoss, terms: tuple[AbsorbedTerm, ...], clusters: tuple[str, ...]) -> Prepared:
    from gradline.preparing.absorbed_columns import AbsorbedReader

    reader = AbsorbedReader(source, terms, clusters)
    found = reader.in_memory()
    if found is not None:
        held, columns = found
        return replace(_in_memory(source, reader.rows, held, unbound), notes=reader.rows.notes, absorbed=columns)
    if source.table.engine is not None:
        raise ArgumentError(
            "absorbed levels (| in the formula) are taken out in passes of one process, which holds the levels: leave cluster= out; rows"
            " are read anew at each pass, and need not fit in memory"
        )
    prepared = _streamed(source, reader.rows, unbound, ahead=None)
    return replace(prepared, notes=reader.rows.notes, absorbed=reader.in_passes())


def _in_memory(source: TableSource, rows: TableRows, held: ArrayRows, unbound: UnboundLoss) -> Prepared:
    held.targets = without_idle_targets(held.targets, held.weights, held.frequencies)
    unbound = unbound.resolve(held.targets.max(axis=0))
    k = unbound.n_predictors(held.n_targets)
    if held.offset is not None and held.offset.shape[1] < k:
        held.offset = spread_offset(held.offset, k, unbound.intercept_only)
    try:
        loss = unbound.bind(held.targets, held.offset)
    except ValueError:
        if _refused(unbound, held.targets):
            _point_at_target(source, unbound)
        raise
    weights = held.row_weights
    used = held.n_rows if weights is None else int(np.count_nonzero(weights))
    own = fingerprint(held.targets, held.weights, held.frequencies, held.offset)
    return _of(source, rows, held, loss, used, own)


def _streamed(source: TableSource, rows: TableRows, unbound: UnboundLoss, ahead: tuple[Kernel[Any] | None] | None) -> Prepared:
    """One pass that checks and counts; squared loss takes its moments from the same pass."""
    fixed = unbound if unbound.is_resolved else None
    kernel = _TargetsKernel(fixed)
    try:
        if ahead is not None and fixed is not None and fixed.squared_scale() is not None and not _coded(source.encoder):
            from gradline.solvers.least_squares.second_moments import MomentsKernel

            given = ahead[0] if rows.n_columns <= MOST_AHEAD else None
            rows.prepare(kernel, MomentsKernel() if given is None else given)
        facts = rows.reduce(kernel)
        if fixed is None:
            unbound = unbound.resolve(facts.highest)
            rows.reduce(_TargetsKernel(unbound))
    except _TargetError as error:
        _point_at_target(source, error.loss)
        raise ArgumentError(str(error)) from None
    if facts.used == 0:
        raise ArgumentError("weights times frequencies is zero in every row; at least one row must count")
    k = unbound.n_predictors(rows.n_targets)
    found: int | None = facts.fingerprint
    if any(source.encoder.offsets) and len(source.encoder.predictors) < k:
        # The offset is one for each linear predictor now, and was hashed as one.
        rows, found = source.rows(k, constant=unbound.intercept_only), None
    if unbound.rows_to_bind:
        block = rows.sample(unbound.rows_to_bind).without_zero_weights()
        loss = unbound.bind(block.targets, block.offset)
    else:
        # Every row's targets are checked already: any will do.
        loss = unbound.bind(facts.highest[None, :])
    if loss.joint:
        raise ArgumentError(f"{source.table.name} is too large to be held in memory; {joint_message(loss.name)}")
    return _of(source, rows, rows, loss, facts.used, found)


def _of(
    source: TableSource, table_rows: TableRows, rows: ArrayRows | TableRows, loss: Loss, used: int, fingerprint: int | None = None
) -> Prepared:
    encoder = source.encoder
    dropped = {f"{column} missing": count for column, count in table_rows.rows_dropped.items()}
    idle = rows.n_rows - used + table_rows.rows_idle
    if idle:
        dropped["weight zero"] = idle
    return Prepared(
        rows,
        loss,
        encoder.names,
        encoder.target_names,
        used,
        dropped,
        True,
        source.weighted,
        encoder,
        streamed=rows.source_name,
        engine=source.table.engine,
        row_columns=source.row_columns,
        fingerprint=fingerprint,
    )


def _coded(encoder: Encoder) -> bool:
    """Whether a categorical is kept as codes."""
    return encoder.row_numbers < encoder.n_columns


class _TargetError(ValueError):
    """A target outside the loss's domain, found somewhere in a block."""

    def __init__(self, message: str, loss: UnboundLoss) -> None:
        super().__init__(message)
        self.loss = loss

    def __reduce__(self) -> Any:
        return type(self), (str(self), self.loss)


class _TargetFacts(NamedTuple):
    """highest (q,): the largest targets of the rows that count, of which there are ``used``; fingerprint: of all rows."""

    highest: Array
    used: int
    fingerprint: int


@dataclass(frozen=True)
class _TargetsKernel(Kernel[_TargetFacts]):
    """Checks the targets of rows that count against the loss's domain, where the loss is known; finds the largest and counts."""

    loss: UnboundLoss | None

    def map(self, block: Block) -> _TargetFacts:
        idle = idle_rows(block.weights, block.frequencies)
        targets = block.targets if idle is None else block.targets[~idle]
        if self.loss is not None and len(targets):
            try:
                self.loss.check_targets(targets)
            except ValueError as error:
                raise _TargetError(str(error), self.loss) from None
        own = fingerprint(block.targets, block.weights, block.frequencies, block.offset)
        return _TargetFacts(targets.max(axis=0, initial=-np.inf), len(targets), own)

    def merge(self, first: _TargetFacts, second: _TargetFacts) -> _TargetFacts:
        both = (first.fingerprint + second.fingerprint) % MODULUS
        return _TargetFacts(np.maximum(first.highest, second.highest), first.used + second.used, both)


@dataclass(frozen=True)
class _TargetRowsKernel:
    """The targets of each row, NaN where a row counts for nothing."""

    def map(self, block: Block) -> Array:
        idle = idle_rows(block.weights, block.frequencies)
        return block.targets if idle is None else np.where(idle[:, None], np.nan, block.targets)


def _point_at_target(source: TableSource, loss: UnboundLoss) -> None:
    """Raises the error that names the row of the table, rows left out included, where the first target is outside the loss's domain."""
    first = 0
    for targets in source.rows(missing="keep").iterate(_TargetRowsKernel()):
        present = np.flatnonzero(~np.isnan(targets).any(axis=1))
        if _refused(loss, targets[present]):
            low, high = 0, len(present)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if _refused(loss, targets[present[low:middle]]) else (middle, high)
            try:
                loss.check_targets(targets[present[low : low + 1]], first + int(present[low]))
            except ValueError as error:
                names = ", ".join(map(repr, source.encoder.target_names))
                raise ArgumentError(f"target {names} of {source.table.name}, {error}") from None
        first += len(targets)


def _refused(loss: UnboundLoss, targets: Array) -> bool:
    if not len(targets):
        return False
    try:
        loss.check_targets(targets)
    except ValueError:
        return True
    return False
