"""The cost of calls, at the provider's stated prices or at the user's."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from facematch.domain.comparison import Attempt, Outcome
from facematch.domain.provider import is_success
from facematch.domain.regions import PROFILES, Region
from facematch_client.text import count_of


@dataclass(slots=True)
class Bill:
    """Calls by region. A successful call is billed; a call without an answer is possibly billed."""

    billed: Counter[str] = field(default_factory=Counter)
    possibly_billed: Counter[str] = field(default_factory=Counter)

    def add(self, region: str, attempts: Iterable[Attempt]) -> None:
        """Add a comparison's attempts."""
        for attempt in attempts:
            self.billed[region] += is_success(attempt.code)
            self.possibly_billed[region] += attempt.outcome is not Outcome.ANSWERED

    def cost_usd(self, prices: Mapping[Region, float]) -> float | None:
        """Return the cost of the billed calls at `prices` or stated prices, None if a price is missing."""
        if self._list_unpriced(prices):
            return None
        known = _choose_prices(prices)
        return sum(count * known[region] for region, count in self.billed.items() if count)

    def describe(self, prices: Mapping[Region, float]) -> str:
        """Return the bill in one line."""
        possibly_billed = self.possibly_billed.total()
        counts = f"{count_of(self.billed.total(), 'call')} billed" + (
            f", {possibly_billed} possibly billed" if possibly_billed else ""
        )
        unpriced = self._list_unpriced(prices)
        if unpriced:
            names = " and ".join(unpriced)
            return f"{counts}; the provider states no price for {names} (--price {unpriced[0]}=USD)"
        return f"{counts}; USD {self.cost_usd(prices):.3f}"

    def _list_unpriced(self, prices: Mapping[Region, float]) -> list[str]:
        known = _choose_prices(prices)
        return [region for region, count in self.billed.items() if count and region not in known]


def _choose_prices(prices: Mapping[Region, float]) -> dict[str, float]:
    stated = {region: profile.stated_price_usd for region, profile in PROFILES.items()}
    return {region.value: price for region, price in {**stated, **prices}.items() if price is not None}
