"""The operator's whole path in a real browser: from a file to a verdict."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Sum
from playwright.sync_api import Locator, Page, expect

from campaigns.models import Campaign, Launch
from segmentation.models import Customer, Event, ImportJob, ModelRun, Segment
from tests import storefront
from tests.campaigns import worlds

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PASSWORD = "correct horse battery"
N_CUSTOMERS, N_ITEMS, N_WEEKS, N_TASTES = 200, 60, 26, 4
DEED_MS = 45_000


class Operator:
    """Somebody at a screen: goes, fills, clicks, and hears what a reader would."""

    def __init__(self, page: Page, address: str, name: str, role: str) -> None:
        self.page, self.address, self.name = page, address, name
        user = get_user_model().objects.create_user(name, password=PASSWORD)
        user.is_staff = True
        user.save()
        user.groups.set([Group.objects.get(name=role)])
        self.broken: list[str] = []
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.on("response", self._note)

    def _note(self, response) -> None:
        if response.status >= 500 or not response.url.startswith(self.address):
            self.broken.append(f"{response.status} {response.url}")

    def log_in(self) -> None:
        self.page.goto(f"{self.address}/")
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("region", name="The circle")).to_be_visible()

    def go(self, *names: str) -> None:
        """Follow links by their words, from wherever one is."""
        for name in names:
            word = re.compile(rf"(^|\s){re.escape(name)}$")  # after an icon, perhaps
            self.page.get_by_role("link", name=word).first.click()

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def see(self, text: str | re.Pattern[str], timeout: int = 15_000) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=timeout)

    def check(self) -> None:
        """Nothing serious for a reader with a screen reader, nothing broken."""
        at_work = "document.querySelector('[data-poll][data-reload]')"
        self.page.wait_for_function(f"!{at_work}", timeout=DEED_MS)  # it reloads then
        found = Axe().run(self.page).response["violations"]
        serious = [
            (rule["id"], [node["html"] for node in rule["nodes"]])
            for rule in found
            if rule["impact"] in ("serious", "critical")
        ]
        assert not serious, f"{self.page.url}: {serious}"
        wide = "document.documentElement.scrollWidth > window.innerWidth"
        assert not self.page.evaluate(wide), f"{self.page.url} is too wide"
        assert not self.broken, self.broken


def write_sales(path: Path) -> int:
    """Customers of four tastes, three lines a week each; answers how many lines."""
    chance = np.random.default_rng(3)
    end = pd.Timestamp.now("UTC").floor("h") - pd.Timedelta(days=1)
    tastes = np.arange(N_ITEMS).reshape(-1, N_TASTES).T
    lines = []
    for customer in range(N_CUSTOMERS):
        liked = chance.choice(tastes[customer % N_TASTES], 8, replace=False)
        for week in range(N_WEEKS):
            when = end - pd.Timedelta(weeks=week, hours=int(chance.integers(100)))
            bought = {*chance.choice(liked, 2, replace=False), chance.integers(N_ITEMS)}
            lines += [(f"c{customer}", f"p{item}", when) for item in sorted(bought)]
    sales = pd.DataFrame(lines, columns=["Buyer", "Article", "Sold at"])
    sales["Sold at"] = sales["Sold at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    sales["Paid"] = chance.uniform(1, 9, len(sales)).round(2)
    sales.loc[7, "Sold at"] = "yesterday"
    sales.to_csv(path, index=False)
    return len(sales)


@pytest.fixture
def operator(started, live_web, page) -> Operator:
    storefront.start_afresh()
    started.manage("work")
    return Operator(page, live_web, "olga", "Administrator")


def test_an_operator_gets_from_a_file_to_a_verdict(operator, browser, tmp_path):
    n_lines = write_sales(tmp_path / "sales.csv")
    operator.log_in()
    operator.check()
    bring_in(operator, tmp_path / "sales.csv", n_lines)
    for algorithm, purpose in (("popularity", "discover"), ("als", "taste")):
        train_and_promote(operator, algorithm, purpose)
    divide(operator)
    worlds.make_reachable(Customer.objects.order_by("pk")[:150])
    campaign = create_campaign(operator)
    launch_and_read(operator, campaign)
    see_the_audit_trail(operator)
    see_it_as_a_viewer(browser, operator.address, campaign)


def bring_in(operator: Operator, path: Path, n_lines: int) -> None:
    """Upload, say which column is what, try it out, and see one bad line refused."""
    page = operator.page
    operator.go("Imports", "Bring a file in")
    operator.check()
    page.get_by_label("File:").set_input_files(path)
    expect(page.get_by_label("Source:")).to_have_value("shop")
    operator.click("Upload")
    operator.see("Which column is what?")
    operator.check()
    page.get_by_text("more fields that the file may have").click()
    chosen = {"Customer": "Buyer", "Item": "Article", "When": "Sold at"}
    for field, header in (chosen | {"Amount": "Paid"}).items():
        choose_column(page, field, header)
    choose_column(page, "What happened", "=")
    field_of(page, "What happened").get_by_label("Always").select_option("purchase")
    operator.click("Dry run")
    page.wait_for_url("**/change/")
    operator.see("What the import would do", DEED_MS)
    operator.check()
    assert not Event.objects.exists()
    operator.click("Bring it in")
    operator.see("What it brought", DEED_MS)
    operator.check()
    job = ImportJob.objects.get(is_dry_run=False)
    counts = page.locator(".st-sum .st-stat b").all_inner_texts()
    *parts, total = (int(text.replace(",", "")) for text in counts)
    assert sum(parts) == total == n_lines
    assert job.rows_rejected == 1 and Event.objects.count() == job.rows_new
    with page.expect_download() as download:
        operator.go("Download the rejected rows (CSV)")
    assert "yesterday" in Path(download.value.path()).read_text()


def field_of(page: Page, label: str) -> Locator:
    """What belongs to one field on the page of columns."""
    return page.get_by_role("group", name=re.compile(f"^{re.escape(label)}"))


def choose_column(page: Page, label: str, header: str) -> None:
    """Choose, and wait for the preview that follows by itself."""
    with page.expect_response(lambda answer: "/add/columns/" in answer.url) as asked:
        source = field_of(page, label).get_by_label("Column", exact=True)
        source.select_option(header)
        source.dispatch_event("change")
    assert asked.value.ok
    page.wait_for_function("!document.querySelector('#st-preview[aria-busy]')")


def train_and_promote(operator: Operator, algorithm: str, purpose: str) -> None:
    page = operator.page
    operator.go("Models")
    page.get_by_label("Purpose").select_option(purpose)
    page.get_by_label("Algorithm").select_option(algorithm)
    if algorithm == "als":
        page.get_by_label("Parameters").fill('{"n_factors": 8}')
    operator.click("Train")
    operator.see(f"Training {algorithm}")
    progress_moves_by_itself(page)
    operator.check()
    run = ModelRun.objects.latest("pk")
    page.goto(f"{operator.address}/admin/segmentation/modelrun/{run.pk}/change/")
    make_live = page.get_by_role("link", name="Make live")
    expect(make_live).to_be_visible(timeout=DEED_MS)  # the page asks by itself
    operator.check()
    make_live.click()
    operator.see("What the gate says")
    operator.check()
    operator.click("Make live")
    operator.see("is live for")
    assert ModelRun.objects.get(pk=run.pk).stage == "live"


def progress_moves_by_itself(page: Page) -> None:
    """The page asks how far it is and stays the same document."""
    page.evaluate("window.isSamePage = true")
    with page.expect_response(lambda answer: "/progress/" in answer.url) as asked:
        pass
    assert asked.value.ok and page.evaluate("window.isSamePage")


def divide(operator: Operator) -> None:
    operator.go("Segment sets", "Divide customers")
    operator.check()
    operator.page.get_by_label("Number of segments").fill(str(N_TASTES))
    operator.click("Build segments")
    operator.see("Map of customers", DEED_MS)
    operator.check()
    assert Segment.objects.count() == N_TASTES
    assert Segment.objects.aggregate(n=Sum("size"))["n"] == N_CUSTOMERS


def create_campaign(operator: Operator) -> Campaign:
    """A campaign with one variant to every segment; the preview counts exactly."""
    page = operator.page
    page.goto(f"{operator.address}/admin/campaigns/campaign/add/")
    operator.check()
    page.locator("#id_name").fill("Autumn")
    page.locator("#id_channel").select_option("memory")
    for segment in Segment.objects.order_by("pk"):
        page.get_by_role("checkbox", name=f"{segment.name} ({segment.size})").check()
    page.locator("#id_holdout_share").fill("0.2")
    page.locator("#id_variants-0-title").fill("New: {{ recommendations.0.title }}")
    page.locator("#id_variants-0-body").fill("Chosen for you")
    page.locator("#id_variants-0-link").fill("https://shop.example/new")
    operator.click("Save and continue editing")
    operator.see("people in the audience")
    operator.check()
    return Campaign.objects.get()


def launch_and_read(operator: Operator, campaign: Campaign) -> None:
    """What the preview promises is what the launch does; the verdict claims little."""
    page = operator.page
    operator.go("Launch now…")
    expect(page.get_by_role("button", name="Yes, launch now")).to_be_visible()
    promised = page.locator(".st-sum .st-stat b").all_inner_texts()
    operator.check()
    page.get_by_role("button", name="Yes, launch now").dblclick()
    operator.see("Verdict", DEED_MS)
    expect(page.get_by_text("completed").first).to_be_visible(timeout=DEED_MS)
    launch = Launch.objects.get(campaign=campaign)
    arms = [launch.n_deliveries, launch.n_held_out, *launch.n_suppressed.values()]
    assert [int(text) for text in promised[:2]] == arms[:2]
    assert int(promised[-1]) == launch.n_audience == sum(arms) == N_CUSTOMERS
    assert launch.n_suppressed["no_consent"] == 50
    expect(page.get_by_text(f"accepted: {launch.n_deliveries}")).to_be_visible()
    operator.go("The report on a page of its own")
    operator.see("Cannot tell")
    operator.see("Not final: purchases count until")
    operator.check()


def see_the_audit_trail(operator: Operator) -> None:
    operator.page.goto(f"{operator.address}/admin/segmentation/auditentry/")
    told = operator.page.locator("table").inner_text()
    deeds = "imported trained made live divided customers added launched"
    for deed in deeds.split():
        assert deed in told, deed
    assert told.count("olga") >= 8
    operator.check()


def see_it_as_a_viewer(browser, address: str, campaign: Campaign) -> None:
    """A viewer may look at everything that was done and is offered no deed."""
    context = browser.new_context(
        locale="en-US", viewport={"width": 390, "height": 844}
    )
    viewer = Operator(context.new_page(), address, "victor", "Viewer")
    viewer.log_in()
    opened = [f"campaigns/campaign/{campaign.pk}/change/", "campaigns/campaign/"]
    opened += [f"campaigns/campaign/{campaign.pk}/report/"]
    opened += ["segmentation/modelrun/compare/", "segmentation/segmentset/"]
    opened += [
        f"segmentation/modelrun/{run.pk}/change/" for run in ModelRun.objects.all()
    ]
    opened += [
        f"segmentation/importjob/{job.pk}/change/" for job in ImportJob.objects.all()
    ]
    for path in opened:
        answer = viewer.page.goto(f"{address}/admin/{path}")
        assert answer.status == 200, path
        offered = viewer.page.locator(
            "#content form button, #content .st-deeds .st-button"
        )
        visible = [one.inner_text() for one in offered.all() if one.is_visible()]
        assert not {*visible} - {"", "search", "Filters", "Apply Filters"}, (
            path,
            visible,
        )
        viewer.check()
    context.close()
