"""What a shop's data look like: counts, shapes and people who are no shoppers.

``Tally`` counts a file while it is read; ``Log`` holds all events, which the other
functions look at. Answers are plain numbers that go into JSON; pages put them into
words.
"""

from segmentation.engine.quality.amounts import Amounts
from segmentation.engine.quality.behaviour import days, funnel, kinds, paths
from segmentation.engine.quality.groups import representation
from segmentation.engine.quality.log import Kinds, Log
from segmentation.engine.quality.spread import coldness, sparsity, tail
from segmentation.engine.quality.suspects import Evidence, Suspect, find
from segmentation.engine.quality.tally import Tally
from segmentation.engine.quality.times import doubled, times

__all__ = [
    "Amounts",
    "Evidence",
    "Kinds",
    "Log",
    "Suspect",
    "Tally",
    "coldness",
    "days",
    "doubled",
    "find",
    "funnel",
    "kinds",
    "paths",
    "representation",
    "sparsity",
    "tail",
    "times",
]
