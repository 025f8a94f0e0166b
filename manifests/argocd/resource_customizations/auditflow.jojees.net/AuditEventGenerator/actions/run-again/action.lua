-- A new runId starts a new run. Every change of the spec increases the generation, so its number is unused.
if obj.spec == nil then
  obj.spec = {}
end
local previous = obj.spec.runId
if previous == nil and obj.status ~= nil then
  previous = obj.status.runId
end
local name = "run-" .. obj.metadata.generation
if name == previous then
  name = name .. "-again"
end
obj.spec.runId = name
return obj
