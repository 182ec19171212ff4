-- A call asks for a kept answer, or for the right to ask the model for all routers.
--   KEYS    value, lease, end (a stream that says when the one who asks is done)
--   ARGV    token, milliseconds that the lease holds
-- Answers {value or nil, token of the one who asks}.
local value = redis.call('GET', KEYS[1])
if value then return {value, ''} end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  redis.call('DEL', KEYS[3])
  return {false, ARGV[1]}
end
return {false, redis.call('GET', KEYS[2])}
