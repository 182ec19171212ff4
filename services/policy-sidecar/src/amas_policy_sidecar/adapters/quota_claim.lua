-- One claim against all bounds of a call, and against what is revoked: it takes everything or nothing. All checks come
-- first, and revocations before all others: they are the last thing that is asked before a tool is called.
--
-- KEYS: revocations, record of the claim's key, then for each bound its counter (a hash) and its holds (a sorted set).
-- ARGV: dry run (1/0), id of the claim, attempt, lease in microseconds, seconds to remember the key, bytes out, most and
--       least bytes in, most microseconds, number of things that must not be revoked, these, then for each bound:
--       window in microseconds (0: never renews), calls, bytes out, bytes in, microseconds (-1: without), interval
--       between calls in microseconds (0: no rate), burst, places (-1: without), milliseconds to keep its keys.
-- A counter has the begin of its window `w`, used calls `c`, bytes out `o`, bytes in `i` and time `t`, held bytes in `hi`
-- and time `ht`, the theoretical arrival time of its rate `a`, and what each claim holds, `h:<id>`.
-- Answers {code, wait in microseconds (-1: for ever), place of what is revoked or of the bound, amount, what is left of
-- it, end of the window in microseconds (0: none), bytes in that are granted, and once it is granted for each bound the
-- highest share of a counted amount that is used, in ten-thousandths}.
local REVOCATIONS, RECORD, FIRST_KEY = KEYS[1], KEYS[2], 3
local dry, id, attempt = ARGV[1] == '1', ARGV[2], ARGV[3]
local lease, remember = tonumber(ARGV[4]), tonumber(ARGV[5])
local bytes_out, most_in, least_in = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local most_time, needs = tonumber(ARGV[9]), tonumber(ARGV[10])
local FIRST_NEED, WORDS, MAX_LAPSED, LONGEST_PAUSE = 11, 9, 256, 250000

local function whole(number) return string.format('%.0f', number) end
local function refuse(code, wait, place, amount, left, ends)
  return {code, whole(wait), place, amount or '', whole(left or 0), whole(ends or 0), 0}
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- Without its version the hash was lost: what is not in it may well be revoked.
if redis.call('HEXISTS', REVOCATIONS, 'version') == 0 then return refuse('revocations_unknown', 0, 0) end
for n = 0, needs - 1 do
  if redis.call('HEXISTS', REVOCATIONS, ARGV[FIRST_NEED + n]) == 1 then return refuse('revoked', 0, n) end
end

-- A key that was claimed before is counted; it holds anew what only its call will tell.
local counted = redis.call('EXISTS', RECORD) == 1

