"""What an operator fills in: a file to bring in, its columns, a model to train."""

from segmentation.forms.access import ApiKeyForm
from segmentation.forms.columns import ColumnForm
from segmentation.forms.layouts import LayoutForm
from segmentation.forms.mappings import KeepForm, MappingForm
from segmentation.forms.people import PairForm
from segmentation.forms.plans import OverruleForm, PlanForm
from segmentation.forms.rules import RulesForm
from segmentation.forms.training import DivideForm, TrainForm
from segmentation.forms.uploading import SmallFileForm, UploadForm, seal, unseal

__all__ = [
    "ApiKeyForm",
    "ColumnForm",
    "DivideForm",
    "KeepForm",
    "LayoutForm",
    "MappingForm",
    "OverruleForm",
    "PairForm",
    "PlanForm",
    "RulesForm",
    "SmallFileForm",
    "TrainForm",
    "UploadForm",
    "seal",
    "unseal",
]
