"""Watched files act like kubectl apply and kubectl delete."""

import asyncio
import os
from fractions import Fraction
from pathlib import Path

import pytest

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.environment import spec_from_environment
from audit_event_operator.files.source import POLL_SECONDS, FileSource, uid_of
from audit_event_operator.files.targets import FileTargets, Secrets
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target
from support.doubles.memory_broker import MemoryBrokers

DEFAULT = Target("rabbit.test", 5672, "/", "user", "password")

STREAM = """\
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata: {name: NAME}
spec: {interval: INTERVAL}
---
"""

SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: broker
  labels: {auditflow.jojees.net/broker-credentials: "true"}
stringData: {host: other.test, username: me, password: canary}
"""


def stream(name, interval="1s"):
    return STREAM.replace("NAME", name).replace("INTERVAL", interval)


def save(file, text):
    """Save with a time stamp of its own, as an editor would do some seconds later."""
    file.write_text(text, encoding="utf-8")
    save.clock += 1_000_000_000
    os.utime(file, ns=(save.clock, save.clock))


save.clock = 1_700_000_000_000_000_000


async def at_once(work, *arguments):
    """In place of a thread, which a clock that jumps would not wait for."""
    return work(*arguments)


@pytest.fixture
async def watched(tmp_path):
    secret_store = Secrets()
    fleet = Fleet(EngineContext(brokers=MemoryBrokers(), destinations=FileTargets(DEFAULT, secret_store)))
    fleet.start()
    source = FileSource([tmp_path], fleet, secret_store, aside=at_once)

    def take_up(name, text):
        save(tmp_path / name, text)
        source.take_up(source.read())

    yield source, fleet, take_up
    await fleet.shutdown(0)


async def test_saving_changes_one_and_leaves_the_others_alone(watched):
    _, fleet, take_up = watched
    take_up("a.yaml", stream("one") + stream("two"))
    assert fleet.uids() == {uid_of(Ref("default", "one")), uid_of(Ref("default", "two"))}
    take_up("a.yaml", stream("one", "5s") + stream("two"))
    assert [fleet.find(Ref("default", name)).facts.generation for name in ("one", "two")] == [2, 1]


async def test_what_leaves_the_files_is_deleted(watched):
    _, fleet, take_up = watched
    take_up("a.yaml", stream("one") + stream("two"))
    take_up("a.yaml", stream("two"))
    assert fleet.uids() == {uid_of(Ref("default", "two"))}


async def test_a_save_that_is_not_valid_is_refused_and_disturbs_nothing(watched, caplog):
    _, fleet, take_up = watched
    take_up("a.yaml", stream("one"))
    take_up("a.yaml", stream("one", "25h"))
    assert "a.yaml:4: interval" in caplog.text
    assert fleet.find(Ref("default", "one")).facts.interval_seconds == 1.0
    take_up("a.yaml", "{ this is: [not yaml")
    assert fleet.uids() == {uid_of(Ref("default", "one"))}, "a file that cannot be read takes nothing away"


async def test_the_watch_notices_a_save_within_a_second(watched, tmp_path):
    source, fleet, take_up = watched
    take_up("a.yaml", stream("one"))
    watch = asyncio.create_task(source.run())
    changed = asyncio.Event()
    fleet.on_change(lambda _: changed.set())
    save(tmp_path / "b.yaml", stream("late"))
    async with asyncio.timeout(5):
        while fleet.find(Ref("default", "late")) is None:
            changed.clear()
            await changed.wait()
    watch.cancel()


@pytest.mark.looptime
async def test_a_file_that_is_being_saved_takes_nothing_away(watched, tmp_path):
    source, fleet, take_up = watched
    take_up("a.yaml", stream("one"))
    watch = asyncio.create_task(source.run())
    await asyncio.sleep(POLL_SECONDS / 2)
    save(tmp_path / "a.yaml", "")
    await asyncio.sleep(POLL_SECONDS)  # it has looked
    save(tmp_path / "a.yaml", stream("one", "5s"))
    await asyncio.sleep(2 * POLL_SECONDS)
    assert fleet.find(Ref("default", "one")).facts.generation == 2, "it was changed, not made again"
    watch.cancel()


async def test_what_is_unwise_runs_and_is_said_once_in_the_log(watched, caplog, tmp_path):
    source, fleet, take_up = watched
    take_up("a.yaml", stream("one").replace("1s", "10s, runDuration: 10s"))
    source.take_up(source.read())
    assert fleet.find(Ref("default", "one")) is not None
    (said,) = [line for line in caplog.messages if "warning: runDuration (10s)" in line]
    assert said.startswith(f"{tmp_path / 'a.yaml'}:")


async def test_two_documents_of_one_name_are_a_problem(watched, tmp_path):
    save(tmp_path / "a.yaml", stream("one"))
    save(tmp_path / "b.yaml", stream("one"))
    (problem,) = watched[0].read().problems
    assert "default/one is already defined in" in problem


async def test_a_path_that_leads_nowhere_is_an_error(tmp_path):
    source = FileSource([tmp_path / "missing"], None, Secrets())
    with pytest.raises(FileNotFoundError, match="missing"):
        source.read()


async def test_secret_documents_serve_secret_references(watched):
    source, _, take_up = watched
    take_up("secret.yaml", SECRET)
    targets = FileTargets(DEFAULT, source._secrets)
    target = await targets.resolve(TargetReference(TargetKind.SECRET, "default", "broker"))
    assert (target.host, target.port, target.username) == ("other.test", 5672, "me")
    assert "canary" not in repr(target)
    with pytest.raises(DestinationUnavailable) as answer:
        await targets.resolve(TargetReference(TargetKind.SECRET, "elsewhere", "broker"))
    assert answer.value.reason is Reason.SECRET_NOT_FOUND


async def test_a_broken_save_of_the_file_with_the_secret_keeps_the_secret(watched):
    source, _, take_up = watched
    take_up("secret.yaml", SECRET)
    take_up("secret.yaml", "kind: [")
    take_up("a.yaml", stream("one"))
    targets = FileTargets(DEFAULT, source._secrets)
    assert (await targets.resolve(TargetReference(TargetKind.SECRET, "default", "broker"))).host == "other.test"
    take_up("secret.yaml", "")
    assert source._secrets == {}


async def test_a_mounted_config_map_is_read_once_and_followed(watched, tmp_path, caplog):
    def version(name, text):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "a.yaml", text)
        (tmp_path / "..new").symlink_to(name)
        (tmp_path / "..new").rename(tmp_path / "..data")  # as kubelet does

    source, fleet, _ = watched
    version("..2026_01", stream("one"))
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    source.take_up(source.read())
    version("..2026_02", stream("one", "7s"))
    source.take_up(source.read())
    assert fleet.find(Ref("default", "one")).facts.interval_seconds == 7
    assert not [line for line in caplog.messages if "Refused" in line]


async def test_only_what_has_changed_is_read_again(watched, tmp_path, monkeypatch):
    _, _, take_up = watched
    for name in ("a", "b", "c"):
        take_up(f"{name}.yaml", stream(name))
    read, read_bytes = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or read_bytes(path))
    take_up("b.yaml", stream("b", "9s"))
    assert read == ["b.yaml"]


def test_a_cluster_reference_is_invalid_without_a_cluster():
    spec = parse_spec({"rabbitmq": {"clusterRef": {"name": "my-cluster"}}})
    with pytest.raises(DestinationUnavailable) as answer:
        FileTargets(DEFAULT, Secrets()).destination("default", spec)
    assert answer.value.reason is Reason.INVALID_SPEC


def test_the_environments_stream_is_the_seeds():
    assert spec_from_environment("q", Fraction("0.25")).interval_ns == 250_000_000
    assert spec_from_environment("q", Fraction(0)).interval_ns == 1_000_000
    assert spec_from_environment("q", Fraction(86_400)).interval_ns == 86_400 * 10**9
