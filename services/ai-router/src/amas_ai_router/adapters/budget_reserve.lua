-- Holds an amount under all counters or under none.
--   KEYS  marker, leases, holds, then n counters, then n indexes
--   ARGV  offset, hold id, lease, cost, tokens, mode, most to purge, most subjects, recent, keep, then for each counter:
--         start, end (0: no bounds), cost limit, token limit (-1: none), ledger's cost, ledger's tokens (-1: unread),
--         ttl, index member
-- Modes: `new`; `restore` puts back a hold that was good when the store was lost; `again` puts back one that ran out.
-- Answers {OK}, {CLOCK} (another window than the caller thinks), {NEW} (no marker), {REBUILDING, wait},
-- {MISSING, i, ...} (counters that want the ledger's sum) or {EXCEEDED, i, c, t, hc, ht}; the time is always second.
local marker, leases, holds = KEYS[1], KEYS[2], KEYS[3]
local id, lease, cost, tokens, mode = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local most_subjects, recent, keep = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]
local HEAD, EACH = 10, 8
local n = (#KEYS - 3) / 2
local now = redis_now()
local at = whole(now)
for i = 0, n - 1 do
  local first, last = tonumber(ARGV[HEAD + i * EACH + 1]), tonumber(ARGV[HEAD + i * EACH + 2])
  if last > 0 and (now < first or now >= last) then
    return {'CLOCK', at}
  end
end
local ready = ready_at(marker)
if not ready then
  return {'NEW', at}
end
if mode ~= 'restore' and now < ready then
  return {'REBUILDING', at, whole(ready - now)}
end
if redis.call('ZSCORE', leases, id) then
  return {'OK', at}
end
purge(leases, holds, now, tonumber(ARGV[7]))
local counters, missing = {}, {'MISSING', at}
for i = 1, n do
  local base = HEAD + (i - 1) * EACH
  local counter = read(KEYS[3 + i])
  local ledger_cost = tonumber(ARGV[base + 5])
  if not counter.b and ledger_cost >= 0 then
    begin(KEYS[3 + i], counter, ledger_cost, tonumber(ARGV[base + 6]), now, recent, ARGV[base + 7])
    list(KEYS[3 + n + i], ARGV[base + 8], now, most_subjects, ARGV[base + 7])
  end
  if not counter.b and mode ~= 'restore' then
    missing[#missing + 1] = whole(i)
  end
  counters[i] = counter
end
if #missing > 2 then
  return missing
end
for i = 1, n do
  local base, counter = HEAD + (i - 1) * EACH, counters[i]
  -- What a counter that is not begun holds was held within the limit before the store was lost.
  if counter.b and not fits(counter, cost, tokens, tonumber(ARGV[base + 3]), tonumber(ARGV[base + 4])) then
    return {'EXCEEDED', at, whole(i), whole(counter.c), whole(counter.t), whole(counter.hc), whole(counter.ht)}
  end
end
local words = {whole(cost), whole(tokens)}
for i = 1, n do
  local counter = counters[i]
  redis.call('HSET', KEYS[3 + i], 'hc', whole(counter.hc + cost), 'ht', whole(counter.ht + tokens))
  if not counter.b then
    redis.call('PEXPIRE', KEYS[3 + i], ARGV[HEAD + (i - 1) * EACH + 7])
  end
  words[#words + 1] = KEYS[3 + i]
end
redis.call('ZADD', leases, whole(now + lease), id)
redis.call('HSET', holds, id, table.concat(words, ' '))
for i = 1, 3 do
  redis.call('PEXPIRE', KEYS[i], keep)
end
return {'OK', at}
