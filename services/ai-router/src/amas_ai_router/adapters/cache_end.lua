-- The one who asked is done; or a call that asked for itself alone (empty token) keeps its answer.
--   KEYS    value, lease, end, index, sizes
--   ARGV    token, value or '' for none, milliseconds that it holds, most bytes, most entries, milliseconds that the end shows
local kept, held = ARGV[2] ~= '', ARGV[1] ~= '' and redis.call('GET', KEYS[2]) == ARGV[1]
if kept then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  count(KEYS[4], KEYS[5], KEYS[1], #ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
end
if held then redis.call('DEL', KEYS[2]) end
if kept or held then
  redis.call('XADD', KEYS[3], 'MAXLEN', 1, '*', 'kept', kept and 1 or 0)
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end
return 1
