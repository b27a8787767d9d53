"""What every test needs: Hypothesis without a clock, and the same examples in every CI run."""

from __future__ import annotations

import os

from hypothesis import settings

# A deadline measures the machine, not the code. Derandomised in CI: a change fails for what it
# does, not for its luck; on a developer's machine each run looks at new examples.
settings.register_profile(
    "htmx-ws", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True
)
settings.load_profile("htmx-ws")
