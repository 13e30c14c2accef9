"""Arithmetic on unevaluated sums of doubles, vectorised in NumPy and portable: no 80-bit floats, no fused multiply-add.

A number is held as ``words`` doubles of falling size, an array whose first axis is the words: two words carry about 106 bits (the
classic double-double), three about 159. Nothing here is slower than a few dozen NumPy calls, and temporaries stay as small as the chunk
given.

Exactness holds while no intermediate overflows (the splitting multiplies by 2^27) and errors are not below the smallest normal double:
callers scale columns by powers of two first, which is exact.

Sources: Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971); Knuth, TAOCP vol. 2, 4.2.2;
Ogita, Rump and Oishi, "Accurate sum and dot product", SIAM J. Sci. Comput. 26 (2005); Rump, Ogita and Oishi, "Accurate floating-point
summation part I" (the extraction of high parts), SIAM J. Sci. Comput. 31 (2008).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradline.base.types import Array, IntArray

SPLITTER = 134217729.0
"""2^27 + 1: Veltkamp's constant for a 53-bit significand."""

UNIT = 2.0**-53
"""The unit roundoff of a double."""


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """(s, e) with s = fl(a + b) and s + e = a + b exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def quick_two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """As two_sum where |a| >= |b| or a = 0 (Dekker)."""
    s = a + b
    return s, b - (s - a)


def split(a: Array) -> tuple[Array, Array]:
    """(high, low) of at most 26 bits each with high + low = a exactly (Veltkamp). Overflows above about 2^996."""
    t = SPLITTER * a
    high = t - (t - a)
    return high, a - high


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """(p, e) with p = fl(a b) and p + e = a b exactly (Dekker)."""
    p = a * b
    a_high, a_low = split(a)
    b_high, b_low = split(b)
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


def renormalise(terms: Sequence[Array], words: int) -> Array:
    """The sum of the terms as ``words`` words, with an error of a few units of the last word times the largest term.

    terms: arrays of one shape, roughly in falling size. Each sweep is VecSum of Ogita, Rump and Oishi.
    """
    values = list(terms)
    if len(values) < words:
        values += [np.zeros_like(values[0])] * (words - len(values))
    for top in range(words - 1):
        for i in range(len(values) - 1, top, -1):
            values[i - 1], values[i] = two_sum(values[i - 1], values[i])
    tail = values[words - 1]
    for value in values[words:]:
        tail = tail + value
    # Cancellation may have left a word as large as the one before it.
    result = [*values[: words - 1], tail]
    for i in range(words - 1):
        result[i], result[i + 1] = two_sum(result[i], result[i + 1])
    return np.array(result)


def add(a: Array, b: Array) -> Array:
    """Sum of two numbers of any count of words; the result has as many as the longer."""
    words = max(len(a), len(b))
    terms = [part for i in range(words) for part in (*a[i : i + 1], *b[i : i + 1])]
    return renormalise(terms, words)


def multiply(a: Array, b: Array, words: int) -> Array:
    """Product of two numbers of any count of words, kept to ``words``; the words' arrays broadcast."""
    levels: list[list[Array]] = [[] for _ in range(words + 1)]
    for i in range(len(a)):
        for j in range(len(b)):
            if i + j < words - 1:
                p, e = two_product(a[i], b[j])
                levels[i + j].append(p)
                levels[i + j + 1].append(e)
            elif i + j <= words - 1:
                levels[i + j].append(a[i] * b[j])
    terms = [np.broadcast_to(term, np.broadcast_shapes(a.shape[1:], b.shape[1:])) for level in levels for term in level]
    return renormalise(terms, words)


def round_to_double(a: Array) -> Array:
    """The nearest double to each number (to within the last word)."""
    total: Array = a[-1]
    for word in a[-2::-1]:
        total = word + total
    return total


def power_of_two(magnitude: Array) -> IntArray:
    """Exponents e with magnitude 2^-e in [0.5, 1); zero for zeros. For scaling that is exact."""
    return np.asarray(np.frexp(magnitude)[1], dtype=np.int64)


def product_sum(matrix: Array, high: Array, low: Array, vector: Array, axis: int) -> Array:
    """``matrix`` contracted with ``vector`` along ``axis`` to as many words as the vector has (two or three).

    matrix: a 2-D chunk whose halves by ``split`` are high and low; vector: (words, 1, n) or (words, n, 1), broadcasting against it.
    Returns (words, the other axis). The error is at most 16 n^2 2^-106 times the largest product of each result with two words and
    16 n 2^-159 times with three: products are exact pairs, their high parts are summed exactly by extraction against a power of two
    (Rump, Ogita and Oishi 2008, algorithm 3.3), and only what remains below is summed in plain doubles.
    """
    count = matrix.shape[axis]
    product = matrix * vector[0]
    scratch = np.abs(product)
    largest = scratch.max(axis=axis, keepdims=True)
    error = _product_error(product, high, low, vector[0], scratch)
    if len(vector) == 2:
        head = _extract(product, _extractor(largest, count), axis, scratch)
        error += product
        np.multiply(matrix, vector[1], out=scratch)
        error += scratch
        return np.array(quick_two_sum(head, error.sum(axis=axis)))
    head = _extract(product, _extractor(largest, count), axis, scratch)
    second = matrix * vector[1]
    error_of_second = _product_error(second, high, low, vector[1], scratch)
    third = matrix * vector[2]
    sums = [head]
    for parts in ((product, error, second), (product, error, second, error_of_second, third)):
        largest = np.zeros_like(largest)
        for part in parts:
            np.abs(part, out=scratch)
            np.maximum(largest, scratch.max(axis=axis, keepdims=True), out=largest)
        sigma = _extractor(largest, len(parts) * count)
        sums.append(sum((_extract(part, sigma, axis, scratch) for part in parts[1:]), start=_extract(product, sigma, axis, scratch)))
    for part in (error, second, error_of_second, third):
        product += part
    return renormalise([*sums, product.sum(axis=axis)], 3)


def _product_error(product: Array, high: Array, low: Array, vector: Array, scratch: Array) -> Array:
    """The rounding error of ``product = matrix * vector``, exactly; scratch is overwritten."""
    vector_high, vector_low = split(vector)
    error = high * vector_high
    error -= product
    for a, b in ((high, vector_low), (low, vector_high), (low, vector_low)):
        np.multiply(a, b, out=scratch)
        error += scratch
    return error


def _extractor(largest: Array, count: int) -> Array:
    """A power of two at least twice the sum of count numbers no larger than ``largest``."""
    return np.asarray(np.ldexp(1.0, np.frexp(largest)[1] + (int(count - 1).bit_length() + 1)))


def _extract(values: Array, sigma: Array, axis: int, scratch: Array) -> Array:
    """The exact sum of the parts of ``values`` above 2^-53 sigma; those parts are taken off ``values`` in place."""
    np.add(values, sigma, out=scratch)
    scratch -= sigma
    values -= scratch
    return np.asarray(scratch.sum(axis=axis))
