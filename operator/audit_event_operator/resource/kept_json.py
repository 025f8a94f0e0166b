"""JSON text that is kept: thousands of statuses and specs."""

import orjson


def kept_json(value: object, option: int | None = None) -> bytes:
    """`value` as JSON without the room that orjson leaves behind it: up to 8 KiB, also behind the shortest text.

    Raises:
        TypeError: it has no JSON text.
    """
    return bytes(memoryview(orjson.dumps(value, option=option)))
