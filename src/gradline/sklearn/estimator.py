"""What scikit-learn asks of any estimator: parameters by name, copies, a picture of itself, and whether it is fitted.

Duck-typed: nothing here imports scikit-learn unless scikit-learn is what asks.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import inspect
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.fitting.request import unknown_keyword

if TYPE_CHECKING:
    from gradline.api.result import Fit


class NotFittedError(ValueError, AttributeError):
    """An estimator was asked for something before ``fit``; scikit-learn's error of the same name where scikit-learn is loaded."""


class Estimator:
    """Parameters are what ``__init__`` takes, kept under the same names; ``result_`` is the fit, once there is one."""

    def __new__(cls, *arguments: Any, **parameters: Any) -> Self:
        known = cls._parameter_names()
        unknown = {name: value for name, value in parameters.items() if name not in known}
        if unknown:
            raise ArgumentTypeError(unknown_keyword(cls.__name__, unknown, cls.__init__))
        return super().__new__(cls)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name.

        Parameters
        ----------
        deep : bool
            Whether the settings of a solver, a loss or a penalty are among them, as ``solver__learning_rate``.

        Returns
        -------
        dict

        Examples
        --------
        >>> import gradline as gl
        >>> gl.LinearRegression(penalty=gl.penalties.ridge(0.1)).get_params()["penalty__strength"]
        0.1
        """
        parameters = {name: getattr(self, name) for name in self._parameter_names()}
        if deep:
            nested = {f"{name}__{setting}": value for name, holder in parameters.items() for setting, value in _settings(holder).items()}
            parameters.update(nested)
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name.

        Parameters
        ----------
        **parameters
            Those of the class, and settings such as ``solver__learning_rate``.

        Returns
        -------
        Estimator
            Itself.

        Raises
        ------
        ValueError
            For a parameter that does not exist, and for a setting that its solver, loss or penalty refuses.

        Examples
        --------
        >>> import gradline as gl
        >>> model = gl.LinearRegression(penalty=gl.penalties.ridge(0.1))
        >>> model.set_params(penalty__strength=0.5).penalty
        Ridge(strength=0.5)
        """
        names = self._parameter_names()
        nested: dict[str, dict[str, Any]] = {}
        for key, value in parameters.items():
            name, _, setting = key.partition("__")
            if name not in names:
                raise ArgumentError(f"invalid parameter {name!r} for estimator {self!r}; it takes {', '.join(names)}")
            if setting:
                nested.setdefault(name, {})[setting] = value
            else:
                setattr(self, name, value)
        # A new solver comes before its settings, whatever the order they were given in.
        for name, changes in nested.items():
            setattr(self, name, _changed(name, getattr(self, name), changes))
        return self

    def _fitted(self, method: str) -> Fit:
        result: Fit | None = getattr(self, "result_", None)
        if result is None:
            # Whoever could catch scikit-learn's own error has loaded it already.
            known = sys.modules.get("sklearn.exceptions")
            error = NotFittedError if known is None else known.NotFittedError
            raise error(f"this {type(self).__name__} is not fitted yet; call fit(X, y) before {method}")
        return result

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "result_")

    def __sklearn_clone__(self) -> Self:
        # Parameters are shared, not copied as scikit-learn would: they never change, a callback must reach its owner's list, and a loss
        # that stays the same object is not traced again.
        return type(self)(**self.get_params(deep=False))

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = {name: value for name, value in self.get_params(deep=False).items() if not _same(value, defaults[name].default)}
        return f"{type(self).__name__}({', '.join(f'{name}={_shown(value)}' for name, value in changed.items())})"

    def _repr_html_(self) -> str:
        if "sklearn" not in sys.modules:
            return f"<pre>{html.escape(repr(self))}</pre>"
        from sklearn.utils import estimator_html_repr

        return str(estimator_html_repr(self))


class available:
    """A method that an estimator has only where ``why_not(self)`` is empty: else to ask for it is an AttributeError with that sentence,
    so that ``hasattr`` tells what scikit-learn's meta-estimators ask."""

    def __init__(self, why_not: Callable[[Any], str]) -> None:
        self.why_not = why_not

    def __call__(self, method: Callable[..., Any]) -> available:
        self.__func__ = method
        functools.update_wrapper(self, method)
        return self

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self.__func__
        reason = self.why_not(owner)
        if reason:
            raise AttributeError(f"this {type(owner).__name__} has no {self.__func__.__name__}: {reason}")
        return types.MethodType(self.__func__, owner)


def _settings(holder: Any) -> dict[str, Any]:
    """The settings of a solver, a loss or a penalty: what its dataclass takes."""
    if not dataclasses.is_dataclass(holder) or isinstance(holder, type):
        return {}
    return {field.name: getattr(holder, field.name) for field in dataclasses.fields(holder) if field.init}


def _changed(name: str, holder: Any, changes: dict[str, Any]) -> Any:
    """The solver, loss or penalty with some settings changed."""
    settings = _settings(holder)
    for setting in changes:
        if setting not in settings:
            known = f"it takes {', '.join(settings)}" if settings else f"{name}={holder!r} has no settings"
            hint = "; give a solver first, such as solver=gl.GradientDescent()" if name == "solver" and not settings else ""
            raise ArgumentError(f"invalid parameter {name + '__' + setting!r}: {known}{hint}")
    return dataclasses.replace(holder, **changes)


def _same(value: Any, default: Any) -> bool:
    """Whether a parameter has its default; comparing an array would give an array."""
    return value is default or (isinstance(value, str | int | float) and type(value) is type(default) and value == default)


def _shown(value: Any) -> str:
    """A parameter in a repr; a function by its name, since its address says nothing."""
    return str(value.__name__) if isinstance(value, types.FunctionType) else repr(value)
