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
from segmentation.models.imports import (
    EventClaim,
    ExportJob,
    ImportChange,
    ImportJob,
    ImportKind,
    Mapping,
    UndoJob,
)
from segmentation.models.jobs import Job
from segmentation.models.lists import ListRule, ServedList
from segmentation.models.people import (
    CustomerClaim,
    Erasure,
    Merge,
    QualityReport,
    Suspicion,
    Telling,
)
from segmentation.models.runs import ListRefresh, ModelRun, Purpose, TrainingPlan
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
    "CustomerClaim",
    "Erasure",
    "Event",
    "EventClaim",
    "EventDetail",
    "ExportJob",
    "Identity",
    "ImportChange",
    "ImportJob",
    "ImportKind",
    "Item",
    "ItemChange",
    "Job",
    "Kind",
    "ListRefresh",
    "ListRule",
    "Mapping",
    "Membership",
    "MembershipHistory",
    "Merge",
    "ModelRun",
    "Notice",
    "Purpose",
    "QualityReport",
    "RefKind",
    "Segment",
    "SegmentSet",
    "ServedList",
    "SigningSecret",
    "Source",
    "Suspicion",
    "Telling",
    "TrainingPlan",
    "UndoJob",
]
