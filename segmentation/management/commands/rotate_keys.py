"""Write all that is encrypted again under the newest keys."""

from __future__ import annotations

import time
from typing import Any

from segmentation.management.base import StrataCommand
from segmentation.services import rekeying


class Command(StrataCommand):
    help = "Encrypt every address and secret again, after a new key was put first."

    def run(self, **options: Any) -> dict[str, Any]:
        started = time.perf_counter()
        rows = rekeying.rekey(self.say)
        return {"rows": rows, "seconds": round(time.perf_counter() - started, 3)}
