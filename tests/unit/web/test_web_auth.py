import logging
import os

import pytest

from audit_event_operator.resource.access import Decision
from audit_event_operator.web.auth import Everybody, TokenFile, bearer_token


@pytest.mark.parametrize(
    "header, token",
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("", None),
        (None, None),
    ],
)
def test_the_token_is_taken_from_a_bearer_header_only(header, token):
    assert bearer_token(header) == token


async def test_everybody_may_post_in_mode_none():
    assert await Everybody().may_post(None, "anywhere") is Decision.ALLOWED


async def test_only_the_token_of_the_file_may_post(tmp_path):
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    door = TokenFile(path)
    assert await door.may_post("s3cret", None) is Decision.ALLOWED
    for wrong in ("s3cre", "s3cret2", "", None, "\udcff", "ü"):
        assert await door.may_post(wrong, None) is Decision.UNAUTHENTICATED


async def test_a_changed_file_is_read_again(tmp_path):
    path, fresh = tmp_path / "token", tmp_path / "fresh"
    path.write_text("old")
    door = TokenFile(path)
    assert await door.may_post("old", None) is Decision.ALLOWED
    fresh.write_text("new")
    fresh.replace(path)
    assert await door.may_post("old", None) is Decision.UNAUTHENTICATED
    assert await door.may_post("new", None) is Decision.ALLOWED


async def test_a_symbolic_link_that_moves_on_is_noticed(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (0, 0))
    link, fresh = tmp_path / "token", tmp_path / "fresh"
    link.symlink_to(tmp_path / "one")
    door = TokenFile(link)
    assert await door.may_post("one", None) is Decision.ALLOWED
    fresh.symlink_to(tmp_path / "two")
    fresh.replace(link)
    assert await door.may_post("two", None) is Decision.ALLOWED


@pytest.mark.parametrize("content", [None, "", " \n"])
async def test_without_a_token_in_the_file_nobody_may_post_and_the_log_says_so_once(tmp_path, caplog, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    door = TokenFile(path)
    with caplog.at_level(logging.ERROR):
        assert await door.may_post("", None) is Decision.UNAVAILABLE
        assert await door.may_post(None, None) is Decision.UNAVAILABLE
    assert [record.message.split(":")[0] for record in caplog.records] == [f"AEG_API_TOKEN_FILE {path}"]
    path.write_text("back")
    assert await door.may_post("back", None) is Decision.ALLOWED
