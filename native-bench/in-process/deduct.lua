-- The usual deduction: the buyer's limit, the stock, then both change. Nothing else runs meanwhile.
-- KEYS: stock, units by buyer (hash), refusals     ARGV: buyer, quantity, limit per buyer
local quantity = tonumber(ARGV[2])
local bought = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if bought + quantity > tonumber(ARGV[3]) then
  redis.call('INCR', KEYS[3])
  return -2
end
local stock = tonumber(redis.call('GET', KEYS[1]))
if stock < quantity then
  redis.call('INCR', KEYS[3])
  return -1
end
redis.call('HINCRBY', KEYS[2], ARGV[1], quantity)
return redis.call('DECRBY', KEYS[1], quantity)
