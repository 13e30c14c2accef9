"""The coefficients as a table that any data-frame library takes."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.types import Array
from gradline.summary.content import shown_coefficients
from gradline.summary.uncertainty import uncertainty_of

if TYPE_CHECKING:
    from gradline.model.record import Model

_TYPES = {"predictor": "string", "name": "string", "left_out": "bool_"}
"""Arrow types; every other column holds float64."""


@dataclass(frozen=True, eq=False)
class CoefficientTable:
    """A row for each coefficient; columns maps names to lists of one length, None where there is no value.

    ``table["name"]`` is a column; ``for row in table`` gives the rows, named tuples. Anything that reads rows or the Arrow stream interface
    takes it as it is: ``pandas.DataFrame(table)``, ``polars.DataFrame(table)``, ``pyarrow.table(table)``, ``duckdb.from_arrow(table)``.

    predictor: the linear predictor. name: of the design column. coefficient. digits: significant ones claimed. left_out: whether the
    column was left out of the model as aliased. With standard errors also standard_error, statistic, p_value, lower and upper, the ends
    of the 95% interval; before them estimate, what they are about, where that is not the coefficient (debiased and selective).
    """

    columns: Mapping[str, list[Any]]

    def to_dict(self) -> dict[str, list[Any]]:
        """Column names to lists of Python values."""
        return {name: list(values) for name, values in self.columns.items()}

    def to_pandas(self) -> Any:
        """A pandas.DataFrame, NaN where there is no value. Raises ImportError without pandas."""
        import pandas

        return pandas.DataFrame(
            {name: values if name in _TYPES else np.array(values, dtype=np.float64) for name, values in self.columns.items()}
        )

    def to_arrow(self) -> Any:
        """A pyarrow.Table. Raises ImportError without pyarrow."""
        try:
            import pyarrow
        except ImportError:
            raise ImportError('Arrow tables need pyarrow; run: pip install "gradline[tables]"') from None
        return pyarrow.table(
            {name: pyarrow.array(values, getattr(pyarrow, _TYPES.get(name, "float64"))()) for name, values in self.columns.items()}
        )

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __getitem__(self, name: str) -> list[Any]:
        return list(self.columns[name])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows, with NaN where there is no number: pandas makes its frame of them, with the names of the columns."""
        row = namedtuple("Coefficient", self.columns)  # type: ignore[misc]
        held = (values if name in _TYPES else (math.nan if v is None else v for v in values) for name, values in self.columns.items())
        return (row(*values) for values in zip(*held, strict=True))

    def __len__(self) -> int:
        """Rows."""
        return len(self.columns["name"])


def coefficient_table(fit: Model) -> CoefficientTable:
    """The table of a fit's coefficients, linear predictor by linear predictor."""
    shape = fit.solution.coefficients.shape
    places = [(i, j) for j in range(shape[1]) for i in shown_coefficients(fit, j)]

    def numbers(values: Array | None) -> list[float | None]:
        if values is None:
            return [None] * len(places)
        table = np.reshape(values, shape)
        return [None if math.isnan(table[place]) and place[0] in fit.solution.aliased else float(table[place]) for place in places]

    columns: dict[str, list[Any]] = {
        "predictor": [fit.predictor_names[j] for _, j in places],
        "name": [fit.names[i] for i, _ in places],
        "coefficient": numbers(fit.coefficients),
        "digits": numbers(fit.digits),
        "left_out": [i in fit.solution.aliased for i, _ in places],
    }
    uncertainty = uncertainty_of(fit)
    if uncertainty is not None:
        columns |= {} if uncertainty.estimates is None else {"estimate": numbers(uncertainty.estimates)}
        columns |= {
            "standard_error": numbers(uncertainty.standard_errors),
            "statistic": numbers(uncertainty.statistics),
            "p_value": numbers(uncertainty.p_values),
            "lower": numbers(uncertainty.lower),
            "upper": numbers(uncertainty.upper),
        }
    return CoefficientTable(columns)
