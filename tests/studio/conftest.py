"""One browser for all tests of a file. One for the whole folder would keep an event loop running beside tests of other folders."""

import pytest
from page_in_browser import chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found
