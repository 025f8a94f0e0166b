"""Texts that formats stumble over, for names of users and values of details."""

from hypothesis import strategies as st

CONTROLS = "".join(map(chr, [*range(32), 127]))
_STUMBLING_BLOCKS = (
    " ", '"', "|", "=", "\\", "\\n", "a=b", " cs1=", "é", "\U0001f600", "%s", "]", "[", "<13>1 ", "x" * 200,
)  # fmt: skip
USERS = st.text(st.characters(exclude_characters=CONTROLS), min_size=1, max_size=255) | st.lists(
    st.sampled_from(_STUMBLING_BLOCKS), min_size=1
).map(lambda parts: "".join(parts)[:255])
"""What may be a user's name."""
HOSTS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,60}[A-Za-z0-9])?", fullmatch=True)
"""What may be a host's name."""
