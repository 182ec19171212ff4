-- Renews the leases of a process's holds of one tenant.
--   KEYS  marker, leases, holds      ARGV  offset, lease, keep, hold ids
-- Answers {OK or NEW (no marker), now, i, ...}: the holds that are not there.
local now = redis_now()
local answer = {ready_at(KEYS[1]) and 'OK' or 'NEW', whole(now)}
local runs_out = whole(now + tonumber(ARGV[2]))
for i = 4, #ARGV - 1 do
  if redis.call('HEXISTS', KEYS[3], ARGV[i]) == 1 then
    redis.call('ZADD', KEYS[2], runs_out, ARGV[i])
  else
    answer[#answer + 1] = whole(i - 3)
  end
end
for i = 1, 3 do
  redis.call('PEXPIRE', KEYS[i], ARGV[3])
end
return answer
