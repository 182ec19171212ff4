-- Bounds on what one tenant's caches hold, for the scripts that this text is put in front of.
--   index   sorted set: full key names of what is kept, by when they run out (milliseconds)
--   sizes   hash: bytes of each of them, and under '' of all
-- At most so many are removed in one call, so that no script runs long.
local MOST_REMOVED = 64

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function remove(index, sizes, name)
  redis.call('UNLINK', name)
  redis.call('ZREM', index, name)
  local size = tonumber(redis.call('HGET', sizes, name) or '0')
  redis.call('HDEL', sizes, name)
  redis.call('HINCRBY', sizes, '', -size)
end

local function live_at_least(name, ttl)
  if redis.call('PTTL', name) < ttl then redis.call('PEXPIRE', name, ttl) end
end

-- Counts a key that was just written, and removes what ran out and then what runs out first, until the bounds hold.
local function count(index, sizes, name, size, ttl, most_bytes, most_entries)
  local now = now_ms()
  local before = tonumber(redis.call('HGET', sizes, name) or '0')
  redis.call('HSET', sizes, name, size)
  redis.call('ZADD', index, now + ttl, name)
  local total = redis.call('HINCRBY', sizes, '', size - before)
  local removed = 0
  while removed < MOST_REMOVED do
    local first = redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
    local over = total > most_bytes or redis.call('ZCARD', index) > most_entries
    if not first[1] or (tonumber(first[2]) > now and not over) then break end
    remove(index, sizes, first[1])
    total = tonumber(redis.call('HGET', sizes, ''))
    removed = removed + 1
  end
  live_at_least(index, ttl)
  live_at_least(sizes, ttl)
end
