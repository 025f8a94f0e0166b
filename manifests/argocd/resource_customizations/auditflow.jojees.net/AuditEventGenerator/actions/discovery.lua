local spec = obj.spec or {}
local actions = {}

if spec.suspend == true then
  actions["resume"] = {["displayName"] = "Resume", ["iconClass"] = "fa fa-fw fa-play"}
else
  actions["suspend"] = {["displayName"] = "Suspend", ["iconClass"] = "fa fa-fw fa-pause"}
end

actions["set-interval"] = {
  ["displayName"] = "Set interval",
  ["iconClass"] = "fa fa-fw fa-clock",
  ["params"] = {{["name"] = "interval"}},
}

-- Only a bounded run ends.
if spec.maxEvents ~= nil or spec.runDuration ~= nil then
  actions["run-again"] = {["displayName"] = "Run again", ["iconClass"] = "fa fa-fw fa-redo"}
end

return actions
