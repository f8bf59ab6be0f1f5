"""The page of the server, driven in a real browser without a window."""

import json
import re
import shutil
from urllib.parse import quote

import pytest
from conftest import serving

from mrc.reader import Reader

webdriver = pytest.importorskip("selenium.webdriver", reason='needs pip install -e ".[browser]"')

# Without Selenium the line above skips this file, so these imports cannot come before it.
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

pytest.importorskip("fastapi", reason='needs pip install -e ".[serve]"')
from mrc.commands.server.errors import ERRORS  # noqa: E402

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")


# Tests wait for at most this many seconds.
PATIENCE = 15


@pytest.fixture(scope="module")
def address(reader):
    with serving(reader) as (address, _):
        yield address


@pytest.fixture(scope="module")
def reader_of_no_answer(reader_folder):
    """The same reader, as one that was trained to give no answer."""
    reader = Reader.from_pretrained(reader_folder, device="cpu")
    reader.allows_no_answer = True
    return reader


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
    """The page as a new visitor sees it; the test fails if the browser logs an error."""
    yield opened(browser, address)
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def opened(browser, address):
    """Open the page anew, with nothing kept of an earlier test."""
    browser.get(address)
    browser.execute_script("sessionStorage.clear(); localStorage.clear()")
    browser.get(address)
    wait(browser, lambda: shown(browser, "examples"))
    return browser


def wait(page, condition):
    WebDriverWait(page, PATIENCE).until(lambda _: condition())


def shown(page, name):
    return page.find_element(By.ID, name).is_displayed()


def text_of(page, name):
    return page.find_element(By.ID, name).text


def fill(page, name, value):
    """Put a value into a field. The driver cannot type emoji, so a script does it."""
    page.execute_script(
        """
        const field = document.getElementById(arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event('input'));
        """,
        name,
        value,
    )


def answered(page):
    """Wait until what was asked is answered or refused."""
    idle = "return document.getElementById('result').getAttribute('aria-busy') === 'false'"
    wait(page, lambda: page.execute_script(idle))


def ask(page, question, *contexts):
    """Ask a question of one text or several; wait for its answer."""
    page.find_element(By.ID, "clear").click()
    for number, context in enumerate(contexts):
        if number:
            page.find_element(By.ID, "add-text").click()
        fill(page, "context", context)
    page.find_element(By.ID, "question").send_keys(question, Keys.ENTER)
    answered(page)


def drop(page, **files):
    """Drop files onto the form, by name (an underscore stands for the dot)."""
    page.execute_script(
        """
        const data = new DataTransfer();
        for (const [name, content] of Object.entries(arguments[0])) {
            data.items.add(new File([content], name.replace('_', '.')));
        }
        const event = new DragEvent('drop', { dataTransfer: data, cancelable: true });
        document.getElementById('ask-section').dispatchEvent(event);
        """,
        files,
    )


def listed(page, selector):
    return [element.text for element in page.find_elements(By.CSS_SELECTOR, selector)]


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
        and reader(question=e.question, context=e.context, max_answer_len=30, top_k=20)[0]["answer"]
        == e.answers[0].text
    )
    # An emoji is one character in Python and two UTF-16 units in the browser.
    for before in ("", "🙂🙃 "):
        context = before + example.context
        # The settings that the page sends.
        answers = reader(question=example.question, context=context, max_answer_len=30, top_k=20)
        answer = answers[0]
        ask(page, example.question, context)
        assert marked(page) == (answer["answer"], context[: answer["start"]])
        assert before or answer["answer"] == example.answers[0].text
        assert text_of(page, "asked") == example.question
        assert text_of(page, "answer") == answer["answer"]
        assert page.find_element(By.ID, "text").get_attribute("lang") == language
        assert f"Answer: {answer['answer']}." in said(page)


def said(page):
    """What a screen reader announced last."""
    return page.execute_script("return document.getElementById('said').textContent")


