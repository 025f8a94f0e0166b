"""Where nothing can be written, each command says so in a sentence, and never in a traceback."""

import os
import subprocess
import sys

import pytest

DATA = [("crd",), ("sample", "01-minimal"), ("sample", "--list"), ("version",), ("completion", "bash"), ("preview",)]
DEMO = ("demo", "--for", "1s")


def run(*arguments, shell="{command}", **changes):
    command = f"{sys.executable} -m audit_event_operator {' '.join(arguments)}"
    environment = os.environ | {"APP_PORT": "0", "PROMETHEUS_PORT": "0"} | changes
    return subprocess.run(["sh", "-c", shell.format(command=command)], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("arguments", [*DATA, DEMO], ids=" ".join)
def test_a_full_disk_is_told_in_one_sentence(arguments):
    done = run(*arguments, shell="{command} >/dev/full")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("arguments", [*DATA, DEMO], ids=" ".join)
def test_a_closed_stdout_is_told_in_one_sentence(arguments):
    done = run(*arguments, shell="{command} >&-")
    assert done.returncode == 1
    assert "stdout is closed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_stderr_does_not_mix_the_words_for_people_with_the_data():
    done = run(*DEMO, shell="{command} 2>&-")
    assert done.returncode == 0
    assert all(line.startswith("{") for line in done.stdout.splitlines())


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    done = run("crd", shell="{command} | head -n 1")
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_only_what_was_written_counts_as_printed():
    done = run("demo", shell="{command} | head -n 1")
    assert "Done: 1 event printed (1 " in done.stderr


def test_a_file_of_settings_that_is_not_text_is_told_in_one_sentence(tmp_path):
    (tmp_path / ".env").write_bytes(b"RABBITMQ_USER=\xff\xfe")
    done = run("standalone", shell=f"cd {tmp_path} && {{command}}")
    assert done.returncode == 2
    assert done.stderr == "audit-event-operator: .env cannot be read: it is not UTF-8 text\n"
