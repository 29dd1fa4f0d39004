"""One training: load, choose on validation, judge once, refit on all, write lists."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from segmentation import frames, queries
from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import DataError, IdMap, Interactions
from segmentation.models import ModelRun, Purpose
from segmentation.services import jobs, registry

LIST_LENGTH = 50
SIMILAR_LENGTH = 20
TASKS = {Purpose.AGAIN: "again"}  # every other purpose is chosen by discovery

BUSY_SHARE = 0.01  # of all lines: fewer do not make a period to judge by

# What a run may be told about how it is judged, beside the model's own parameters.
PROTOCOL = {
    "valid_from": None,
    "test_from": None,
    "test_until": None,
    "min_lines": 10,
    "period_days": 28,
}


@dataclass
class _Data:
    """The three parts as interactions over one catalogue."""

    fit: Interactions
    train: Interactions
    everything: Interactions
    validation_truth: Any
    test_truth: Any
    protocol: dict[str, Any]


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.seconds[name] = round(spent, 3)


def create_run(
    algorithm: str,
    purpose: str,
    *,
    params: dict[str, Any] | None = None,
    seed: int = 7,
    actor: Any = None,
) -> ModelRun:
    """Queue a training; Refused when the algorithm or the purpose cannot be."""
    if algorithm not in recommenders.names():
        raise jobs.Refused(
            _("There is no algorithm “%(name)s”; there are %(names)s.")
            % {"name": algorithm, "names": ", ".join(recommenders.names())}
        )
    if purpose not in Purpose.values:
        raise jobs.Refused(
            _("There is no purpose “%(name)s”; there are %(names)s.")
            % {"name": purpose, "names": ", ".join(Purpose.values)}
        )
    kind = recommenders.kind(algorithm)
    if purpose == Purpose.TASTE and not kind.has_vectors:
        raise jobs.Refused(
            _("%(name)s has no customer vectors, so it cannot serve “taste”; use als.")
            % {"name": algorithm}
        )
    if purpose == Purpose.SIMILAR and not kind.has_similar:
        raise jobs.Refused(
            _("%(name)s does not know which items are alike; use item_knn or als.")
            % {"name": algorithm}
        )
    if purpose == Purpose.DISCOVER and not kind.recommends_new:
        raise jobs.Refused(
            _("%(name)s only ranks what somebody already bought; it cannot discover.")
            % {"name": algorithm}
        )
    own = {k: v for k, v in (params or {}).items() if k not in PROTOCOL}
    try:
        recommenders.create(algorithm, **own)
    except (TypeError, ValueError) as error:
        raise jobs.Refused(str(error)) from error
    return ModelRun.objects.create(
        algorithm=algorithm,
        purpose=purpose,
        params=params or {},
        seed=seed,
        progress_unit="steps",
        created_by=actor,
    )


def train(run: ModelRun, held: jobs.Held) -> None:
    """Do the whole training of a run; DataError becomes a refusal in a sentence."""
    try:
        _train(run, _Steps(run, held), _Clock())
    except (DataError, evaluation.NoTargets, recommenders.base.BadParameter) as error:
        raise jobs.Refused(str(error)) from error


def _train(run: ModelRun, steps: _Steps, clock: _Clock) -> None:
    task = TASKS.get(Purpose(run.purpose), "discover")
    steps.go(_("Loading interactions"))
    with clock.measure("load"):
        data = _load(run)
    candidates = _candidates(run)
    steps.total = len(candidates) + 4
    with clock.measure("fit"):
        params, chosen = _choose(run, data, candidates, task, steps)
    steps.go(_("Judging"))
    with clock.measure("evaluate"):
        judged = recommenders.create(run.algorithm, **params)
        judged.fit(data.train, on_epoch=steps.epoch)
        results = _judge(judged, data, task)
    steps.go(_("Learning from everything"))
    with clock.measure("refit"):
        final = recommenders.create(run.algorithm, **params)
        final.fit(data.everything, on_epoch=steps.epoch)
    steps.go(_("Writing lists"))
    with registry.new_artifact(run) as (folder, name), clock.measure("lists"):
        final.save(folder / "model")
        _write_lists(run, final, data.everything, folder / "lists")
        _write_judged(results, folder / "judged")
    steps.held.write(
        artifact=name,
        chosen_params=params,
        protocol=data.protocol,
        snapshot=_snapshot(data.everything),
        code_version=_code_version(),
        curve=steps.curve,
        timings=clock.seconds,
        metrics={task: result.as_dict() for task, result in results.items()}
        | {"validation": chosen},
    )
    steps.held.write(gate=registry.gate(run))
    steps.go(_("Done"))


class _Steps:
    """Progress of a run in steps; epochs of a network count between them."""

    def __init__(self, run: ModelRun, held: jobs.Held) -> None:
        self.run = run
        self.held = held
        self.total = 5
        self.done = -1
        self.curve: list[dict[str, float]] = []
        self._message = ""

    def go(self, message: str) -> None:
        self.done += 1
        self._message = message
        self.held.progress(self.done, self.total, message=message)

    def epoch(self, epoch: int, n_epochs: int, loss: float, metric: float) -> None:
        point = {"epoch": epoch, "loss": loss, "metric": metric, "step": self.done}
        self.curve.append({k: v for k, v in point.items() if v == v})
        self.held.progress(
            self.done,
            self.total,
            message=f"{self._message} · "
            + _("epoch %(n)d of %(total)d") % {"n": epoch, "total": n_epochs},
        )


def _load(run: ModelRun) -> _Data:
    known = frames.interest()
    log = known.as_of().to_pandas()
    if log.empty:
        raise DataError(_("There is no behaviour to learn from; import events first."))
    protocol = _protocol(run, log)
    # What is later, such as answers to a campaign, is learned from and not judged by.
    borders = {n: protocol[n] for n in ("valid_from", "test_from", "test_until")}
    parts = known.split(**borders)
    before = parts.train
    items = _catalogue(before, protocol["min_lines"])
    # Judged are those who took something of the catalogue before (protocol P2).
    train = Interactions.from_frame(before, items=items)
    users = train.users
    fit = Interactions.from_frame(parts.fit, users, items)
    everything = Interactions.from_frame(
        log, items=_catalogue(log, protocol["min_lines"])
    )
    told = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in protocol.items()
    }
    return _Data(
        fit,
        train,
        everything,
        evaluation.truth(parts.validation, users, items),
        evaluation.truth(parts.test, users, items),
        told,
    )


def _protocol(run: ModelRun, log: pd.DataFrame) -> dict[str, Any]:
    """Where the parts begin: as told, else the last two busy periods of the data.

    The test lasts a period, if nothing else is told.
    """
    told = PROTOCOL | {k: v for k, v in run.params.items() if k in PROTOCOL}
    for name in ("min_lines", "period_days"):
        if not isinstance(told[name], int | float) or not told[name] > 0:
            raise DataError(
                _("%(name)s is “%(value)s”; it must be a positive number.")
                % {"name": name, "value": told[name]}
            )
    period = timedelta(days=float(told["period_days"]))
    newest = _last_busy_period(log["timestamp"].to_numpy(), period)
    told["test_from"] = _instant(told, "test_from", newest)
    told["valid_from"] = _instant(told, "valid_from", told["test_from"] - period)
    told["test_until"] = _instant(told, "test_until", told["test_from"] + period)
    if not told["valid_from"] < told["test_from"]:
        raise DataError(_("valid_from must be earlier than test_from."))
    return told


def _instant(told: dict[str, Any], name: str, default: datetime) -> datetime:
    value = told[name]
    parsed = parse_datetime(str(value)) if value else default
    if parsed is None:
        raise DataError(
            _("%(name)s is “%(value)s”; write a time such as 2017-12-04T05:00Z.")
            % {"name": name, "value": value}
        )
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _last_busy_period(days: np.ndarray, period: timedelta) -> datetime:
    """When the last period begins that, like the one before it, has its share of lines.

    A few lines long after all others, such as the first answers to a campaign in a
    shop whose history was brought in, must not be all there is to judge by.
    """
    length = period / timedelta(days=1)
    ages = ((days.max() - days) // length).astype(np.int64)
    busy = np.bincount(ages, minlength=2) >= len(days) * BUSY_SHARE
    both = np.flatnonzero(busy[:-1] & busy[1:])
    age = int(both[0]) if len(both) else 0
    newest = datetime.fromtimestamp(days.max() * 86_400, UTC)
    return newest - (age + 1) * period


def _catalogue(log: pd.DataFrame, min_lines: int) -> IdMap:
    """Items with enough lines to say anything about them."""
    ids, counts = np.unique(log["item_id"].to_numpy(), return_counts=True)
    enough = ids[counts >= int(min_lines)]
    if not len(enough):
        raise DataError(
            _("No item has %(n)d events; lower min_lines or import more.")
            % {"n": int(min_lines)}
        )
    return IdMap(enough)


def _candidates(run: ModelRun) -> list[dict[str, Any]]:
    """The parameters that were asked for, else those worth trying."""
    asked = {k: v for k, v in run.params.items() if k not in PROTOCOL}
    kind = recommenders.kind(run.algorithm)
    tried = kind.candidates(run.purpose) or [{}]
    seeded = {"seed": run.seed} if "seed" in kind().params else {}
    if asked:
        return [seeded | asked]
    return [seeded | params for params in tried]


def _choose(
    run: ModelRun,
    data: _Data,
    candidates: list[dict[str, Any]],
    task: str,
    steps: _Steps,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit every candidate on the first part and keep the best on the second."""
    holdout = evaluation.Holdout(data.validation_truth, task=task)
    best: tuple[float, dict[str, Any], evaluation.Result] | None = None
    tried = []
    for number, params in enumerate(candidates, start=1):
        steps.go(
            _("Trying parameters %(n)d of %(total)d")
            % {"n": number, "total": len(candidates)}
        )
        model = recommenders.create(run.algorithm, **params)
        model.fit(data.fit, validation=holdout, on_epoch=steps.epoch)
        result = evaluation.evaluate(
            model, data.fit, data.validation_truth, task=task, seed=run.seed
        )
        score = result["ndcg"].mean
        tried.append({"params": params, "ndcg": score})
        if best is None or score > best[0]:
            best = (score, model.refit_params, result)
    assert best is not None, "there is always a candidate"
    return best[1], {task: best[2].as_dict(), "tried": tried}


