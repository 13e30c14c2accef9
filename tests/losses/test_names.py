"""A loss from its name and numbers, and from the colon strings of the command line."""

from __future__ import annotations

import pickle

import pytest
from loss_cases import CASES, label

from gradline import losses


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_loss_comes_back_from_its_name_and_numbers(case):
    loss = case.loss
    assert losses.by_name(loss.name, **loss.parameters) == loss
    assert pickle.loads(pickle.dumps(loss)) == loss
    text = loss.name + (":" if loss.parameters else "") + ",".join(f"{key}={value}" for key, value in loss.parameters.items())
    assert losses.parse(text) == loss
    assert hash(losses.parse(text)) == hash(loss)


def test_colon_strings():
    assert losses.parse("huber:1.35") == losses.huber(1.35)
    assert losses.parse("huber:1.35,joint") == losses.huber(1.35, scale="joint")
    assert losses.parse("student_t: degrees=4, scale=2") == losses.student_t(4, scale=2)
    assert losses.parse("multinomial") == losses.multinomial()
    assert losses.parse("multinomial:3") == losses.multinomial(3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hubert:1", "no loss is named 'hubert'; did you mean huber?"),
        ("xyzzy", "known are squared|known are absolute"),
        ("huber", "needs its threshold"),
        ("huber:a", "cannot read 'a' as a number"),
        ("huber:1,2,3", "huber takes 2 parameters"),
        ("huber:1,threshold=2", "threshold is given twice"),
        ("huber:1,width=2", "has no parameter width; it takes threshold, scale"),
        ("squared:1", "takes 0 parameters"),
        ("quantile:1.5", "level must lie strictly between 0 and 1, not 1.5"),
        ("huber:1,joint", "must be above 1 \\(1.35 is usual\\), not 1"),
        ("huber:-1", "threshold must be a finite number above 0"),
        ("huber:nan", "threshold must be a finite number above 0"),
        ("tweedie:1", "use poisson"),
        ("tweedie:2", "use gamma"),
        ("tweedie:0.5", "must be above 1"),
        ("multinomial:1", "2 or above"),
        ("multinomial:2.5", "whole number"),
        ("quantile:joint", "level must be a number"),
    ],
)
def test_bad_names_and_numbers(text, message):
    with pytest.raises(ValueError, match=message):
        losses.parse(text)


def test_huber_refuses_other_words_for_its_scale():
    with pytest.raises(ValueError, match='scale must be a number above 0 or "joint"'):
        losses.huber(1.35, scale="mad")
