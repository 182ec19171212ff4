-- What all budget scripts share; put before each of them. A counter is a hash: b (begun from the ledger, under this
-- server), c and t (cost and tokens used), hc and ht (held), p (when something was settled before it was begun),
-- a:<share> (alerts given). The marker is a server and the time from which its counters may be begun.
-- A hold is a member of the tenant's leases (score: when it runs out) and a field of the tenant's holds: cost, tokens
-- and the keys of its counters. Times are milliseconds, costs hundred-millionths; all numbers are below 2^53.

-- The server's run id, which the pipeline adds to every call. A server that has started again may have read an old
-- snapshot, so what was begun under another one is not whole.
local SERVER = ARGV[#ARGV]

-- Redis's own time; ARGV[1] is 0, except in tests, which move time by it.
local function redis_now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1])
end

local function whole(number)
  return string.format('%.0f', number)
end

local function number(text)
  return tonumber(text or '0')
end

-- From when on reservations are taken; nil if the store is not whole.
local function ready_at(marker)
  local server, ready = string.match(redis.call('GET', marker) or '', '^(%S*) (%d+)$')
  return server == SERVER and tonumber(ready) or nil
end

-- Gives back what a hold holds, and forgets it.
local function drop(leases, holds, id)
  local hold = redis.call('HGET', holds, id)
  redis.call('ZREM', leases, id)
  if not hold then
    return false
  end
  redis.call('HDEL', holds, id)
  local cost, tokens
  for word in string.gmatch(hold, '%S+') do
    if not cost then
      cost = tonumber(word)
    elseif not tokens then
      tokens = tonumber(word)
    else
      local held = redis.call('HMGET', word, 'hc', 'ht')
      if held[1] then
        redis.call('HSET', word, 'hc', whole(math.max(0, number(held[1]) - cost)),
          'ht', whole(math.max(0, number(held[2]) - tokens)))
      end
    end
  end
  return true
end

-- Drops holds whose lease ran out, at most so many.
local function purge(leases, holds, now, most)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', whole(now), 'LIMIT', 0, most)) do
    drop(leases, holds, id)
  end
end

-- The counter's c, t, hc, ht as numbers; b and p are false where they are not there.
local function read(key)
  local found = redis.call('HMGET', key, 'b', 'c', 't', 'hc', 'ht', 'p')
  local counter = {b = found[1], c = number(found[2]), t = number(found[3]), hc = number(found[4]),
    ht = number(found[5]), p = found[6]}
  if counter.b and counter.b ~= SERVER then
    counter.b, counter.c, counter.t = false, 0, 0
  end
  return counter
end

-- Begins a counter from the ledger's sums. What was settled long enough ago is in them already.
local function begin(key, counter, cost, tokens, now, recent, ttl)
  if not counter.p or now - tonumber(counter.p) > recent then
    counter.c, counter.t = 0, 0
  end
  counter.b, counter.c, counter.t = SERVER, counter.c + cost, counter.t + tokens
  redis.call('HSET', key, 'b', SERVER, 'c', whole(counter.c), 't', whole(counter.t))
  redis.call('HDEL', key, 'p')
  redis.call('PEXPIRE', key, ttl)
end

-- Lists a counter's subject in its rule's index, which keeps the newest.
local function list(index, member, now, most, ttl)
  if member ~= '' then
    redis.call('ZADD', index, whole(now), member)
    redis.call('ZREMRANGEBYRANK', index, 0, -(most + 1))
    redis.call('PEXPIRE', index, ttl)
  end
end

-- Whether an amount fits under the limits; a limit below zero is none.
local function fits(counter, cost, tokens, cost_limit, token_limit)
  return (cost_limit < 0 or counter.c + counter.hc + cost <= cost_limit)
    and (token_limit < 0 or counter.t + counter.ht + tokens <= token_limit)
end
