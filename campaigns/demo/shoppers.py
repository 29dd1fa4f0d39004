"""Simulated shoppers: they answer what was delivered, by a stated true effect.

They know only what a person could: their own devices, what arrived on them, and what
the shop's pages show. They talk HTTP to the push service and to the storefront API and
never see an arm, a model or a table of Strata. Everything random is drawn from the seed
and the household's id, so that the same delivery gets the same answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

PARALLEL = 8
EVENTS_A_CALL = 500


@dataclass(frozen=True)
class Habits:
    """The truth that the report must find.

    Without a message a shopper buys with ``buys``. A message that arrives is clicked
    with ``clicks``, and who clicks buys with ``buys`` + ``clicking_adds``.
    """

    buys: float = 0.10
    clicks: float = 0.30
    clicking_adds: float = 0.40
    clicks_ad: float = 0.08
    mean_amount: float = 9.0

    @property
    def true_effect(self) -> float:
        """What one delivered message adds to the chance to buy."""
        return self.clicks * self.clicking_adds


@dataclass
class Answers:
    """What the shoppers did, and the calls that failed."""

    subscribed: int = 0
    delivered: int = 0
    clicked: int = 0
    bought: int = 0
    ads_seen: int = 0
    ads_clicked: int = 0
    errors: list[str] = field(default_factory=list)


class Shoppers:
    """A crowd of households with a browser each."""

    def __init__(
        self,
        household_ids: list[str],
        *,
        shop_url: str,
        api_key: str,
        seed: int,
        usual_item: str,
        habits: Habits | None = None,
    ) -> None:
        self.household_ids = household_ids
        self.habits = habits or Habits()
        self._url = shop_url
        self._key = api_key
        self._seed = seed
        self._usual_item = usual_item

    def subscribe(self, push_origin: str) -> Answers:
        """Give every household a browser, and tell the shop of it and of consent."""
        return asyncio.run(self._subscribe(push_origin))

    def answer(self, messages: Iterable[dict[str, Any]], occasion: str) -> Answers:
        """React to what the push service delivered; the others live on as usual."""
        return asyncio.run(self._answer(list(messages), occasion))

    def browse(self, placement: str, *, after: int, until: int) -> Answers:
        """Open the shop's page, each once in a drawn order: some click the ad."""
        visitors = sorted(
            self.household_ids, key=lambda one: self.chance(one, "visits")
        )
        return asyncio.run(self._browse(placement, visitors[after:until]))

    def chance(self, household: str, *about: str) -> float:
        """A number in [0, 1) that belongs to this household and question."""
        text = "/".join((str(self._seed), household, *about))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def clicks(self, household: str, occasion: str) -> bool:
        """Whether this household clicks a message that arrives."""
        return self.chance(household, occasion, "clicks") < self.habits.clicks

    def buys(self, household: str, occasion: str, *, has_clicked: bool) -> bool:
        """Whether this household buys, message or not."""
        chance = self.habits.buys + self.habits.clicking_adds * has_clicked
        return self.chance(household, occasion, "buys") < chance

    async def _subscribe(self, push_origin: str) -> Answers:
        answers = Answers()
        async with _session(self._key) as session:
            key_url = f"{self._url}/api/v1/push/key/"
            async with session.get(key_url) as response:
                server_key = (await response.json())["application_server_key"]
            body = {
                "devices": self.household_ids,
                "application_server_key": server_key,
            }
            async with session.post(f"{push_origin}/subscribe", json=body) as response:
                subscriptions = (await response.json())["subscriptions"]

            async def tell(pair: tuple[str, dict[str, Any]]) -> None:
                household, subscription = pair
                granted = self.chance(household, "agrees") < 0.95
                told = {
                    "customer_id": household,
                    "subscription": subscription,
                    "consent": {"granted": granted, "text_version": "demo-1"},
                }
                url = f"{self._url}/api/v1/push/subscriptions/"
                async with session.post(url, json=told) as response:
                    if response.status == 201:
                        answers.subscribed += 1
                    else:
                        answers.errors.append(await response.text())

            pairs = zip(self.household_ids, subscriptions, strict=True)
            await _each(tell, pairs)
        return answers

    async def _answer(self, messages: list[dict[str, Any]], occasion: str) -> Answers:
        got = {message["device"]: message["payload"] for message in messages}
        answers = Answers(delivered=len(got))
        clicked: dict[str, dict[str, Any]] = {}
        async with _session(self._key) as session:

            async def open_message(household: str) -> None:
                payload = got[household]
                if not self.clicks(household, occasion):
                    return
                items = payload.get("items") or [{"url": payload["url"]}]
                which = int(self.chance(household, occasion, "which") * len(items))
                async with session.get(
                    items[which]["url"], allow_redirects=False
                ) as response:
                    if response.status == 302:
                        clicked[household] = items[which]
                    else:
                        answers.errors.append(f"a click got {response.status}")

            await _each(open_message, [h for h in self.household_ids if h in got])
            answers.clicked = len(clicked)
            events = [
                self._purchase(household, clicked.get(household), occasion)
                for household in self.household_ids
                if self.buys(household, occasion, has_clicked=household in clicked)
            ]
            answers.bought = await self._report(session, events, answers)
        return answers

    def _purchase(
        self, household: str, item: dict[str, Any] | None, occasion: str
    ) -> dict[str, Any]:
        amount = self.habits.mean_amount * (
            0.5 + self.chance(household, occasion, "amount")
        )
        return {
            "event_id": f"simulated-{self._seed}-{occasion}-{household}",
            "customer_id": household,
            "item_id": (item or {}).get("item_id") or self._usual_item,
            "kind": "purchase",
            "quantity": 1,
            "amount": round(amount, 2),
            "order": f"simulated-{occasion}-{household}",
        }

    async def _report(
        self,
        session: aiohttp.ClientSession,
        events: list[dict[str, Any]],
        answers: Answers,
    ) -> int:
        accepted = 0
        for start in range(0, len(events), EVENTS_A_CALL):
            body = {"events": events[start : start + EVENTS_A_CALL]}
            url = f"{self._url}/api/v1/events/"
            async with session.post(url, json=body) as response:
                told = await response.json()
                accepted += told.get("accepted", 0) + told.get("duplicate", 0)
                answers.errors += [str(error) for error in told.get("errors", [])]
        return accepted

    async def _browse(self, placement: str, visitors: list[str]) -> Answers:
        answers = Answers()
        async with _session(self._key) as session:

            async def visit(household: str) -> None:
                url = f"{self._url}/api/v1/placements/{placement}/"
                question = {"customer_id": household}
                async with session.get(url, params=question) as response:
                    if response.status != 200:
                        answers.errors.append(await response.text())
                        return
                    ads = (await response.json())["ads"]
                for ad in ads:
                    await (await session.get(ad["impression_url"])).release()
                    answers.ads_seen += 1
                    if self.chance(household, "ad") < self.habits.clicks_ad:
                        click = await session.get(
                            ad["click_url"], allow_redirects=False
                        )
                        await click.release()
                        answers.ads_clicked += click.status == 302

            await _each(visit, visitors)
        return answers


