"""What becomes of the API server's answers, over a real line to a server that says what a test wants."""

import asyncio
import contextlib
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from audit_event_operator.cluster.api import connection as module
from audit_event_operator.cluster.api import errors
from audit_event_operator.cluster.api.client import Cluster, NotListed
from audit_event_operator.cluster.api.connection import connect


class Server:
    """Answers with what stands in `answers`, then with {}."""

    def __init__(self):
        self.answers, self.asked, self.bodies = [], [], []
        self.url = ""

    async def handle(self, request):
        return await self.answer(request)

    async def answer(self, request):
        self.asked.append(request)
        self.bodies.append(await request.read())
        return self.answers.pop(0) if self.answers else web.json_response({})

    def say(self, status, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(web.json_response(body or {}, status=status, headers=headers))


@pytest.fixture
async def server():
    server = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(application) as listening:
        server.url = str(listening.make_url("")).rstrip("/")
        yield server


def write_kubeconfig(path, url, token="first", **context):
    config = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", **context}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    return {"KUBECONFIG": str(path)}


@pytest.fixture
async def connection(server, tmp_path):
    opened = await connect(write_kubeconfig(tmp_path / "config", server.url))
    yield opened
    await opened.close()


async def ask(connection):
    return await connection.request("GET", "/api/thing", right="get things")


REFUSALS = {
    400: (errors.Refused, "refused"),
    403: (errors.Forbidden, "forbidden"),
    404: (errors.NotFound, "not_found"),
    409: (errors.Conflict, "conflict"),
    418: (errors.Refused, "refused"),
    422: (errors.Unprocessable, "unprocessable"),
    429: (errors.Throttled, "throttled"),
    500: (errors.Unreachable, "unreachable"),
    503: (errors.Unreachable, "unreachable"),
}


@pytest.mark.parametrize("status", REFUSALS)
async def test_each_refusal_is_an_error_of_its_own_that_names_the_right(server, connection, status):
    kind, _ = REFUSALS[status]
    server.say(status, {"kind": "Status", "message": "because"})
    with pytest.raises(kind, match="get things") as caught:
        await ask(connection)
    assert type(caught.value) is kind
    assert "because" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [(429, "7", 7.0), (429, "9999999", 120.0), (429, "soon", 1.0), (429, "-3", 0.0), (503, "3", 3.0)],
)
async def test_retry_after_is_taken_within_reason(server, connection, status, header, seconds):
    server.say(status, Retry_After=header)
    with pytest.raises(errors.Throttled) as caught:
        await ask(connection)
    assert caught.value.retry_after_seconds in (seconds, 1.0 if seconds == 0 else seconds)


async def test_a_namespace_that_goes_away_is_no_missing_right(server, connection):
    details = {"causes": [{"reason": "NamespaceTerminating"}]}
    server.say(403, {"kind": "Status", "message": "is being terminated", "details": details})
    with pytest.raises(errors.NotFound, match="being deleted"):
        await ask(connection)


@pytest.mark.parametrize("text", ["", "<html>", "[]"])
async def test_an_answer_that_is_no_object_is_an_error(server, connection, text):
    server.answers.append(web.Response(text=text))
    with pytest.raises(errors.ClusterError):
        await ask(connection)


async def test_silence_is_an_error_after_a_while(server, connection, monkeypatch):
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.1)
    server.answer = lambda _: asyncio.sleep(0.5, web.Response())
    with pytest.raises(errors.Unreachable, match=r"0\.1 s"):
        await ask(connection)


