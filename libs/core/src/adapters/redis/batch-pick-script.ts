import { COMMON } from './batch-ledger-scripts.js';

/**
 * ARGV: pool, capacity, now, JSON of weights, slices of a new flow. Returns id, slice, tenant, express (0 or 1) of each.
 *
 * A pick costs the same however many tenants wait. Next is the first by virtual time that either is a new flow or, while the window has room, has less than its
 * share of it in flight. A share is one slice at least, so those with nothing in flight have less. Who has something in flight has less only where its share is two
 * or more: that is everybody where the tenants are few, and tenants with a weight where they are many.
 */
export const PICK = `${COMMON}
local pool, capacity, now, new_flow = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[5])
local weights = cjson.decode(ARGV[4])
local tenants, times, flows = P .. 'tenants:' .. pool, P .. 'times:' .. pool, P .. 'flows:' .. pool
local flights, express, flying = P .. 'flights:' .. pool, P .. 'express:' .. pool, P .. 'flying:' .. pool
local function weight(tenant) return weights[tenant] or 1 end

-- Written by a release that had no such indexes.
if redis.call('EXISTS', flows) == 0 then
  for _, tenant in ipairs(redis.call('HKEYS', flights)) do redis.call('SADD', flows, tenant) end
  for _, tenant in ipairs(redis.call('ZRANGE', tenants, 0, -1)) do
    index_waiting(pool, tenant, redis.call('ZSCORE', tenants, tenant), new_flow)
  end
end

local total, total_weight = redis.call('ZCARD', flying), redis.call('SCARD', flows)
for tenant, its in pairs(weights) do
  if redis.call('SISMEMBER', flows, tenant) == 1 then total_weight = total_weight + its - 1 end
end

local function share(tenant) return math.max(1, math.floor(capacity * weight(tenant) / total_weight)) end

-- By virtual time, then by name, as the indexes are ordered.
local function earlier(one, other)
  if not one or not other then return one or other end
  if one.time ~= other.time then return one.time < other.time and one or other end
  return one.tenant <= other.tenant and one or other
end

local function first(index)
  local found = redis.call('ZRANGE', P .. index .. pool, 0, 0, 'WITHSCORES')
  return found[1] and { tenant = found[1], time = tonumber(found[2]) }
end

local function below_share(tenant)
  local time = redis.call('ZSCORE', tenants, tenant)
  return time and number(flights, tenant) < share(tenant) and { tenant = tenant, time = tonumber(time) }
end

local function first_below_share()
  local found = first('unserved:')
  if capacity / total_weight >= 2 then
    for _, tenant in ipairs(redis.call('ZRANGE', tenants, 0, -1)) do
      local candidate = below_share(tenant)
      if candidate then return earlier(found, candidate) end
    end
  end
  for tenant in pairs(weights) do
    if share(tenant) >= 2 then found = earlier(found, below_share(tenant)) end
  end
  return found
end

-- Undefined where every tenant that waits has its share.
local function whose_turn()
  local new = first('fresh:')
  local next = total < capacity and earlier(new, first_below_share()) or new
  if next then return next.tenant, new ~= nil and next.tenant == new.tenant end
end

-- The job's next slice that is neither done nor in flight.
local function next_slice(id)
  local job = P .. 'job:' .. id
  local slice, slices = number(job, 'next'), number(job, 'slices')
  -- Not there any more: it must not come to be again, with nothing in it.
  if slices == 0 then return 0, 0 end
  local done = P .. 'done:' .. id
  while slice < slices do
    if redis.call('GETBIT', done, slice) == 1 then
      -- Of a job that was taken up again thousands may be done: whole bytes are passed over.
      slice = slice % 8 == 0 and redis.call('BITPOS', done, 0, slice / 8) or slice + 1
    elseif redis.call('ZSCORE', flying, id .. ' ' .. slice) then
      slice = slice + 1
    else
      break
    end
  end
  redis.call('HSET', job, 'next', slice + 1)
  return slice, slices
end

local picks = {}
while #picks < 4000 do
  local tenant, is_new = whose_turn()
  if not tenant then break end
  local id = redis.call('ZRANGE', P .. 'queue:' .. pool .. ' ' .. tenant, 0, 0)[1]
  if not id then
    stop_waiting(pool, tenant)
    forget_flow_if_idle(pool, tenant)
  else
    local slice, slices = next_slice(id)
    local job = P .. 'job:' .. id
    if slice < slices then
      redis.call('ZADD', flying, now, id .. ' ' .. slice)
      redis.call('HINCRBY', job, 'flying', 1)
      if redis.call('HSETNX', job, 'started', now) == 1 then changed(id) end
      redis.call('HINCRBY', flights, tenant, 1)
      if is_new then
        redis.call('HINCRBY', express, tenant, 1)
        redis.call('HSET', job, 'x ' .. slice, 1)
      end
      total = total + 1
      local time = tonumber(redis.call('ZSCORE', tenants, tenant))
      redis.call('HSET', times, '', string.format('%.17g', time))
      local later = string.format('%.17g', time + 1 / weight(tenant))
      redis.call('HSET', times, tenant, later)
      index_waiting(pool, tenant, later, new_flow)
      for _, part in ipairs({ id, slice, tenant, is_new and 1 or 0 }) do picks[#picks + 1] = part end
    end
    if slice + 1 >= slices then
      leave_queue(pool, tenant, id)
      forget_flow_if_idle(pool, tenant)
    end
  end
end
return picks
`;
