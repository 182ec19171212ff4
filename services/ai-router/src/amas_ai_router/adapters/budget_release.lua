-- Gives a hold back; one that is not there changes nothing.
--   KEYS  leases, holds      ARGV  offset, hold id
drop(KEYS[1], KEYS[2], ARGV[2])
return {'OK', whole(redis_now())}
