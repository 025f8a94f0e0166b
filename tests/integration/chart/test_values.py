"""What values do (helm-unittest suites beside the chart), and which ones are refused, in which words."""

import re

import pytest
import yaml

from support.parts.helm import CHART, write_values

SUITES = sorted(CHART.glob("tests/*_test.yaml"))
DIGEST = "sha256:" + "0" * 64

# value → what the refusal must say
REFUSED = [
    # a name that is no value, on every level
    ({"imgae": {}}, "additional properties 'imgae' not allowed"),
    ({"image": {"repositry": "x"}}, "at '/image': additional properties 'repositry' not allowed"),
    ({"crds": {"install": True}}, "at '/crds': additional properties 'install' not allowed"),
    ({"monitoring": {"enable": True}}, "at '/monitoring': additional properties 'enable' not allowed"),
    ({"settings": {"AEG_API_AUHT": "token"}}, "at '/settings': additional properties 'AEG_API_AUHT' not allowed"),
    ({"resources": {"limit": {}}}, "at '/resources': additional properties 'limit' not allowed"),
    ({"resources": {"limits": {"mem": "1Gi"}}}, "at '/resources/limits': additional properties 'mem' not allowed"),
    ({"tolerations": [{"kye": "a"}]}, "at '/tolerations/0': additional properties 'kye' not allowed"),
    ({"affinity": {"podAfinity": {}}}, "at '/affinity': additional properties 'podAfinity' not allowed"),
    ({"extraVolumeMounts": [{"name": "a", "mountPath": "/a", "readonly": True}]}, "additional properties 'readonly'"),
    # variables that other values set
    ({"settings": {"RABBITMQ_HOST": "a"}}, "additional properties 'RABBITMQ_HOST' not allowed"),
    ({"settings": {"RABBITMQ_PASS": "a"}}, "additional properties 'RABBITMQ_PASS' not allowed"),
    ({"settings": {"AEG_NAMESPACES": "a"}}, "additional properties 'AEG_NAMESPACES' not allowed"),
    # types
    ({"crds": {"enabled": "yes"}}, "at '/crds/enabled': got string, want boolean"),
    ({"crds": {"keep": 1}}, "at '/crds/keep': got number, want boolean"),
    ({"accessReviews": {"enabled": "true"}}, "at '/accessReviews/enabled': got string, want boolean"),
    ({"rabbitmqClusters": {"enabled": "true"}}, "at '/rabbitmqClusters/enabled': got string, want boolean"),
    ({"userRoles": {"enabled": "true"}}, "at '/userRoles/enabled': got string, want boolean"),
    ({"availability": {"enabled": "true"}}, "at '/availability/enabled': got string, want boolean"),
    ({"dashboard": {"enabled": "true"}}, "at '/dashboard/enabled': got string, want boolean"),
    ({"service": {"annotations": {"a": 1}}}, "at '/service/annotations/a': got number, want string"),
    ({"commonAnnotations": {"a": 1}}, "at '/commonAnnotations/a': got number, want string"),
    ({"nodeSelector": {"a": 1}}, "at '/nodeSelector/a': got number, want string"),
    ({"replicas": "1"}, "at '/replicas': got string, want integer"),
    ({"namespaces": "team-a"}, "at '/namespaces': got string, want array"),
    ({"podLabels": {"prometheus_scrape": True}}, "at '/podLabels/prometheus_scrape': got boolean, want string"),
    ({"settings": {"AEG_LEASE_STRICT": "yes"}}, "at '/settings/AEG_LEASE_STRICT': got string, want boolean"),
    ({"settings": {"RABBITMQ_PORT": "5672"}}, "at '/settings/RABBITMQ_PORT': got string, want integer"),
    # taken away
    ({"settings": None}, "missing property 'settings'"),
    ({"image": {"tag": None}}, "at '/image': missing property 'tag'"),
    ({"networkPolicy": {"brokerPorts": None}}, "at '/networkPolicy': missing property 'brokerPorts'"),
    # bounds
    ({"replicas": 17}, "at '/replicas': maximum: got 17, want 16"),
    ({"replicas": -1}, "at '/replicas': minimum: got -1, want 0"),
    ({"terminationGracePeriodSeconds": 0}, "at '/terminationGracePeriodSeconds': minimum: got 0, want 1"),
    ({"settings": {"RABBITMQ_PORT": 70000}}, "at '/settings/RABBITMQ_PORT': maximum: got 70,000, want 65,535"),
    ({"settings": {"AEG_CONNECT_SECONDS": 0}}, "at '/settings/AEG_CONNECT_SECONDS': exclusiveMinimum: got 0, want 0"),
    ({"settings": {"AEG_HEARTBEAT_SECONDS": 601}}, "at '/settings/AEG_HEARTBEAT_SECONDS': maximum: got 601, want 600"),
    ({"networkPolicy": {"brokerPorts": [0]}}, "at '/networkPolicy/brokerPorts/0': minimum: got 0, want 1"),
    ({"networkPolicy": {"apiServerPorts": []}}, "at '/networkPolicy/apiServerPorts': minItems: got 0, want 1"),
    ({"fullnameOverride": "a" * 64}, "at '/fullnameOverride': maxLength: got 64, want 63"),
    # one of a few words
    (
        {"image": {"pullPolicy": "always"}},
        "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
    ),
    ({"settings": {"AEG_LOG_FORMAT": "text"}}, "at '/settings/AEG_LOG_FORMAT': value must be one of 'plain', 'json'"),
    ({"settings": {"RABBITMQ_TLS_MODE": "Skip"}}, "at '/settings/RABBITMQ_TLS_MODE': value must be one of 'Auto'"),
    ({"tolerations": [{"effect": "None"}]}, "at '/tolerations/0/effect': value must be one of"),
    # form
    ({"fullnameOverride": "Audit"}, "at '/fullnameOverride': 'Audit' does not match pattern"),
    ({"image": {"repository": ""}}, "at '/image/repository'"),
    ({"image": {"tag": "v1 "}}, "at '/image/tag': 'v1 ' does not match pattern"),
    ({"image": {"digest": DIGEST[:-1]}}, "at '/image/digest'"),
    ({"image": {"pullSecrets": [{"name": "a"}]}}, "at '/image/pullSecrets/0': got object, want string"),
    ({"namespaces": ["Team_A"]}, "at '/namespaces/0': 'Team_A' does not match pattern"),
    ({"namespaces": ["a", "a"]}, "at '/namespaces': items at 0 and 1 are equal"),
    ({"defaultBroker": {"host": "amqp://rabbitmq"}}, "at '/defaultBroker/host'"),
    ({"defaultBroker": {"existingSecret": "A"}}, "at '/defaultBroker/existingSecret'"),
    ({"serviceAccount": {"name": "a_b"}}, "at '/serviceAccount/name'"),
    ({"commonLabels": {"team": "a b"}}, "at '/commonLabels/team': 'a b' does not match pattern"),
    ({"commonLabels": {"a b": "team"}}, "at '/commonLabels': additional properties 'a b' not allowed"),
    ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "at '/commonLabels/app.kubernetes.io~1name': false schema"),
    ({"podLabels": {"app.kubernetes.io/name": "x"}}, "at '/podLabels/app.kubernetes.io~1name': false schema"),
    ({"podAnnotations": {"a": 1}}, "at '/podAnnotations/a': got number, want string"),
    ({"monitoring": {"interval": "30"}}, "at '/monitoring/interval': '30' does not match pattern"),
    ({"monitoring": {"scrapeTimeout": "s"}}, "at '/monitoring/scrapeTimeout'"),
    ({"monitoring": {"runbooks": "docs"}}, "at '/monitoring/runbooks': 'docs' does not match pattern"),
    ({"resources": {"limits": {"memory": "512 Mi"}}}, "at '/resources/limits/memory'"),
    ({"priorityClassName": "High"}, "at '/priorityClassName'"),
    ({"extraVolumes": [{"name": "tmp", "emptyDir": {}}]}, "at '/extraVolumes/0/name'"),
    ({"extraVolumes": [{"configMap": {}}]}, "at '/extraVolumes/0': missing property 'name'"),
    ({"extraVolumeMounts": [{"name": "a"}]}, "at '/extraVolumeMounts/0': missing property 'mountPath'"),
]