def test_a_reader_that_may_give_no_answer(browser, reader_of_no_answer, taught):
    example = next(
        e
        for e in taught
        if e.is_impossible
        and not reader_of_no_answer(
            question=e.question, context=e.context, handle_impossible_answer=True, top_k=6
        )[0]["answer"]
    )
    with serving(reader_of_no_answer) as (address, _):
        page = opened(browser, address)
        page.find_element(By.ID, "impossible").click()
        ask(page, example.question, example.context)
        assert text_of(page, "answer") == "The text does not answer this."
        assert page.find_elements(By.CSS_SELECTOR, "#text mark") == []
        assert listed(page, "#others .words")[0] == "no answer"
        assert said(page).startswith("No answer.")
        # It could have said so of the example, whatever it said.
        page.find_element(By.CSS_SELECTOR, "#example-list li:nth-child(4) button").click()
        answered(page)
        assert "does not answer the question" in text_of(page, "remark")
        assert "cannot" not in text_of(page, "remark")


def test_a_reader_that_always_answers(page):
    assert not shown(page, "impossible")
    assert "it always gives one" in text_of(page, "always-answers")
    item = page.find_element(By.CSS_SELECTOR, "#example-list li:nth-child(4) button")
    assert item.text.endswith("no answer")
    item.click()
    answered(page)
    assert "This reader cannot say so" in text_of(page, "remark")


def test_scores_in_words(page, reader, taught):
    levels = {}
    for example in taught:
        answer = reader(
            question=example.question, context=example.context, max_answer_len=30, top_k=20
        )[0]
        level = "high" if answer["score"] >= 0.7 else "low" if answer["score"] < 0.4 else "medium"
        levels.setdefault(level, (example, answer))
    assert {"high", "low"} <= set(levels)
    looks = {}
    for level, (example, answer) in levels.items():
        ask(page, example.question, example.context)
        assert text_of(page, "level").startswith(f"{level} score")
        assert text_of(page, "score") == f"{100 * answer['score']:.1f}%"
        color = page.find_element(By.ID, "level").value_of_css_property("color")
        weight = page.find_element(By.ID, "answer").value_of_css_property("font-weight")
        looks[level] = (color, int(weight))
    assert looks["high"][0] != looks["low"][0]
    assert looks["high"][1] > looks["low"][1]


def test_candidates_and_shades(page, reader, taught):
    example = taught[0]
    ask(page, example.question, example.context)
    answers = reader(
        question=example.question, context=example.context, max_answer_len=30, top_k=20
    )
    best = answers[0]
    others = [a for a in answers[1:] if a["start"] < best["end"] and best["start"] < a["end"]]
    assert others
    # What overlaps the best answer is folded into it.
    first = page.find_element(By.CSS_SELECTOR, "#others > li")
    first.find_element(By.TAG_NAME, "summary").click()
    words = [element.text for element in first.find_elements(By.CLASS_NAME, "words")]
    assert words == [best["answer"], *(answer["answer"] for answer in others)]
    folded = first.find_elements(By.CSS_SELECTOR, "details button")[0]
    folded.send_keys(Keys.ENTER)
    assert marked(page)[0] == others[0]["answer"]
    assert page.switch_to.active_element == folded
    assert folded.get_attribute("aria-pressed") == "true"

    shades = "return [...document.querySelectorAll('#text [title]')].map((e) => e.textContent)"
    assert page.execute_script(shades) == []
    for side in ("start", "end"):
        page.find_element(By.CSS_SELECTOR, f"input[value={side}]").click()
        wait(page, lambda: page.execute_script(shades))
        words = re.findall(r"\w+(?:,\w+)*", example.context)
        assert set(page.execute_script(shades)) <= set(words)
        assert marked(page)[0] == others[0]["answer"]


