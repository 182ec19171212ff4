-- One claim against all bounds of a call, and against what is revoked: it takes everything or nothing. All checks come
-- first, and revocations before all others: they are the last thing that is asked before a tool is called.
--
-- KEYS: revocations, rate, places, then one set of calls for each limit.
-- ARGV: key, dry run (1/0), interval between calls in microseconds (0: no rate), burst, places, lease in microseconds,
--       seconds to remember calls, number of things that must not be revoked, these, then one limit for each set of
--       calls (-1: counted without a bound).
-- Answers {code, wait in microseconds, place of what is revoked}.
local REVOCATIONS, RATE, PLACES, FIRST_SET = KEYS[1], KEYS[2], KEYS[3], 4
local key, dry = ARGV[1], ARGV[2] == '1'
local interval, burst = tonumber(ARGV[3]), tonumber(ARGV[4])
local places, lease, ttl = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local needs = tonumber(ARGV[8])
local first_need, first_limit = 9, 9 + needs

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- Without its version the hash was lost: what is not in it may well be revoked.
if redis.call('HEXISTS', REVOCATIONS, 'version') == 0 then return {'revocations_unknown', 0, 0} end
for i = 0, needs - 1 do
  if redis.call('HEXISTS', REVOCATIONS, ARGV[first_need + i]) == 1 then return {'revoked', 0, i} end
end

local counted = #KEYS >= FIRST_SET
for i = FIRST_SET, #KEYS do
  if redis.call('SISMEMBER', KEYS[i], key) == 0 then
    counted = false
    local limit = tonumber(ARGV[first_limit + i - FIRST_SET])
    if limit >= 0 and redis.call('SCARD', KEYS[i]) >= limit then return {'calls_exceeded', 0, 0} end
  end
end

local arrival = nil
if interval > 0 and not counted then
  arrival = math.max(tonumber(redis.call('GET', RATE) or now), now) + interval
  local early = arrival - interval * burst - now
  if early > 0 then return {'rate_exceeded', early, 0} end
end

redis.call('ZREMRANGEBYSCORE', PLACES, '-inf', string.format('%.0f', now))
if not redis.call('ZSCORE', PLACES, key) and redis.call('ZCARD', PLACES) >= places then
  local first = redis.call('ZRANGE', PLACES, 0, 0, 'WITHSCORES')
  return {'busy', math.min(tonumber(first[2]) - now, 250000), 0}
end

if dry then return {'granted', 0, 0} end
if arrival then
  redis.call('SET', RATE, string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1000)
end
redis.call('ZADD', PLACES, string.format('%.0f', now + lease), key)
redis.call('PEXPIRE', PLACES, math.ceil(lease / 1000) + 1000)
for i = FIRST_SET, #KEYS do
  redis.call('SADD', KEYS[i], key)
  redis.call('EXPIRE', KEYS[i], ttl)
end
return {'granted', 0, 0}
