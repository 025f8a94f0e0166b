"""The rate that was really confirmed: a sliding window over a counter, fed about once a second."""


class ObservedRate:
    """Events per second over the last `window_seconds`, from samples of a counter that only grows."""

    __slots__ = ("_samples", "_step_seconds", "_window_seconds")

    def __init__(self, window_seconds: float = 30.0, samples: int = 10) -> None:
        self._window_seconds = window_seconds
        self._step_seconds = window_seconds / samples
        self._samples: list[tuple[float, int]] = []  # few, and a deque takes 760 bytes

    def sample(self, now: float, count: int) -> None:
        """Remember the counter at `now` (seconds, any clock); calls closer together than a step are ignored."""
        samples = self._samples
        if samples and now - samples[-1][0] < self._step_seconds:
            return
        samples.append((now, count))
        while len(samples) > 2 and now - samples[1][0] >= self._window_seconds:
            del samples[0]

    def rate(self, now: float, count: int) -> float:
        """The mean since the oldest sample in the window; 0 before there is one."""
        if not self._samples:
            return 0.0
        then, base = self._samples[0]
        return (count - base) / (now - then) if now - then >= 1.0 else 0.0
