-- wrk: an order by a new buyer with every request. The length is fixed, so that the head can be made once.
-- Arguments: the sale, what the names of all its buyers begin with, and "statuses" where answers are counted by status.
local threads = {}

function setup(thread)
  thread:set("id", #threads)
  table.insert(threads, thread)
end

function init(args)
  local sale, prefix, counted = args[1], args[2], args[3]
  head = "POST /v1/sales/" .. sale .. "/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
  start = '{"sku":"sku-1","buyer":"' .. prefix .. string.format("%02d", id) .. "-"
  finish = '"}'
  local length = #start + 9 + #finish
  start = head .. length .. "\r\n\r\n" .. start
  count = 100000000
  statuses = {}
  -- wrk looks for this function once, after init; a call per answer would slow down a load that is measured.
  if counted == "statuses" then
    function response(status)
      statuses[status] = (statuses[status] or 0) + 1
    end
  end
end

function request()
  count = count + 1
  return start .. count .. finish
end

function done(summary)
  -- Processor time over time, of all wrk's threads: how busy it was.
  print("core share: " .. os.clock() / (summary.duration / 1e6))
  for _, thread in ipairs(threads) do
    for status, answers in pairs(thread:get("statuses")) do
      print("status " .. status .. ": " .. answers)
    end
  end
end
