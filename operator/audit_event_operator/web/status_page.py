"""GET /: the status page, one document with its style and script inside, which only reads `/generators`.

Put together once from the files in `page/`. The browser is told by hash which style and which script are ours, and that
nothing else may be run, loaded, asked or framed; it knows no credentials and changes nothing.
"""

import base64
import hashlib
from importlib import resources
from typing import Final

from aiohttp import hdrs, web

_FOLDER: Final = "page"
_STYLE_PLACE: Final = "/* the style */"
_SCRIPT_PLACE: Final = "/* the script */"


class StatusPage:
    """The handler of the page; reads its files when it is built."""

    def __init__(self) -> None:
        style, script = _file("status.css"), _file("status.js")
        html = _file("status.html").replace(_STYLE_PLACE, style).replace(_SCRIPT_PLACE, script)
        self._body = html.encode()
        self._headers = {
            hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
            "Content-Security-Policy": content_security_policy(style, script),
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def get(self, _: web.Request) -> web.Response:
        """The page."""
        return web.Response(body=self._body, headers=self._headers)


def content_security_policy(style: str, script: str) -> str:
    """What the browser may do: this style, this script, and requests to where the page came from."""
    rules = (
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        "connect-src 'self'",
        "img-src data:",  # the icon, which stands in the page
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # names can reach the page as text only
    )
    return "; ".join(rules)


def _file(name: str) -> str:
    return (resources.files("audit_event_operator.web") / _FOLDER / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
