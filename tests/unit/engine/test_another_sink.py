"""The engine carries events to any sink: here to a folder of files, which needs nothing of RabbitMQ."""

import asyncio
import inspect
import json

import pytest

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from support.doubles import folder_sink
from support.doubles.folder_sink import Folders, FolderSink

REF = Ref("team", "stream")


@pytest.mark.looptime
async def test_a_folder_of_files_takes_the_events_of_a_stream(tmp_path):
    fleet = Fleet(EngineContext(FolderSink(), Folders(tmp_path)))
    fleet.start()
    fleet.apply(REF, "uid", 1, parse_spec({"interval": "1s", "eventsPerInterval": 250, "maxEvents": 600}), Progress())
    await asyncio.sleep(5)
    snapshot = fleet.find(REF)
    await fleet.shutdown(0)
    assert (snapshot.counts.published, snapshot.facts.ready.reason) == (600, Reason.COMPLETED)
    assert (snapshot.facts.destination, snapshot.facts.broker) == ("audit_events", "disk")
    files = list((tmp_path / "team" / "audit_events").iterdir())
    assert len(files) == 600
    assert {json.loads(file.read_bytes())["event_id"] for file in files} == {file.stem for file in files}


def test_such_a_sink_is_small_and_knows_nothing_of_rabbitmq():
    source = inspect.getsource(folder_sink)
    assert len(source.splitlines()) <= 100
    assert "rabbitmq" not in source.lower()
