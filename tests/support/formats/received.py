"""Judge of syslog: what a receiver understood, put together again, is what was sent. Does not know how lines are written."""

from collections.abc import Sequence

from support.parts.rsyslog import Received


def rsyslog_faults(sent: Sequence[bytes], received: Sequence[Received]) -> list[str]:
    """What a real rsyslog did not read as it was meant, a sentence each."""
    faults = [] if len(sent) == len(received) else [f"{len(received)} of {len(sent)} lines arrived"]
    for line, read in zip(sent, received, strict=False):
        if fault := _fault(line, read):
            faults.append(f"{fault}: {line!r}")
    return faults


def _fault(sent: bytes, read: Received) -> str | None:
    if read.raw != sent:
        return f"arrived as {read.raw!r}"
    if read.version != b"1":
        return "no line of RFC 5424"
    if (read.message_id, read.data) != (b"-", b"-") or not (read.process == b"-" or read.process.isdigit()):
        return "read with another header"
    if not read.text:
        return "says nothing"
    header = (b"<%b>%b" % (read.priority, read.version), read.time, read.host, read.tag, read.process, read.message_id)
    again = b" ".join((*header, read.data, read.text))
    return None if again == sent else f"read as {again!r}"
