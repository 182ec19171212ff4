-- Reads the counters of one rule in one window.
--   KEYS  leases, holds, index, counter (of a rule without subjects)
--   ARGV  offset, start, end (0: no bounds), most to purge, most subjects (0: the one counter)
-- Answers {OK, now, then for each counter: subject, begun, c, t, hc, ht}, or {CLOCK, now}.
local now = redis_now()
local first, last = tonumber(ARGV[2]), tonumber(ARGV[3])
if last > 0 and (now < first or now >= last) then
  return {'CLOCK', whole(now)}
end
purge(KEYS[1], KEYS[2], now, tonumber(ARGV[4]))
local answer = {'OK', whole(now)}
local function add(subject, key)
  local counter = read(key)
  for _, word in ipairs({subject, counter.b and '1' or '0', whole(counter.c), whole(counter.t), whole(counter.hc),
    whole(counter.ht)}) do
    answer[#answer + 1] = word
  end
end
local most = tonumber(ARGV[5])
if most == 0 then
  add('', KEYS[4])
  return answer
end
-- A member is the counter's key, a space and the subject.
for _, member in ipairs(redis.call('ZREVRANGE', KEYS[3], 0, most - 1)) do
  local space = string.find(member, ' ', 1, true)
  local key = string.sub(member, 1, space - 1)
  if redis.call('EXISTS', key) == 1 then
    add(string.sub(member, space + 1), key)
  end
end
return answer
