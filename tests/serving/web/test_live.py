"""The view that plays the stored rows over one connection, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from tests.conftest import serve, watched
from tests.serving.web.forwarder import Forwarder, forwarding
from tests.serving.web.test_log import see
from tests.serving.web.views import TITLES
from tests.shipped import BANDS, LETTERS

SLOW = 60_000


class Frames:
    """What goes through the WebSockets of a page."""

    def __init__(self, page: Page) -> None:
        self.sockets: list[WebSocket] = []
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        self.sockets.append(socket)
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))
        socket.on("framereceived", self._receive)

    def _receive(self, text: str | bytes) -> None:
        # A close frame's reason is given as a frame, too.
        if text[:1] in ("{", b"{"):
            self.received.append(json.loads(text))


def open_live(page: Page) -> Frames:
    frames = Frames(page)
    page.goto("/?view=live")
    expect(page.locator("#play")).to_be_visible()
    return frames


def fact(page: Page, name: str) -> Any:
    return page.locator(".gauges > div", has_text=name).locator("dd")


def expect_answered(page: Page, rows: int) -> None:
    """So many rows are answered, and no more."""
    expect(fact(page, "Rows answered")).to_have_text(f"{rows:,}")


def await_answered(page: Page, rows: int) -> None:
    """At least so many rows are answered."""
    page.wait_for_function(
        """(rows) => [...document.querySelectorAll(".gauges > div")].some((fact) =>
          fact.textContent.startsWith("Rows answered")
          && Number(fact.lastChild.textContent.replace(",", "")) >= rows)""",
        arg=rows,
        timeout=SLOW,
    )


def step(page: Page, rows: int, before: int = 0) -> None:
    for number in range(before + 1, before + rows + 1):
        page.get_by_role("button", name="Step").click()
        expect(page.locator("#said")).to_contain_text(f"Line {number - 1},")


def test_a_step_shows_what_is_answered_to_a_row(
    page: Page, client: httpx.Client, predictions: dict[str, Any]
) -> None:
    frames = open_live(page)
    expect(page.locator("#view-live .now")).to_be_hidden()
    assert frames.sockets == []
    step(page, 3)
    (socket,) = frames.sockets
    assert socket.url == str(client.base_url).replace("http", "ws").rstrip("/") + "/live"
    stored = client.get("/line/2").json()
    assert [row["id"] for row in frames.sent] == [0, 1, 2]
    assert frames.sent[2]["row"] == [float(v) for name, v in stored.items() if "/" in name]
    answer = frames.received[-1]
    decision, truth = answer["decision"], LETTERS[predictions["truth"][2]]
    letters = page.locator("#view-live .decided .letter")
    expect(letters).to_have_text([decision["letter"], truth])
    right = decision["letter"] == truth
    expect(page.locator(".decided .verdict").first).to_have_text(
        f"{'✓ right' if right else '✗ wrong'} not stable"
    )
    percent = "{:.1%}".format
    expect(page.locator(".decided .quiet").first).to_have_text(
        percent(decision["probability"]).replace("%", "\u00a0%") + " by 3 rows"
    )
    for title, shown in zip(TITLES, page.locator(".likeliest").all(), strict=True):
        expect(shown.locator("h3")).to_contain_text(title)
        said = answer[title]["likeliest"]
        expect(shown.locator("li")).to_have_text(
            [f"{of['letter']}{percent(of['probability'])}".replace("%", "\u00a0%") for of in said]
        )
        assert [of["letter"] for of in said if of["letter"] == truth] == shown.locator(
            "li.true .cut"
        ).all_inner_texts()
    answers = ", ".join(f"{title}: {answer[title]['letter']}" for title in TITLES)
    expect(page.locator("#said")).to_have_text(
        f"Line 2, truth {truth}. {answers}. Decision: {decision['letter']}, not stable."
    )
    for band, value in zip(BANDS, page.locator("#view-live .map .value").all(), strict=True):
        expect(value).to_have_text(f"Oz {float(stored[f'Oz/{band}']):.3g} µV²")
    for name in ("Rows sent", "Rows answered"):
        expect(fact(page, name)).to_have_text("3")
    expect(fact(page, "Line")).to_have_text("2")
    expect(fact(page, "latency")).to_have_text(re.compile(r"^[\d.e-]+\sms$"))


def test_a_decision_becomes_stable_and_the_last_minute_counts_what_was_wrong(
    page: Page, predictions: dict[str, Any]
) -> None:
    frames = open_live(page)
    page.get_by_label("Speed").select_option("16")
    page.get_by_role("button", name="Play").click()
    await_answered(page, 60)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live-state")).to_have_text("Paused.")
    expect(fact(page, "Rows answered")).to_have_text(str(len(frames.sent)))
    count = len(frames.received)
    stable = frames.received[-1]["decision"]["stable"]
    assert any(answer["decision"]["stable"] for answer in frames.received)
    expect(page.locator(".decided").first).to_have_class(
        re.compile("stable" if stable else r"^(?!.*stable)")
    )
    truth = predictions["truth"][:count]
    wrong = [
        sum(
            answer[title]["label"] != true
            for answer, true in zip(frames.received, truth, strict=True)
        )
        for title in (*TITLES, "decision")
    ]
    expect(page.locator(".minute")).to_have_attribute(
        "aria-label",
        f"The last {count} rows: {TITLES[0]} {wrong[0]} wrong, {TITLES[1]} {wrong[1]} wrong"
        f" and Decision {wrong[2]} wrong",
    )
    # To the right the newest: the decision's lane has no mark where there is no row.
    ends = page.evaluate(
        """() => {
          const canvas = document.querySelectorAll(".minute canvas")[2];
          const { data } = canvas.getContext("2d")
            .getImageData(0, canvas.height - 1, canvas.width, 1);
          return [data[3], data[data.length - 1]];
        }"""
    )
    assert ends == [0, 255]


def test_rows_are_sent_at_the_rate_that_is_chosen(page: Page) -> None:
    page.clock.install()
    frames = open_live(page)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => live.player.isPlaying")
    page.clock.pause_at(page.evaluate("() => Date.now() + 1000"))

    def count_sent(milliseconds: int) -> int:
        before = len(frames.sent)
        for _ in range(milliseconds // 125):
            page.clock.run_for(125)
            page.wait_for_function("() => live.stream.waiting === 0")
        return len(frames.sent) - before

    # What is left over of the time before.
    count_sent(1000)
    for speed in (1, 2, 4, 8, 16):
        page.get_by_label("Speed").select_option(str(speed))
        count_sent(250)
        assert abs(count_sent(1000) - 8 * speed) <= 1
    see(page, False)
    assert count_sent(1000) == 0
    see(page, True)
    assert count_sent(500) > 0
    page.get_by_role("button", name="Pause").click()
    assert count_sent(1000) == 0
    assert [row["id"] for row in frames.sent] == [*range(len(frames.sent))]


def test_it_is_played_by_keyboard(page: Page) -> None:
    open_live(page)
    page.locator("nav a[data-view=live]").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="API", exact=True)).to_be_focused()
    for name in ("Play", "Step", "Speed"):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        expect(focused).to_have_accessible_name(name)
        outline = focused.evaluate("(element) => getComputedStyle(element).outline")
        assert "solid" in outline
        assert "2px" in outline
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Speed")).to_have_value("2")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect_answered(page, 1)
    page.keyboard.press("Space")
    expect_answered(page, 2)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.locator(":focus")).to_have_accessible_name("Pause")
    await_answered(page, 4)
    page.keyboard.press("Space")
    expect(page.locator(":focus")).to_have_accessible_name("Play")
    expect(page.locator("#live-state")).to_have_text("Paused.")


def test_little_is_said_while_it_plays(page: Page) -> None:
    open_live(page)
    page.evaluate(
        """() => {
          window.said = [];
          const count = () =>
            window.said.push(["said", "live-state"].map((id) => $(id).textContent));
          const live = document.querySelectorAll("[role=status], [role=alert], [aria-live]");
          for (const element of live) {
            new MutationObserver(count).observe(element,
              { childList: true, characterData: true, subtree: true });
          }
        }"""
    )
    page.get_by_label("Speed").select_option("16")
    page.get_by_role("button", name="Play").click()
    await_answered(page, 400)
    said = page.evaluate("() => window.said")
    assert said[0] == ["", "Playing."]
    assert any(re.fullmatch(r"Decision: [A-Z]\.", sentence) for sentence, _ in said)
    assert len(said) <= 20


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_maps_move_between_rows_unless_nothing_should_move(page: Page, motion: Any) -> None:
    page.emulate_media(reduced_motion=motion)
    open_live(page)
    page.evaluate(
        """() => {
          window.drawn = 0;
          window.frames = 0;
          const [field, frame] = [drawField, requestAnimationFrame];
          drawField = (...all) => { window.drawn += 1; field(...all); };
          requestAnimationFrame = (work) => { window.frames += 1; return frame(work); };
        }"""
    )
    step(page, 2)
    # Longer than maps take to come to a row.
    page.wait_for_function(
        "() => [window.before, window.before = window.drawn][0] === window.drawn", polling=700
    )
    drawn, frames = page.evaluate("() => [window.drawn, window.frames]")
    if motion == "reduce":
        assert (drawn, frames) == (2 * len(BANDS), 0)
    else:
        assert drawn > 4 * len(BANDS)
    # In the end they show the row as it is.
    shown, direct = page.evaluate(
        """async () => {
          const canvas = document.querySelector("#live-reading .scalp canvas");
          const other = make("canvas", { width: GRID, height: GRID });
          const [shown, direct] = [canvas, other].map((one) => () =>
            [...one.getContext("2d").getImageData(0, 0, GRID, GRID).data]);
          const stored = await ask("line/1");
          const names = Object.keys(PLACES).filter((name) => `${name}/theta` in stored);
          const powers = names.map((name) => Number(stored[`${name}/theta`]));
          drawField(other, names, powers, SCALES.theta);
          return [shown(), direct()];
        }"""
    )
    differences = sum(abs(one - other) > 2 for one, other in zip(shown, direct, strict=True))
    assert differences < len(shown) / 200


def test_another_view_ends_the_connection_and_play_goes_on(page: Page) -> None:
    frames = open_live(page)
    page.get_by_label("Speed").select_option("4")
    page.get_by_role("button", name="Play").click()
    await_answered(page, 3)
    with frames.sockets[0].expect_event("close"):
        page.get_by_role("link", name="Models", exact=True).click()
    expect(page.locator("#facts table")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    before = len(frames.received)
    page.get_by_role("button", name="Play").click()
    await_answered(page, before + 2)
    assert len(frames.sockets) == 2
    ids = [answer["id"] for answer in frames.received]
    assert ids == [*range(len(ids))]


# Connections that are lost


@pytest.fixture
def forwarder(server: str) -> Iterator[Forwarder]:
    with forwarding(server) as forwarder:
        yield forwarder


def test_rows_without_an_answer_are_sent_again_when_the_connection_is_lost(
    browser: Browser, forwarder: Forwarder, server: str
) -> None:
    with watched(browser, forwarder.url, refusals=True) as page:
        frames = open_live(page)
        page.get_by_label("Speed").select_option("4")
        page.get_by_role("button", name="Play").click()
        await_answered(page, 5)
        forwarder.is_holding = True
        page.wait_for_function("() => live.stream.waiting >= 12")
        forwarder.lead_to(None)
        forwarder.cut()
        state = page.locator("#live-state")
        expect(state).to_contain_text("The connection is lost. Connecting again in ")
        expect(state).to_contain_text("The service opens no stream")
        # Some answers may have been on their way.
        answered, waiting = len(frames.received), page.evaluate("() => live.stream.waiting")
        assert waiting > 0
        assert len(frames.sent) == answered + waiting
        forwarder.is_holding = False
        forwarder.lead_to(server)
        await_answered(page, answered + waiting + 5)
        expect(state).to_have_text("Playing.")
        check_each_once(page, frames)
        sent = [row["id"] for row in frames.sent]
        assert sent[answered + waiting :][:waiting] == [*range(answered, answered + waiting)]


def test_a_connection_that_is_lost_while_the_view_is_left_is_not_kept_open_again(
    browser: Browser, forwarder: Forwarder
) -> None:
    with watched(browser, forwarder.url) as page:
        frames = open_live(page)
        page.get_by_label("Speed").select_option("4")
        page.get_by_role("button", name="Play").click()
        await_answered(page, 3)
        forwarder.is_holding = True
        page.wait_for_function("() => live.stream.waiting >= 3")
        page.get_by_role("link", name="Models", exact=True).click()
        with page.expect_websocket() as again:
            forwarder.cut()
            forwarder.is_holding = False
        page.wait_for_function("() => live.stream.waiting === 0")
        if not again.value.is_closed():
            again.value.wait_for_event("close", timeout=10_000)
        ids = [answer["id"] for answer in frames.received]
        assert ids == [*range(len(ids))]


def check_each_once(page: Page, frames: Frames) -> None:
    """Rows were answered and shown in their order, each once."""
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function("() => live.stream.waiting === 0")
    expect(fact(page, "Rows sent")).to_have_text(str(frames.sent[-1]["id"] + 1))
    ids = [answer["id"] for answer in frames.received]
    assert ids == [*range(len(ids))]
    assert {row["id"] for row in frames.sent} == {*ids}
    expect_answered(page, len(ids))
    expect(page.locator(".minute")).to_have_attribute(
        "aria-label", re.compile(f"The last {len(ids)} rows:")
    )


def test_a_service_that_restarts_is_gone_on_with(browser: Browser, trained_home: Path) -> None:
    with (
        ExitStack() as first,
        forwarding() as forwarder,
        watched(browser, forwarder.url, refusals=True) as page,
    ):
        server, process = first.enter_context(serve(trained_home))
        forwarder.lead_to(server)
        frames = open_live(page)
        page.get_by_label("Speed").select_option("8")
        page.get_by_role("button", name="Play").click()
        await_answered(page, 20)
        process.terminate()
        expect(page.locator("#live-state")).to_contain_text("The service restarts. ")
        first.close()
        forwarder.lead_to(None)
        before = len(frames.received)
        with serve(trained_home) as (server, _):
            forwarder.lead_to(server)
            await_answered(page, before + 60)
            expect(page.locator("#live-state")).to_have_text("Playing.")
            check_each_once(page, frames)
        assert len(frames.sockets) > 1
        expect(page.locator("#live-problem")).to_be_empty()


def test_where_no_stream_is_left_it_waits_for_one(browser: Browser, trained_home: Path) -> None:
    with (
        serve(trained_home, EEG_MAX_STREAMS="1") as (server, _),
        watched(browser, server) as page,
        watched(browser, server, refusals=True) as other,
    ):
        open_live(page)
        step(page, 1)
        open_live(other)
        other.get_by_role("button", name="Step").click()
        expect(other.locator("#live-state")).to_contain_text("as many are open as may be")
        page.get_by_role("link", name="Models", exact=True).click()
        expect(other.locator("#said")).to_contain_text("Line 0,")
        expect_answered(other, 1)


def test_a_row_that_is_too_large_for_the_service_is_told(
    browser: Browser, trained_home: Path
) -> None:
    with (
        serve(trained_home, EEG_MAX_MESSAGE_BYTES="512") as (server, _),
        watched(browser, server) as page,
    ):
        frames = open_live(page)
        page.get_by_role("button", name="Play").click()
        expect(page.locator("#live-state")).to_contain_text("ended the stream with code 1009")
        expect(page.get_by_role("button", name="Play")).to_be_visible()
        assert len(frames.sockets) == 1