def _judge(
    model: recommenders.base.Recommender, data: _Data, purpose_task: str
) -> dict[str, evaluation.Result]:
    """Both tasks, on the part that nothing was chosen on; the purpose's own must be."""
    tasks = evaluation.TASKS if model.recommends_new else ("again",)
    results = {}
    for task in tasks:
        try:
            results[task] = evaluation.evaluate(
                model, data.train, data.test_truth, task=task
            )
        except evaluation.NoTargets:
            if task == purpose_task:
                raise
    return results


def _write_lists(
    run: ModelRun,
    model: recommenders.base.Recommender,
    data: Interactions,
    folder: Path,
) -> None:
    folder.mkdir(parents=True)
    if run.purpose == Purpose.SIMILAR:
        owners = data.items.ids
        top = model.similar_items(np.arange(len(owners)), SIMILAR_LENGTH)
    else:
        owners = data.users.ids
        top = model.recommend(
            np.arange(len(owners)),
            LIST_LENGTH,
            exclude_seen=run.purpose != Purpose.AGAIN,
        )
    order = np.argsort(owners)
    # -1 must not index the last item: unknown places become id 0, which is nobody's.
    ids = np.where(top.items >= 0, data.items.ids[top.items], 0)
    buyers = np.bincount(data.user_items.indices, minlength=len(data.items))
    popular = data.items.ids[np.argsort(-buyers, kind="stable")[:500]]
    np.save(folder / "owner_ids.npy", owners[order].astype(np.int64))
    np.save(folder / "item_ids.npy", ids[order].astype(np.int64))
    np.save(folder / "scores.npy", top.scores[order].astype(np.float32))
    np.save(folder / "popular_ids.npy", popular.astype(np.int64))


def _write_judged(results: dict[str, evaluation.Result], folder: Path) -> None:
    """What each judged customer got, so that runs can be compared in pairs."""
    folder.mkdir()
    for task, result in results.items():
        np.save(folder / f"{task}_user_rows.npy", result.user_rows)
        np.save(folder / f"{task}_ndcg.npy", result.per_user["ndcg"])


def _snapshot(data: Interactions) -> dict[str, Any]:
    digest = hashlib.blake2b(digest_size=16)
    matrix = data.user_items
    assert data.timestamp is not None, "the log always has times"
    for array in (data.users.ids, data.items.ids, matrix.indptr, matrix.indices):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(np.ascontiguousarray(matrix.data).tobytes())
    return {
        "users": len(data.users),
        "items": len(data.items),
        "lines": len(data.weight),
        "pairs": int(matrix.nnz),
        "quarantined": len(queries.quarantined()),
        "newest": datetime.fromtimestamp(
            float(np.max(data.timestamp)) * 86_400, UTC
        ).isoformat(),
        "hash": digest.hexdigest(),
    }


def _code_version() -> str:
    try:
        return metadata.version("strata")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "checkout"