def test_what_is_stale_is_dimmed(page, taught):
    def is_dimmed():
        return "dimmed" in page.find_element(By.ID, "result").get_attribute("class")

    ask(page, taught[0].question, taught[0].context)
    assert not is_dimmed()
    page.find_element(By.ID, "question").send_keys("?")
    assert is_dimmed()
    assert text_of(page, "asked") == taught[0].question
    page.find_element(By.ID, "again").click()
    answered(page)
    assert not is_dimmed()
    assert text_of(page, "asked") == taught[0].question + "?"
    # An error leaves the earlier answer, dimmed.
    fill(page, "context", "x" * 200_000)
    page.find_element(By.ID, "ask").click()
    wait(page, lambda: "The text has 200,000 characters" in text_of(page, "alert"))
    assert is_dimmed()
    page.find_element(By.ID, "to-ko").click()
    assert text_of(page, "alert") == "글이 200,000자입니다. 100,000자까지 읽을 수 있습니다."
    # The browser logs the status 413 as an error; read it here, or the page fixture would fail.
    page.get_log("browser")


def test_several_texts(page, reader, taught):
    other = next(e.context for e in taught if e.context != taught[0].context)
    contexts = [other, taught[0].context, "One more text."]
    ask(page, taught[0].question, *contexts)
    best = reader.read(taught[0].question, contexts, top_k=20, max_answer_len=30)[0]
    best_name = f"Text {best['passage'] + 1}"
    assert text_of(page, "answer") == best["answer"]
    assert text_of(page, "where") == f"From {best_name}"
    assert marked(page) == (best["answer"], contexts[best["passage"]][: best["start"]])
    assert listed(page, "#texts .name") == ["Text 1", "Text 2", "Text 3"]
    # Each candidate is marked in its place, and shown there when it is chosen.
    places = page.find_elements(By.CSS_SELECTOR, "#others > li > button .place")
    assert places[0].find_element(By.TAG_NAME, "mark").text == best["answer"]
    elsewhere = next(place for place in places if not place.text.startswith(best_name))
    name = elsewhere.find_element(By.TAG_NAME, "b").text
    elsewhere.click()
    assert text_of(page, "where") == f"From {name}"
    assert page.find_element(By.ID, "text").text == contexts[int(name.split()[1]) - 1]
    # One can be taken out.
    page.find_elements(By.CSS_SELECTOR, "#texts .remove")[2].click()
    assert len(listed(page, "#texts .name")) == 2


def test_files(page):
    squad = {"data": [{"paragraphs": [{"context": "One.", "qas": []}, {"context": "Two."}]}]}
    drop(page, notes_txt="A note.\r\nMore.", squad_json=json.dumps(squad))
    wait(page, lambda: len(listed(page, "#texts .name")) == 3)
    assert listed(page, "#texts .name") == ["notes.txt", "squad.json 1", "squad.json 2"]
    page.find_elements(By.CSS_SELECTOR, "#texts .pick")[0].click()
    assert page.find_element(By.ID, "context").get_attribute("value") == "A note.\nMore."
    drop(page, lines_jsonl='{"text": "Three."}\n{"text": "Four."}\n')
    wait(page, lambda: len(listed(page, "#texts .name")) == 5)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("photo_png", "x", "photo.png: only .txt, .md, .json, .jsonl and .pdf files can be read."),
        ("blank_txt", " ", "blank.txt: the file holds no text."),
        ("broken_json", "{", "broken.json: the file is not valid JSON."),
        ("long_json", json.dumps(["x"] * 201), "holds 201 texts; 200 more are allowed."),
        ("large_txt", "x" * 1_100_000, "the file has 1,075 KiB; 1,024 are allowed."),
        ("scan_pdf", "x", "This is not a PDF file that can be read."),
    ],
)
def test_files_that_are_refused(page, name, content, message):
    if name == "scan_pdf":
        pytest.importorskip("pypdf", reason='needs pip install -e ".[pdf]"')
    drop(page, **{name: content})
    wait(page, lambda: message in text_of(page, "alert"))
    assert not shown(page, "texts")
    page.get_log("browser")


