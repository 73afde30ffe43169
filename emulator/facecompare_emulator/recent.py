"""Remembers recent keys, such as nonces and business ids."""

from collections import OrderedDict


class Recent:
    """A set of recent keys, limited by age and by count."""

    def __init__(self, *, max_count: int, max_age_s: float = float("inf")) -> None:
        self._max_count = max_count
        self._max_age_s = max_age_s
        self._seen_at_s: OrderedDict[str, float] = OrderedDict()

    def remember(self, key: str, now_s: float) -> bool:
        """Add `key`; return whether it is new."""
        self._remove_expired(now_s)
        is_new = key not in self._seen_at_s
        self._seen_at_s[key] = now_s
        self._seen_at_s.move_to_end(key)
        if len(self._seen_at_s) > self._max_count:
            self._seen_at_s.popitem(last=False)
        return is_new

    def clear(self) -> None:
        """Remove all keys."""
        self._seen_at_s.clear()

    def _remove_expired(self, now_s: float) -> None:
        while self._seen_at_s:
            oldest = next(iter(self._seen_at_s))
            if now_s - self._seen_at_s[oldest] <= self._max_age_s:
                return
            del self._seen_at_s[oldest]
