"""The rows of this app, by family."""

from segmentation.models.access import ApiKey, SigningSecret
from segmentation.models.audit import AuditEntry, Notice
from segmentation.models.catalog import (
    Category,
    Customer,
    Identity,
    Item,
    ItemChange,
    Source,
)
from segmentation.models.events import (
    KIND_WEIGHTS,
    WITHOUT_ITEM,
    Event,
    EventDetail,
    Kind,
    RefKind,
)
from segmentation.models.imports import ImportJob, ImportKind, Mapping
from segmentation.models.jobs import Job
from segmentation.models.runs import ModelRun, Purpose, ServedList
from segmentation.models.segments import (
    Membership,
    MembershipHistory,
    Segment,
    SegmentSet,
)

__all__ = [
    "KIND_WEIGHTS",
    "WITHOUT_ITEM",
    "ApiKey",
    "AuditEntry",
    "Category",
    "Customer",
    "Event",
    "EventDetail",
    "Identity",
    "ImportJob",
    "ImportKind",
    "Item",
    "ItemChange",
    "Job",
    "Kind",
    "Mapping",
    "Membership",
    "MembershipHistory",
    "ModelRun",
    "Notice",
    "Purpose",
    "RefKind",
    "Segment",
    "SegmentSet",
    "ServedList",
    "SigningSecret",
    "Source",
]
