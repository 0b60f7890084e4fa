-- wrk: an order by a new buyer with every request. The length is fixed, so that the head can be made once.
-- Arguments: the sale, what the names of all its buyers begin with, in how many ways orders are written, one after the other,
-- and "statuses" where answers are counted by status.
local threads = {}

function setup(thread)
  thread:set("id", #threads)
  table.insert(threads, thread)
end

-- A function of its own, so that the usual load is not slowed down by it.
local function requestInTurn()
  count = count + 1
  local way = count % #starts + 1
  return starts[way] .. count .. finishes[way]
end

function init(args)
  local sale, prefix, counted = args[1], args[2], args[4]
  local head = "POST /v1/sales/" .. sale .. "/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
  -- JSON may have spaces anywhere: the ways differ by where they have theirs.
  local ways = tonumber(args[3])
  local side = math.ceil(math.sqrt(ways))
  starts, finishes = {}, {}
  for way = 1, ways do
    local first, second = (way - 1) % side, math.floor((way - 1) / side)
    local third = 2 * (side - 1) - first - second
    local names = string.rep(" ", second) .. '"buyer":"' .. prefix .. string.format("%02d", id) .. "-"
    local body = "{" .. string.rep(" ", first) .. '"sku":"sku-1",' .. names
    local rest = '"' .. string.rep(" ", third) .. "}"
    starts[way] = head .. #body + 9 + #rest .. "\r\n\r\n" .. body
    finishes[way] = rest
  end
  start, finish = starts[1], finishes[1]
  if ways > 1 then
    request = requestInTurn
  end
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
