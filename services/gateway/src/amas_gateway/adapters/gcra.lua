-- The Generic Cell Rate Algorithm (ITU-T I.371, virtual scheduling) for one request over several keys: it takes from
-- all of them or from none. domain/limits.py has the same rule in Python.
--   KEYS[i]                      theoretical arrival time of the next request, microseconds of Redis's own clock
--   ARGV[2i-1], ARGV[2i]         microseconds between requests, and the burst
-- Answers {allowed, microseconds to wait, now, arrival time of key 1, of key 2, ...}; all numbers are below 2^53.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local wait = 0
local before, after = {}, {}
for i = 1, #KEYS do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  before[i] = tonumber(redis.call('GET', KEYS[i]) or '0')
  after[i] = math.max(before[i], now) + interval
  wait = math.max(wait, after[i] - interval * burst - now)
end
local answer = {wait <= 0 and 1 or 0, string.format('%.0f', math.max(wait, 0)), string.format('%.0f', now)}
for i = 1, #KEYS do
  local arrival = before[i]
  if wait <= 0 then
    arrival = after[i]
    redis.call('SET', KEYS[i], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1)
  end
  answer[#answer + 1] = string.format('%.0f', arrival)
end
return answer
