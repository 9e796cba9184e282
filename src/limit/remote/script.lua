-- Limits of a fleet, version 1: token buckets in the form of GCRA, all of them or none.
--
-- KEYS: a bucket each. ARGV[1]: the time in microseconds, or '' for the clock of the server. Then for each key:
--   n, p    a rate of n units in p microseconds, in lowest terms
--   b       the burst
--   least   what must be there, or nothing is taken from any key
--   most    what is taken if it is there
-- The reply, for each key: what was granted, what is left, the microseconds to wait for the least (0: none,
-- -1: that never comes), the microseconds until the bucket is full.
--
-- A bucket is kept as the time at which it is full again: whole microseconds, and n-ths of one. Debts are in
-- n-ths of a microsecond; each number is whole and below 2^53, so that all of this is exact. What is kept and
-- cannot be read is no bucket. What lies further ahead than an empty bucket can is an empty one, from now on: clocks
-- go back, limits shrink.
local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[1])
end

local function limit(i)
  local at = 5 * i - 3
  return tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]),
    tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
end

local debts, has, mended, all = {}, {}, {}, true
for i, key in ipairs(KEYS) do
  local n, p, b, least = limit(i)
  local empty = b * p
  local debt = 0
  local whole, part = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
  if whole then
    local ahead = tonumber(whole) - now
    if ahead * n > empty then
      debt = empty
      mended[i] = empty > 0
    elseif ahead >= 0 then
      debt = math.min(empty, ahead * n + math.min(tonumber(part), n - 1))
    end
  end
  debts[i] = debt
  has[i] = math.floor((empty - debt) / p)
  if has[i] < least then all = false end
end

local reply = {}
for i, key in ipairs(KEYS) do
  local n, p, b, least, most = limit(i)
  local debt, granted, wait = debts[i], 0, 0
  if all then
    granted = math.min(most, has[i])
    debt = debt + granted * p
  elseif least > b then
    wait = -1
  elseif has[i] < least then
    wait = math.ceil((debt + least * p - b * p) / n)
  end
  if granted > 0 or mended[i] then
    local ahead = math.floor(debt / n)
    local full = string.format('%.0f %.0f', now + ahead, debt - ahead * n)
    redis.call('SET', key, full, 'PX', math.ceil(debt / n / 1000) + 1)
  end
  reply[#reply + 1] = granted
  reply[#reply + 1] = has[i] - granted
  reply[#reply + 1] = wait
  reply[#reply + 1] = math.ceil(debt / n)
end
return reply
