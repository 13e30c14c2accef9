"""What the studio's page says of what it cannot use: tables, points, losses, links."""

import pytest
from page_in_browser import PAGE, needs_browser, studio

pytestmark = needs_browser


@pytest.fixture(scope="module")
def opened(browser):
    """One page for all: each test brings its own points or loss, and none may break it for the next."""
    with studio(browser) as page:
        yield page


def paste(opened, text):
    opened.page.get_by_role("button", name="Your own").click()
    opened.page.fill("#csv", text)


def use(opened):
    opened.page.click("#csv-use")
    opened.settled()


def close(opened):
    opened.page.keyboard.press("Escape")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", None),
        ("hello, world", "heading and no row"),
        ("a,b\nx,y\nz,w\n", "o column holds numbers"),
        ("a,b\n1,2\n3\n", "ow 3 has 1 cell"),
        ('a,b\n"1,2\n', "quotation mark is opened and never closed"),
        ("name,x\nanna,1\nbert,2\n", "Only the column x holds numbers"),
        ("x,y\n,1\n,2\n", "Only the column y"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(opened, text, says):
    paste(opened, text)
    said = opened.page.inner_text("#csv-problem") if says is not None else None
    disabled = opened.page.is_disabled("#csv-use")
    close(opened)
    assert disabled
    assert says is None or says in said


def test_gaps_and_text_are_left_out_and_said(opened):
    paste(opened, "name;x;y\na;1,5;2\nb;2;\nc;3;5\nd;4;n/a\ne;5;9\n")
    assert "2 of 5 rows left out" in opened.page.inner_text("#csv-notes")
    assert "row 3, column y" in opened.page.inner_text("#csv-notes")
    use(opened)
    assert "3 points" in opened.page.inner_text("label[for=preset]")


def test_html_in_a_table_stays_text(opened):
    paste(opened, 'x,"<img src=x onerror=window.owned=1>"\n1,2\n2,4\n3,5\n')
    use(opened)
    assert "<img src=x onerror=window.owned=1>" in opened.page.inner_text("label[for=preset]")
    assert opened.page.evaluate("window.owned") is None
    assert opened.page.locator("img").count() == 0


def test_a_table_far_too_large_is_sent_to_the_server(opened):
    opened.page.get_by_role("button", name="Your own").click()
    # As many rows as a page cannot hold, made in the page: to type them would take the test longer than the page.
    opened.page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.setData('text/plain', 'x,y\\n' + '1,2\\n'.repeat(500000));
          document.querySelector('#csv').dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
        }"""
    )
    said = opened.page.inner_text("#csv-problem")
    opened.page.get_by_role("button", name="Another text").click()
    close(opened)
    assert "gradline studio" in said


def test_a_file_is_dropped(opened):
    opened.page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(['u,v\\n1,3\\n2,5\\n3,6\\n4,9\\n'], 'mine.csv', { type: 'text/csv' }));
          document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    opened.page.wait_for_selector("#csv-use:enabled")
    use(opened)
    assert "4 points, u and v" in opened.page.inner_text("label[for=preset]")


def test_one_point_and_identical_points_are_shown_and_explained(opened):
    for rows in ("x,y\n2,3\n", "x,y\n" + "2,3\n" * 6):
        paste(opened, rows)
        use(opened)
        opened.take_steps(20)
        assert opened.page.locator(".pane-points canvas").count() == 5  # a layer each
        said = opened.page.inner_text("#view")
        assert "constant" in said or "does not vary" in said or "proved" in said or "determined" in said or "lowest" in said
    # The last point stays.
    paste(opened, "x,y\n2,3\n")
    use(opened)
    opened.press("g")
    opened.settled(100)
    opened.press("Delete")
    assert "must be one" in opened.page.inner_text("#said")


def test_points_on_one_line_are_fitted_exactly(opened):
    paste(opened, "x,y\n0,1\n1,3\n2,5\n3,7\n")
    use(opened)
    opened.page.click("#to-optimum")
    opened.settled(50)
    assert opened.coefficients == pytest.approx([1, 2], abs=1e-12)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("y, p -> (y - p", "expected ')'"),
        ("y, p -> fetch(p)", "fetch"),
        ("y, p -> z * p", "z"),
        ("", ""),
    ],
)
def test_a_typed_loss_that_is_none_says_where(opened, text, says):
    opened.page.select_option("#preset", "few")
    opened.settled()
    opened.page.select_option("#loss", "typed:")
    opened.page.fill("#loss-typed", text)
    opened.settled()
    alert = opened.page.locator(".about-loss [role=alert]")
    assert alert.count() == 1
    assert says in alert.inner_text()
    assert opened.page.get_attribute("#loss-typed", "aria-invalid") == "true"
    # The points stay, and the next loss is taken.
    opened.page.fill("#loss-typed", "y, p -> abs(y - p)^1.5")
    opened.settled()
    assert alert.count() == 0
    assert opened.loss > 0


def test_a_typed_loss_without_bounds_or_with_several_valleys_is_told_so(opened):
    opened.page.select_option("#preset", "few")
    opened.settled()
    opened.page.select_option("#loss", "typed:")
    opened.page.fill("#loss-typed", "y, p -> 1 / (p - p)")
    opened.settled()
    assert opened.page.locator("[role=alert]").count() >= 1 or "No lowest point is proved" in opened.page.inner_text(".proof")
    opened.page.fill("#loss-typed", "y, p -> y - p")
    opened.settled()
    assert "proved." not in opened.page.inner_text(".proof") or "No lowest point" in opened.page.inner_text(".proof")
    opened.page.fill("#loss-typed", "y, p -> log(1 + (y - p)^2)")
    opened.settled()
    opened.page.click("#to-optimum")
    opened.settled(50)
    assert "convex" in opened.page.inner_text(".proof")


def test_of_a_loss_that_is_not_convex_nothing_is_said_to_be_the_lowest(opened):
    opened.page.select_option("#preset", "few")
    opened.settled()
    opened.page.select_option("#loss", "typed:")
    opened.page.fill("#loss-typed", "y, p -> sin(y - p)")
    opened.settled()
    opened.take_steps(40)
    for end in (False, True):
        if end:
            opened.page.click("#to-optimum")
            opened.settled(50)
        said = opened.page.inner_text(".proof")
        assert "not convex" in said
        assert "No line has a loss below" not in said
        assert "proved" not in said
    opened.page.select_option("#loss", "squared")
    opened.settled()


def test_at_a_kink_newton_is_at_the_optimum(opened):
    opened.page.select_option("#preset", "few")
    opened.settled()
    opened.page.select_option("#loss", "absolute")
    opened.page.get_by_role("button", name="Newton").click()
    opened.settled()
    opened.take_steps(10)
    assert "The lowest point, proved" in opened.page.inner_text(".proof")
    opened.page.get_by_role("button", name="gradient descent").click()
    opened.page.select_option("#loss", "squared")
    opened.settled()


def test_a_loss_that_does_not_suit_the_targets_says_so_and_keeps_the_points(opened):
    opened.page.select_option("#preset", "few")
    opened.settled()
    opened.page.select_option("#loss", "logistic")
    opened.settled()
    shown = opened.page.inner_text("#trouble")
    assert "y" in shown
    assert opened.page.is_disabled("#play")
    opened.page.select_option("#loss", "squared")
    opened.settled()
    assert opened.page.locator("#trouble").count() == 0
    assert not opened.page.is_disabled("#play")


def test_numbers_that_are_none_are_not_taken(opened):
    opened.page.select_option("#preset", "few")
    opened.settled()
    before = opened.page.input_value("#rate-number")
    for wrong in ("fast", "-1", "0", ""):
        opened.page.fill("#rate-number", wrong)
        opened.page.press("#rate-number", "Tab")
        assert opened.page.input_value("#rate-number") == before
    opened.page.fill("#batch", "1000000")
    opened.page.press("#batch", "Tab")
    assert opened.page.input_value("#batch") == "all"


@pytest.mark.parametrize("fragment", ["#v1.%20", "#v9.abcd", "#v1.AAAA", "#nothing"])
def test_a_damaged_link_says_so_and_opens_the_page_all_the_same(browser, fragment):
    with studio(browser, address=PAGE.as_uri() + fragment) as opened:
        assert "link cannot be opened" in opened.page.inner_text("#trouble")
        opened.take_steps(3)
        assert opened.step == 3


def test_an_input_whose_square_is_no_number_is_refused_by_its_row(opened):
    paste(opened, "x,y\n1,1\n1e300,2\n3,3\n")
    use(opened)
    assert "row 2, column x" in opened.page.inner_text("#trouble").lower()
    opened.page.select_option("#preset", "few")
    opened.settled()
    assert opened.page.locator("#trouble").count() == 0


def test_a_rate_beyond_all_measure_is_drawn_without_a_fault(opened):
    opened.page.fill("#rate-number", "1e308")
    opened.page.press("#rate-number", "Tab")
    opened.settled()
    opened.page.select_option("#preset", "few")
    opened.settled()
    assert opened.errors == []


def test_a_dragged_point_is_moved_and_the_others_stay(opened):
    page = opened.page
    page.select_option("#preset", "few")
    opened.settled()
    page.evaluate("document.querySelector('#point').focus()")
    before = page.get_attribute("#point", "aria-label")
    handle = page.locator("#point").bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y - 40, steps=6)
    page.mouse.up()
    opened.settled(600)
    assert page.get_attribute("#point", "aria-label") != before
    assert page.locator(".pane-points canvas").count() == 5
    page.keyboard.press("Escape")
