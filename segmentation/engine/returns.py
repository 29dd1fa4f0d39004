"""What is left of purchases after the returns that belong to them.

A return of a known order takes back from the purchases of that order; any other takes
back what the customer bought of the item last. Nothing is taken back twice: a return
of more than was bought before it takes all, and no more.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WHO_WHAT = ["user_id", "item_id"]


def kept_shares(purchases: pd.DataFrame, returns: pd.DataFrame) -> NDArray[np.float64]:
    """The share of each purchase that was kept, 0 to 1, aligned.

    Both frames hold user_id, item_id, order_key (0: unknown), at (any instant that
    compares) and quantity (above 0).
    """
    kept = purchases["quantity"].to_numpy(np.float64, copy=True)
    pairs = pd.MultiIndex.from_frame(returns[WHO_WHAT]).unique()
    rows = np.flatnonzero(pd.MultiIndex.from_frame(purchases[WHO_WHAT]).isin(pairs))
    if len(rows):
        bought = purchases.iloc[rows].reset_index(drop=True)
        keys = [*WHO_WHAT, "order_key"]
        orders = pd.MultiIndex.from_frame(bought.loc[bought["order_key"] != 0, keys])
        of_order = pd.MultiIndex.from_frame(returns[keys]).isin(orders)
        left = _left(bought, returns[of_order], keys)
        left = _left(bought.assign(quantity=left), returns[~of_order], WHO_WHAT)
        kept[rows] = left
    return kept / purchases["quantity"].to_numpy(np.float64)


def _left(
    bought: pd.DataFrame, returned: pd.DataFrame, keys: list[str]
) -> NDArray[np.float64]:
    """Quantities that are left when each return takes from the latest purchases.

    A stack in set form: with b the balance after each step (never below zero), of a
    purchase from b[k-1] to b[k] remains what lies under the lowest balance after it.
    """
    if returned.empty:
        return bought["quantity"].to_numpy(np.float64)
    steps = pd.concat(
        [
            bought.assign(step=bought["quantity"], is_return=False),
            returned.assign(step=-returned["quantity"], is_return=True),
        ],
        ignore_index=True,
    )
    order = steps.sort_values([*keys, "at", "is_return"], kind="stable")
    groups = [order[key] for key in keys]
    total = order.groupby(keys, sort=False)["step"].cumsum()
    lost = total.clip(upper=0.0).groupby(groups, sort=False).cummin()
    balance = total - lost
    lowest = balance[::-1].groupby([g[::-1] for g in groups], sort=False).cummin()
    before = balance.groupby(groups, sort=False).shift(fill_value=0.0)
    left = (lowest[::-1] - before).clip(lower=0.0)
    left = np.minimum(left, order["step"].clip(lower=0.0))
    return left.sort_index().to_numpy(np.float64)[: len(bought)]
