"""One list for one person: precomputed, folded in, of their segment, or popular."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from scipy import sparse

from segmentation.engine.recommenders.base import Recommender
from segmentation.models import Purpose
from segmentation.services import registry
from segmentation.services.serving import catalogue, choosing, people, popular, reasons
from segmentation.services.serving.answers import (
    Answer,
    Code,
    Pool,
    Reason,
    Recommended,
    Source,
    Wish,
)
from segmentation.services.serving.catalogue import Catalogue, Rule

POOL_LENGTH = 100  # folded in: room for what filters take away
SECONDS_A_DAY = 86_400.0


def recommend_for(person: people.Person | None, wish: Wish, *, now: datetime) -> Answer:
    """A list for one person, or for somebody unknown; never an error, at worst empty.

    What is precomputed takes no query. A person with newer events gets a list that is
    folded in, a visitor one from their session; somebody of whom nothing is known what
    is popular in their segment, else with all. Who does not want to be personalised
    gets what is popular.
    """
    return answered(pool_for(person, wish, now), wish, now=now)


def answered(
    pool: Pool,
    wish: Wish,
    *,
    now: datetime,
    about: int = -1,
    rules: Sequence[Rule] | None = None,
) -> Answer:
    """A pool → the list that is shown; ``about`` is the position of the page's item.

    ``rules`` are those that hold now, unless told.
    """
    shop = catalogue.current()
    if rules is None:
        rules = shop.rules_for(wish.purpose, wish.placement, now)
    chosen = choosing.choose(
        pool.item_ids, pool.scores, shop, wish, rules, pool.is_hidden
    )
    return Answer(pool.run_id, pool.source.value, _places(pool, shop, chosen, about))


def _places(
    pool: Pool, shop: Catalogue, chosen: choosing.Chosen, about: int
) -> list[Recommended]:
    """The places of a list with their reasons; columns first, for a page waits."""
    places = chosen.places
    listed = places >= 0
    habits = _column(pool.is_habit, places, listed)
    causes = _column(pool.reason_ids, places, listed)
    causes = shop.positions(causes) if pool.reason_ids is not None else causes - 1
    sentences = reasons.Sentences(pool.default.segment)
    source, default = pool.source.value, pool.default.code
    names, titles = shop.external_ids, shop.titles
    found = []
    for at, item_id, score, is_pinned, is_habit, cause in zip(
        chosen.positions.tolist(),
        shop.ids[chosen.positions].tolist(),
        chosen.scores.tolist(),
        chosen.is_pinned.tolist(),
        habits.tolist(),
        causes.tolist(),
        strict=True,
    ):
        code = reasons.of_place(
            default, is_pinned=is_pinned, is_habit=bool(is_habit), has_cause=cause >= 0
        )
        named = cause if code is Code.BECAUSE else -1
        if about >= 0 and code is default:
            named = about
        named_id = named_as = None
        if named >= 0:
            named_id, named_as = int(shop.ids[named]), names[named]
            text = sentences.about(code, titles[named] or named_as)
        else:
            text = sentences.of(code)
        step = Source.RULES.value if is_pinned else source
        found.append(
            Recommended(
                item_id,
                names[at],
                round(score, 6),
                code.value,
                text,
                named_id,
                named_as,
                step,
                bool(is_habit),
            )
        )
    return found


def _column(
    values: np.ndarray | None, places: np.ndarray, listed: np.ndarray
) -> np.ndarray:
    """What a pool says of each chosen place, 0 where it says nothing."""
    if values is None:
        return np.zeros(len(places), np.int64)
    return np.where(listed, values[places], 0)


def pool_for(person: people.Person | None, wish: Wish, now: datetime) -> Pool:
    lists = registry.live_lists(wish.purpose)
    if person is None or not person.personalised:
        return popular_pool(lists)
    row = -1 if lists is None else lists.row(person.customer_id)
    if lists is not None and row >= 0 and not person.is_newer:
        return _narrowed(_listed(lists, row, wish, now), person, wish, now)
    folded = _folded(person, lists, row, wish, now)
    if folded is not None:
        return folded
    segment = popular.segment_of(person.customer_id)
    if segment is not None:
        found = segment_pool(segment.pk, segment.name, wish.purpose)
        if len(found.item_ids):
            return found
    return popular_pool(lists)


def popular_pool(lists: registry.Lists | None) -> Pool:
    ids = popular.ids(lists)
    scores = np.linspace(1, 0, len(ids), endpoint=False)
    return Pool(Source.POPULAR, lists.run_id if lists else None, ids, scores)


def segment_pool(segment_id: int, name: str, purpose: str) -> Pool:
    found = popular.in_segment(segment_id, purpose)
    reason = Reason(Code.SEGMENT, name)
    return Pool(
        Source.SEGMENT, found.run_id, found.item_ids, found.scores, default=reason
    )


def _listed(
    lists: registry.Lists,
    row: int,
    wish: Wish,
    now: datetime,
    bought: dict[int, float] | None = None,
) -> Pool:
    """A precomputed list; ``bought``: what the person took since it was written."""
    ids = np.asarray(lists.item_ids[row])
    hidden = None
    if wish.purpose == Purpose.AGAIN:
        if lists.last_bought is not None:
            last = np.array(lists.last_bought[row], np.float64)
            hidden = _too_soon(lists, ids, last, bought or {}, now)
    elif bought:
        hidden = np.isin(ids, list(bought))
    return Pool(
        Source.PERSONAL,
        lists.run_id,
        ids,
        np.asarray(lists.scores[row]),
        is_habit=None if lists.habit is None else lists.habit[row],
        reason_ids=None if lists.reason_ids is None else lists.reason_ids[row],
        is_hidden=hidden,
        default=reasons.personal(wish.purpose),
    )


def _too_soon(
    lists: registry.Lists,
    ids: np.ndarray,
    last: np.ndarray,
    bought: dict[int, float],
    now: datetime,
) -> np.ndarray:
    """What was bought within its usual re-buy time; ``last`` in days since 1970."""
    for item, at in bought.items():
        last[ids == item] = at / SECONDS_A_DAY
    passed = now.timestamp() / SECONDS_A_DAY - last
    return passed < lists.rebuy_days_of(ids)  # NaN: no usual time, never too soon


def _folded(
    person: people.Person,
    lists: registry.Lists | None,
    row: int,
    wish: Wish,
    now: datetime,
) -> Pool | None:
    """A list that knows the newest events; None where nothing tells of the person."""
    done = people.since(
        person.customer_id, lists.written_at if lists and row >= 0 else None
    )
    listed = None
    if lists is not None and row >= 0:
        listed = _listed(lists, row, wish, now, done.bought())
    model = registry.live_model(wish.purpose) if len(done.item_ids) else None
    if model is None or lists is None or not (model.is_personal and model.folds_in):
        return listed
    history = history_of(model, lists, person, done, now)
    if not history.nnz:
        return listed
    mask = None
    if wish.is_narrow:
        mask = _mask(model, wish, now)
    top = model.recommend_for(
        history,
        POOL_LENGTH,
        exclude_seen=wish.purpose != Purpose.AGAIN,
        item_mask=mask,
    )
    rows = top.items[0][top.items[0] >= 0]
    if not len(rows):
        return listed
    ids = model.items_.ids[rows]
    last = np.full(len(ids), -np.inf)
    if lists.last_bought is not None and row >= 0:
        last = _last_bought(lists, row, ids)
    hidden = None
    if wish.purpose == Purpose.AGAIN:
        hidden = _too_soon(lists, ids, last, done.bought(), now)
    return Pool(
        Source.FOLDED_IN if person.is_named else Source.SESSION,
        lists.run_id,
        ids,
        top.scores[0][: len(rows)],
        is_habit=np.isin(rows, history.indices),
        reason_ids=_because(model, history, rows, wish.n),
        is_hidden=hidden,
        default=reasons.personal(wish.purpose),
    )


def history_of(
    model: Recommender,
    lists: registry.Lists,
    person: people.Person,
    done: people.Since,
    now: datetime,
) -> sparse.csr_matrix:
    """1 × items: what the model learned of a person, and what they did since."""
    columns = model.items_.rows(done.item_ids)
    known = columns >= 0
    weights = people.weights(done, lists.data_params, now=now)
    vector = np.zeros(len(model.items_), np.float32)
    user = int(model.users_.rows(np.array([person.customer_id]))[0])
    if user >= 0 and lists.rows(np.array([person.customer_id]))[0] >= 0:
        start, end = model.user_items_.indptr[user : user + 2]
        vector[model.user_items_.indices[start:end]] = model.user_items_.data[start:end]
    np.add.at(vector, columns[known], weights[known])
    return sparse.csr_matrix(np.maximum(vector, 0)[None, :])


def _because(
    model: Recommender, history: sparse.csr_matrix, rows: np.ndarray, n: int
) -> np.ndarray:
    """The history item that speaks most for each of the first places, 0: unknown.

    A habit names itself; that is no news to anybody.
    """
    found = np.zeros(len(rows), np.int64)
    if not model.has_reasons:
        return found
    asked = rows[: 2 * n]
    same = sparse.csr_matrix(np.ones((len(asked), 1), np.float32)) @ history
    best = model.reasons(same.tocsr(), asked, 1).items[:, 0]
    told = (best >= 0) & (best != asked)
    found[: len(asked)][told] = model.items_.ids[best[told]]
    return found


def _last_bought(lists: registry.Lists, row: int, ids: np.ndarray) -> np.ndarray:
    assert lists.last_bought is not None
    listed = np.asarray(lists.item_ids[row])
    order = np.argsort(listed)
    at = np.searchsorted(listed, ids, sorter=order).clip(max=len(listed) - 1)
    same = listed[order[at]] == ids
    return np.where(same, lists.last_bought[row][order[at]], -np.inf)


def _mask(model: Recommender, wish: Wish, now: datetime) -> np.ndarray:
    """Rows of the model's items that may stand in a narrow list."""
    shop = catalogue.current()
    rules = shop.rules_for(wish.purpose, wish.placement, now)
    fits = choosing.allowed(shop, wish, rules)
    at = shop.positions(model.items_.ids)
    return np.flatnonzero((at >= 0) & fits[at])


