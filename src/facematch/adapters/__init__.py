"""The outside world behind the domain's ports, one vendor library each."""
