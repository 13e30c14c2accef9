"""What the terms of a formula know of their shape, for constraints that hold a curve monotone or convex.

A spline's derivative is a spline of one degree less on the same knots, and is at least zero everywhere where its coefficients are (de
Boor 1978, A Practical Guide to Splines, chapters X and XI); a polynomial's on an interval where its coefficients in Bernstein's basis are
(Farouki 2012, Computer Aided Geometric Design 29). A natural cubic spline is convex where its second derivatives at the knots are at
least zero. A category with an order rises where no level's effect is below that of the level before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.base.words import nearest
from gradline.constraints.shapes import TermShape, differences
from gradline.formulas.contrasts import Level
from gradline.formulas.encoder import Encoder
from gradline.formulas.expressions import Column, Together
from gradline.formulas.factors import BasisFactor, CategoricalFactor, ReadFactor, factor_columns
from gradline.formulas.grammar import CURVES
from gradline.formulas.groups import Group
from gradline.formulas.learner import State
from gradline.formulas.splines.basis import cubic_spline
from gradline.formulas.splines.penalised import Centring, is_centred, sizes_of
from gradline.formulas.transforms.polynomials import apply_polynomials

NO_PRODUCTS = "it is an interaction, whose curve is another at each value of the other column"

COMPUTED = "it is a curve of a computed value; say what is meant by its own name, {!r}"


@dataclass(frozen=True)
class _Curve:
    """rising, bending: rows over the columns of a basis before any is left out; None with a reason."""

    rising: Array | None
    bending: Array | None
    reason: str = ""
    steps: Callable[[int, int], str] = lambda row, order: f"in piece {row + 1}"


def shapes_of(
    encoder: Encoder, variable: str, order: Sequence[str] | None, within: tuple[float, float] | None, along: int | None = None
) -> list[TermShape]:
    """The terms with a shape that have a column of the data, by its name, or that are written like that; none where it is a plain column.
    A curve for each level of a category has one for each. along: the number of the column of a surface that is written like that.

    Raises ArgumentError for levels without an order, and for a polynomial without a range.
    """
    found, first = list[TermShape](), int(encoder.intercept)
    for group in encoder.groups:
        columns = tuple(range(first, first + len(group.names)))
        first += len(group.names)
        factors = [(encoder.factors[name], reduced) for name, reduced in group.factors]
        term = ":".join(name for name, _ in group.factors)
        if not any(
            variable in (term, factor.name, without_options(factor.name)) or variable in factor_columns(factor) for factor, _ in factors
        ):
            continue
        factor = factors[0][0]
        curve = None
        named = variable in (factor.name, without_options(factor.name)) or variable in factor_columns(factor)
        if isinstance(factor, BasisFactor) and factor.node.transform in CURVES and named:
            curve = _penalised(factor, encoder.states[factor.node.key], variable, along)
            if len(factors) > 1:
                found += _of_levels(encoder, factor, factors[1][0], columns, variable, curve)
                continue
        if len(factors) > 1:
            found.append(TermShape(term, columns, None, None, reason=NO_PRODUCTS))
            continue
        if not isinstance(factor, BasisFactor | CategoricalFactor):
            continue
        found.append(_term_shape(term, columns, curve or _curve(encoder, factor, group, variable, order, within)))
    return found


def _term_shape(term: str, columns: tuple[int, ...], curve: _Curve) -> TermShape:
    rising, bending = (None if rows is None else _over_columns(rows, len(columns)) for rows in (curve.rising, curve.bending))
    return TermShape(
        term,
        columns,
        rising,
        bending,
        tuple(curve.steps(row, 1) for row in range(0 if rising is None else len(rising))),
        tuple(curve.steps(row, 2) for row in range(0 if bending is None else len(bending))),
        curve.reason,
    )


def _of_levels(
    encoder: Encoder, factor: BasisFactor, by: ReadFactor, columns: tuple[int, ...], variable: str, curve: _Curve
) -> list[TermShape]:
    """Of a curve with by=: one for each level of a category; of a column of numbers the curve that multiplies it, by its own name only."""
    if not isinstance(by, CategoricalFactor):
        if variable not in (factor.name, without_options(factor.name)):
            why = (
                f"it is multiplied by {by.name}, whose sign decides which way it goes; hold the curve itself, which is the slope of"
                f" {by.name}, by its name {factor.name!r}"
            )
            return [TermShape(factor.name, columns, None, None, reason=why)]
        return [_term_shape(factor.name, columns, curve)]
    levels = encoder.levels[by.name]
    width = len(columns) // len(levels)
    parts = [columns[number * width : (number + 1) * width] for number in range(len(levels))]
    return [_term_shape(f"{factor.name}[{level}]", own, curve) for level, own in zip(levels, parts, strict=True)]


def without_options(name: str) -> str:
    """s(x, k=20) without its options: s(x)."""
    inside, bracket, rest = name.rpartition(")")
    # Commas within brackets are of a list: te(x, z, k=[8, 6]).
    parts, depth = [""], 0
    for place, letter in enumerate(inside):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 1:
            parts.append("")
        elif not (letter == " " and inside[place - 1] == "," and depth == 1):
            parts[-1] += letter
    return ", ".join(part for part in parts if "=" not in part) + bracket + rest


def _over_columns(rows: Array, count: int) -> Array:
    """Over the columns that the design has: a basis that leaves one out leaves out its first."""
    return rows[:, rows.shape[1] - count :]


def _curve(
    encoder: Encoder,
    factor: ReadFactor,
    group: Group,
    variable: str,
    order: Sequence[str] | None,
    within: tuple[float, float] | None,
) -> _Curve:
    if isinstance(factor, CategoricalFactor):
        return _levels(factor, encoder.levels[factor.name], group, order)
    assert isinstance(factor, BasisFactor)
    options, state = factor.node.settings, encoder.states[factor.node.key]
    if variable not in (factor.name, without_options(factor.name)) and not isinstance(factor.node.argument, Column):
        return _Curve(None, None, COMPUTED.format(factor.name))
    transform = factor.node.transform
    if transform == "bs":
        return _basis_spline(np.asarray(state["knots"]), int(options["degree"]))
    if transform in ("cr", "cs"):
        return _natural_spline(np.asarray(state["knots"]), state["constraints"])
    if transform == "poly":
        if within is None:
            raise ArgumentError(
                f"{factor.name} is monotone or convex on a range only: give its ends, as in"
                f' gl.constraints.monotone("{factor_columns(factor)[0]}", "increasing", within=(0, 10))'
            )
        return _polynomial(lambda x: apply_polynomials(x, options, state, factor.name), int(options["degree"]), within)
    return _Curve(None, None, "a cyclic spline comes back to where it began" if transform == "cc" else f"{transform}() has no such shape")


def _basis_spline(knots: Array, degree: int) -> _Curve:
    """Of the coefficients of all B-splines; f' = sum d (c_j - c_j-1) / (t_j+d - t_j) B_j of degree d - 1."""
    count = len(knots) - degree - 1
    if degree == 0:
        return _Curve(np.diff(np.eye(count), axis=0), None, "a spline of degree 0 is a staircase, which bends nowhere")
    first = _derivative(np.eye(count), knots, degree)
    second = _derivative(first, knots[1:-1], degree - 1) if degree > 1 else _slopes_rise(first, knots, degree)

    def steps(row: int, order: int) -> str:
        return f"in piece {row + 1}"

    # Units of the column must not decide about digits.
    return _Curve(_unit(first), _unit(second), "", steps)


