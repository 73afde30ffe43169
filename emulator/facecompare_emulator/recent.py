"""A bounded memory of what was seen lately: nonces, business ids."""

from collections import OrderedDict


class Recent:
    """Remembers keys for a bounded time and up to a bounded count."""

    def __init__(self, *, max_count: int, max_age_s: float = float("inf")) -> None:
        self._max_count = max_count
        self._max_age_s = max_age_s
        self._seen_at_s: OrderedDict[str, float] = OrderedDict()

    def remember(self, key: str, now_s: float) -> bool:
        """Remember ``key`` and say whether it was new."""
        self._forget_expired(now_s)
        is_new = key not in self._seen_at_s
        self._seen_at_s[key] = now_s
        self._seen_at_s.move_to_end(key)
        if len(self._seen_at_s) > self._max_count:
            self._seen_at_s.popitem(last=False)
        return is_new

    def clear(self) -> None:
        """Forget everything."""
        self._seen_at_s.clear()

    def _forget_expired(self, now_s: float) -> None:
        while self._seen_at_s:
            oldest = next(iter(self._seen_at_s))
            if now_s - self._seen_at_s[oldest] <= self._max_age_s:
                return
            del self._seen_at_s[oldest]