def _narrowed(pool: Pool, person: people.Person, wish: Wish, now: datetime) -> Pool:
    """The exact list of the model where a narrow wish leaves too little of it.

    A precomputed list ends after fifty; the fiftieth of all may be the first of a
    category.
    """
    if not wish.is_narrow:
        return pool
    shop = catalogue.current()
    rules = shop.rules_for(wish.purpose, wish.placement, now)
    fitting = choosing.choose(
        pool.item_ids, pool.scores, shop, wish, rules, pool.is_hidden
    )
    model = registry.live_model(wish.purpose)
    if len(fitting.positions) >= wish.n or model is None:
        return pool
    user = model.users_.rows(np.array([person.customer_id]))
    exclude_seen = wish.purpose != Purpose.AGAIN
    top = model.recommend(
        user, POOL_LENGTH, exclude_seen=exclude_seen, item_mask=_mask(model, wish, now)
    )
    rows = top.items[0][top.items[0] >= 0]
    ids = model.items_.ids[rows]
    more = ~np.isin(ids, pool.item_ids)
    padding = np.zeros(int(more.sum()))
    return Pool(
        pool.source,
        pool.run_id,
        np.concatenate([pool.item_ids, ids[more]]),
        # Below what was precomputed, in the order of the model.
        np.concatenate([pool.scores, top.scores[0][: len(rows)][more]]),
        is_habit=_longer(pool.is_habit, padding),
        reason_ids=_longer(pool.reason_ids, padding),
        is_hidden=_longer(pool.is_hidden, padding),
        default=pool.default,
    )


def _longer(column: np.ndarray | None, more: np.ndarray) -> np.ndarray | None:
    return (
        None if column is None else np.concatenate([column, more.astype(column.dtype)])
    )
