"""Families as text. prometheus-client decides the format; this fills its lines in, and costs a tenth per line.

Of each family the library writes one sample, whose labels and value are placeholders: so names, their escaping, the order
of labels and what stands above the samples are the library's own, in every format that it knows.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from audit_event_operator.engine.ledger import Histogram

Encode = Callable[[Collector], bytes]
Labels = tuple[str, ...]
Value = float | Histogram

_CHUNK: Final = 250
"""Samples of one piece: well below a millisecond."""

_number = lru_cache(4_096)(floatToGoString)


class Block(NamedTuple):
    """One family with its samples. The values of labels are ready for the text (`quoted`), in the order of `labels`.

    `labels` are in alphabetical order, as in the text.
    """

    kind: Callable[..., Any]
    name: str
    text: str
    labels: Labels
    samples: Iterable[tuple[Labels, Value]]


def quoted(value: str) -> str:
    """A label's value, as it stands between quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def pieces(blocks: Iterable[Block], encode: Encode) -> Iterator[bytes]:
    """The text of all blocks, in pieces that take a fraction of a millisecond each; nothing closes it yet (`ending`)."""
    tail = ending(encode)
    for block in blocks:
        family = block.kind(block.name, block.text, labels=block.labels)
        if block.kind is HistogramMetricFamily:
            for labels, histogram in block.samples:
                _add_histogram(family, labels, histogram)
            yield _encoded(family, encode, tail)
            continue
        yield _encoded(family, encode, tail)
        family.add_metric(["%s"] * len(block.labels), 0)
        line = _encoded(family, encode, tail).decode().splitlines(keepends=True)[-1].removesuffix("0.0\n") + "%s\n"
        samples = iter(block.samples)
        while chunk := list(islice(samples, _CHUNK)):
            yield "".join([line % (*labels, _number(value)) for labels, value in chunk]).encode()


def ending(encode: Encode) -> bytes:
    """What the format has at its end."""
    return encode(_Families())


class _Families(Collector):
    """A registry of given families."""

    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _encoded(family: Metric, encode: Encode, tail: bytes) -> bytes:
    return encode(_Families(family)).removesuffix(tail)


def _add_histogram(family: Any, labels: Labels, histogram: Any) -> None:
    family.add_metric(labels, buckets=list(histogram.cumulative()), sum_value=histogram.sum_seconds)
