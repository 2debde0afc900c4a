"""In `PYTHONPATH`, this folder makes `import uvloop` fail in every interpreter, as where uvloop is not installed."""

import sys

sys.modules["uvloop"] = None  # type: ignore[assignment]
