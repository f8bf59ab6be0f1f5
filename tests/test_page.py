"""The page of the server, driven in a real browser without a window."""

import shutil

import pytest
from conftest import serving

webdriver = pytest.importorskip("selenium.webdriver", reason='needs pip install -e ".[browser]"')

# Without Selenium the line above skips this file, so these imports cannot come before it.
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def address(reader):
    with serving(reader) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser():
    if not (BROWSER and DRIVER):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--lang=en",
        "--window-size=1200,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture
def page(browser, address):
    browser.get(address)
    WebDriverWait(browser, 10).until(lambda b: b.find_element(By.ID, "examples").is_displayed())
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def ask(page, question, context):
    """Type a question and press Enter; wait for its answer."""
    # The driver cannot type emoji, so the context is set by a script.
    page.execute_script("document.getElementById('context').value = arguments[0]", context)
    field = page.find_element(By.ID, "question")
    field.clear()
    field.send_keys(question, Keys.ENTER)
    shown = "return shown && [shown.question, shown.characters.join('')]"
    WebDriverWait(page, 10).until(lambda b: b.execute_script(shown) == [question, context])


def marked(page):
    """The marked words, and the text before them."""
    (mark,) = page.find_elements(By.CSS_SELECTOR, "#text mark")
    before = page.execute_script(
        """
        const range = new Range();
        range.setStart(document.getElementById('text'), 0);
        range.setEndBefore(arguments[0]);
        return range.toString();
        """,
        mark,
    )
    return mark.text, before


@pytest.mark.parametrize("language", ["en", "vi", "ru", "ko"])
def test_an_answer_is_marked_where_it_stands(page, reader, taught, language):
    known = {"en": "en-", "vi": "vi-", "ru": "ru-", "ko": "ko-"}[language]
    example = next(
        e
        for e in taught
        if e.answers
        and e.id.startswith(known)
        and reader(question=e.question, context=e.context, max_answer_len=30, top_k=6)[0]["answer"]
        == e.answers[0].text
    )
    # An emoji is one character in Python and two UTF-16 units in the browser.
    for before in ("", "🙂🙃 "):
        context = before + example.context
        # The settings that the page sends.
        answers = reader(question=example.question, context=context, max_answer_len=30, top_k=6)
        answer = answers[0]
        ask(page, example.question, context)
        assert marked(page) == (answer["answer"], context[: answer["start"]])
        assert before or answer["answer"] == example.answers[0].text
        assert page.find_element(By.ID, "answer").text == answer["answer"]
        assert page.find_element(By.ID, "text").get_attribute("lang") == language
        assert f"Answer: {answer['answer']}." in page.execute_script(
            "return document.getElementById('said').textContent"
        )


def test_no_answer_is_shown_as_such(page, reader, taught):
    example = next(
        e
        for e in taught
        if e.is_impossible
        and not reader(
            question=e.question, context=e.context, handle_impossible_answer=True, top_k=6
        )[0]["answer"]
    )
    box = page.find_element(By.ID, "impossible")
    assert not box.is_selected()
    box.click()
    ask(page, example.question, example.context)
    assert page.find_element(By.ID, "answer").text == "The text does not answer this."
    assert page.find_elements(By.CSS_SELECTOR, "#text mark") == []
    assert page.find_element(By.CSS_SELECTOR, "#others li .words").text == "no answer"
    assert page.execute_script("return document.getElementById('said').textContent").startswith(
        "No answer."
    )