local bounds = {}
for n = 1, (#KEYS - FIRST_KEY + 1) / 2 do
  local word = FIRST_NEED + needs + (n - 1) * WORDS
  local b = {counter = KEYS[FIRST_KEY + 2 * n - 2], holds = KEYS[FIRST_KEY + 2 * n - 1]}
  b.window, b.calls, b.out = tonumber(ARGV[word]), tonumber(ARGV[word + 1]), tonumber(ARGV[word + 2])
  b.into, b.time, b.interval = tonumber(ARGV[word + 3]), tonumber(ARGV[word + 4]), tonumber(ARGV[word + 5])
  b.burst, b.places, b.keep = tonumber(ARGV[word + 6]), tonumber(ARGV[word + 7]), tonumber(ARGV[word + 8])
  -- What a dead caller held is free again.
  for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', b.holds, '-inf', whole(now), 'LIMIT', 0, MAX_LAPSED)) do
    local held = redis.call('HGET', b.counter, 'h:' .. lapsed)
    if held then
      local colon = string.find(held, ':', 1, true)
      redis.call('HINCRBY', b.counter, 'hi', whole(0 - tonumber(string.sub(held, 1, colon - 1))))
      redis.call('HINCRBY', b.counter, 'ht', whole(0 - tonumber(string.sub(held, colon + 1))))
      redis.call('HDEL', b.counter, 'h:' .. lapsed)
    end
    redis.call('ZREM', b.holds, lapsed)
  end
  local f = redis.call('HMGET', b.counter, 'w', 'c', 'o', 'i', 't', 'hi', 'ht', 'a', 'h:' .. id)
  b.start, b.ends = 0, 0
  if b.window > 0 then
    b.start = now - now % b.window
    b.ends = b.start + b.window
  end
  b.c, b.o, b.i, b.t = 0, 0, 0, 0
  if tonumber(f[1] or -1) == b.start then
    b.c, b.o, b.i, b.t = tonumber(f[2]), tonumber(f[3]), tonumber(f[4]), tonumber(f[5])
  end
  b.hi, b.ht, b.arrival = tonumber(f[6] or 0), tonumber(f[7] or 0), tonumber(f[8] or 0)
  b.mine = f[9]
  if b.mine then
    local colon = string.find(b.mine, ':', 1, true)
    b.hi = b.hi - tonumber(string.sub(b.mine, 1, colon - 1))
    b.ht = b.ht - tonumber(string.sub(b.mine, colon + 1))
  end
  bounds[n] = b
end

-- What is used up, before what only has to be waited for.
for n, b in ipairs(bounds) do
  local wait = b.window > 0 and b.ends - now or -1
  local function exceeded(amount, left) return refuse('exceeded', wait, n - 1, amount, math.max(0, left), b.ends) end
  if not counted and b.calls >= 0 and b.c + 1 > b.calls then return exceeded('calls', b.calls - b.c) end
  if not counted and b.out >= 0 and b.o + bytes_out > b.out then return exceeded('bytesOut', b.out - b.o) end
  if b.into >= 0 and b.i + least_in > b.into then return exceeded('bytesIn', b.into - b.i) end
  if b.time >= 0 and b.t + most_time > b.time then return exceeded('wallClock', b.time - b.t) end
end

local granted = most_in
for n, b in ipairs(bounds) do
  if b.interval > 0 and not counted then
    b.arrival = math.max(b.arrival, now) + b.interval
    local early = b.arrival - b.interval * b.burst - now
    if early > 0 then return refuse('rate_exceeded', early, n - 1, 'rate') end
  end
end
for n, b in ipairs(bounds) do
  local function busy(amount, left)
    local first = redis.call('ZRANGE', b.holds, 0, 0, 'WITHSCORES')
    local wait = first[2] and math.max(0, math.min(tonumber(first[2]) - now, LONGEST_PAUSE)) or LONGEST_PAUSE
    return refuse('busy', wait, n - 1, amount, math.max(0, left), 0)
  end
  local others = redis.call('ZCARD', b.holds)
  if redis.call('ZSCORE', b.holds, id) then others = others - 1 end
  if b.places >= 0 and others >= b.places then return busy('concurrency', 0) end
  if b.into >= 0 then
    local left = b.into - b.i - b.hi
    if left < least_in then return busy('bytesIn', left) end
    granted = math.min(granted, left)
  end
  if b.time >= 0 and b.t + b.ht + most_time > b.time then return busy('wallClock', b.time - b.t - b.ht) end
end

if dry then return {'granted', '0', 0, '', '0', '0', granted} end
redis.call('SET', RECORD, attempt, 'EX', remember)
local answer = {'granted', '0', 0, '', '0', '0', granted}
for _, b in ipairs(bounds) do
  if not counted then b.c, b.o = b.c + 1, b.o + bytes_out end
  local share = 0
  for _, pair in ipairs({{b.c, b.calls}, {b.o, b.out}, {b.i, b.into}, {b.t, b.time}}) do
    if pair[2] > 0 then share = math.max(share, pair[1] / pair[2]) end
  end
  answer[#answer + 1] = math.floor(share * 10000)
  redis.call('HSET', b.counter, 'w', whole(b.start), 'c', whole(b.c), 'o', whole(b.o), 'i', whole(b.i), 't', whole(b.t),
    'hi', whole(b.hi + granted), 'ht', whole(b.ht + most_time), 'a', whole(b.arrival),
    'h:' .. id, whole(granted) .. ':' .. whole(most_time))
  redis.call('ZADD', b.holds, whole(now + lease), id)
  for _, key in ipairs({b.counter, b.holds}) do
    -- Never sooner than was said before: an earlier claim may hold for longer.
    if redis.call('PTTL', key) < b.keep then redis.call('PEXPIRE', key, whole(b.keep)) end
  end
end
return answer
