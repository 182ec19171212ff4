-- What a call has used stands in place of what its claim held; once, and only for the newest claim of its key.
--
-- KEYS: record of the claim's key, then for each bound its counter and its holds.
-- ARGV: id of the claim, attempt, bytes in, microseconds, then for each bound: window in microseconds (0: never renews),
--       milliseconds to keep its keys.
-- Held amounts belong to no window, so what was used counts in the one that it is settled in.
-- Answers {1}, or {0} if it is not the newest or was settled before: a list, as the pipeline takes every answer.
local RECORD, FIRST_KEY, FIRST_WORD = KEYS[1], 2, 5
local id, attempt, bytes_in, spent = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local function whole(number) return string.format('%.0f', number) end

if redis.call('GET', RECORD) ~= attempt then return {0} end
redis.call('SET', RECORD, 'settled', 'KEEPTTL')
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

for n = 0, (#KEYS - FIRST_KEY + 1) / 2 - 1 do
  local counter, holds = KEYS[FIRST_KEY + 2 * n], KEYS[FIRST_KEY + 2 * n + 1]
  local window, keep = tonumber(ARGV[FIRST_WORD + 2 * n]), tonumber(ARGV[FIRST_WORD + 2 * n + 1])
  local start = window > 0 and now - now % window or 0
  local f = redis.call('HMGET', counter, 'w', 'c', 'o', 'i', 't', 'hi', 'ht', 'h:' .. id)
  local c, o, i, t = 0, 0, 0, 0
  if tonumber(f[1] or -1) == start then c, o, i, t = tonumber(f[2]), tonumber(f[3]), tonumber(f[4]), tonumber(f[5]) end
  local hi, ht = tonumber(f[6] or 0), tonumber(f[7] or 0)
  if f[8] then
    local colon = string.find(f[8], ':', 1, true)
    hi = hi - tonumber(string.sub(f[8], 1, colon - 1))
    ht = ht - tonumber(string.sub(f[8], colon + 1))
  end
  redis.call('HSET', counter, 'w', whole(start), 'c', whole(c), 'o', whole(o), 'i', whole(i + bytes_in),
    't', whole(t + spent), 'hi', whole(hi), 'ht', whole(ht))
  redis.call('HDEL', counter, 'h:' .. id)
  redis.call('ZREM', holds, id)
  -- Both: the counter has what each hold is, and only its hold tells when a dead caller's is over.
  for _, key in ipairs({counter, holds}) do
    if redis.call('PTTL', key) < keep then redis.call('PEXPIRE', key, whole(keep)) end
  end
end
return {1}