def test_history_links_and_reloads(page, taught):
    first, second = taught[:2]
    ask(page, first.question, first.context)
    ask(page, second.question, second.context, "<b>More</b> & more")
    assert listed(page, "#history-list .main")[0].startswith(second.question)
    assert "another text" in listed(page, "#history-list .main")[1]

    # A reload keeps the form and the history.
    page.refresh()
    wait(page, lambda: shown(page, "examples"))
    assert page.find_element(By.ID, "question").get_attribute("value") == second.question
    assert len(listed(page, "#texts .name")) == 2
    assert len(listed(page, "#history-list li")) == 2
    page.find_elements(By.CSS_SELECTOR, "#history-list button")[1].click()
    answered(page)
    wait(page, lambda: text_of(page, "asked") == first.question)
    page.find_element(By.ID, "forget").click()
    assert not shown(page, "history")

    # A link brings text and question, and no server sees them.
    link = f"#q={quote(first.question)}&t={quote(first.context)}"
    page.execute_script("location.hash = arguments[0]", link)
    wait(page, lambda: shown(page, "found") and text_of(page, "asked") == first.question)
    assert page.find_element(By.ID, "context").get_attribute("value") == first.context
    assert "#" not in page.current_url
    page.find_element(By.ID, "clear").click()
    assert not shown(page, "found")
    assert page.find_element(By.ID, "context").get_attribute("value") == ""


def test_the_copied_link_leads_back(page, taught):
    example = taught[0]
    ask(page, example.question, example.context)
    page.execute_script(
        """
        navigator.clipboard.writeText = async (text) => {
            document.body.dataset.copied = text;
        };
        """
    )
    page.find_element(By.ID, "copy-answer").click()
    wait(page, lambda: text_of(page, "copied") == "Copied.")
    copied = "return document.body.dataset.copied"
    assert page.execute_script(copied) == text_of(page, "answer")
    page.find_element(By.ID, "copy-link").click()
    wait(page, lambda: page.execute_script(copied).startswith("http"))
    link = page.execute_script(copied)
    page.find_element(By.ID, "clear").click()
    page.get("about:blank")
    page.get(link)
    wait(page, lambda: shown(page, "found") and text_of(page, "asked") == example.question)
    assert page.find_element(By.ID, "text").text == example.context


def test_markup_in_texts_is_text(page):
    nasty = "<img src=x onerror=document.title='owned'> <script>1</script> Ann <b>won</b>."
    ask(page, "Who <i>won</i>?", nasty, nasty + " & more")
    assert page.find_elements(By.CSS_SELECTOR, "img, main script, #asked i") == []
    assert text_of(page, "asked") == "Who <i>won</i>?"
    assert page.title == "Ask a text"


def test_a_server_that_asks_for_a_key(browser, reader, write, taught):
    key = "a-key-of-sixteen-characters"
    with serving(reader, api_key_file=write(key, "key.txt")) as (address, _):
        page = opened(browser, address)
        assert not shown(page, "key")
        ask(page, taught[0].question, taught[0].context)
        wait(page, lambda: shown(page, "key"))
        assert text_of(page, "alert") == "Enter the key that this server asks for."
        page.find_element(By.ID, "key").send_keys(key, Keys.ENTER)
        wait(page, lambda: shown(page, "found"))
        assert text_of(page, "alert") == ""
    browser.get_log("browser")


def test_the_page_speaks_korean_and_english(page):
    page.find_element(By.ID, "to-ko").click()
    assert page.find_element(By.TAG_NAME, "h1").text == "글에 물어보기"
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ko"
    # The choice survives a reload.
    page.refresh()
    wait(page, lambda: page.find_element(By.TAG_NAME, "h1").text == "글에 물어보기")
    texts = page.execute_async_script(
        "import('./web/texts.js').then(({ TEXTS }) => arguments[0](TEXTS))"
    )
    assert set(texts["en"]) == set(texts["ko"])
    assert set(texts["en"]["errors"]) | set(ERRORS) == set(texts["ko"]["errors"])
    # What is filled in is the same.
    names = re.compile(r"\{(\w+)")
    for key, english in texts["en"].items():
        if isinstance(english, str):
            assert set(names.findall(english)) == set(names.findall(texts["ko"][key])), key
    for code, (_, english) in ERRORS.items():
        korean = set(names.findall(texts["ko"]["errors"][code]))
        assert korean <= set(names.findall(english)), code
    page.find_element(By.ID, "to-en").click()
    assert page.find_element(By.TAG_NAME, "h1").text == "Ask a text"


