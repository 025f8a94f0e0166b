"""Judges of formats that are text: CEF and RFC 5424, by grammars written down from their specifications."""

import ipaddress
import re

# -- CEF: "Implementing ArcSight Common Event Format", version 0 -------------------------------------------------------

CEF_KEYS = {
    "rt", "externalId", "cat", "act", "outcome", "dvchost", "src", "reason", "msg", "suser", "duser", "duid", "dhost", "dproc",
    "sproc", "app", "fname", "filePath", "fileType", "fileHash", "oldFileHash", "destinationServiceName",
    *(f"{kind}{number}{label}" for kind, most in (("cs", 6), ("cn", 3)) for number in range(1, most + 1)
      for label in ("", "Label")),
}  # fmt: skip
"""Those keys of its dictionary that events may use."""
_KEY = re.compile(r"(?:^| )([A-Za-z0-9_]+)=")
_BACKSLASH = re.compile(r"\\(.?)", re.DOTALL)
_PLAIN = {"\\": "\\", "=": "=", "n": "\n", "r": "\r", "|": "|"}
_NUMBERS = re.compile(r"rt|cn\d")


def read_cef(line: str) -> tuple[list[str], dict[str, str]]:
    """The seven fields of the header, and the extension; ValueError that says what is wrong."""
    if "\n" in line or "\r" in line:
        raise ValueError("a line break in a line")
    *fields, extension = _hide(line).split("|", 7)
    if len(fields) != 7 or fields[0] != "CEF:0":
        raise ValueError(f"no header of CEF:0: {fields}")
    header = [_unescape(_shown(field), "\\|") for field in fields]
    if not header[6].isdigit() or not 0 <= int(header[6]) <= 10:
        raise ValueError(f"a severity is 0 to 10, not {header[6]}")
    return header, _extension(_shown(extension))


_HIDDEN = {"\\\\": "\ud800", "\\|": "\ud801", "\\=": "\ud802"}  # halves of pairs: no text has them


def _hide(text: str) -> str:
    """With escapes as one character each, so that what is left separates."""
    return re.sub(r"\\[\\|=]", lambda found: _HIDDEN[found[0]], text)


def _shown(text: str) -> str:
    for escape, hidden in _HIDDEN.items():
        text = text.replace(hidden, escape)
    return text


def _extension(text: str) -> dict[str, str]:
    hidden = _hide(text)
    found = list(_KEY.finditer(hidden))
    if not found or found[0].start() or hidden.count("=") != len(found):
        raise ValueError(f"an extension that is no list of key=value: {text!r}")
    pairs = {}
    for match, after in zip(found, [*found[1:], None], strict=True):
        value = hidden[match.end() : len(hidden) if after is None else after.start()]
        if match[1] in pairs:
            raise ValueError(f"{match[1]} occurs twice")
        pairs[match[1]] = _unescape(_shown(value), "\\=nr")
    return pairs


def _unescape(text: str, allowed: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if not found[1] or found[1] not in allowed:
            raise ValueError(f"a backslash before {found[1]!r} in {text!r}")
        return _PLAIN[found[1]]

    return _BACKSLASH.sub(plain, text)


def cef_faults(body: bytes) -> list[str]:
    try:
        _, extension = read_cef(body.decode())
    except ValueError as error:
        return [str(error)]
    faults = [f"{key} is no key of CEF" for key in extension if key not in CEF_KEYS and not key.startswith("auditflow")]
    for key, value in extension.items():
        if _NUMBERS.fullmatch(key) and not re.fullmatch(r"-?\d+", value):
            faults.append(f"{key} is a number, not {value!r}")
        if key.endswith("Label") and key.removesuffix("Label") not in extension:
            faults.append(f"{key} labels nothing")
        if re.fullmatch(r"c[sn]\d", key) and f"{key}Label" not in extension:
            faults.append(f"{key} has no label")
    if "src" in extension:
        try:
            ipaddress.ip_address(extension["src"])
        except ValueError:
            faults.append(f"src is no address: {extension['src']}")
    return faults


# -- RFC 5424, section 6 -----------------------------------------------------------------------------------------------

_PRINTED = r"[\x21-\x7e]"
_SYSLOG = re.compile(
    rf"<(?P<pri>0|[1-9]\d{{0,2}})>1 "
    rf"(?P<time>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z) "
    rf"(?P<host>{_PRINTED}{{1,255}}) (?P<tag>{_PRINTED}{{1,48}}) (?P<pid>{_PRINTED}{{1,128}}) (?P<id>{_PRINTED}{{1,32}}) "
    r"(?P<data>-)(?: (?P<text>[^\x00-\x1f\x7f]*))?"
)


def read_syslog(line: str) -> dict[str, str]:
    """The parts of one line; ValueError when it is none."""
    found = _SYSLOG.fullmatch(line)
    if found is None or int(found["pri"]) > 191:
        raise ValueError(f"no line of RFC 5424: {line!r}")
    return found.groupdict()


def syslog_faults(body: bytes, *, full: bool = False) -> list[str]:
    lines = body.decode().split("\n")
    if len(lines) > 1 and not full:
        return [f"{len(lines)} lines for one event"]
    try:
        for line in lines:
            if not read_syslog(line)["text"]:
                return [f"nothing is said: {line!r}"]
    except ValueError as error:
        return [str(error)]
    return []