def _penalised(factor: BasisFactor, state: State, variable: str, along: int | None) -> _Curve:
    """Of the columns of a curve with a penalty, or a surface: differences of its splines' coefficients, whose knots are evenly spaced,
    along one of its columns at each spline of the others.

    At any place of the others their splines weigh with at least zero, so that the surface rises along the one where its curve at each
    of their splines does. Beyond the data lines go on, whose weights may be negative.
    """
    options = factor.node.settings
    argument = factor.node.argument
    parts = argument.parts if isinstance(argument, Together) else (argument,)
    if variable in (factor.name, without_options(factor.name)):
        axes = list(range(len(parts))) if along is None else [along]
    else:
        axes = [axis for axis, part in enumerate(parts) if isinstance(part, Column) and part.name == variable]
        if not axes:
            return _Curve(None, None, COMPUTED.format(factor.name))
    sizes, degree = sizes_of(options), int(options["degree"])
    names = [part.name if isinstance(part, Column) else f"column {axis + 1}" for axis, part in enumerate(parts)]
    rows: tuple[list[Array], list[Array]] = ([], [])
    words: tuple[list[str], list[str]] = ([], [])
    for axis in axes:
        for order in (1, 2):
            whole = np.ones((1, 1))
            for other, size in enumerate(sizes):
                whole = np.asarray(np.kron(whole, np.diff(np.eye(size), n=order, axis=0) if other == axis else np.eye(size)))
            rows[order - 1].append(whole)
            words[order - 1].extend(_places(names, sizes, degree, axis, order))
    first, second = (np.concatenate(part) for part in rows)
    if is_centred(options):
        centring = Centring(np.asarray(state["means"], dtype=np.float64))
        first, second = (np.asarray(centring.columns(part.T.copy()).T) for part in (first, second))
    return _Curve(_unit(first), _unit(second), "", lambda row, order: words[order - 1][row])