def test_the_keyboard_reaches_everything_in_order(page):
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    order = []
    for _ in range(8):
        order.append(page.switch_to.active_element.get_attribute("id"))
        page.switch_to.active_element.send_keys(Keys.TAB)
    assert order == [
        "to-ko",
        "to-en",
        "add-text",
        "add-files",
        "clear",
        "context",
        "question",
        "ask",
    ]


def emulate(page, width, scheme):
    """Show the page at a width, in a light or dark scheme."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def sticks_out(page):
    """How far the page is wider than its window."""
    return page.execute_script("return document.documentElement.scrollWidth - innerWidth")


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out(page, address, width):
    word = "w" * 300
    for scheme in ("light", "dark"):
        emulate(page, width, scheme)
        ask(page, word, f"{word} and {word}", f"{word}.")
        assert sticks_out(page) <= 0
        ink, paper = (
            page.find_element(By.TAG_NAME, "html").value_of_css_property(name)
            for name in ("color", "background-color")
        )
        assert ("dark" if _sum(ink) > _sum(paper) else "light") == scheme
    page.get(f"{address}/docs")
    wait(page, lambda: "GET /metrics" in text_of(page, "paths"))
    assert sticks_out(page) <= 0
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_description_of_the_api(page, address):
    page.get(f"{address}/docs")
    wait(page, lambda: "GET /metrics" in text_of(page, "paths"))
    assert "code points" in text_of(page, "paths")
    for path in ("/answer", "/read", "/batch"):
        (send,) = (
            button
            for button in page.find_elements(By.CLASS_NAME, "send")
            if button.text == f"Send POST {path}"
        )
        send.click()
        output = f"[aria-label='Response of POST {path}']"
        wait(page, lambda output=output: "score" in listed(page, output)[0])
        assert listed(page, output)[0].startswith("200 OK")


def violations(page, axe):
    """What axe-core finds against the page: the rule and the elements."""
    found = axe.run(page)["violations"]
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(page, address, taught, scheme):
    module = pytest.importorskip(
        "axe_core_python.selenium", reason='needs pip install -e ".[browser]"'
    )
    axe = module.Axe()
    emulate(page, 1200, scheme)
    plain, busy = ("en", "ko") if scheme == "light" else ("ko", "en")
    page.find_element(By.ID, f"to-{plain}").click()
    ask(page, taught[0].question, taught[0].context)
    side = "start" if scheme == "light" else "end"
    page.find_element(By.CSS_SELECTOR, f"input[value={side}]").click()
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "#text [title]"))
    page.find_element(By.TAG_NAME, "summary").click()
    assert violations(page, axe) == []
    # Stale, with several texts, a history and an error.
    page.find_element(By.ID, f"to-{busy}").click()
    ask(page, taught[0].question, taught[0].context, taught[1].context)
    page.find_element(By.ID, "question").send_keys("?")
    drop(page, photo_png="x")
    wait(page, lambda: text_of(page, "alert"))
    assert violations(page, axe) == []
    page.get(f"{address}/docs")
    wait(page, lambda: "GET /metrics" in text_of(page, "paths"))
    page.find_element(By.CLASS_NAME, "send").click()
    wait(page, lambda: "200 OK" in text_of(page, "paths"))
    assert violations(page, axe) == []
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def _sum(color):
    """Red, green and blue of a CSS color, added up."""
    parts = color.split("(")[1].rstrip(")").split(",")
    return sum(float(part) for part in parts[:3])
