from fractions import Fraction

import numpy as np
import pytest

from gradline.linalg import double_double as dd


def exact(words):
    return sum((Fraction(float(word)) for word in words), Fraction(0))


def wide_numbers(random, words, count):
    terms = random.normal(size=(words, count)) * 2.0 ** (-53 * np.arange(words))[:, None]
    return dd.renormalise(list(terms), words)


@pytest.fixture
def numbers():
    random = np.random.default_rng(4)
    return [random.normal(size=200) * 10.0 ** random.integers(-30, 30, size=200) for _ in range(2)]


def test_error_free_transformations(numbers):
    a, b = numbers
    for transform, operation in ((dd.two_sum, Fraction.__add__), (dd.two_product, Fraction.__mul__)):
        value, error = transform(a, b)
        for i in range(a.size):
            assert exact([value[i], error[i]]) == operation(Fraction(a[i]), Fraction(b[i]))
    high, low = dd.split(a)
    assert np.array_equal(high + low, a)
    assert np.array_equal(dd.split(high)[1], np.zeros_like(a))


@pytest.mark.parametrize("words", [2, 3])
def test_add_and_multiply(words):
    random = np.random.default_rng(words)
    a, b = (wide_numbers(random, words, 100) for _ in range(2))
    total, product = dd.add(a, b), dd.multiply(a, b, words)
    assert total.shape == product.shape == (words, 100)
    for i in range(100):
        x, y = exact(a[:, i]), exact(b[:, i])
        assert abs(exact(total[:, i]) - (x + y)) <= 8 * Fraction(2) ** (-53 * words) * (abs(x) + abs(y))
        assert abs(exact(product[:, i]) - x * y) <= 16 * Fraction(2) ** (-53 * words) * abs(x * y)


def test_multiply_broadcasts_and_pads():
    a, b = np.array([[3.0], [2.0**-60]]), np.array([[1.0, 2.0, 4.0]])
    assert dd.multiply(a, b, 2).tolist() == [[3.0, 6.0, 12.0], [2.0**-60, 2.0**-59, 2.0**-58]]
    assert dd.multiply(b, b, 2)[0].tolist() == [1.0, 4.0, 16.0]


@pytest.mark.parametrize("words", [2, 3])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(3, 40), (30, 7), (1, 1), (5, 300)])
def test_product_sum(words, axis, shape):
    random = np.random.default_rng([words, axis, *shape])
    matrix = random.normal(size=shape) * 10.0 ** random.integers(-12, 3, size=shape)
    n = shape[axis]
    vector = wide_numbers(random, words, n)
    if n > 3:
        # Massive cancellation: the products nearly sum to zero.
        along = [slice(None)] * 2
        along[axis] = 0
        vector[0, 0] = 1.0
        others = np.delete(matrix, 0, axis)
        matrix[tuple(along)] = -np.tensordot(others, vector[0, 1:], (axis, 0))
    view = vector[:, :, None] if axis == 0 else vector[:, None, :]
    result = dd.product_sum(matrix, *dd.split(matrix), view, axis)
    columns = matrix.T if axis == 0 else matrix
    assert result.shape == (words, columns.shape[0])
    for j, column in enumerate(columns):
        products = [Fraction(float(x)) * exact(vector[:, i]) for i, x in enumerate(column)]
        bound = 16 * (n**2 if words == 2 else n) * Fraction(2) ** (-53 * words) * max(map(abs, products))
        assert abs(exact(result[:, j]) - sum(products)) <= bound


def test_renormalise_orders_the_words():
    result = dd.renormalise([np.array([1.0]), np.array([1e-20]), np.array([-1.0]), np.array([1e-40])], 3)
    assert result[0, 0] == 1e-20
    assert result[1, 0] == 1e-40
    assert result[2, 0] == 0
    assert dd.round_to_double(np.array([[1.0], [2.0**-53], [2.0**-80]]))[0] == 1.0 + 2.0**-52


def test_power_of_two():
    magnitude = np.array([0.0, 1.0, 0.75, 1e300, 5e-324])
    scaled = np.ldexp(magnitude, -dd.power_of_two(magnitude))
    assert scaled[0] == 0
    assert ((scaled[1:] >= 0.5) & (scaled[1:] < 1)).all()
