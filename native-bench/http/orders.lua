-- wrk: an order by a new buyer with every request. The length is fixed, so that the head can be made once.
-- Arguments: the sale, and what the names of all its buyers begin with.
local thread_count = 0

function setup(thread)
  thread:set("id", thread_count)
  thread_count = thread_count + 1
end

function init(args)
  local sale, prefix = args[1], args[2]
  head = "POST /v1/sales/" .. sale .. "/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
  start = '{"sku":"sku-1","buyer":"' .. prefix .. string.format("%02d", id) .. "-"
  finish = '"}'
  local length = #start + 9 + #finish
  start = head .. length .. "\r\n\r\n" .. start
  count = 100000000
end

function request()
  count = count + 1
  return start .. count .. finish
end
