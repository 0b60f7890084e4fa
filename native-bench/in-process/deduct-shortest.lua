-- As short as an exact deduction gets: both change, and what was too much is given back. Of the usual four commands, two.
-- KEYS: stock, units by buyer (hash), refusals     ARGV: buyer, quantity, limit per buyer
local quantity = tonumber(ARGV[2])
if redis.call('HINCRBY', KEYS[2], ARGV[1], quantity) > tonumber(ARGV[3]) then
  redis.call('HINCRBY', KEYS[2], ARGV[1], -quantity)
  redis.call('INCR', KEYS[3])
  return -2
end
local left = redis.call('DECRBY', KEYS[1], quantity)
if left < 0 then
  redis.call('INCRBY', KEYS[1], quantity)
  redis.call('HINCRBY', KEYS[2], ARGV[1], -quantity)
  redis.call('INCR', KEYS[3])
  return -1
end
return left
