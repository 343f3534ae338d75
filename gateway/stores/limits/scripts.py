"""The scripts that Redis runs. Each is one round trip and all or nothing.

Redis' own clock decides, so that processes need not agree on the time. Every key holds the hash tag {gateway}, so
that a cluster keeps all of them in one slot. The counters:

- a window is a hash: the number of the running window, its count, and that of the window before;
- money and calls at once are a hash: `s`, what is spent, and for each process what it holds. What a process holds
  counts as long as it is heard of: nothing that it held survives it.
"""

from __future__ import annotations

LIVING = "{gateway}:living"  # sorted set: process -> when it was last heard of
WARM = "{gateway}:warm"  # is there as long as the counters are: gone with them after a flush
DONE = "{gateway}:done:"  # of each process, the number of its last batch of settlements

# KEYS: living, warm, then one a claim. ARGV: process, lease in s, then of each claim kind, amount, limit, is soft, and
# the window's or the expiry's seconds (0: none). Returns {-1} where the counters are gone, else the claim that refuses
# (0: none) and its wait in ms (-1: not by waiting, -2: to the period's end), how many processes live, and of each claim
# what is left, in how many ms all of it would be, and the number of its window.
RESERVE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local me, lease = ARGV[1], tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 0 then return {-1} end
redis.call('ZADD', KEYS[1], now, me)
local function taken(key)
  local held, spent, all = 0, 0, redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if all[i] == 's' then
      spent = tonumber(all[i + 1])
    else
      local heard = redis.call('ZSCORE', KEYS[1], all[i])
      if heard and tonumber(heard) >= now - lease then
        held = held + tonumber(all[i + 1])
      else
        redis.call('HDEL', key, all[i])
      end
    end
  end
  return held + spent
end
local function until_below(level, window, left, current, previous)
  if current >= level and current > 0 then return left + window - window * level / current end
  if previous > 0 then return math.max(0, left - window * (level - current) / previous) end
  return 0
