"""One training: load, choose on validation, judge once, refit on all, write lists.

loading   rows → the parts of a training
choosing  which parameters, on the second part
judging   how good, on the third
beside    how good what is simple and what is live are there
writing   the lists, as arrays of the artifact
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from django.utils.translation import gettext as _

from segmentation.engine import evaluation, recommenders
from segmentation.engine.interactions import DataError
from segmentation.models import ModelRun, Purpose
from segmentation.services import jobs, registry
from segmentation.services.training import beside
from segmentation.services.training.choosing import check_budget, choose
from segmentation.services.training.judging import judge, write_judged
from segmentation.services.training.loading import PROTOCOL, load, snapshot
from segmentation.services.training.steps import Clock, Steps
from segmentation.services.training.writing import write_lists, write_logs

__all__ = ["PROTOCOL", "create_run", "train"]

TASKS = {Purpose.AGAIN: "again"}  # every other purpose is chosen by discovery


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
    check_budget(params or {})
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
        _train(run, Steps(run, held), Clock())
    except (DataError, evaluation.NoTargets, recommenders.base.BadParameter) as error:
        raise jobs.Refused(str(error)) from error


def _train(run: ModelRun, steps: Steps, clock: Clock) -> None:
    task = TASKS.get(Purpose(run.purpose), "discover")
    steps.go(_("Loading interactions"))
    with clock.measure("load"):
        data = load(run)
    with clock.measure("fit"):
        params, chosen = choose(run, data, task, steps, others=5)
    steps.go(_("Judging"))
    with clock.measure("evaluate"):
        judged = recommenders.create(run.algorithm, **params)
        judged.fit(data.train, on_epoch=steps.epoch)
        results, told = judge(judged, data, task)
    steps.go(_("Judging what stands beside it"))
    with clock.measure("beside"):
        rivals = beside.stand(run, data, steps)
    steps.go(_("Learning from everything"))
    with clock.measure("refit"):
        final = recommenders.create(run.algorithm, **params)
        final.fit(data.everything, on_epoch=steps.epoch)
    steps.go(_("Writing lists"))
    with registry.new_artifact(run) as (folder, name), clock.measure("lists"):
        final.save(folder / "model")
        write_lists(run, final, data.everything, folder / "lists")
        write_judged(results, data.train.users.ids, folder / "judged")
        write_logs(run, steps.curve, folder / "logs")
        rivals.write(results, data.train.users.ids, folder / "judged")
    steps.held.write(
        artifact=name,
        chosen_params=params,
        protocol=data.protocol,
        snapshot=snapshot(data.everything),
        code_version=code_version(),
        curve=steps.curve,
        timings=clock.seconds,
        metrics={**told, **rivals.compared(results), "validation": chosen},
    )
    steps.held.write(gate=registry.gate(run))
    steps.go(_("Done"))


def code_version() -> str:
    try:
        return metadata.version("strata")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "checkout"
