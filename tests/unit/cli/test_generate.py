"""`generate`: the same bytes each time, files that are whole whatever happens, and a sentence where it cannot go on."""

import contextlib
import gzip
import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner

from audit_event_operator.cli import main
from audit_event_operator.modes.summary import progress_line
from support.waiting import wait_until

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"
STAGED = str(SAMPLES / "17-brute-force.yaml")
COMMAND = [sys.executable, "-m", "audit_event_operator", "generate"]
FOREVER = ["--count", "1000000000"]


def generate(*arguments, **options):
    return CliRunner().invoke(main, ["generate", *map(str, arguments)], **options)


def started(*arguments, **options):
    return subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, **options)


def lines(path):
    data = path.read_bytes()
    if path.name.endswith(".gz"):
        data = gzip.decompress(data)
    elif path.name.endswith(".zst"):
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as file:
            data = file.read()
    return data.splitlines(keepends=True)


def test_without_files_it_is_the_seeds_stream():
    done = generate("--count", "1000")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.exit_code, len(events)) == (0, 1_000)
    assert {event["user_id"] for event in events} >= {"attacker_bob", "devops_admin"}
    assert [event["timestamp"][:19] for event in events[:2]] == ["2026-01-01T00:00:00", "2026-01-01T00:00:05"]


def test_the_bytes_are_the_same_in_every_process_on_every_version(tmp_path):
    arguments = ["-f", STAGED, "--for", "1h", "--seed", "7", "--out"]
    for name, salt in (("one", "1"), ("two", "2")):
        files = [str(tmp_path / name), "--truth", str(tmp_path / f"{name}.truth")]
        subprocess.run(
            [*COMMAND, *arguments, *files], check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": salt}
        )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one.truth").read_bytes() == (tmp_path / "two.truth").read_bytes()
    digest = hashlib.sha256(generate("--count", "10000", "--seed", "1").stdout.encode()).hexdigest()
    assert digest.startswith("95b0125d1b220eab")


def test_the_summary_is_one_table_on_stderr(tmp_path):
    out = tmp_path / "events.jsonl"
    done = generate("-f", STAGED, "--for", "30m", "--out", out, "--truth", tmp_path / "truth")
    records = [json.loads(line) for line in (tmp_path / "truth").read_text().splitlines()]
    assert done.stdout == ""
    names = [line.split("  ")[0] for line in done.stderr.splitlines()]
    assert names[0] == "events"
    assert names[-4:] == ["episodes", "expected alerts", "busiest users", "busiest hosts"]
    alerts = sum(alert["count"] for record in records for alert in record["expectedAlerts"])
    told = re.search(r"expected alerts +(.*)", done.stderr)[1]
    assert sum(map(int, re.findall(r" (\d+)", told))) == alerts > 0
    assert f"events                     {len(lines(out)):,} (" in done.stderr
    assert "\r" not in done.stderr  # no progress where nobody watches


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_name_says_how_the_file_is_compressed(tmp_path, suffix):
    generate("--count", "5000", "--out", tmp_path / "a.jsonl")
    generate("--count", "5000", "--out", tmp_path / f"a.jsonl{suffix}")
    assert lines(tmp_path / f"a.jsonl{suffix}") == lines(tmp_path / "a.jsonl")
    assert (tmp_path / f"a.jsonl{suffix}").stat().st_size < (tmp_path / "a.jsonl").stat().st_size / 4


