"""Pin every version anew, transitive ones too: `make lock`. Needs uv on the PATH.

``--upgrade`` takes the newest that fit; without it only what must change changes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILE = ["uv", "pip", "compile", "--universal", "--python-version", "3.11"]
COMPILE += ["--fork-strategy", "fewest", "--no-header", "--quiet"]
GPU_HEADER = """\
# For machines with an NVIDIA GPU on Linux: TensorFlow with its CUDA libraries, all
# other pins as in requirements.txt (made by `make lock`).
"""


def main(arguments: list[str]) -> int:
    if shutil.which("uv") is None:
        sys.stderr.write("uv is missing; install it (`pip install uv`), run again.\n")
        return 1
    main_file, same = "requirements.txt", ["-c", "requirements.txt"]
    _compile("pyproject.toml", "-o", main_file, *arguments)
    dev = ("--extra", "dev", *same, "-o", "requirements-dev.txt")
    _compile("pyproject.toml", *dev, *arguments)
    _compile("-", *same, "-o", "requirements-gpu.txt", *arguments, text=_gpu())
    path = ROOT / "requirements-gpu.txt"
    path.write_text(GPU_HEADER + path.read_text().replace("    # via -r -\n", ""))
    return 0


def _gpu() -> str:
    """What pyproject.toml asks for, but TensorFlow with CUDA, at the same version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = (ROOT / "requirements.txt").read_text()
    version = re.search(r"^tensorflow-cpu==(\S+)", pins, re.MULTILINE)
    if version is None:
        raise SystemExit("requirements.txt does not pin tensorflow-cpu.")
    others = [name for name in project["dependencies"] if "tensorflow" not in name]
    return "\n".join([*others, f"tensorflow[and-cuda]=={version[1]}", ""])


def _compile(*arguments: str, text: str | None = None) -> None:
    command = [*COMPILE, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, input=text, text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
