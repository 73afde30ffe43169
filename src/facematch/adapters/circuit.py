"""The circuit breaker of Powertools around the provider, one circuit a region, its state in DynamoDB.

A circuit opens when one worker has seen several failures in a row, and lets one call through after a pause.
"""

import time
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.utilities.circuit_breaker import (
    CircuitBreakerConfig,
    CircuitBreakerOpenError,
    CircuitState,
    circuit_breaker,
)
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerPersistenceLayer

from facematch.domain.errors import CircuitOpenError, ProviderFaultError
from facematch.domain.provider import Answer, Call, Depart, Provider, depart_at_once
from facematch.domain.regions import Region

PAUSE_S: Final = 15
_FAILURES: Final = 3
"""Less than a comparison's attempts, so that an outage does not use them up."""
_KNOWN_S: Final = 1
_PROBED_AGAIN_S: Final = 2.0
_CIRCUIT: Final = "circuit#"


class _OutageError(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


_CONFIG: Final = CircuitBreakerConfig(
    failure_threshold=_FAILURES,
    recovery_timeout=PAUSE_S,
    success_threshold=1,
    handled_exceptions=(ProviderFaultError, _OutageError),
    local_cache_max_age=_KNOWN_S,
)


@dataclass(frozen=True, slots=True)
class GuardedProvider:
    """A provider that is left alone in a region while it fails there; `store` is shared by all workers."""

    provider: Provider
    store: CircuitBreakerPersistenceLayer

    def check(self, region: Region) -> None:
        """Return where a call may be made.

        Raises
        ------
        CircuitOpenError
            The region's circuit is open, and it is not time to try again.
        """
        # Else the first look at a region is kept for as long as the library has it by default.
        self.store.configure(_CONFIG, _CIRCUIT + region)
        circuit = self.store.get_state(_CIRCUIT + region)
        if circuit.state is CircuitState.OPEN:
            remaining_s = _remaining_s(circuit.opened_at)
            if remaining_s > 0:
                raise CircuitOpenError(remaining_s)
        if circuit.state is CircuitState.HALF_OPEN and time.time() < (circuit.probe_lease_expiry or 0):
            raise CircuitOpenError(_PROBED_AGAIN_S)

    def make_ready(self, region: Region) -> None:
        """Have a connection at hand."""
        self.provider.make_ready(region)

    def compare(self, call: Call, depart: Depart = depart_at_once) -> Answer:
        """Make one call, unless the region's circuit is open.

        Raises
        ------
        CircuitOpenError
            It is; no call was made.
        ProviderFaultError, OperatorFaultError
            See the port.
        """
        guard = circuit_breaker(name=_CIRCUIT + call.region, config=_CONFIG, persistence_store=self.store)
        try:
            answer: Answer = guard(self._compare)(call, depart)
        except _OutageError as outage:
            return outage.answer
        except CircuitBreakerOpenError as error:
            opened_at = error.circuit.opened_at if error.circuit else None
            raise CircuitOpenError(max(_remaining_s(opened_at), _PROBED_AGAIN_S)) from None
        return answer

    def _compare(self, call: Call, depart: Depart) -> Answer:
        answer = self.provider.compare(call, depart)
        if answer.tells_outage:
            raise _OutageError(answer)
        return answer


def _remaining_s(opened_at_s: int | None) -> float:
    return (opened_at_s or 0) + PAUSE_S - time.time()
