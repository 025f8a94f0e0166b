"""The operator's own broker gets a new password: the mounted Secret changes, and nothing is restarted."""

from support.parts.generators import Generators


def test_a_new_password_in_the_mounted_secret_is_taken_up_without_a_restart(
    start_operator, cluster, namespace, own_rabbitmq, queue, tmp_path
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    own_rabbitmq.add_user("rotated", "old")
    for name, text in (("RABBITMQ_USER", "rotated"), ("RABBITMQ_PASS", "old")):
        (folder / name).write_text(text)
    operator = start_operator(
        **own_rabbitmq.environment() | {"RABBITMQ_PASS": "of the environment"},
        AEG_DEFAULT_BROKER_FOLDER=str(folder), AEG_SECRET_FAILING_SECONDS="1", AEG_BACKOFF_MAX_SECONDS="1",
    )  # fmt: skip
    pid = operator.pid
    generators = Generators(cluster, namespace)
    generators.create("demo", queue=queue, interval="100ms")
    generators.wait_for("demo", "Publishing")
    own_rabbitmq.change_password("rotated", "new")
    own_rabbitmq.close_all_connections()
    generators.wait_for("demo", "AuthenticationFailed")
    (folder / "RABBITMQ_PASS").write_text("new")
    generators.wait_for("demo", "Publishing", timeout_seconds=60)
    assert operator.pid == pid
