"""Reading files as kubectl does: what YAML's oddities become in JSON, and what is refused where."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit_event_operator.files.manifest import ManifestError, load_manifest


def value(text):
    (document,) = load_manifest(f"a: {text}\n")
    return document.content["a"]


AS_WRITTEN = ["2025-11-24", "2025-11-24T01:02:03Z", "1:30", "0b12", "1e400", "tRue", "="]
SCALARS = [
    *zip(AS_WRITTEN, AS_WRITTEN, strict=True),
    ("'yes'", "yes"), ('"5"', "5"), ("!!str 5", "5"), ('"\\x00"', "\0"),
    ("1.0", 1), ("1e3", 1000), ("1_000", 1000), (".5", 0.5), ("+5", 5), ('!!int "5"', 5),
    ("017", 15), ("09", 9), ("0o17", 15), ("0x1F", 31), ("0b11", 3),
    ("yes", True), ("y", True), ("Off", False), ("~", None), ("", None),
    ("[1, 2,]", [1, 2]), ("{b: {c: d}}", {"b": {"c": "d"}}),
]  # fmt: skip


@pytest.mark.parametrize("text, expected", SCALARS)
def test_a_scalar_means_what_it_means_to_kubectl(text, expected):
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_keys_become_texts():
    (document,) = load_manifest("{1: a, yes: b, 1.5: c, 2025-01-01: d}")
    assert document.content == {"1": "a", "true": "b", "1.5": "c", "2025-01-01": "d"}


def test_anchors_and_merge_keys_are_followed():
    (document,) = load_manifest("a: &x {c: 1, d: 2}\nb: {<<: *x, d: 3}\ne: {<<: [{f: 1}, {f: 2}]}")
    assert document.content == {"a": {"c": 1, "d": 2}, "b": {"c": 1, "d": 3}, "e": {"f": 1}}


def test_documents_know_their_lines_and_empty_ones_are_left_out():
    documents = load_manifest("---\n# nothing\n---\na: 1\n---\n---\nb: 2\n")
    assert [(document.place.line, document.content) for document in documents] == [(4, {"a": 1}), (7, {"b": 2})]


def test_lists_are_taken_apart():
    text = "kind: List\nitems:\n- {kind: A}\n- {kind: BList, items: [{kind: B}]}\n"
    assert [document.content["kind"] for document in load_manifest(text)] == ["A", "B"]


def test_a_stream_of_json_is_read_as_json():
    documents = load_manifest('{"a": 1.0, "b": "\\ud83d\\ude00", "c": "\\ud83d"}\n\n{"a": 2}')
    assert [(document.place.line, document.content) for document in documents] == [
        (1, {"a": 1, "b": "\U0001f600", "c": "\ufffd"}),
        (3, {"a": 2}),
    ]


def test_yaml_that_begins_with_a_brace_is_yaml():
    assert load_manifest("{a: 1}\n---\nb: 2\n")[1].content == {"b": 2}


def test_bytes_with_a_byte_order_mark_are_read():
    assert load_manifest(b"\xef\xbb\xbfa: 1\r\n")[0].content == {"a": 1}


@pytest.mark.parametrize(
    "text, says",
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: duplicate key 'a'"),
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ("a: [\n", "not valid YAML"),
        ("a: b: c\n", "line 1: not valid YAML"),
        ("hello\n", "line 1: a document must be an object with apiVersion and kind, not a single value"),
        ("- a\n", "not a list"),
        ("a: .inf\n", "line 1: .inf is not a JSON number"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("a: !!binary aGVsbG8=\n", "tag:yaml.org,2002:binary is not supported"),
        ("a: !own {}\n", "!own is not supported"),
        ("a: !!int x\n", "'x' is not an integer"),
        ("[a]: 1\n", "a key must be a string"),
        ("~: 1\n", "a key must be a string"),
        ("a: &x [*x]\n", "nested too deeply"),
        ("a: {<<: 5}\n", "<< takes an object"),
        ('a: "\\ud800"\n', "surrogate"),
        ("\t\n", "not valid YAML"),
        (b"a: \xff\n", "byte 4 is invalid"),
        ("a: \x07\n", "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(text, says):
    with pytest.raises(ManifestError) as caught:
        load_manifest(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value).strip()


def test_a_file_made_to_exhaust_the_memory_is_refused():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
    )
    with pytest.raises(ManifestError, match="too large"):
        load_manifest(bomb)


@given(st.text(max_size=60) | st.text(st.sampled_from("{}[]:-!<>&*#|'\"\n \t\\%u0A\u202e\x1b\u2028a1"), max_size=60))
@example("!<a%0Ab%1B> x")
@example("{a: !<tag:x,2024:%E2%80%AE> 1}")
@example("? {a: 1}\n: b")
@example("'" + "x" * 100_000)
def test_every_text_is_either_read_or_refused_in_one_printable_line(text):
    refused = ""
    try:
        documents = load_manifest(text)
    except ManifestError as error:
        documents, refused = (), str(error)
    assert all(isinstance(document.content, dict) for document in documents)
    assert refused.isprintable()
    assert len(refused) < 600
