"""Files of any shop to canonical columns: which column is what, and how it is read.

A mapping is ``{target field: spec}`` (`specs`). `plan` checks it against a file,
`canonical` applies it to the file's chunks, `guess_columns` proposes one.
"""

from segmentation.engine.cleaning import NULLS
from segmentation.engine.mapping.builtin import BUILTIN, Builtin, recognised
from segmentation.engine.mapping.fields import (
    ALL_ATTRIBUTES,
    ATTRIBUTES,
    CONSENT,
    FIELDS,
    IGNORE,
    LENGTHS,
    REQUIRED,
    MappingError,
    role_of,
)
from segmentation.engine.mapping.guessing import Guessed, guess_columns
from segmentation.engine.mapping.names import guess, signature
from segmentation.engine.mapping.plans import SHAPES, Plan, fitted, plan
from segmentation.engine.mapping.rows import Canonical, Rejects, canonical, with_returns
from segmentation.engine.mapping.specs import (
    NUMBERS,
    Column,
    Spec,
    Split,
    read_column,
    read_columns,
)

__all__ = [
    "ALL_ATTRIBUTES",
    "ATTRIBUTES",
    "BUILTIN",
    "CONSENT",
    "FIELDS",
    "IGNORE",
    "LENGTHS",
    "NULLS",
    "NUMBERS",
    "REQUIRED",
    "SHAPES",
    "Builtin",
    "Canonical",
    "Column",
    "Guessed",
    "MappingError",
    "Plan",
    "Rejects",
    "Spec",
    "Split",
    "canonical",
    "fitted",
    "guess",
    "guess_columns",
    "plan",
    "read_column",
    "read_columns",
    "recognised",
    "role_of",
    "signature",
    "with_returns",
]
