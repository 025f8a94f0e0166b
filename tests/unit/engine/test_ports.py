"""The engine knows that events go somewhere, and nothing of what is there."""

import ast
from pathlib import Path

import pytest

import audit_event_operator.engine as engine

KNOWN = ("resource", "events", "pacing", "world", "timeline", "engine")
FOREIGN_WORDS = {"AMQP", "Secret", "TLS", "TLSMode", "RabbitMQ", "QueueType", "QueueDeclaration", "DeclarationMode"}
MODULES = sorted(Path(engine.__path__[0]).rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_module_of_the_engine_imports_nothing_of_brokers_secrets_or_tls(module):
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {name.name.partition(".")[0] for name in node.names} & {"pika", "ssl", "audit_event_operator"}
        elif isinstance(node, ast.ImportFrom):
            package, _, rest = str(node.module).partition(".")
            assert package not in {"pika", "ssl"}
            assert package != "audit_event_operator" or rest.partition(".")[0] in KNOWN
            assert not {name.name for name in node.names} & FOREIGN_WORDS
