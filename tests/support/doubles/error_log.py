"""Keeps what the product logs as an error. Nothing below is logged meanwhile: pika tells of each lost connection at length."""

import logging
from typing import Self

PRODUCT = "audit_event_operator"
LEVELS = {"pika": logging.CRITICAL + 1, PRODUCT: logging.ERROR}


class ErrorLog(logging.Handler):
    """`records`, but for the unencodable events that a test puts in itself."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "cannot be encoded" not in record.getMessage():
            self.records.append(self.format(record))

    def __enter__(self) -> Self:
        logging.getLogger(PRODUCT).addHandler(self)
        self._before = {name: logging.getLogger(name).level for name in LEVELS}
        for name, level in LEVELS.items():
            logging.getLogger(name).setLevel(level)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger(PRODUCT).removeHandler(self)
        for name, level in self._before.items():
            logging.getLogger(name).setLevel(level)
