"""One browser for all tests of the page."""

import pytest
from page_in_browser import chromium


@pytest.fixture(scope="package")
def browser():
    with chromium() as found:
        yield found
