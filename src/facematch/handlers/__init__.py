"""The Lambda functions: each parses its event, calls one use case, and maps the result."""

import gc

from facematch.handlers.build import check_build

# Garbage collection would take a sixth of a cold start, for nothing: modules stay. `start` enables it again.
gc.disable()
check_build()
