"""What a segment buys more of than everybody else, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy import stats as distributions

# With fewer buyers on one side no interval is to be trusted.
MIN_BUYERS: Final = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lifts:
    """Arrays of segments x categories; `sure` where the interval lies above 1."""

    lift: Floats
    low: Floats
    high: Floats
    share: Floats
    elsewhere: Floats
    buyers: Floats
    sure: NDArray[np.bool_]


def category_lifts(member: sp.csr_array, spend: Any, alpha: float) -> Lifts:
    """Return the lift of every category in every segment, all at once.

    `member` is segments x customers, `spend` customers x categories; a lift is the
    category's share of the segment's spend over its share of everybody else's. Its
    interval takes customers, not purchases, as the independent units: the linearised
    variance of a ratio of sums (Cochran 1977, section 6.4), on the log scale, with
    Welch's t on Kish's effective numbers, Bonferroni over all segments and categories.

    Read only what lies above 1: the chance that any of it is luck is at most alpha / 2.
    Below 1 intervals are too short wherever a segment happens to lack the few big
    spenders of a category. And segments are described as found: this is no test that
    they exist.
    """
    y = sp.csr_array(spend).maximum(0).tocsr()  # more returned than bought: nothing
    everyone = sp.csr_array(np.ones((1, y.shape[0])))
    inside, overall = _Sums.of(member, y), _Sums.of(everyone, y)
    outside = overall.without(inside)
    enough = (inside.buyers >= MIN_BUYERS) & (outside.buyers >= MIN_BUYERS)
    p = alpha / (2 * max(int(enough.sum()), 1))
    noise, others = inside.noise(), outside.noise()
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lift = inside.share() / outside.share()
        # A few big spenders are few people, however many bought a little too.
        freedom = (noise + others) ** 2 / (
            noise**2 / np.maximum(inside.effective() - 1, 1)
            + others**2 / np.maximum(outside.effective() - 1, 1)
        )
        reach = np.exp(distributions.t.isf(p, freedom) * np.sqrt(noise + others))
        low, high = lift / reach, lift * reach
    shares = inside.share(), outside.share()
    return Lifts(lift, low, high, *shares, inside.buyers, enough & (low > 1))


@dataclass(frozen=True)
class _Sums:
    """Sums over groups of people: y spent on a category, x on everything.

    Groups x categories, the last three groups x 1.
    """

    y: Floats
    yy: Floats
    xy: Floats
    buyers: Floats
    x: Floats
    xx: Floats
    n: Floats

    @classmethod
    def of(cls, group: sp.csr_array, y: sp.csr_array) -> _Sums:
        """Return the sums of customers x categories over groups x customers."""
        x = np.asarray(y.sum(axis=1)).ravel()
        wide = (y, y.multiply(y), y.multiply(x[:, None]), (y > 0).astype(float))
        narrow = (x, x**2, np.ones(x.size))
        return cls(
            *((group @ each).toarray() for each in wide),
            *((group @ each)[:, None] for each in narrow),
        )

    def without(self, part: _Sums) -> _Sums:
        """Return the sums over everybody who is not in that part."""
        return _Sums(*(vars(self)[name] - vars(part)[name] for name in vars(self)))

    def share(self) -> Floats:
        """Return the category's share of the group's spend."""
        return self.y / np.where(self.x > 0, self.x, 1)

    def noise(self) -> Floats:
        """Return the variance of the share's logarithm, infinite where unknown."""
        share = self.share()
        residual = self.yy - 2 * share * self.xy + share**2 * self.xx
        known = (self.y > 0) & (self.n > 1)
        relative = np.maximum(residual, 0) / np.where(known, self.y, 1) ** 2
        return np.where(known, relative * self.n / np.maximum(self.n - 1, 1), np.inf)

    def effective(self) -> Floats:
        """Return among how many equal spenders the category would be spread (Kish)."""
        return self.y**2 / np.where(self.yy > 0, self.yy, 1)
