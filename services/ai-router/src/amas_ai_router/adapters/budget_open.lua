-- Marks a tenant's counters as whole from a time on, unless that was done.
--   KEYS  marker      ARGV  offset, grace, keep
-- Answers {OK, now}.
local now = redis_now()
if not ready_at(KEYS[1]) then
  redis.call('SET', KEYS[1], SERVER .. ' ' .. whole(now + tonumber(ARGV[2])), 'PX', ARGV[3])
end
return {'OK', whole(now)}
