-- Counts an observation about an entry that is still there.
--   KEYS    entry
--   ARGV    field
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('HINCRBY', KEYS[1], ARGV[1], 1) end
return 0
