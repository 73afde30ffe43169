"""One Lambda function each: parse the event, make one call, map the result."""

import gc

from facematch.handlers.build import check_build

# What is imported stays: looking for garbage among it would cost a sixth of a start. `start` ends the pause.
gc.disable()
check_build()
