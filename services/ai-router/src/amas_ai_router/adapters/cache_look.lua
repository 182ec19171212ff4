-- What is new among the questions under one key.
--   KEYS    sorted set: ids of entries by stamp (when they run out, milliseconds; only growing)
--   ARGV    start of the entries' names, newest stamp that the caller knows, most entries to answer with
-- Answers {oldest stamp or '0', id, stamp, vector, id, stamp, vector, ...}.
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tonumber(time[1]) * 1000)
local new = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local found = {}
for i = 1, #new, 2 do
  local vector = redis.call('HGET', ARGV[1] .. new[i], 'vector')
  if vector then
    found[#found + 1], found[#found + 2], found[#found + 3] = new[i], new[i + 1], vector
  else
    redis.call('ZREM', KEYS[1], new[i])
  end
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {oldest[2] or '0', unpack(found)}
