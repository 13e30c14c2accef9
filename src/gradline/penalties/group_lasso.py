"""The group lasso: columns that enter a model together, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import IntArray
from gradline.penalties.kinked import SparseGroups
from gradline.penalties.kinked_penalty import KinkedPenalty, PenaltyColumns, factors, places_of
from gradline.penalties.lasso import Weights
from gradline.penalties.numbers import checked_share, checked_strength
from gradline.penalties.sums import PenaltySpec, scales_of

Groups = Mapping[str, Sequence[str]] | Sequence[Any] | None


@dataclass(frozen=True, eq=False)
class GroupLasso(PenaltySpec):
    """``strength sum_g ((1 - l1_share) sqrt(size_g) |b_g| + l1_share sum |b|)``: see :func:`group_lasso`."""

    strength: float | str
    groups: Groups = None
    l1_share: float = 0.0
    across: Literal["targets"] | None = None
    weights: Weights = None
    scaled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", checked_strength(self.strength, "the group lasso"))
        object.__setattr__(self, "l1_share", checked_share(self.l1_share, "the group lasso"))
        if self.across not in (None, "targets"):
            raise ArgumentError(f'across= of the group lasso must be "targets" or None, not {self.across!r}')

    @property
    def name(self) -> str:
        return "group_lasso"

    def bind(self, columns: PenaltyColumns) -> KinkedPenalty:
        """The penalty of these columns."""
        k = len(columns.predictors)
        of_column = groups_of(self.groups, columns, singles=self.across is not None)
        count = int(of_column.max(initial=-1)) + 1
        group = np.tile(of_column, k) if self.across else np.concatenate([of_column + j * count for j in range(k)])
        each = np.tile(factors(self.weights, columns, self.name), k)
        sizes = np.bincount(group, minlength=int(group.max(initial=-1)) + 1)
        # A factor on a column of a group is one on the group: they have to agree.
        weight = weight_of_groups(each, group, len(sizes), columns)
        strength = float(self.strength)
        part = SparseGroups(
            strength * self.l1_share * each, np.asarray(group, dtype=np.int64), strength * (1.0 - self.l1_share) * weight * np.sqrt(sizes)
        )
        return KinkedPenalty(self.name, part, scales_of(self.scaled, columns, "the group lasso"), None, self)


def groups_of(groups: Groups, columns: PenaltyColumns, *, singles: bool) -> IntArray:
    """The number of each column's group, (p,). singles: whether a column may be a group of its own, where nothing is said."""
    p = len(columns.names)
    if groups is None:
        terms = columns.terms
        numbers = {term: i for i, term in enumerate(dict.fromkeys(terms))}
        if len(numbers) == p and p > 1 and not singles:
            raise ArgumentError(
                "each column is a term of its own, so that a group lasso has no groups: say which columns belong together, as in"
                f" groups=[[{columns.names[0]!r}, {columns.names[1]!r}], ...], or take gl.penalties.lasso"
            )
        return np.array([numbers[term] for term in terms], dtype=np.int64)
    if isinstance(groups, str) or not isinstance(groups, Mapping | Sequence | np.ndarray):
        raise ArgumentTypeError(
            f"groups= of the group lasso is a list of lists of columns, a dict of them, or a label a column; got {groups!r}"
        )
    if not isinstance(groups, Mapping) and all(isinstance(label, str | int | np.integer) for label in groups):
        if len(groups) != p:
            raise ArgumentError(f"groups= of the group lasso has {len(groups)} labels for {p} columns")
        numbers = {label: i for i, label in enumerate(dict.fromkeys(groups))}
        return np.array([numbers[label] for label in groups], dtype=np.int64)
    named = list(groups.items()) if isinstance(groups, Mapping) else [(f"number {i}", members) for i, members in enumerate(groups)]
    found = np.full(p, -1, dtype=np.int64)
    for i, (label, members) in enumerate(named):
        if isinstance(members, bool | float) or not isinstance(members, str | int | np.integer | Sequence | np.ndarray | set | frozenset):
            raise ArgumentTypeError(f"group {label} of the group lasso is a list of columns, by name or by place, not {members!r}")
        listed = [members] if isinstance(members, str | int | np.integer) else list(members)
        for key in listed:
            where = f"group {label} of the group lasso"
            places = [int(key)] if isinstance(key, int | np.integer) and 0 <= key < p else places_of(key, columns, where)
            for place in places:
                if found[place] not in (-1, i):
                    raise ArgumentError(
                        f"{where} has column {columns.names[place]!r}, and so has group {named[found[place]][0]}: a column is in one group"
                    )
                found[place] = i
    if (found < 0).any():
        left = columns.names[int(np.flatnonzero(found < 0)[0])]
        raise ArgumentError(f"groups= of the group lasso leaves out column {left!r}: each column is in a group, if need be one of its own")
    return found


def weight_of_groups(each: Any, group: IntArray, count: int, columns: PenaltyColumns) -> Any:
    """The factor of each group, (count,), which its columns' factors (d,) have to agree on."""
    weight = np.ones(count)
    for g in range(count):
        members = np.flatnonzero(group == g)
        if members.size:
            if (each[members] != each[members[0]]).any():
                name = columns.names[int(members[0]) % len(columns.names)]
                raise ArgumentError(
                    f"weights= of the group lasso differ within the group of column {name!r}: give a factor for the whole group"
                )
            weight[g] = each[members[0]]
    return weight


def group_lasso(
    strength: float | Literal["auto", "leave-one-out"] = "auto",
    groups: Groups = None,
    *,
    l1_share: float = 0.0,
    across: Literal["targets"] | None = None,
    weights: Weights = None,
    scaled: bool = False,
) -> GroupLasso:
    """A group lasso: mean loss + strength * sum over groups of sqrt(size) * |b_group|. The columns of a group become zero together.

    Yuan and Lin (2006), J. R. Statist. Soc. B 68; with ``l1_share`` the sparse group lasso of Simon et al. (2013), J. Comput. Graph.
    Statist. 22. The intercept is not penalised.

    Parameters
    ----------
    strength : float, "auto" or "leave-one-out"
        At least 0, or how to choose it, as for ``lasso``.
    groups : list of lists, dict of lists, or labels, optional
        Which columns belong together: names of columns or of terms. The terms of the formula unless given, so that a category enters with
        all its levels.
    l1_share : float
        The share of the strength that is a lasso on each slope of its own, so that single columns of a group become zero too.
    across : "targets", optional
        Put a column's slopes for all targets, or linear predictors, in one group.
    weights : dict, or array-like (p,), optional
        A factor of the strength for each term or column; one factor within a group.
    scaled : bool
        Penalise each slope times its column's standard deviation.

    Returns
    -------
    penalty
        For ``penalty=`` of ``gl.fit``.

    Raises
    ------
    ValueError
        For a strength or share out of range; by the fit, for groups that overlap, leave out a column or name an unknown one.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> fit = gl.fit(X, X[:, 0] + X[:, 1], penalty=gl.penalties.group_lasso(0.3, [[0, 1], [2, 3]]))
    >>> [bool(slope == 0) for slope in fit.slopes]
    [False, False, True, True]
    """
    return GroupLasso(strength, groups, l1_share, across, weights, scaled)