def _places(names: Sequence[str], sizes: Sequence[int], degree: int, axis: int, order: int) -> list[str]:
    """What each row of differences along a column stands for."""
    if len(sizes) == 1:
        return [f"at spline {row + 1} of {sizes[0]}, of degree {degree}" for row in range(sizes[0] - order)]
    places = np.ndindex(*(size - order if other == axis else size for other, size in enumerate(sizes)))
    others = [other for other in range(len(sizes)) if other != axis]
    return [
        f"along {names[axis]} at spline {place[axis] + 1} of {sizes[axis]}, "
        + ", ".join(f"{place[other] + 1} of {sizes[other]} of {names[other]}" for other in others)
        for place in places
    ]


def _derivative(coefficients: Array, knots: Array, degree: int) -> Array:
    """The coefficients of the derivative of a spline, as rows: (c, m) -> (c - 1, m); of knots that coincide, zeros."""
    gaps = knots[degree + 1 : degree + len(coefficients)] - knots[1 : len(coefficients)]
    rows = np.diff(coefficients, axis=0)
    return np.where(gaps[:, None] > 0, degree * rows / np.where(gaps > 0, gaps, 1.0)[:, None], 0.0)


def _slopes_rise(first: Array, knots: Array, degree: int) -> Array:
    """Of lines joined at knots: that each slope is at least the one before."""
    return np.diff(first, axis=0)


def _natural_spline(knots: Array, constraints: list[list[float]] | None) -> _Curve:
    """Of the values at the knots; between two of them f' is a parabola, whose three coefficients in Bernstein's basis are differences."""
    count, gaps = len(knots), np.diff(knots)
    middle = 0.5 * (knots[:-1] + knots[1:])
    # What a basis is at points tells its rows exactly: a cubic on each piece by four values.
    rising = []
    for j, gap in enumerate(gaps):
        nodes = knots[j] + gap * np.array([0.0, 1.0, 2.0, 3.0]) / 3.0
        nodes[-1] = knots[j + 1]
        rising.append(_bernstein(4, 1) @ cubic_spline(nodes, knots, cyclic=False))
    bending = _second_derivatives(knots, middle)[1:-1] if count > 2 else np.zeros((0, count))
    rows, second = np.concatenate(rising), bending
    if constraints:
        q = np.linalg.qr(np.asarray(constraints).T, mode="complete")[0][:, len(constraints) :]
        rows, second = rows @ q, second @ q
    return _Curve(_unit(rows), _unit(second), "", lambda row, order: f"in piece {row // 3 + 1}" if order == 1 else f"at knot {row + 2}")


