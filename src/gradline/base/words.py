"""What was probably meant by a word that is not known."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any

from gradline.base.errors import ArgumentTypeError

ALIKE = {1: 0.5, 2: 0.5, 3: 0.6, 4: 0.6}
"""Share of letters that two words have in common in order, from which one is a slip of the other, by the length of the word. In short words
one letter is a large share; from five letters on it is 0.75: quantil is a slip of quantile, 0.93; ordinal is none of normal, 0.62."""


def nearest(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The known words that ``word`` is a slip of, the nearest first; none where all are far off. Case does not matter."""
    names = [str(name) for name in known]
    by_lower = {name.lower(): name for name in reversed(names)}
    if word in names:
        return [word]
    return [by_lower[found] for found in difflib.get_close_matches(word.lower(), by_lower, most, ALIKE.get(len(word), 0.75))]


def called_here(owner: str, name: str, here: str) -> str:
    """The message for an attribute that other programs have under this name. here: what to write."""
    return f"{owner} has no attribute {name!r}; here it is {here}"


_SOLVERS_WORDS = {
    "lr": ("learning_rate",),
    "eta": ("learning_rate",),
    "eta0": ("learning_rate",),
    "rate": ("learning_rate",),
    "step_size": ("learning_rate",),
    "alpha": ("learning_rate",),
    "epochs": ("steps", "max_steps"),
    "n_iter": ("steps", "max_steps"),
    "max_iter": ("steps", "max_steps"),
    "maxiter": ("steps", "max_steps"),
    "max_iterations": ("steps", "max_steps"),
    "num_steps": ("steps", "max_steps"),
    "n_steps": ("steps", "max_steps"),
    "iterations": ("steps", "max_steps"),
    "tol": ("tolerance",),
    "gtol": ("tolerance",),
    "ftol": ("tolerance",),
    "eps": ("epsilon", "tolerance"),
    "random_state": ("seed",),
    "validation_split": ("validation",),
    "early_stopping": ("patience",),
    "n_iter_no_change": ("patience",),
    "weight_decay_rate": ("weight_decay",),
    "beta1": ("beta_1",),
    "beta2": ("beta_2",),
    "batchsize": ("batch_size",),
    "batch": ("batch_size",),
    "minibatch": ("batch_size",),
    "minibatch_size": ("batch_size",),
    "max_epochs": ("epochs", "steps", "max_steps"),
    "nb_epoch": ("epochs", "steps", "max_steps"),
    "num_iterations": ("steps", "max_steps"),
    "learningrate": ("learning_rate",),
    "gamma": ("learning_rate",),
    "beta": ("momentum",),
    "rtol": ("tolerance",),
    "atol": ("tolerance",),
    "xtol": ("tolerance",),
    "rng": ("seed",),
    "n_restarts": ("starts",),
    "x0": ("start",),
    "init": ("start",),
    "callback": ("callbacks",),
    "history": ("memory",),
    "history_size": ("memory",),
    "m": ("memory",),
}
"""What other programs call the options of a solver, and what they are here."""


class Options:
    """A dataclass whose options may be asked for by the words of other programs: the error, an ArgumentTypeError, says what to write."""

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        fields = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
        for word in options:
            if word not in fields:
                here = [name for name in _SOLVERS_WORDS.get(word.lower(), ()) if name in fields] or nearest(word, fields)
                hint = f"write {here[0]}={options[word]!r}" if here else f"it takes {', '.join(fields) or 'none'}"
                raise ArgumentTypeError(f"{cls.__name__}() has no option {word!r}; {hint}")
        if len(arguments) > len(fields):
            raise ArgumentTypeError(f"{cls.__name__}() takes {', '.join(fields) or 'no options'}; {len(arguments)} values were given")
        return super().__new__(cls)
