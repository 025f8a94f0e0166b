-- The API server validates the value and explains what is wrong with it.
local interval = actionParams["interval"]
if interval == nil or interval == "" then
  error("interval is required, for example 500ms", 0)
end
if obj.spec == nil then
  obj.spec = {}
end
obj.spec.interval = interval
return obj
