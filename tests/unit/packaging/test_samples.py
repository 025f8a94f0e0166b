"""The samples: each is what the API server would take, can be asked for by name, and is in no overlay."""

from pathlib import Path

import pytest
import yaml

from audit_event_operator.files.samples import SampleNotFoundError, list_samples, read_sample
from audit_event_operator.resource.names import API_VERSION, CREDENTIALS_LABEL, KIND
from audit_event_operator.resource.schema import structural_schema
from audit_event_operator.resource.spec import GeneratorSpec, parse_spec

ROOT = Path(__file__).parents[3]


def resource(name):
    (found,) = [document for document in yaml.safe_load_all(read_sample(name)) if document["kind"] == KIND]
    return found


@pytest.mark.parametrize("name", list_samples())
def test_a_sample_is_a_valid_resource(name):
    assert resource(name)["apiVersion"] == API_VERSION
    assert set(resource(name)["metadata"]) == {"name"}, "a sample goes into the namespace that the user is in"
    parse_spec(resource(name)["spec"])


@pytest.mark.parametrize("name", [name for name in list_samples() if "secretRef" in read_sample(name)])
def test_a_sample_that_names_a_secret_brings_one_that_may_be_used(name):
    secret, generator = yaml.safe_load_all(read_sample(name))
    assert secret["metadata"]["name"] == generator["spec"]["rabbitmq"]["secretRef"]["name"]
    assert secret["metadata"]["labels"] == {CREDENTIALS_LABEL: "true"}


def fields(schema, before=""):
    """The paths of all fields that can be set, such as `entities.users.names`."""
    for name, member in schema.get("properties", {}).items():
        inner = member.get("items", member)
        if "properties" in inner:
            yield from fields(inner, f"{before}{name}.")
        else:
            yield before + name


def set_in(value, before=""):
    """The paths of all members, with those of every object they are in."""
    for item in value if isinstance(value, list) else [value]:
        for name, member in item.items() if isinstance(item, dict) else ():
            yield before + name
            yield from set_in(member, f"{before}{name}.")


def test_every_field_of_the_spec_is_shown_in_a_sample():
    shown = set().union(*(set_in(resource(name)["spec"]) for name in list_samples()))
    assert set(fields(structural_schema(GeneratorSpec))) - shown == set()


def test_samples_are_numbered_and_named_apart():
    assert [name[:2] for name in list_samples()] == [f"{number:02}" for number in range(1, len(list_samples()) + 1)]
    names = {resource(name)["metadata"]["name"] for name in list_samples()}
    assert len(names) == len(list_samples()), "all samples can be applied together"


@pytest.mark.parametrize("name", ["01-minimal", "01-minimal.yaml", "minimal", "01", "1"])
def test_a_sample_is_found_by_its_name_its_number_or_its_words(name):
    assert read_sample(name) == (ROOT / "manifests/samples/01-minimal.yaml").read_text()


@pytest.mark.parametrize("name", ["", "0", "maximal", "../samples/01-minimal"])
def test_an_unknown_sample_is_refused_with_the_names_of_all(name):
    with pytest.raises(SampleNotFoundError, match="01-minimal, 02-custom-mix, 03-fast-stream"):
        read_sample(name)


def test_no_kustomization_takes_in_a_sample():
    for kustomization in (ROOT / "manifests").rglob("kustomization.yaml"):
        assert "samples" not in kustomization.read_text(), kustomization