def test_a_format_takes_the_place_of_that_of_the_resources():
    as_json = [json.loads(line) for line in generate("-f", STAGED, "--for", "5m").stdout.splitlines()]
    as_ecs = [json.loads(line) for line in generate("-f", STAGED, "--for", "5m", "--format", "ECS").stdout.splitlines()]
    assert [event["@timestamp"] for event in as_ecs] == [event["timestamp"] for event in as_json]
    assert [event["user"]["name"] for event in as_ecs] == [event["user_id"] for event in as_json]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_file_for_each_host_holds_its_events_in_their_order(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("audit_event_operator.modes.output._MOST_HELD_BYTES", 50_000)
    generate("-f", STAGED, "--for", "30m", "--out", tmp_path / "whole")
    (tmp_path / "hosts").mkdir()
    done = generate("-f", STAGED, "--for", "30m", "--out", tmp_path / f"hosts/audit.jsonl{suffix}", "--split", "host")
    parts = {path.name: lines(path) for path in (tmp_path / "hosts").iterdir()}
    whole = lines(tmp_path / "whole")
    hosts = {json.loads(line)["server_hostname"] for line in whole}
    assert {f"audit-{host}.jsonl{suffix}" for host in hosts} == {*parts}
    for host in hosts:
        assert parts[f"audit-{host}.jsonl{suffix}"] == [
            line for line in whole if json.loads(line)["server_hostname"] == host
        ]
    assert f"events                     {len(whole):,} (" in done.stderr


def test_a_file_for_each_hour_holds_that_hour(tmp_path):
    generate("--from", "2026-01-01T00:30:00Z", "--for", "2h", "--out", tmp_path / "a.jsonl", "--split", "hour")
    counts = {path.name: len(lines(path)) for path in tmp_path.iterdir()}
    assert counts == {"a-2026-01-01T00.jsonl": 360, "a-2026-01-01T01.jsonl": 720, "a-2026-01-01T02.jsonl": 360}


def test_files_of_a_size_are_never_larger_and_together_the_whole(tmp_path):
    generate("--count", "3000", "--out", tmp_path / "a.jsonl", "--split", "100kB")
    generate("--count", "3000", "--out", tmp_path / "whole")
    parts = sorted(tmp_path.glob("a-*.jsonl"))
    assert [path.name for path in parts[:2]] == ["a-0001.jsonl", "a-0002.jsonl"]
    assert all(99_000 < path.stat().st_size <= 100_000 for path in parts[:-1])
    assert b"".join(path.read_bytes() for path in parts) == (tmp_path / "whole").read_bytes()


def test_a_window_with_one_start_continues_the_stream(tmp_path):
    window = ["-f", STAGED, "--start", "2026-01-05"]
    for name, begin, end in (("whole", "08:00", "09:00"), ("one", "08:00", "08:20"), ("two", "08:20", "09:00")):
        generate(*window, "--from", f"2026-01-05T{begin}Z", "--to", f"2026-01-05T{end}Z", "--out", tmp_path / name)
    assert lines(tmp_path / "one") + lines(tmp_path / "two") == lines(tmp_path / "whole")


def test_a_resource_may_come_from_standard_input_and_bound_itself():
    resource = CliRunner().invoke(main, ["sample", "bounded-run"]).output
    done = generate("-f", "-", input=resource)
    assert done.exit_code == 0
    assert done.stdout.count("\n") == 10_000


def test_fewer_events_than_asked_for_are_warned_of():
    done = generate("--for", "1m", "--count", "1000")
    assert (done.exit_code, done.stdout.count("\n")) == (0, 12)
    assert done.stderr.splitlines()[-1] == "Warning: the streams ask for no more than 12 events in this window"


@pytest.mark.parametrize(
    "arguments, says",
    [
        ("", "say when to end: with --to, --for or --count"),
        ("--from yesterday --count 1", "'yesterday' is no time"),
        ("--from 2026-02-30 --count 1", "'2026-02-30' is no time"),
        ("--from 1969-12-31 --count 1", "is before 1970"),
        ("--to 2025-01-01", "--to must be later than --from"),
        ("--to 2027-01-01 --for 1h", "use one of them"),
        ("--start 2027-01-01 --count 1", "--start must not be later than --from"),
        ("--count 0", "--count"),
        ("--for 0s", "must be longer than 0"),
        ("--count 1 --split host", "--split needs --out FILE"),
        ("--count 1 --split 3q --out x", "neither host nor hour nor a size"),
        ("--count 1 --out a --truth a", "different files"),
        (
            "--count 1 --format XML",
            "'XML' is not one of 'Json', 'CloudEvents'",
        ),
        ("-f nowhere.yaml --count 1", "nowhere.yaml: no such file or folder"),
    ],
)
def test_wrong_use_exits_with_2_and_a_sentence(arguments, says):
    done = generate(*arguments.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


def test_an_invalid_resource_is_told_with_its_line(tmp_path):
    (tmp_path / "bad.yaml").write_text(Path(STAGED).read_text().replace("interval:", "intervall:"))
    done = generate("-f", tmp_path, "--count", "1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.search(r"bad.yaml:\d+: .*intervall", done.stderr)


# --- workers ----------------------------------------------------------------------------------------------------------

SEED, FLEET = [], ["-f", STAGED, "-f", str(SAMPLES / "16-quiet-fleet.yaml")]


@pytest.mark.parametrize(
    "arguments",
    [
        [*SEED, "--count", "30001"],
        [*SEED, "--from", "2026-02-01", "--start", "2026-01-01", "--count", "20000", "--format", "OCSF"],
        [*FLEET, "--for", "2h"],
        [
            *FLEET,
            "--start",
            "2026-01-01",
            "--from",
            "2026-01-01T01:00:00Z",
            "--count",
            "25001",
            "--format",
            "SyslogFull",
        ],
        [*FLEET, "--for", "1h", "--split", "host"],
        [*FLEET, "--for", "1h", "--split", "1MB"],
    ],
    ids=" ".join,
)
def test_several_workers_write_the_same_bytes(tmp_path, arguments):
    told = set()
    for workers in ("1", "2", "3"):
        folder = tmp_path / workers
        folder.mkdir()
        files = ["--out", str(folder / "events.jsonl"), "--truth", str(folder / "truth.jsonl"), "--workers", workers]
        done = subprocess.run([*COMMAND, *arguments, *files], capture_output=True, text=True, check=True)
        told.add(re.sub(r" in [0-9.]+ s, [0-9,]+/s", "", done.stderr))
    one, *others = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("1", "2", "3"))
    assert len(told) == 1
    assert sum(map(len, one.values())) > 3_000_000
    assert all(other == one for other in others)


@pytest.mark.parametrize("streams", [SEED, FLEET], ids=["seed", "fleet"])
def test_ctrl_c_leaves_the_beginning_of_what_would_have_been_written(tmp_path, streams):
    out, truth = tmp_path / "events.jsonl", tmp_path / "truth.jsonl"
    files = ["--out", str(out), "--truth", str(truth)]
    child = started(*streams, "--for", "100000h", *files, "--workers", "2", start_new_session=True)
    wait_for(child, lambda: out.exists() and out.stat().st_size > 20_000_000)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    _, told = child.communicate(timeout=20)
    assert (child.returncode, b"Traceback" in told) == (130, False)
    written, records = lines(out), [json.loads(line) for line in lines(truth)]
    assert f"events                     {len(written):,} (" in told.decode()
    subprocess.run([*COMMAND, *streams, "--count", str(len(written)), "--out", tmp_path / "again"], check=True)
    assert lines(tmp_path / "again") == written
    ids = {json.loads(line)["event_id"] for line in written}
    assert {said["eventId"] for record in records for said in record["events"]} <= ids
    assert bool(records) == bool(streams)


def test_one_process_makes_what_users_do_who_behave():
    child = started(*FLEET, *FOREVER, "--workers", "2", stdout=subprocess.PIPE)
    child.stdout.read(10)
    assert children_of(child.pid) == []
    child.kill()
    child.communicate()


def test_a_worker_that_is_killed_is_told_of_in_one_sentence(tmp_path):
    out = tmp_path / "events.jsonl"
    child = started(*FOREVER, "--out", str(out), "--workers", "2")
    wait_for(child, lambda: out.exists() and out.stat().st_size > 1_000_000)
    os.kill(children_of(child.pid)[1], signal.SIGKILL)
    told = child.communicate(timeout=20)[1].decode()
    assert child.returncode == 1
    assert told == ("audit-event-operator: one of 2 workers ended early, with exit code -9; is there enough memory?\n")
    assert all(line.endswith(b"}\n") for line in lines(out))


def test_workers_end_when_whoever_reads_is_gone(tmp_path):
    out = tmp_path / "events.jsonl"
    child = started(*FOREVER, "--out", str(out), "--workers", "2")
    wait_for(child, lambda: out.exists() and out.stat().st_size > 1_000_000)
    workers = children_of(child.pid)
    child.kill()
    child.communicate()
    wait_until(lambda: all(map(ended, workers)), what="the workers' end")


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ended(pid):
    """Gone, or a zombie that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(child, seen):
    wait_until(lambda: child.poll() is not None or seen(), what="what it writes", every_seconds=0.02)
    assert child.poll() is None


# --- when it cannot go on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shell, says",
    [
        ("{command} > /dev/full", "cannot write to stdout: No space left on device"),
        ("{command} --out /dev/full", "cannot write to /dev/full: No space left on device"),
        ("{command} --out /nowhere/x", "cannot write to /nowhere/x: No such file or directory"),
        ("{command} --out /dev/null --truth /nowhere/x", "cannot write to /nowhere/x: No such file or directory"),
        ("{command} --out /nowhere/x --split host", "cannot write to /nowhere/x-prod-db-02: No such file or directory"),
        ("{command} >&-", "stdout is closed, so there is nowhere to print events"),
        ("({command}; echo code $? >&2) | head -n 1 >/dev/null", "stdout was closed by its reader"),
    ],
)
def test_what_cannot_be_written_to_is_told_in_one_sentence(shell, says):
    command = " ".join([*COMMAND, "--count", "20000"])
    done = subprocess.run(["sh", "-c", shell.format(command=command)], capture_output=True, text=True)
    sentence, *rest = done.stderr.splitlines()
    assert sentence == f"audit-event-operator: {says}"
    assert rest == (["code 1"] if "code" in shell else [])
    assert done.returncode == (0 if "code" in shell else 1)


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz", "events.jsonl.zst"])
def test_ctrl_c_leaves_a_valid_file_and_exit_code_130(tmp_path, name):
    out = tmp_path / name
    child = started(*FOREVER, "--out", str(out))
    wait_for(child, lambda: out.exists() and out.stat().st_size > 100_000)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=20)
    assert child.returncode == 130
    written = lines(out)
    assert all(line.endswith(b"}\n") for line in written)
    assert f"events                     {len(written):,} (" in told.decode()


def test_a_second_ctrl_c_ends_it_while_a_reader_takes_nothing():
    child = started(*FOREVER, stdout=subprocess.PIPE)
    child.stdout.read(10)
    time.sleep(0.3)
    deadline = time.monotonic() + 20
    while child.poll() is None and time.monotonic() < deadline:
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
    told = child.communicate()[1].decode()
    assert child.returncode == 130
    assert "Traceback" not in told


def test_a_terminal_sees_how_far_it_is_and_how_long_it_takes():
    reader, terminal = pty.openpty()
    with os.fdopen(reader, "rb", buffering=0) as screen:
        child = subprocess.Popen([*COMMAND, "--count", "400000", "--out", os.devnull], stderr=terminal)
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # its end
            while data := screen.read(4096):
                shown += data
        assert child.wait(20) == 0
    assert re.search(r"\r\x1b\[K +\d+%  [\d,]+ events, [\d,]+/s, [\d,]+ s left", shown.decode())
    assert "events                     400,000 (" in shown.decode()


def test_the_line_of_progress_says_what_is_left():
    assert progress_line(0.25, 1_000_000, 4.0) == " 25%  1,000,000 events, 250,000/s, 12 s left"
    assert progress_line(0.0, 0, 0.0) == "  0%  0 events, 0/s"


def test_it_starts_without_kopf_kubernetes_pika_and_aiohttp():
    code = """import sys, audit_event_operator.modes.generate, audit_event_operator.modes.streams
print([m for m in ('kopf', 'kubernetes', 'pika', 'aiohttp') if m in sys.modules])"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
