"""What is allowed but unwise, as a person at the terminal sees it: beside Ready, with a way out, gone with its cause."""

import json

from support.parts.operator_process import must_be_free_of_bugs


def test_a_warning_is_beside_ready_and_goes_with_its_cause(
    start_operator, cluster, namespace, generators, queue, tmp_path
) -> None:
    operator = start_operator()
    manifest = tmp_path / "stream.yaml"
    spec = {"queue": queue, "interval": "1s", "runDuration": "1h", "maxEvents": 10_000}
    resource = {"apiVersion": "auditflow.jojees.net/v1alpha1", "kind": "AuditEventGenerator"}
    manifest.write_text(json.dumps(resource | {"metadata": {"name": "stream"}, "spec": spec}))

    applied = cluster.kubectl("apply", "-n", namespace, "-f", manifest)
    assert applied.stderr == "", "it is allowed"
    cluster.kubectl("wait", "-n", namespace, "aeg/stream", "--for=condition=ConfigurationWarning", "--timeout=10s")
    generators.wait_for("stream", "Publishing")
    warning = generators.condition("stream", "ConfigurationWarning")
    assert (warning["status"], warning["reason"], warning["observedGeneration"]) == ("True", "MaxEventsOutOfReach", 1)
    assert {each["type"] for each in generators.status("stream")["conditions"]} == {"Ready", "ConfigurationWarning"}
    described = cluster.kubectl("describe", "-n", namespace, "aeg/stream").stdout
    assert "runDuration (1h) ends a run after at most 3600 events" in " ".join(described.split())

    generators.patch("stream", interval="100ms", suspend=True)
    generators.wait_for("stream", "Suspended")
    assert generators.condition("stream", "ConfigurationWarning") == {}
    generators.patch("stream", queueDeclaration={"mode": "MustExist", "type": "Quorum"})
    generators.wait_observed("stream", 3)
    assert generators.condition("stream", "ConfigurationWarning")["reason"] == "TypeWithoutEffect"
    assert generators.condition("stream")["reason"] == "Suspended", "a warning never changes Ready"
    must_be_free_of_bugs(operator)