async def test_a_token_that_ran_out_is_read_again_and_the_question_repeated(server, connection, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOGIN_AGAIN_SECONDS", 0.0)
    write_kubeconfig(tmp_path / "config", server.url, token="second")
    server.say(401)
    assert await ask(connection) == {}
    assert [request.headers["Authorization"] for request in server.asked] == ["Bearer first", "Bearer second"]


async def test_a_token_that_is_not_accepted_at_all_is_not_tried_for_ever(server, connection):
    server.say(401, {"message": "Unauthorized"})
    with pytest.raises(errors.Refused, match="Unauthorized"):
        await ask(connection)
    assert len(server.asked) == 1


async def test_a_status_is_replaced_only_on_the_resource_it_is_about(server, connection):
    await Cluster(connection).patch_generator_status("team", "demo", "uid-1", {"observedGeneration": 3})
    (request,) = server.asked
    path = "/apis/auditflow.jojees.net/v1alpha1/namespaces/team/auditeventgenerators/demo/status"
    assert (request.method, request.path) == ("PATCH", path)
    assert request.headers["Content-Type"] == "application/json-patch+json"
    assert request.headers["User-Agent"] == "audit-event-operator"
    assert json.loads(server.bodies[0]) == [
        {"op": "test", "path": "/metadata/uid", "value": "uid-1"},
        {"op": "add", "path": "/status", "value": {"observedGeneration": 3}},
    ]


@pytest.mark.parametrize(
    ("kind", "write"),
    [
        ("status", lambda cluster: cluster.patch_generator_status("team", "demo", "uid-1", {})),
        ("event", lambda cluster: cluster.create_event("team", {})),
        ("lease", lambda cluster: cluster.create_lease("ops", {})),
        ("lease", lambda cluster: cluster.update_lease("ops", "lease", {})),
    ],
)
@pytest.mark.parametrize("status", [200, *REFUSALS])
async def test_a_write_is_counted_by_its_kind_and_what_became_of_it(server, connection, kind, write, status):
    _, result = REFUSALS.get(status, (None, "ok"))
    cluster = Cluster(connection, wall=lambda: 7.0)
    server.say(status)
    with contextlib.nullcontext() if status == 200 else pytest.raises(errors.ClusterError):
        await write(cluster)
    assert {counted for counted, count in cluster.writes.items() if count} == {(kind, result)}
    assert cluster.writes.total() == 1
    assert cluster.last_success_unix_seconds == (7.0 if status == 200 else None)


async def test_what_is_only_read_is_not_counted_and_every_count_starts_with_zero(connection):
    cluster = Cluster(connection)
    await cluster.list_leases("ops", "a=b")
    await cluster.review_token("a token")
    assert len(cluster.writes) == 3 * 8
    assert cluster.writes.total() == 0


async def listed(cluster):
    """What there is page by page, and what could not be listed."""
    pages = []

    async def take(page):
        pages.append(page)

    return pages, await cluster.list_generators(take)


async def test_a_list_is_asked_for_page_by_page(server, connection):
    server.say(200, {"items": [1, 2], "metadata": {"continue": "a&b"}})
    server.say(200, {"items": [3], "metadata": {}})
    assert await listed(Cluster(connection)) == ([[1, 2], [3]], NotListed())
    assert [request.query.get("continue") for request in server.asked] == [None, "a&b"]


async def test_each_namespace_is_listed_by_itself(server, connection):
    server.say(200, {"items": [1]})
    server.say(200, {"items": [2]})
    assert await listed(Cluster(connection, namespaces=("a", "b"))) == ([[1], [2]], NotListed())
    assert [request.path.split("/")[5] for request in server.asked] == ["a", "b"]


async def test_a_namespace_that_may_not_be_listed_does_not_hide_the_others(server, connection):
    server.say(403)
    server.say(200, {"items": [2]})
    cluster = Cluster(connection, namespaces=("a", "b"))
    assert await listed(cluster) == ([[2]], NotListed(refused=frozenset({"a"})))


async def test_without_a_namespace_that_may_be_listed_it_is_the_missing_right(server, connection):
    server.say(403)
    server.say(403)
    with pytest.raises(errors.Forbidden, match=r'may not list auditeventgenerators\S+ in namespace "a"'):
        await listed(Cluster(connection, namespaces=("a", "b")))


@pytest.mark.parametrize(("status", "missing"), [(404, {"a"}), (201, set()), (403, set()), (500, set())])
async def test_whether_an_empty_namespace_is_there_is_asked_without_writing(server, connection, status, missing):
    server.say(200, {"items": []})
    server.say(status)
    server.say(200, {"items": [2]})
    cluster = Cluster(connection, namespaces=("a", "b"))
    assert await listed(cluster) == ([[], [2]], NotListed(missing=frozenset(missing)))
    assert [(each.method, each.path) for each in server.asked[1:2]] == [("POST", "/api/v1/namespaces/a/events")]
    assert server.asked[1].query["dryRun"] == "All"
    assert cluster.writes.total() == 0


async def test_the_namespace_is_the_contexts(server, tmp_path):
    opened = await connect(write_kubeconfig(tmp_path / "config", server.url, namespace="team"))
    assert opened.namespace == "team"
    await opened.close()


@pytest.mark.parametrize("text", [None, "", "{", "clusters: [", "current-context: nowhere"])
async def test_without_a_way_to_an_api_server_there_is_a_sentence(tmp_path, text):
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(errors.NoCluster, match="No usable Kubernetes configuration"):
        await connect({"KUBECONFIG": str(path)})


async def test_a_pod_without_a_service_account_is_told_so():
    with pytest.raises(errors.NoCluster):
        await connect({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"})


async def test_a_proxy_that_the_environment_names_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    opened = await connect(write_kubeconfig(tmp_path / "config", "http://kubernetes.invalid"))
    assert await ask(opened) == {}
    await opened.close()
    assert server.asked[0].host == "kubernetes.invalid"


async def test_no_proxy_is_asked_for_a_server_that_the_environment_excepts(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    opened = await connect(write_kubeconfig(tmp_path / "config", server.url))
    assert await ask(opened) == {}
    await opened.close()
