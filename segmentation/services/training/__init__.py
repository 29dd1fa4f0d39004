"""One training: load, choose on validation, judge once, refit on all, write lists.

methods   what each method is called, and what it is for
telling   what a run may be told, and what it may not
loading   rows → the parts of a training (splitting, labelling)
guarding  whether there is memory and time for it
choosing  which parameters, on the second part (weighing: of the data)
judging   how good, on the third (rating: of ratings)
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
from segmentation.services import gating, jobs, registry
from segmentation.services.training import (
    beside,
    guarding,
    methods,
    rating,
    telling,
    weighing,
)
from segmentation.services.training.choosing import candidates, check_budget, choose
from segmentation.services.training.judging import judge, write_judged
from segmentation.services.training.loading import PROTOCOL, Data, load, snapshot
from segmentation.services.training.steps import Clock, Steps
from segmentation.services.training.writing import write_lists, write_logs

__all__ = ["PROTOCOL", "create_run", "train"]

TASKS = {Purpose.AGAIN: "again"}  # every other purpose is chosen by discovery
AFTER_CHOICE = 5  # steps that follow the choosing


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
    if problem := methods.unfit(algorithm, purpose):
        raise jobs.Refused(problem)
    check_budget(params or {})
    try:
        telling.check(algorithm, params or {})
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
        guard(run, data, steps)
    with clock.measure("fit"):
        learned, params, chosen = _chosen(run, data, task, steps)
    steps.go(_("Judging"))
    with clock.measure("evaluate"):
        judged = recommenders.create(run.algorithm, **params)
        judged.fit(learned.train, on_epoch=steps.epoch)
        # On the same targets, whatever the weights leave out.
        results, told = judge(judged, data, task)
        errors = rating.judge(judged, params, data, run.seed, steps)
    steps.go(_("Judging what stands beside it"))
    with clock.measure("beside"):
        rivals = beside.stand(run, data, steps)
    steps.go(_("Learning from everything"))
    with clock.measure("refit"):
        final = recommenders.create(run.algorithm, **params)
        final.fit(learned.everything, on_epoch=steps.epoch)
    steps.go(_("Writing lists"))
    with registry.new_artifact(run) as (folder, name), clock.measure("lists"):
        final.save(folder / "model")
        write_lists(run, final, learned.everything, folder / "lists")
        write_judged(results, data.train.users.ids, folder / "judged")
        write_logs(run, steps.curve, folder / "logs")
        rivals.write(results, data.train.users.ids, folder / "judged")
    steps.held.write(
        artifact=name,
        chosen_params={"data": learned.chosen, **params},
        protocol=data.protocol,
        snapshot=snapshot(learned.everything),
        code_version=code_version(),
        curve=steps.curve,
        timings=clock.seconds,
        metrics=told
        | rivals.compared(results)
        | ({"ratings": errors} if errors else {})
        | {"validation": chosen},
    )
    steps.held.write(gate=gating.verdict(run))
    steps.go(_("Done"))


def _chosen(
    run: ModelRun, data: Data, task: str, steps: Steps
) -> tuple[Data, dict[str, Any], dict[str, Any]]:
    """The data as learned from, the parameters, and how they did on validation."""
    after = AFTER_CHOICE + weighing.n_fits(run, data)
    params, chosen = choose(run, data, task, steps, others=after)
    weighed = weighing.choose(run, data, params, task, steps)
    if weighed is None:
        return data, params, chosen
    told = {task: weighed.result.as_dict(), "tried_data": weighed.tried}
    return weighed.data, weighed.params, chosen | told


def guard(run: ModelRun, data: Data, steps: Steps) -> None:
    """Write down what the run would take; Refused where that is above the budget."""
    shape = guarding.Shape.of(data.everything)
    more_fits = weighing.n_fits(run, data)
    tried = candidates(run)
    estimated = guarding.estimate(run.algorithm, tried, shape, more_fits=more_fits)
    steps.held.write(estimate=estimated)
    guarding.refuse_above(estimated)


def code_version() -> str:
    try:
        return metadata.version("strata")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "checkout"
