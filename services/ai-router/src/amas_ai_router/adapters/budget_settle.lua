-- Turns a hold into what was spent, once: a repetition changes nothing.
--   KEYS  marker, leases, holds, done, then n counters, then n indexes
--   ARGV  offset, hold id, cost, tokens, mode, most to purge, most subjects, recent, done bucket, then for each counter:
--         cost limit, token limit (-1: none), ledger's cost, ledger's tokens (-1: unread), ttl, index member, k alerts,
--         then k times share, cost, tokens (-1: none)
-- Modes: `held` (the caller knows that its lease holds), `lapsed`, `force` (already told to somebody: counts in any case).
-- Answers {OK, now, c and t of each counter, then counter and share of each alert}, {LATE, now} or
-- {MISSING, now, i, ...} (counters that want the ledger's sum).
local marker, leases, holds, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, cost, tokens, mode = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local most_subjects, recent, bucket = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local n = (#KEYS - 4) / 2
local now = redis_now()
local at = whole(now)
local place, base = {}, 9
for i = 1, n do
  place[i] = base
  base = base + 7 + 3 * tonumber(ARGV[base + 7])
end
local slot = math.floor(now / bucket)
local counters = {}
local held = redis.call('HEXISTS', holds, id) == 1
if not held then
  if redis.call('SISMEMBER', done .. whole(slot), id) == 1 or redis.call('SISMEMBER', done .. whole(slot - 1), id) == 1
  then
    local answer = {'OK', at}
    for i = 1, n do
      local counter = read(KEYS[4 + i])
      answer[#answer + 1], answer[#answer + 2] = whole(counter.c), whole(counter.t)
    end
    return answer
  end
  local ready = ready_at(marker)
  if mode == 'lapsed' and (not ready or now < ready) then
    return {'LATE', at}
  end
  purge(leases, holds, now, tonumber(ARGV[6]))
  local missing = {'MISSING', at}
  for i = 1, n do
    local from, counter = place[i], read(KEYS[4 + i])
    local ledger_cost = tonumber(ARGV[from + 3])
    if not counter.b and ledger_cost >= 0 then
      begin(KEYS[4 + i], counter, ledger_cost, tonumber(ARGV[from + 4]), now, recent, ARGV[from + 5])
      list(KEYS[4 + n + i], ARGV[from + 6], now, most_subjects, ARGV[from + 5])
    end
    if not counter.b and mode == 'lapsed' then
      missing[#missing + 1] = whole(i)
    elseif counter.b and mode ~= 'force'
      and not fits(counter, cost, tokens, tonumber(ARGV[from + 1]), tonumber(ARGV[from + 2])) then
      return {'LATE', at}
    end
  end
  if #missing > 2 then
    return missing
  end
else
  drop(leases, holds, id)
end
redis.call('SADD', done .. whole(slot), id)
redis.call('PEXPIRE', done .. whole(slot), 2 * bucket)
local answer, alerts = {'OK', at}, {}
for i = 1, n do
  local from, key, counter = place[i], KEYS[4 + i], read(KEYS[4 + i])
  local c, t = counter.c + cost, counter.t + tokens
  redis.call('HSET', key, 'c', whole(c), 't', whole(t))
  if not counter.b then
    redis.call('HDEL', key, 'b')
    redis.call('HSET', key, 'p', at)
  end
  redis.call('PEXPIRE', key, ARGV[from + 5])
  answer[#answer + 1], answer[#answer + 2] = whole(c), whole(t)
  for k = 0, tonumber(ARGV[from + 7]) - 1 do
    local share, of_cost = ARGV[from + 8 + 3 * k], tonumber(ARGV[from + 9 + 3 * k])
    local of_tokens = tonumber(ARGV[from + 10 + 3 * k])
    local reached = counter.b and ((of_cost >= 0 and c >= of_cost) or (of_tokens >= 0 and t >= of_tokens))
    if reached and redis.call('HSETNX', key, 'a:' .. share, '1') == 1 then
      alerts[#alerts + 1], alerts[#alerts + 2] = whole(i), share
    end
  end
end
for _, alert in ipairs(alerts) do
  answer[#answer + 1] = alert
end
return answer
