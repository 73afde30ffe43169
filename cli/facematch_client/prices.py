"""What calls cost: by the prices that the vendor states, or by those that the user gives."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from facematch.domain.comparison import Attempt, Outcome
from facematch.domain.provider import is_success
from facematch.domain.regions import PROFILES, Region
from facematch_client.text import count_of


@dataclass(slots=True)
class Bill:
    """Calls by region: those that succeeded and so were billed, and those that were possibly billed."""

    billed: Counter[str] = field(default_factory=Counter)
    possibly_billed: Counter[str] = field(default_factory=Counter)

    def add(self, region: str, attempts: Iterable[Attempt]) -> None:
        """Add a comparison's attempts."""
        for attempt in attempts:
            self.billed[region] += is_success(attempt.code)
            self.possibly_billed[region] += attempt.outcome is not Outcome.ANSWERED

    def cost_usd(self, prices: Mapping[Region, float]) -> float | None:
        """Return what the billed calls cost, by `prices` or else as stated; None where a price is missing."""
        if self._list_unpriced(prices):
            return None
        known = _choose_prices(prices)
        return sum(count * known[region] for region, count in self.billed.items() if count)

    def describe(self, prices: Mapping[Region, float]) -> str:
        """Return the bill in one line."""
        perhaps = self.possibly_billed.total()
        told = f"{count_of(self.billed.total(), 'call')} billed" + (
            f", {perhaps} possibly billed" if perhaps else ""
        )
        unpriced = self._list_unpriced(prices)
        if unpriced:
            return (
                f"{told}; the vendor states no price for {' and '.join(unpriced)} (--price {unpriced[0]}=USD)"
            )
        return f"{told}; USD {self.cost_usd(prices):.3f}"

    def _list_unpriced(self, prices: Mapping[Region, float]) -> list[str]:
        known = _choose_prices(prices)
        return [region for region, count in self.billed.items() if count and region not in known]


def _choose_prices(prices: Mapping[Region, float]) -> dict[str, float]:
    stated = {region: profile.stated_price_usd for region, profile in PROFILES.items()}
    return {region.value: price for region, price in {**stated, **prices}.items() if price is not None}