@pytest.mark.parametrize("values, said", REFUSED, ids=[said for _, said in REFUSED])
def test_a_wrong_value_is_refused_and_named(refusal, values, said) -> None:
    assert said in refusal(values)


def test_every_value_has_a_wrong_one_above() -> None:
    refused = {section for values, _ in REFUSED for section in values}
    assert {path.split(".")[0] for path in VALUES} <= refused


def paths(values: dict, before: str = "") -> set[str]:
    """The paths of all values that are no section, such as image.tag; what is empty by default is one value."""
    found = set()
    for name, value in values.items():
        inner = isinstance(value, dict) and value
        found |= paths(value, f"{before}{name}.") if inner else {before + name}
    return found


VALUES = paths(yaml.safe_load((CHART / "values.yaml").read_text()))


def set_by(suite: dict) -> set[str]:
    return {path for test in suite["tests"] for path in paths(test.get("set", {}))}


def test_every_value_is_set_in_a_suite() -> None:
    tried = set().union(*(set_by(yaml.safe_load(suite.read_text())) for suite in SUITES))
    assert [value for value in sorted(VALUES) if not any(f"{path}.".startswith(f"{value}.") for path in tried)] == []


def test_the_suites_pass(helm) -> None:
    done = helm.run("--color=false", "--strict", CHART, program="helm-unittest", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"^Tests: +(\d+) passed, (\d+) total$", done.stdout, re.MULTILINE)
    assert counted
    assert (
        int(counted[1]) == int(counted[2]) == sum(len(yaml.safe_load(suite.read_text())["tests"]) for suite in SUITES)
    )


def test_a_suite_that_should_fail_fails(helm, tmp_path) -> None:
    """The suites' own runner is alive."""
    wrong = (
        "suite: wrong\ntemplates: [service.yaml]\ntests:\n- it: is\n  asserts:\n  - equal: {path: kind, value: Pod}\n"
    )
    (tmp_path / "wrong_test.yaml").write_text(wrong)
    done = helm.run("-f", tmp_path / "wrong_test.yaml", CHART, program="helm-unittest", check=False)
    assert done.returncode == 1
    assert "1 failed" in done.stdout


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"namespaces": ["a"], "monitoring": {"enabled": True}, "dashboard": {"enabled": True}},
        {"networkPolicy": {"enabled": True}, "accessReviews": {"enabled": True}, "crds": {"keep": False}},
    ],
    ids=["defaults", "namespaced", "all"],
)
def test_lint_has_nothing_to_say(helm, tmp_path, values) -> None:
    done = helm.run("lint", "--strict", CHART, "-f", write_values(tmp_path, values))
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


def test_a_cluster_that_is_too_old_is_refused(helm) -> None:
    done = helm.run("template", CHART, "--kube-version", "1.30", check=False)
    assert "chart requires kubeVersion: >=1.31.0-0" in done.stderr