def _second_derivatives(knots: Array, middle: Array) -> Array:
    """The second derivatives at the knots, as rows over the values there: f'' is a line on each piece, told by second differences."""
    rows = np.zeros((len(knots), len(knots)))
    for j, gap in enumerate(np.diff(knots)):
        nodes = knots[j] + gap * np.array([0.0, 1.0, 2.0, 3.0]) / 3.0
        nodes[-1] = knots[j + 1]
        bent = _bernstein(4, 2) @ cubic_spline(nodes, knots, cyclic=False) / gap**2
        rows[j], rows[j + 1] = bent[0], bent[1]
    return rows


def _polynomial(basis: Callable[[Array], Array], degree: int, within: tuple[float, float]) -> _Curve:
    low, high = within
    nodes = low + (high - low) * np.linspace(0.0, 1.0, degree + 1)
    nodes[-1] = high
    values = basis(nodes)
    rising = _bernstein(degree + 1, 1) @ values
    bending = _bernstein(degree + 1, 2) @ values if degree > 1 else None
    return _Curve(_unit(rising), None if bending is None else _unit(bending), "" if degree > 1 else "a line bends nowhere")


def _bernstein(count: int, order: int) -> Array:
    """From values of a polynomial at as many equal steps of an interval as tell it to the coefficients of a derivative, to a factor, in
    Bernstein's basis of the interval."""
    degree = count - 1
    from scipy.special import comb

    nodes = np.linspace(0.0, 1.0, count)[:, None]
    powers = np.arange(count)[None, :]
    basis = comb(degree, powers) * nodes**powers * (1.0 - nodes) ** (degree - powers)
    coefficients = np.linalg.inv(basis)
    return np.asarray(np.diff(coefficients, order, axis=0) * (degree if order == 1 else degree * (degree - 1)))


def _levels(factor: CategoricalFactor, levels: tuple[Level, ...], group: Group, order: Sequence[str] | None) -> _Curve:
    shown = [str(level) for level in levels]
    if order is None:
        if not all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels) and factor.declared is None:
            raise ArgumentError(
                f"the levels of {factor.name} are text and have no order of their own: give it, as in"
                f" gl.constraints.monotone({factor.name!r}, 'increasing', order={shown[:3]!r})"
            )
        places = list(range(len(levels)))
    else:
        for name in order:
            if name not in shown:
                near = nearest(name, shown)
                raise ArgumentError(
                    f"order= names {name!r}, which is no level of {factor.name}" + (f"; did you mean {near[0]!r}?" if near else "")
                )
        missing = [name for name in shown if name not in order]
        if missing or len(set(order)) < len(order):
            raise ArgumentError(f"order= must name each level of {factor.name} once" + (f"; {missing[0]!r} is missing" if missing else ""))
        places = [shown.index(name) for name in order]
    matrix = group.codings[factor.name] if factor.name in group.codings else _indicators(group, factor.name, len(levels))
    effects = matrix[places]
    names = [shown[place] for place in places]

    def steps(row: int, kind: int) -> str:
        return f"from {names[row]} to {names[row + 1]}" if kind == 1 else f"around {names[row + 1]}"

    return _Curve(differences(len(places), 1) @ effects, differences(len(places), 2) @ effects if len(places) > 2 else None, "", steps)


def _indicators(group: Group, name: str, count: int) -> Array:
    """The matrix from levels to columns of a category kept as codes."""
    places, width = group.places[name]
    matrix = np.zeros((count, width))
    for level, place in enumerate(places[:count].tolist()):
        if place >= 0:
            matrix[level, place] = 1.0
    return matrix


def _unit(rows: Array) -> Array:
    """Rows of unit length, with what is rounding of a difference taken for none."""
    length = np.linalg.norm(rows, axis=1)
    scaled = rows / np.where(length > 0, length, 1.0)[:, None]
    return np.where(np.abs(scaled) < 1e-14, 0.0, scaled)
