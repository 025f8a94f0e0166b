"""`preview`: what would flow, the same each time, and the same as what `generate` writes."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from audit_event_operator.cli import main
from audit_event_operator.modes.rate_chart import DAY_NS, HOUR_NS, chart, planned
from audit_event_operator.resource.spec import parse_spec

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"
MONDAY_NS = 1_767_571_200 * 10**9


def run(*arguments, **options):
    return CliRunner().invoke(main, [*map(str, arguments)], **options)


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("[0-9]*.yaml")), ids=lambda path: path.stem)
def test_every_sample_has_a_preview_that_is_the_same_each_time(sample):
    first, second = (run("preview", "-f", sample) for _ in range(2))
    assert first.exit_code == 0, first.stderr
    assert first.stdout == second.stdout
    assert "Rate over a week" in first.stdout
    assert first.stderr == ""


def test_the_first_events_are_those_that_generate_writes():
    shown = run("preview", "--from", "2026-03-01").stdout
    events = re.findall(r"^  (\{.*\})$", shown, flags=re.MULTILINE)
    assert events == run("generate", "--from", "2026-03-01", "--count", "10").stdout.splitlines()


def test_the_episodes_are_those_that_generate_tells_of(tmp_path):
    sample, truth = SAMPLES / "17-brute-force.yaml", tmp_path / "truth"
    run("generate", "-f", sample, "--for", "2h", "--out", tmp_path / "events", "--truth", truth)
    records = [json.loads(line) for line in truth.read_text().splitlines()]
    shown = re.findall(
        r"^    (\S+)Z  (\d+) events; expected alerts: (.*)$", run("preview", "-f", sample).stdout, re.MULTILINE
    )
    told = [
        (
            record["startedAt"][:19],
            str(record["eventCount"]),
            ", ".join(f"{alert['count']} {alert['rule']}" for alert in record["expectedAlerts"]) or "none",
        )
        for name in ("guess", "typo")
        for record in [each for each in records if each["scenario"] == name][:3]
    ]
    assert len(shown) == 6
    assert [each[1:] for each in shown] == [each[1:] for each in told]


def test_warnings_are_part_of_it(tmp_path):
    resource = run("sample", "01").output.replace("spec: {}", "spec: {queue: 'audit '}")
    shown = run("preview", "-f", "-", input=resource)
    assert "Warnings\n  standard input:6: warning: queue starts or ends with a space" in shown.stdout
    assert shown.stderr == ""


def test_the_mix_is_in_percent():
    resource = run("sample", "01").output.replace(
        "spec: {}", "spec: {eventMix: {sudo_command: 3, user_login_failure: 1}}"
    )
    assert (
        "Mix\n  sudo_command         75.0 %\n  user_login_failure   25.0 %"
        in run("preview", "-f", "-", input=resource).stdout
    )


def test_the_planned_rate_is_the_integral_of_the_shape():
    spec = parse_spec(
        {
            "interval": "1s",
            "traffic": {"profile": {"timeZone": "Asia/Kolkata", "hourly": [0] * 9 + [100] * 9 + [0] * 6}},
        }
    )
    day = planned(spec, 1, MONDAY_NS, HOUR_NS, 24)
    assert day.events == 9 * 3_600
    assert day.values[3:13] == [0.5, *[1.0] * 8, 0.5]  # 09:00 to 18:00 there is 03:30 to 12:30 here
    assert planned(parse_spec({"suspend": True}), 1, MONDAY_NS, DAY_NS, 7).events == 0


def test_a_chart_has_its_peak_its_silence_and_its_marks():
    spec = parse_spec(
        {"interval": "1s", "traffic": {"profile": {"timeZone": "UTC", "hourly": [0] * 12 + [50] * 6 + [100] * 6}}}
    )
    lines = chart(planned(spec, 1, MONDAY_NS, HOUR_NS, 24), 6 * HOUR_NS, "%H:%M")
    assert lines[0] == "      1/s |" + " " * 18 + "█" * 6
    assert lines[4] == "        0 |" + " " * 12 + "█" * 12
    assert lines[5].split() == ["00:00", "06:00", "12:00", "18:00"]


def test_the_picture_is_a_valid_document_for_every_resource(tmp_path):
    sample, svg = SAMPLES / "19-office-week.yaml", tmp_path / "rate.svg"
    assert run("preview", "-f", sample, "-f", SAMPLES / "01-minimal.yaml", "--svg", svg).exit_code == 0
    root = ET.fromstring(svg.read_text(encoding="utf-8"))
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 4
    failed = run("preview", "--svg", "/nowhere/rate.svg")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "cannot write to /nowhere/rate.svg: No such file or directory" in failed.stderr