def test_candidates_shades_and_examples(page):
    page.find_element(By.CSS_SELECTOR, "#example-list li:nth-child(3) button").click()
    WebDriverWait(page, 10).until(lambda b: b.find_element(By.ID, "found").is_displayed())
    candidates = page.find_elements(By.CSS_SELECTOR, "#others button")
    assert len(candidates) > 2
    assert [c.get_attribute("aria-pressed") for c in candidates[:2]] == [
        "true",
        "false",
    ]
    words = candidates[1].find_element(By.CLASS_NAME, "words").text
    candidates[1].send_keys(Keys.ENTER)
    assert marked(page)[0] == words
    assert page.switch_to.active_element.find_element(By.CLASS_NAME, "words").text == words
    bars = [
        float(b.value_of_css_property("width")[:-2])
        for b in page.find_elements(By.CSS_SELECTOR, ".bar i")
    ]
    assert bars == sorted(bars, reverse=True)

    def shaded():
        return page.execute_script(
            """
            const spans = [...document.querySelectorAll('#text span')];
            return spans.filter((span) => span.style.backgroundColor).length;
            """
        )

    assert shaded() == 0
    for side in ("start", "end"):
        page.find_element(By.CSS_SELECTOR, f"input[value={side}]").click()
        assert shaded() > 5
        assert marked(page)[0] == words
    page.find_element(By.CSS_SELECTOR, "input[name=shade][value='']").click()


def test_the_page_speaks_korean_and_english(page):
    page.find_element(By.ID, "to-ko").click()
    assert page.find_element(By.TAG_NAME, "h1").text == "글에 물어보기"
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ko"
    # The choice survives a reload.
    page.refresh()
    WebDriverWait(page, 10).until(
        lambda b: b.find_element(By.TAG_NAME, "h1").text == "글에 물어보기"
    )
    missing = page.execute_script(
        "return Object.keys(TEXTS.en).filter((key) => !(key in TEXTS.ko))"
    )
    assert missing == []
    WebDriverWait(page, 10).until(lambda b: b.find_element(By.ID, "examples").is_displayed())
    page.find_element(By.ID, "to-en").click()
    assert page.find_element(By.TAG_NAME, "h1").text == "Ask a text"


def test_keyboard_labels_and_errors(page):
    unnamed = page.execute_script(
        """
        const controls = 'button, input, textarea, [role=region]';
        const labelOf = (e) => e.labels && e.labels.length && e.labels[0].textContent.trim();
        const nameOf = (e) => e.textContent.trim() || e.getAttribute('aria-label') || labelOf(e);
        return [...document.querySelectorAll(controls)]
            .filter((e) => !nameOf(e))
            .map((e) => e.outerHTML);
        """
    )
    assert unnamed == []
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    order = []
    for _ in range(6):
        order.append(page.switch_to.active_element.get_attribute("id"))
        page.switch_to.active_element.send_keys(Keys.TAB)
    assert order == ["to-ko", "to-en", "context", "question", "ask", "impossible"]
    page.execute_script("document.getElementById('context').value = 'x'.repeat(200000)")
    page.find_element(By.ID, "question").send_keys("Who?", Keys.ENTER)
    WebDriverWait(page, 10).until(
        lambda b: "200000 characters" in b.find_element(By.ID, "alert").text
    )
    # The browser logs the status 413 as an error; read it here, or the page fixture would fail.
    page.get_log("browser")


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_sticks_out(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    for scheme in ("light", "dark"):
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        page.find_element(By.CSS_SELECTOR, "#example-list li:last-child button").click()
        WebDriverWait(page, 10).until(lambda b: b.find_element(By.ID, "found").is_displayed())
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        ink, paper = (
            page.find_element(By.TAG_NAME, "html").value_of_css_property(name)
            for name in ("color", "background-color")
        )
        assert ("dark" if _sum(ink) > _sum(paper) else "light") == scheme
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_description_of_the_api(page, address):
    page.get(address + "/docs")
    WebDriverWait(page, 10).until(
        lambda b: "POST /answer" in b.find_element(By.TAG_NAME, "body").text
    )
    assert "code points" in page.find_element(By.TAG_NAME, "body").text


def _sum(color):
    """Red, green and blue of a CSS color, added up."""
    parts = color.split("(")[1].rstrip(")").split(",")
    return sum(float(part) for part in parts[:3])
