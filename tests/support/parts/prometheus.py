"""A real Prometheus on loopback that scrapes once a second, and what tests ask it."""

import json
import shutil
import urllib.parse
import urllib.request
from pathlib import Path
from textwrap import dedent
from typing import Any, Self

from support.parts.processes import Process, free_port
from support.waiting import wait_until


class Prometheus:
    """Scrapes targets on loopback as the job `audit-event-operator`, evaluates rules, and answers queries."""

    def __init__(
        self, folder: Path, *ports: int, rules: Path | None = None, token: Path | None = None, every: str = "1s"
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: place of its configuration, data and log; must exist.
            ports: whom to scrape.
            rules: a rule file in Prometheus' own form.
            token: a file with the bearer token that it sends.
            every: how often it scrapes, which is also how long it waits for an answer.
        """
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "prometheus.yml"
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        config.write_text(
            dedent(f"""\
                global: {{scrape_interval: {every}, evaluation_interval: 1s}}
                rule_files: [{'"' + str(rules) + '"' if rules else ""}]
                scrape_configs:
                - job_name: audit-event-operator
                  static_configs: [{{targets: [{targets}]}}]
                  {f"authorization: {{credentials_file: '{token}'}}" if token else ""}
                """)
        )
        command = [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self.process = Process("prometheus", command, log=folder / "prometheus.log")

    def __enter__(self) -> Self:
        self.process.start()
        wait_until(self.answers, what="Prometheus", explain=self.process.log_tail)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def targets(self) -> list[dict[str, Any]]:
        """What it says of its targets: health, lastError …"""
        return self._get("/api/v1/targets")["activeTargets"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values of an instant query."""
        found = self._get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))["result"]
        return [(row["metric"], float(row["value"][1])) for row in found]

    def value(self, expression: str) -> float | None:
        """The one value of an instant query, None when there is none."""
        rows = self.query(expression)
        return rows[0][1] if rows else None

    def alerts(self, state: str = "firing") -> set[str]:
        """The names of the alerts in that state."""
        return {each["labels"]["alertname"] for each in self._get("/api/v1/alerts")["alerts"] if each["state"] == state}

    def answers(self) -> bool:
        try:
            self._get("/api/v1/targets")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)["data"]


def program(name: str) -> str:
    """The path of prometheus or promtool."""
    path = shutil.which(name)
    assert path, f"{name} is missing: Debian's package prometheus brings it (make test installs it)."
    return path
