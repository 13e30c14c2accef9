"""Messages written for Python, as the command says them."""

import pytest

from gradline.cli.wording import as_options


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('leave such rows out with missing="drop"', "leave such rows out with --missing drop"),
        ('leave such rows out with where="isfinite(x)"', 'leave such rows out with --where "isfinite(x)"'),
        ("leave such rows out with where=, or transform", "leave such rows out with --where, or transform"),
        ("give a source, or query=", "give a source, or --query"),
        ("(or say unseen='reference' or unseen='missing')", "(or say --unseen reference or --unseen missing)"),
        ("or add a ridge such as penalty=gl.penalties.ridge(1e-3).", "or add a ridge such as --penalty ridge:1e-3."),
        ("column 'offset' holds text", "column 'offset' holds text"),
        ("'rows.csv' where x = 3 has no rows", "'rows.csv' where x = 3 has no rows"),
    ],
)
def test_keywords_become_options(message, said):
    assert as_options(message) == said
