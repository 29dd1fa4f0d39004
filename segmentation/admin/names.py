"""What a person calls an algorithm; one that somebody added keeps its own name."""

from __future__ import annotations

from django.utils.translation import gettext as _

from segmentation.models import ModelRun
from segmentation.services.training import methods

_NETWORKS = {"gmf": "GMF", "mlp": "MLP", "neumf": "NeuMF"}


def named(name: str) -> str:
    """What the method of this name is called."""
    return methods.label(name)


def algorithm(run: ModelRun) -> str:
    """``ALS matrix factorisation``, ``Neural CF (GMF)``."""
    name = named(run.algorithm)
    network = run.chosen_params.get("network") or run.params.get("network")
    if not network:
        return name
    words = {"name": name, "network": _NETWORKS.get(network, network)}
    return _("%(name)s (%(network)s)") % words
