/**
 * What a store's server does in one step. Values begin with `v`, so that none is taken for a counter; lifetimes are in milliseconds,
 * 0 without one; `KEYS[1]` is the key.
 */

/** ARGV: the amount, the lifetime. Gives the new value as text: as a number it would be rounded. */
export const ADD = `
local fresh = redis.call('EXISTS', KEYS[1]) == 0
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' and sum.err then return sum end
if fresh and ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])`;

/** ARGV: whether anything is expected, what, the value, the lifetime. Gives 1, or what is there. */
export const COMPARE_AND_SET = `
local found = redis.call('GET', KEYS[1])
local plain = found
if found and string.sub(found, 1, 1) == 'v' then plain = string.sub(found, 2) end
local same = (ARGV[1] == '0' and not found) or (ARGV[1] == '1' and found and plain == ARGV[2])
if not same then return found end
if ARGV[4] == '0' then redis.call('SET', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
return 1`;

/**
 * The generic cell rate algorithm. ARGV: what one unit of cost takes of the time, how far ahead of the time an allowance may be, the
 * cost; in nanoseconds. Kept is the time, in microseconds, until which the allowance is used. Gives how many more could come at
 * once now, or below zero the microseconds until it would be allowed. The server's own clock counts, which all share.
 */
export const TAKE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval = tonumber(ARGV[1]) / 1000
local room = tonumber(ARGV[2]) / 1000
local used = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
local after = used + interval * tonumber(ARGV[3])
local wait = after - room - now
if wait > 0 then return string.format('%.0f', -math.max(1, wait)) end
if after > now then redis.call('SET', KEYS[1], string.format('%.3f', after), 'PX', math.ceil((after - now) / 1000)) end
return string.format('%.0f', math.floor((now + room - after) / interval))`;
