"""The broker that the environment describes."""

import asyncio
import os
import threading

import pytest

from audit_event_operator.modes.assembly import default_broker, default_target
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.settings import load_settings

CA = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"


def settings(ca_file):
    return load_settings({"RABBITMQ_HOST": "own.broker", "RABBITMQ_CA_FILE": str(ca_file)})[0]


async def test_the_loop_goes_on_while_the_file_of_authorities_is_read(tmp_path):
    ca_file = tmp_path / "ca.crt"
    os.mkfifo(ca_file)
    turned = threading.Event()

    def write_late():
        """A disk that is slow until the loop has turned, at most ten seconds."""
        in_time = turned.wait(10)
        ca_file.write_text(CA)
        return in_time

    disk = asyncio.get_running_loop().run_in_executor(None, write_late)
    looking = asyncio.ensure_future(default_broker(settings(ca_file))())
    asyncio.get_running_loop().call_later(0.01, turned.set)
    target = await looking
    assert await disk, "the loop did not turn"
    assert target.tls is not None
    assert target.tls.ca_pem == CA


async def test_a_file_that_was_replaced_is_taken_up_at_the_next_look(tmp_path):
    ca_file = tmp_path / "ca.crt"
    ca_file.write_text(CA)
    look = default_broker(settings(ca_file))
    before = await look()
    ca_file.write_text(CA.replace("abc", "def"))
    assert (await look()).tls != before.tls


@pytest.mark.parametrize(("content", "says"), [(None, "No such file"), ("é".encode(), "not PEM text")])
def test_a_file_that_cannot_be_read_is_named_at_once(tmp_path, content, says):
    ca_file = tmp_path / "ca.crt"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(FileNotFoundError, match=says) as caught:
        default_target(settings(ca_file))
    assert "RABBITMQ_CA_FILE" in str(caught.value)


def mounted(folder, **files):
    for name, text in files.items():
        (folder / name).write_text(text)
    return load_settings({"RABBITMQ_HOST": "own.broker", "AEG_DEFAULT_BROKER_FOLDER": str(folder)})[0]


async def test_a_mounted_secret_wins_over_the_environment_and_is_read_anew(tmp_path):
    look = default_broker(mounted(tmp_path))
    assert (await look()).username == "user"
    mounted(tmp_path, RABBITMQ_USER="generator", RABBITMQ_PASS="new\n", RABBITMQ_PORT="5671")
    target = await look()
    assert (target.username, target.password, target.port, target.tls is not None) == ("generator", "new", 5671, True)


async def test_an_invalid_mounted_secret_is_named_without_its_values(tmp_path):
    look = default_broker(mounted(tmp_path, RABBITMQ_PORT="canary"))
    with pytest.raises(DestinationUnavailable, match="RABBITMQ_PORT") as caught:
        await look()
    assert caught.value.reason is Reason.SECRET_INVALID
    assert "canary" not in str(caught.value)