class Devices:
    """The messages on the households' devices: kept, although the demo may be killed.

    The push service forgets what it delivered when it stops; a device does not.
    """

    def __init__(self, push_origin: str, path: Path) -> None:
        self._origin = push_origin
        self._path = path
        self._path.touch()
        self._since = 0

    def collect(self) -> None:
        """Take what arrived since the last look."""
        while True:
            url = f"{self._origin}/delivered?since={self._since}&limit=10000"
            with urllib.request.urlopen(url, timeout=60) as response:
                page = json.load(response)
            if page["last"] < self._since:  # the service started anew
                self._since = 0
                continue
            if page["last"] == self._since:
                return
            self._since = page["last"]
            # The line before may have been cut off by a SIGKILL.
            lines = ["", *(json.dumps(row) for row in page["messages"]), ""]
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines))

    def faults(self) -> dict[str, int]:
        """Pushes that a strict service refused or nobody could read, and copies."""
        with urllib.request.urlopen(f"{self._origin}/stats", timeout=60) as response:
            stats = json.load(response)
        names = ("bad_requests", "bad_vapid", "decrypt_failures", "copies")
        return {name: stats[name] for name in names}

    def messages_of(self, launch: int) -> list[dict[str, Any]]:
        """What one launch brought, the newest copy of each message."""
        newest = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # empty, or cut off
                row = json.loads(line)
                if row["payload"]["launch"] == launch:
                    newest[row["token"]] = row
        return list(newest.values())


def _session(api_key: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {api_key}"},
        connector=aiohttp.TCPConnector(limit=PARALLEL),
        timeout=aiohttp.ClientTimeout(total=60),
    )


async def _each(
    deed: Callable[[Any], Awaitable[Any]], subjects: Iterable[Any]
) -> list[Any]:
    """Do it for everyone, at most ``PARALLEL`` at once; answers in order."""
    places = asyncio.Semaphore(PARALLEL)

    async def one(subject: Any) -> Any:
        async with places:
            return await deed(subject)

    return await asyncio.gather(*(one(subject) for subject in subjects))
