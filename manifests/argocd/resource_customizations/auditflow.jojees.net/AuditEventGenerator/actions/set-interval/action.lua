-- The API server judges the value and names what is wrong with it.
local interval = actionParams["interval"]
if interval == nil or interval == "" then
  error("say the new interval, for example 500ms", 0)
end
if obj.spec == nil then
  obj.spec = {}
end
obj.spec.interval = interval
return obj
