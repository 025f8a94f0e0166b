"""Argo CD's Lua as a script sees it: Lua 5.1 with base, table, package and two functions of os, and no string library.

Values go in and come out as Argo CD converts them: an empty table comes out as an empty list.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lupa.lua51 import LuaError, LuaRuntime, lua_type

CONFINE = """
local safe_os = {time = os.time, date = os.date}
getmetatable("").__index = nil
for name in pairs({string = 1, math = 1, io = 1, debug = 1, coroutine = 1, python = 1, jit = 1, bit = 1}) do
  _G[name] = nil
  package.loaded[name] = nil
end
os, package.loaded.os, package.loadlib = safe_os, safe_os, nil
package.path, package.cpath = "", ""
"""


class ScriptError(Exception):
    """The script called error(); the text is what Argo CD shows."""


def run(script: Path, obj: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> Any:
    """What the script returns for an object (and, of an action, its parameters)."""
    lua = LuaRuntime(register_eval=False, register_builtins=False)
    lua.execute(CONFINE)
    lua.globals()["obj"] = _into(lua, obj)
    lua.globals()["actionParams"] = _into(lua, dict(parameters or {}))
    try:
        return _out_of(lua.execute(script.read_text()))
    except LuaError as error:
        raise ScriptError(str(error)) from error


def act(script: Path, obj: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> Any:
    """The object as an action leaves it: a map that was empty before is not taken for a list."""
    return _mended(run(script, obj, parameters), obj)


def _into(lua: LuaRuntime, value: Any) -> Any:
    if isinstance(value, Mapping):
        return lua.table_from({key: _into(lua, item) for key, item in value.items() if item is not None})
    if isinstance(value, list):
        return lua.table_from([_into(lua, item) for item in value])
    return value


def _out_of(value: Any) -> Any:
    if lua_type(value) != "table":
        return value
    if len(value) or not list(value):
        return [_out_of(item) for item in value.values()]
    return {key: _out_of(item) for key, item in value.items()}


def _mended(new: Any, old: Any) -> Any:
    if isinstance(new, dict) and isinstance(old, Mapping):
        return {key: _mended(item, old.get(key)) for key, item in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_mended(item, before) for item, before in zip(new, old, strict=True)]
    return old if new == [] and isinstance(old, Mapping) else new
