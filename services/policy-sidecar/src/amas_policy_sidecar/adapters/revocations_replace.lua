-- Makes the given set all that is revoked, unless a newer one, or this one, stands there already.
--
-- KEYS: revocations.
-- ARGV: version, then the keys of all that is revoked.
-- Answers the version that stands there now, as text.
local held = redis.call('HGET', KEYS[1], 'version')
if held and tonumber(held) >= tonumber(ARGV[1]) then return held end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', ARGV[1])
for i = 2, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], '') end
return ARGV[1]
