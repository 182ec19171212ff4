-- Keeps the answer to a question under one key; the oldest makes room.
--   KEYS    sorted set of ids by stamp, entry, index, sizes
--   ARGV    id, vector, value, milliseconds that it holds, most entries under this key, most bytes, most entries in all,
--           start of the entries' names
local ttl, now = tonumber(ARGV[4]), now_ms()
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local stamp = math.max(now + ttl, tonumber(last[2] or '0') + 1)
redis.call('HSET', KEYS[2], 'vector', ARGV[2], 'value', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ttl)
redis.call('ZADD', KEYS[1], string.format('%.0f', stamp), ARGV[1])
live_at_least(KEYS[1], ttl)
local removed = 0
while redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[5]) and removed < MOST_REMOVED do
  remove(KEYS[3], KEYS[4], ARGV[8] .. redis.call('ZPOPMIN', KEYS[1])[1])
  removed = removed + 1
end
count(KEYS[3], KEYS[4], KEYS[2], #ARGV[2] + #ARGV[3], ttl, tonumber(ARGV[6]), tonumber(ARGV[7]))
return 1
