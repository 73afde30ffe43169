"""Checks from inside a function whether its role and its network reach the provider."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.handlers.start import finish_start
from facematch.handlers.telemetry import logger


@logger.inject_lambda_context(clear_state=True)
def handle(_event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the diagnosis as JSON. `facematch doctor` invokes this function."""
    diagnosis = asdict(bootstrap.provider_diagnoser().diagnose())
    logger.info("Diagnosed", extra=diagnosis)
    return diagnosis


finish_start(bootstrap.provider_diagnoser)
