"""What a process uses, as the kernel says: to ask the process itself would disturb it, and be late while it is busy."""

import os
from pathlib import Path


class Usage:
    """Processor time and memory of one process."""

    def __init__(self, pid: int) -> None:
        self._process = Path(f"/proc/{pid}")

    def cpu_seconds(self) -> float:
        """Of all its threads, since its start."""
        fields = (self._process / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def mib(self, what: str = "VmRSS") -> float:
        """Resident memory: `VmRSS` (now) or `VmHWM` (the peak)."""
        lines = (self._process / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024
