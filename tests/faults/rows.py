"""The fault matrix: what is done to the operator, and what must come of it. One row, one or more tests (`pytest.mark.row`).

"Holds" means the four rules of support/faults/delivery_report.py, conservation in every scrape, and one and the same process.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """What is injected, and what is expected."""

    fault: str
    expected: str


ROWS: dict[int, Row] = {
    1: Row(
        "broker stopped for minutes, started",
        "holds; skips counted; BrokerUnreachable ≤45 s, True ≤35 s after the start",
    ),
    2: Row("broker SIGKILLed ten times under load", "holds; nothing published is missing"),
    3: Row("all connections closed again and again", "holds; memory flat; backoff is reset by a confirm only"),
    4: Row("line cut on the way back, after the publish", "copies arrive under the same message_id; counted once"),
    5: Row("line silent in both directions", "noticed by heartbeats; holds"),
    6: Row("line at 2 KiB/s", "Backpressure; memory bounded; other streams unaffected"),
    7: Row("memory alarm under load", "BrokerBlocked; buffer bounded; no reconnect; drains; nothing lost"),
    8: Row("memory alarm before the operator starts", "connects, no crash; blocked from the first publish"),
    9: Row("SIGTERM during an alarm", "exit <30 s; the rest is `shutdown_deadline`"),
    10: Row("resource deleted during a disk alarm", "gone at once; nothing hangs"),
    11: Row(
        "queue deleted under load (MustExist), created later", "QueueNotFound; no channel churn; resumes by itself"
    ),
    12: Row("queue deleted under load (CreateIfMissing)", "declared again; resumes <5 s"),
    13: Row("policy max-length with reject-publish, lifted", "RejectedByBroker; sent again; none lost"),
    14: Row("policy max-length with drop-head", "all published (documented); no false alarm"),
    15: Row("quorum queue, two of three nodes stopped", "ConfirmTimeout; holds after the restart"),
    16: Row("queue exists with other properties", "publishes, Ready: a passive declare checks existence only"),
    17: Row("permissions cleared, restored", "AccessRefused on the next channel; no tight loop; recovers untouched"),
    18: Row(
        "wrong password, then the Secret is corrected", "AuthenticationFailed; few logins; Ready ≤30 s after the change"
    ),
    19: Row("password rotated, the old user deleted", "rereads the Secret, reconnects; holds"),
    20: Row("virtual host missing, created; deleted under load", "VirtualHostNotFound; recovers"),
    21: Row(
        "Secret missing, or keys missing, empty, huge, binary, with a line break",
        "a reason each; no crash; nothing logged",
    ),
    22: Row("Secret without the label; a foreign host", "no connection to that host"),
    23: Row(
        "TLS: unknown CA, expired, wrong name, plaintext port, CA rotated",
        "never unverified; the right reason; recovers",
    ),
    24: Row("port answers HTTP, is silent, or handshakes slowly", "deadline; others connect meanwhile"),
    25: Row("broker name that does not resolve, on 200 resources", "others keep their rate; small loop lag"),
    26: Row(
        "API server stopped for minutes, started", "publishing continues; same process; status correct ≤90 s later"
    ),
    27: Row("API server answers 503, 429 with Retry-After, 403", "same process; Retry-After honoured; bounded log"),
    28: Row("watch cut, etcd compacted, resource deleted meanwhile (410)", "its generator stops ≤60 s later"),
    29: Row("created and deleted within milliseconds, 200 times", "no generator, series or connection left"),
    30: Row(
        "watch: truncated line, ERROR event, API server SIGKILLed",
        "same process; streams continue; correct state in the end",
    ),
    31: Row("CRD deleted and re-created; operator started before it", "generators stop; ready again without a restart"),
    32: Row("operator SIGKILLed under load, another one starts", "holds except for events in flight; no change needed"),
    33: Row("two operators at once", "one generates; the rate never doubles"),
    34: Row(
        "50 spec patches/s on one resource, interval and queue mixed",
        "last generation wins; few connects; holds per queue",
    ),
    35: Row("deleted and re-created under the same name, other queue", "no event in the other's queue; counts from 0"),
    36: Row("the same name in 20 namespaces, one queue", "20 generators, own series; unique ids; one connection"),
    37: Row(
        "1,000 resources applied, patched, deleted, applied again", "nothing left over; API writes within the limits"
    ),
    38: Row("invalid specs of every kind", "rejected by the API server with a useful message; others run"),
    39: Row(
        "line breaks, control and bidirectional characters, emoji, quotes",
        "valid JSON in the queue; one log line per record",
    ),
    40: Row("conditions wiped repeatedly by another client", "restored; no hot loop"),
    41: Row("Argo CD, server-side apply, self-heal", "no drift, no foreign annotation or finalizer"),
    42: Row("namespace deleted, with and without the operator", "it goes away"),
    43: Row("clock stepped; process stopped and continued", "no burst; reconnects; holds"),
    44: Row(
        "POST: huge, compressed, endless, slow, broken, thousands at once, not allowed", "documented codes; memory flat"
    ),
    45: Row("each right removed in turn", "a message that names it; no crash loop; nothing unused"),
    46: Row(
        "restricted pod, read-only root, memory limit", "starts; below its limit with a broker down and 1,000 resources"
    ),
    47: Row("soak: random faults of rows 1–13", "holds at the end; no slope of memory or lag"),
    48: Row(
        "metrics after deletions, counters against queues", "series gone ≤120 s; published = unique ids in the queues"
    ),
    49: Row(
        "a namespace fills the buffers: large events, a queue that refuses",
        "the others keep their rates; new streams start; MemoryExhausted for its own",
    ),
    50: Row(
        "120 streams of a namespace have a broker that never answers",
        "others connect and reconnect within 5 s; WaitingForTurn",
    ),
    51: Row("a namespace floods the seed's metric with labels", "others' new labels have rows; no counter falls"),
    52: Row(
        "two installations on one namespace",
        "one serves, the rate is not doubled; both say so; the other takes over when it is alone",
    ),
    53: Row(
        "300 queues, 256 open files", "/livez answers; ConnectionLimit; the rest and the others publish; few log lines"
    ),
    54: Row("hundreds of resources of a namespace fail at once", "another's Kubernetes Event is told within seconds"),
    55: Row(
        "truth queue missing, created later; deleted under load",
        "the stream keeps its rate; GroundTruthUndelivered while it lasts; every episode has one record",
    ),
    56: Row(
        "truth queue full (reject-publish), then relieved; no right to create it",
        "the stream keeps its rate; records wait, or are counted as dropped; one record each",
    ),
    57: Row(
        "SIGTERM and SIGKILL in an episode",
        "one record each, incomplete; after a kill the next process tells of it, without its events",
    ),
    58: Row(
        "suspend, another queue, and deletion in an episode",
        "one record each, incomplete, of what was published; after a deletion within a second, or counted",
    ),
    59: Row(
        "exchange deleted under load, made again and bound later",
        "ExchangeNotFound; one reconnect; resumes by itself; what was confirmed is in the queue",
    ),
    60: Row(
        "nothing bound for one routing key, then bound; the same with AtMostOnce",
        "Unroutable ≤2 s after the first return; single probes; resumes by itself; AtMostOnce keeps its rate",
    ),
    61: Row(
        "replicas scaled 1, 4, 2, 1 under load",
        "no stream is served by two at once or pauses >5 s; bounded runs are exact; no status counts down",
    ),
    62: Row(
        "replicas killed, terminated and stopped at random under load",
        "no stream is served by two at once or pauses >20 s; what was confirmed is in the queue",
    ),
    63: Row(
        "API server stopped beside three replicas, started",
        "all stop; each goes on with what it had; no stream is served by two at once",
    ),
    64: Row(
        "resources created, patched and deleted all the time, among many that stay",
        "holds; what is deleted stops ≤1 s; small loop lag; no slope of memory",
    ),
}
