"""The status page as a real Chromium shows it: what is seen, heard, asked for, and what it costs."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from audit_event_operator.engine.elsewhere import Elsewhere, NothingElsewhere, ServedElsewhere
from audit_event_operator.engine.snapshot import Ref, Snapshot
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.status import ScenarioStatus
from audit_event_operator.web.app import Site, build_applications
from audit_event_operator.web.ports import HealthChecks
from support.doubles.fleet import Still, changed, make_snapshot
from support.parts.browser import Browser, Page
from support.parts.operator_process import OperatorProcess

NAMES = "[...document.querySelectorAll('#rows tr:not([hidden]) th a')].map((link) => link.textContent)"
NASTY = [
    "<img src=x onerror=document.title='run'>", "\"quoted\" & 'quoted'", "100% $(1+1) `x`", "</script><b>bold</b>",
    "with space/and slash", "名前-ü-🙂", "x#y?z",
]  # fmt: skip


class Fleet:
    """Generators of which tests say everything."""

    running, default_stream = True, None

    def __init__(self, *live: Snapshot) -> None:
        self.live = list(live)

    def generators(self) -> list[Still]:
        return [Still(each) for each in self.live]

    def find(self, ref: Ref) -> Snapshot | None:
        return next((each for each in self.live if each.ref == ref), None)


def a_generator(namespace: str, name: str, reason: Reason = Reason.PUBLISHING, **changes: Any) -> Snapshot:
    told = {"message": "The broker confirms the events."} | changes
    return make_snapshot(Ref(namespace, name), f"{namespace}/{name}", reason, **told)


def a_failing_one() -> Snapshot:
    return a_generator(
        "team-b", "broken", Reason.SECRET_NOT_FOUND, connected=False,
        message="There is no Secret broker in namespace team-b; create it there.",
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@asynccontextmanager
async def shown(
    browser: Browser, fleet: Fleet, at: str = "/", elsewhere: Elsewhere | None = None
) -> AsyncIterator[Page]:
    """A tab with the page of this fleet; afterwards nothing may have been complained of or asked for elsewhere."""
    submissions = SimpleNamespace(elsewhere=elsewhere or NothingElsewhere())
    site = Site(fleet=fleet, submissions=submissions, brokers=None, build={}, health_checks=HealthChecks())
    server = TestServer(build_applications(site).main)
    async with server, browser.page() as page:
        await page.look(width=1280, height=800)
        await page.open(f"{server.make_url('/')}{at.removeprefix('/')}")
        await page.wait_for("document.readyState === 'complete' && loaded")
        yield page
        assert page.complaints == []
        asked = [url for url in page.requests if not url.startswith("data:")]
        assert {url for url in asked if not url.startswith(str(server.make_url("/")))} == set()


async def text(page: Page, selector: str) -> str:
    return str(await page.run(f"document.querySelector({json.dumps(selector)}).innerText"))


async def test_three_generators_of_a_running_operator_are_seen_to_publish(browser: Browser, tmp_path: Path) -> None:
    documents = [
        {
            "apiVersion": "auditflow.jojees.net/v1alpha1",
            "kind": "AuditEventGenerator",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"interval": "100ms", "queue": f"queue-of-{name}", "suspend": name == "three"},
        }
        for name in ("one", "two", "three")
    ]
    (tmp_path / "three.json").write_text("\n---\n".join(json.dumps(document) for document in documents))
    with OperatorProcess(tmp_path, "demo", "-f", tmp_path / "three.json") as operator:
        async with browser.page() as page:
            await page.open(f"http://127.0.0.1:{operator.app_port}/")
            assert await page.wait_for(f"loaded && {NAMES}.length === 3 && {NAMES}") == ["one", "three", "two"]
            published = "document.querySelector('[data-total=published]').textContent.replace(',', '')"
            first = int(await page.run(published))
            await page.wait_for(f"{published} > {first} + 10")  # by itself, within seconds
            assert "Publishing" in await text(page, "#rows tr:first-child .state")
            assert "Suspended" in await text(page, "#rows tr:nth-child(2) .state")
            assert "queue-of-one" in await text(page, "#rows tr:first-child .queue")
            assert await page.run(
                "document.querySelector('#rows polyline').getAttribute('points').split(' ').length > 1"
            )
            assert page.complaints == []
            assert all(url.startswith((f"http://127.0.0.1:{operator.app_port}/", "data:")) for url in page.requests)


async def test_a_failing_one_says_what_is_wrong_and_is_news_only_when_that_changes(browser: Browser) -> None:
    fleet = Fleet(a_generator("team-a", "fine"), a_generator("team-c", "fine-too"))
    async with shown(browser, fleet) as page:
        assert await text(page, "#news") == ""
        fleet.live.append(a_failing_one())
        await page.run("refresh()")
        await page.wait_for(f"{NAMES}.includes('broken')")
        row = await text(page, "#rows tr:nth-child(2)")
        for words in ("Failing", "Secret not found", "There is no Secret broker in namespace team-b", "not connected"):
            assert words in row
        assert await text(page, "#summary") == "3 generators · 2 active · 1 failing"
        assert await page.run("document.title") == "1 failing – Audit Event Operator"
        assert await text(page, "#news") == "1 of 3 generators failing"
        await page.run("document.getElementById('news').textContent = 'heard'; refresh()")
        assert await text(page, "#news") == "heard"
        fleet.live[-1] = a_generator("team-b", "broken", Reason.BROKER_UNREACHABLE, connected=False, message="Refused.")
        await page.run("refresh()")
        await page.wait_for("document.querySelector('#rows tr:nth-child(2)').innerText.includes('Broker unreachable')")
        assert "Waiting" in await text(page, "#rows tr:nth-child(2) .state")


async def test_an_empty_fleet_says_how_to_begin(browser: Browser) -> None:
    async with shown(browser, Fleet()) as page:
        assert "There are no generators yet" in await text(page, "#nothing")
        assert "kubectl apply" in await text(page, "#nothing")
        assert await text(page, "#summary") == "0 generators"
        assert not await page.run("document.getElementById('generators').checkVisibility()")


async def test_streams_of_other_replicas_are_shown_with_the_replica_that_serves_them(browser: Browser) -> None:
    theirs = ServedElsewhere(
        Ref("team-a", "theirs"), "u9", "pod-2", foreign=False, snapshot=lambda: a_generator("team-a", "theirs")
    )
    elsewhere = SimpleNamespace(all=lambda: [theirs], find=lambda _: theirs)
    async with shown(browser, Fleet(a_generator("team-a", "mine")), elsewhere=elsewhere) as page:
        assert await page.run(NAMES) == ["mine", "theirs"]
        assert "on pod-2" in await text(page, "#rows tr:nth-child(2) th")
        assert "on " not in await text(page, "#rows tr:nth-child(1) th")
        assert await text(page, "#summary") == "2 generators · 2 active"


async def test_names_are_text_whatever_is_in_them(browser: Browser) -> None:
    fleet = Fleet(
        *(a_generator(f"ns {name}", name, Reason.INVALID_SPEC, message=name, destination=name, broker=name,
                      rate_limited=name) for name in NASTY)
    )  # fmt: skip
    async with shown(browser, fleet) as page:
        assert sorted(await page.run(NAMES)) == sorted(NASTY)
        for name in NASTY:
            link = (
                f"[...document.querySelectorAll('#rows th a')].find((link) => link.textContent === {json.dumps(name)})"
            )
            await page.run(f"{link}.click()")
            await page.wait_for(
                f"document.getElementById('detail-name').textContent === {json.dumps(f'ns {name}/{name}')}"
            )
            await page.wait_for(f"document.getElementById('detail-message').textContent === {json.dumps(name)}")
        assert await page.run("document.querySelectorAll('img, b:not([data-total]), main script').length") == 0
        assert "run" not in await page.run("document.title")


async def test_a_deep_link_opens_one_generator_and_going_back_closes_it(browser: Browser) -> None:
    fleet = Fleet(a_generator("team-a", "logins", events_published=7, run_id="monday"), a_failing_one())
    async with shown(browser, fleet, at="/#/team-a/logins") as page:
        await page.wait_for("document.getElementById('detail-facts').children.length > 10")
        assert await text(page, "#detail-name") == "team-a/logins"
        assert "monday" in await text(page, "#detail-facts")
        assert await text(page, "#rows tr[aria-current] th a") == "logins"
        await page.run("location.hash = '#/team-b/broken'")
        await page.wait_for("document.getElementById('detail').innerText.includes('Secret not found')")
        assert await page.run("document.activeElement.id") == "detail-name"
        await page.run("history.back()")
        await page.wait_for("document.getElementById('detail-name').textContent === 'team-a/logins'")
        await page.run("document.getElementById('close').click()")
        await page.wait_for("document.getElementById('detail').hidden")
        await page.wait_for("document.activeElement.textContent === 'logins'")  # where the reader came from
        await page.run("location.hash = '#/team-a/nobody'")
        await page.wait_for("document.getElementById('detail').innerText.includes('There is no such generator here')")


async def test_an_episode_is_marked_where_it_began_and_named_while_it_goes_on(browser: Browser) -> None:
    began = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    before = ScenarioStatus("brute", 2, 0, None, "an-episode", began, 36)
    fleet = Fleet(a_generator("team-a", "attacks", scenarios=(before,)), a_generator("team-a", "plain"))
    marks = (
        "[...document.querySelectorAll('#rows path')].map((path) => path.getAttribute('d')?.match(/M/g)?.length ?? 0)"
    )
    refreshed = "refresh(); new Promise((done) => setInterval(() => !busy && done(true), 5))"
    async with shown(browser, fleet) as page:
        await page.run(refreshed)
        assert await page.run(marks) == [0, 0], "what began before the page was opened has no place on the line"
        assert "Episode" not in await text(page, "#rows tr:first-child .state")
        open_now = before._replace(open="another", last_episode="another", last_time=began + timedelta(minutes=9))
        fleet.live[0] = changed(fleet.live[0], scenarios=(open_now,))
        await page.run(refreshed)
        assert await page.run(marks) == [1, 0]
        assert "Episode under way: brute" in await text(page, "#rows tr:first-child .state")
        fleet.live[0] = changed(fleet.live[0], scenarios=(open_now._replace(open=None, episodes=3),))
        await page.run(refreshed)
        assert await page.run(marks) == [1, 0], "the mark stays and moves with the line"
        assert "Episode" not in await text(page, "#rows tr:first-child .state")


async def test_the_details_show_what_became_of_each_scenario(browser: Browser) -> None:
    scenarios = (
        ScenarioStatus("brute", 12, 3, "an-episode", "an-episode", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 1216),
        ScenarioStatus("<b>bold</b>", missed=1),
    )
    fleet = Fleet(
        a_generator("team-a", "attacks", scenarios=scenarios, truth_undelivered="Its truth queue is full."),
        a_generator("team-a", "plain"),
    )
    async with shown(browser, fleet, at="/#/team-a/attacks") as page:
        await page.wait_for("document.querySelectorAll('#detail-scenarios section').length === 2")
        titles = "[...document.querySelectorAll('#detail-scenarios h3')].map((title) => title.textContent)"
        assert await page.run(titles) == ["Scenario brute", "Scenario <b>bold</b>"]
        told = "[...document.querySelectorAll('#detail-scenarios section:nth-child({}) div')].map((each) => each.innerText)"
        first = await page.run(told.format(1))
        assert [each.replace("\n", " ") for each in first if "Last" not in each] == [
            "Episodes 12", "Missed 3", "Expected alerts 1,216", "Under way an-episode"
        ]  # fmt: skip
        assert any("2026" in each for each in first if "Last began" in each)
        second = await page.run(told.format(2))
        assert [each.replace("\n", " ") for each in second] == ["Episodes 0", "Missed 1", "Expected alerts 0"]
        assert "Its truth queue is full." in await text(page, "#detail-message")
        await page.run("location.hash = '#/team-a/plain'")
        await page.wait_for("document.getElementById('detail-scenarios').children.length === 0")


async def test_the_table_is_filtered_and_sorted_by_keyboard_and_says_so(browser: Browser) -> None:
    fleet = Fleet(
        a_generator("team-a", "slow", published=5, observed_rate=1.0),
        a_generator("team-a", "fast", published=70, observed_rate=90.0, destination="siem"),
        a_failing_one(),
    )
    async with shown(browser, fleet) as page:
        sorted_by = "[...document.querySelectorAll('[aria-sort]')].map((each) => [each.innerText.trim(), each.getAttribute('aria-sort')]).flat()"  # noqa: E501
        assert await page.run(NAMES) == ["fast", "slow", "broken"]
        assert await page.run(sorted_by) == ["Generator", "ascending"]
        await page.run("document.querySelectorAll('#columns button')[3].focus()")
        await page.press("Enter")
        assert await page.run(NAMES) == ["fast", "slow", "broken"]
        assert await page.run(sorted_by) == ["Observed /s", "descending"]
        await page.press("Enter")
        assert await page.run(NAMES) == ["broken", "slow", "fast"]
        assert await page.run(sorted_by) == ["Observed /s", "ascending"]
        await page.run("document.getElementById('filter').focus()")
        await page.send("Input.insertText", text="SIEM team-a")
        assert await page.run(NAMES) == ["fast"]
        assert await text(page, "#news") == "1 of 3 generators shown"
        await page.send("Input.insertText", text=" nowhere")
        assert await text(page, "#nothing") == "No generator matches the filter."
        await page.run("document.getElementById('filter').value = ''; filter()")
        for _ in range(4):  # from the field to the button "Failing"
            await page.press("Tab")
        await page.press(" ")
        assert await page.run(NAMES) == ["broken"]
        assert await page.run("document.activeElement.getAttribute('aria-pressed')") == "true"


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_screen_reader_is_told_of_a_table_at_any_width(browser: Browser, width: int) -> None:
    async with shown(browser, Fleet(a_generator("team-a", "logins"), a_failing_one())) as page:
        await page.look(width=width, height=800, phone=width < 600, dark=True)
        tree = await page.tree()
        assert ("table", "Generators") in tree
        assert [name for role, name in tree if role == "columnheader"][:2] == ["Generator", "State"]
        assert len([role for role, _ in tree if role == "rowheader"]) == 2
        assert [role for role, _ in tree].count("row") == 3
        assert ("button", "Pause") in tree
        assert any(role == "searchbox" and name.startswith("Filter by name") for role, name in tree)
        assert await page.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out at the side"
        back = await page.run("getComputedStyle(document.body).backgroundColor")
        assert back == "rgb(17, 20, 27)", "dark, as the user prefers"


async def test_it_rests_while_it_is_paused_or_cannot_be_seen(browser: Browser) -> None:
    async with shown(browser, Fleet(a_generator("team-a", "logins"))) as page:
        await page.run("document.getElementById('pause').click()")
        resting = len(page.requests)
        await asyncio.sleep(2.5)
        assert len(page.requests) == resting
        await page.run("document.getElementById('pause').click()")
        await page.wait_for("!busy")
        assert len(page.requests) == resting + 1
        await page.run("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
        await asyncio.sleep(2.5)
        assert len(page.requests) == resting + 1
        await page.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        await page.wait_for("!busy")
        assert len(page.requests) == resting + 2


async def test_an_operator_that_is_gone_is_said_once_and_its_return_too(browser: Browser) -> None:
    fleet = Fleet(a_generator("team-a", "logins"))
    async with shown(browser, fleet) as page:
        await page.cut_off(offline=True)
        await page.run("refresh()")
        await page.wait_for("!document.getElementById('trouble').hidden")
        assert "does not answer" in await text(page, "#trouble")
        assert await page.run(NAMES) == ["logins"], "the last that is known stays"
        await page.cut_off(offline=False)
        await page.wait_for("document.getElementById('trouble').hidden")
        assert await text(page, "#news") == "The operator answers again."
        assert all("ERR_INTERNET_DISCONNECTED" in complaint for complaint in page.complaints)
        page.complaints.clear()


async def test_five_hundred_generators_cost_little(browser: Browser) -> None:
    name = "generator-with-a-rather-long-name"
    fleet = Fleet(
        *(a_generator(f"team-{number % 20}", f"{name}-{number:03}", broker="rabbitmq.messaging.svc:5672/production",
                      destination=f"audit_events_of_team_{number % 20}", target_rate=Fraction(number))
          for number in range(499)),
        a_failing_one(),
    )  # fmt: skip
    async with shown(browser, fleet) as page:
        assert await page.run(f"{NAMES}.length") == 500
        await page.run("sortBy(3)")  # by the observed rate, so that rows move all the time
        await page.run("spent = []; plain = take; take = (...given) => {"
                       "const began = performance.now(); plain(...given); spent.push(performance.now() - began) }")  # fmt: skip
        begun = await page.busy_seconds()
        for turn in range(1, 7):
            fleet.live = [
                changed(each, observed_rate=float(turn * number * 7919 % 9999), published=each.counts.published + 999)
                for number, each in enumerate(fleet.live)
            ]
            await page.run(f"refresh(); new Promise((done) => setInterval(() => spent.length >= {turn} && done(), 5))")
        busy = (await page.busy_seconds() - begun) / 6
        spent = await page.run("spent")
        assert median(spent) < 100, f"milliseconds of script per refresh: {spent}"
        (url,) = {url for url in page.requests if "fields=" in url}
        async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(url) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            packed = await answer.read()
        sizes = len(packed), len(gzip.decompress(packed))
        assert max(sizes) < 200 * 1024, f"bytes, gzipped and plain: {sizes}"
        print(f"milliseconds of script: {spent}; of everything: {busy * 1000:.0f}; bytes, gzipped and plain: {sizes}")
