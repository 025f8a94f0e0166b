-- Health follows Ready. Until the operator reports this generation, it is Progressing.
--   Ready=Unknown                  Progressing
--   Ready=True, reason Suspended   Suspended
--   Ready=True                     Healthy
--   Ready=False                    Degraded (the operator damps short failures)
local health = {status = "Progressing", message = "Waiting for the operator to see this resource"}

if obj.status == nil or obj.status.observedGeneration == nil or obj.status.observedGeneration == -1 then
  return health
end
if obj.metadata.generation ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for the latest change to take effect"
  return health
end
if obj.status.conditions == nil then
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.message
    if condition.status == "True" and condition.reason == "Suspended" then
      health.status = "Suspended"
    elseif condition.status == "True" then
      health.status = "Healthy"
    elseif condition.status == "False" then
      health.status = "Degraded"
    end
    return health
  end
end
return health