end
local refused, longest, claims = 0, 0, {}
for i = 3, #KEYS do
  local at = 2 + (i - 3) * 5
  local kind, amount, most = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local soft, seconds = ARGV[at + 4] == '1', tonumber(ARGV[at + 5])
  local claim = {key = KEYS[i], kind = kind, amount = amount, most = most, seconds = seconds}
  local free, wait
  if kind == 'window' then
    local number = math.floor(now / seconds)
    local row = redis.call('HMGET', KEYS[i], 'number', 'current', 'previous')
    local was, current, previous = tonumber(row[1]) or -2, tonumber(row[2]) or 0, tonumber(row[3]) or 0
    if was == number - 1 then current, previous = 0, current elseif was ~= number then current, previous = 0, 0 end
    claim.number, claim.current, claim.previous, claim.rest = number, current, previous, seconds - now % seconds
    free = amount <= most - math.floor(previous * claim.rest / seconds + current)
    wait = math.ceil(until_below(most - amount + 1, seconds, claim.rest, current, previous) * 1000) + 1
  else
    claim.taken = taken(KEYS[i])
    free = claim.taken + amount <= most and (kind == 'concurrent' or claim.taken < most)
    wait = kind == 'concurrent' and 1000 or -2
  end
  if amount > most then wait = -1 end
  if not free and not soft then
    if refused == 0 or (longest ~= -1 and (wait == -1 or wait > longest)) then refused, longest = i - 2, wait end
  end
  claims[#claims + 1] = claim
end
local answer = {refused, longest, redis.call('ZCOUNT', KEYS[1], now - lease, '+inf')}
for _, claim in ipairs(claims) do
  if claim.kind == 'window' then
    if refused == 0 then
      claim.current = claim.current + claim.amount
      redis.call('HSET', claim.key, 'number', claim.number, 'current', claim.current, 'previous', claim.previous)
      redis.call('EXPIRE', claim.key, 2 * claim.seconds + 1)
    end
    local weighted = math.floor(claim.previous * claim.rest / claim.seconds + claim.current)
    local reset = until_below(1, claim.seconds, claim.rest, claim.current, claim.previous)
    answer[#answer + 1] = math.max(0, claim.most - weighted)
    answer[#answer + 1] = math.ceil(reset * 1000)
    answer[#answer + 1] = claim.number
  else
    if refused == 0 then
      redis.call('HINCRBY', claim.key, me, claim.amount)
      if claim.seconds > 0 then redis.call('EXPIRE', claim.key, claim.seconds) end
      claim.taken = claim.taken + claim.amount
    end
    answer[#answer + 1] = math.max(0, claim.most - claim.taken)
    answer[#answer + 1] = 0
    answer[#answer + 1] = 0
  end
end
return answer
"""

# KEYS: living, warm, done, then one a counter. ARGV: process, number of the batch, then of each counter kind, what was
# held, what was used, the number of its window and its seconds. Returns what is spent of each counter of money, -1 of
# others; nothing where the batch was taken before, and its answer was lost; {-2} where the counters are gone: what is
# told then would stand in the place of what was spent before.
SETTLE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local me, batch = ARGV[1], tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 0 then return {-2} end
redis.call('ZADD', KEYS[1], now, me)
if (tonumber(redis.call('GET', KEYS[3])) or 0) >= batch then return {} end
redis.call('SET', KEYS[3], batch, 'EX', 86400)
local answer = {}
for i = 4, #KEYS do
  local at = 2 + (i - 4) * 5
  local kind, held, used = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local number, seconds = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  answer[i - 3] = -1
  if kind == 'window' then
    local was = tonumber(redis.call('HGET', KEYS[i], 'number'))
    local field = was == number and 'current' or was == number + 1 and 'previous' or nil
    if field then
      local count = tonumber(redis.call('HGET', KEYS[i], field)) or 0
      redis.call('HSET', KEYS[i], field, math.max(0, count + used - held))
    end
  else
    if held > 0 and redis.call('HINCRBY', KEYS[i], me, -held) <= 0 then redis.call('HDEL', KEYS[i], me) end
    if kind == 'money' then
      answer[i - 3] = redis.call('HINCRBY', KEYS[i], 's', used)
      if seconds > 0 then redis.call('EXPIRE', KEYS[i], seconds) end
    end
  end
end
return answer
"""

# KEYS: living, warm. ARGV: process, lease in s. Returns whether the counters are there, and how many processes live.
BEAT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600)
return {redis.call('EXISTS', KEYS[2]), redis.call('ZCOUNT', KEYS[1], now - tonumber(ARGV[2]), '+inf')}
"""

# KEYS: warm, then one a counter. ARGV: 1 where all counters begin, 0 where some come to those that are there, if any
# are; then of each counter what is spent, and its seconds (0: none). Whoever comes first says what was spent; what the
# others read in the ledger may be older.
RESTORE = """
if ARGV[1] == '0' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 2, #KEYS do
  redis.call('HSETNX', KEYS[i], 's', ARGV[2 * i - 2])
  local seconds = tonumber(ARGV[2 * i - 1])
  if seconds > 0 then redis.call('EXPIRE', KEYS[i], seconds) end
end
redis.call('SET', KEYS[1], 1)
return 1
"""

# KEYS: living. Returns the names of all processes that are remembered.
LIVING_NAMES = "return redis.call('ZRANGE', KEYS[1], 0, -1)"

# KEYS: living. ARGV: names of processes that do not live: nothing that they hold counts any more.
BURY = "return redis.call('ZREM', KEYS[1], unpack(ARGV))"

# KEYS: counters. ARGV: process, then what it holds of each. For calls that were given up while Redis was asked.
TRUE_UP = """
for i, key in ipairs(KEYS) do
  if tonumber(ARGV[i + 1]) > 0 then
    redis.call('HSET', key, ARGV[1], ARGV[i + 1])
  else
    redis.call('HDEL', key, ARGV[1])
  end
end
return 1
"""
