"""What Redis does in one step, in Lua.

Of a room there are, under a prefix, a hash with its epoch (e), its counter (n), the broker's time
of its last message in microseconds (t) and the bytes that are kept (s); a stream with what is
kept, whose ids are the offsets; and a channel with the name of the hash. ``keeps`` holds the
rules of rooms for who knows none. ``did`` holds what a process had appended last, so that what
is sent again, as nobody knows what became of it, is not appended again.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final, NamedTuple

__all__ = ["APPEND", "ASK", "Script"]


class Script(NamedTuple):
    """A script, and by which name Redis knows it when it has run once."""

    text: str
    sha: str


def _script(text: str) -> Script:
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


#: KEYS: did, keeps, then hash and stream of each message's room. ARGV: the number of the batch,
#: how long it is remembered, how long counts live, a name for new epochs; then of each message
#: its room, payload, and how many messages, milliseconds and bytes are kept ("" by the rules).
#: Gives an offset for each, or a text that says why it has none. A batch that was done is not
#: done again: it gives the offsets that were given, 0 for none, and nothing after a later batch.
APPEND: Final = _script("""
local done = redis.call('GET', KEYS[1])
if done then
  local number, offsets = string.match(done, '^(%d+) ?(.*)$')
  if tonumber(number) >= tonumber(ARGV[1]) then
    local had = {}
    if number == ARGV[1] then
      for offset in string.gmatch(offsets, '%d+') do had[#had + 1] = tonumber(offset) end
    end
    return had
  end
end
local time = redis.call('TIME')
local stamp = string.format('%d%06d', time[1], time[2])
local rules

local function fits(parts, room)
  local first, last = parts[1], parts[#parts]
  if #parts == 1 then return room == first end
  local at, stop = #first + 1, #room - #last
  if at > stop + 1 or string.sub(room, 1, #first) ~= first
    or string.sub(room, stop + 1) ~= last then return false end
  for i = 2, #parts - 1 do
    local from, to = string.find(room, parts[i], at, true)
    if not from or to > stop then return false end
    at = to + 1
  end
  return true
end

local function rule_of(room)
  rules = rules or cjson.decode(redis.call('GET', KEYS[2]) or '[]')
  for _, rule in ipairs(rules) do
    if fits(rule[1], room) then return rule[2], rule[3], rule[4] end
  end
  return 0, 0, 0
end

local function append(hash, log, room, payload, most, ms, size)
  if most == '' then most, ms, size = rule_of(room) end
  most, ms, size = tonumber(most), tonumber(ms), tonumber(size)
  local was = redis.call('HMGET', hash, 'e', 't')
  local epoch, before = was[1], was[2] or '0'
  if not epoch then
    epoch = ARGV[4]
    redis.call('DEL', log)
    redis.call('HSET', hash, 'e', epoch)
  end
  local offset = redis.call('HINCRBY', hash, 'n', 1)
  redis.call('HSET', hash, 't', stamp)
  local lives = tonumber(ARGV[3])
  if most > 0 then
    lives = lives + ms
    if redis.call('EXISTS', log) == 0 then redis.call('HSET', hash, 's', 0) end
    redis.call('XADD', log, string.format('%.0f-0', offset), 't', stamp, 'p', payload)
    local kept = redis.call('HINCRBY', hash, 's', #payload)
    local number, oldest = redis.call('XLEN', log), tonumber(stamp) - ms * 1000
    while number > 0 do
      local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
      if number <= most and kept <= size and tonumber(first[2][2]) >= oldest then break end
      redis.call('XDEL', log, first[1])
      kept = redis.call('HINCRBY', hash, 's', -#first[2][4])
      number = number - 1
    end
    redis.call('PEXPIRE', log, ms)
  end
  if redis.call('PTTL', hash) < lives then redis.call('PEXPIRE', hash, lives) end
  local head = string.format('%s %.0f %s %s\\n', epoch, offset, stamp, before)
  redis.call('PUBLISH', hash, head .. payload)
  return offset
end

local given, offsets = {}, {}
for i = 1, (#ARGV - 4) / 5 do
  local at = 4 + 5 * (i - 1)
  local good, said = pcall(append, KEYS[2 * i + 1], KEYS[2 * i + 2], ARGV[at + 1], ARGV[at + 2],
    ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])
  if not good then said = tostring(type(said) == 'table' and said.err or said) end
  given[i] = said
  offsets[i] = good and string.format('%.0f', said) or '0'
end
pcall(redis.call, 'SET', KEYS[1], ARGV[1] .. ' ' .. table.concat(offsets, ' '), 'PX', ARGV[2])
return given
""")

#: KEYS: hash and stream of each room. ARGV: how long counts live, a name for new epochs, how many
#: bytes and messages of one room at most; then of each room the epoch, offset and stamp after
#: which to look (an offset of "" asks where it is, no stamp is a page's word), and how many
#: messages may be missing. Gives of each room where it is, 1 where what is missing can be had, and
#: the first of it; or a text.
ASK: Final = _script("""
local left = tonumber(ARGV[3])

local function ask(hash, log, epoch, offset, stamp, most)
  local was = redis.call('HMGET', hash, 'e', 'n', 't')
  local its, n, t = was[1], tonumber(was[2] or '0'), was[3] or '0'
  if not its then
    its = ARGV[2]
    redis.call('DEL', log)
    redis.call('HSET', hash, 'e', its, 'n', 0, 't', 0)
  end
  if redis.call('PTTL', hash) < tonumber(ARGV[1]) then redis.call('PEXPIRE', hash, ARGV[1]) end
  if offset == '' then return {its, n, t, 1} end
  offset, most = tonumber(offset), tonumber(most)
  if its ~= epoch and (stamp == '' or tonumber(t) > tonumber(stamp)) then return {its, n, t, 0} end
  if stamp ~= '' then
    local forgot = its ~= epoch or offset > n or (offset == n and stamp ~= t)
    if not forgot and offset < n then
      local at = string.format('%.0f-0', offset)
      local same = redis.call('XRANGE', log, at, at)[1]
      forgot = same and same[2][2] ~= stamp
    end
    if forgot then
      redis.call('HSET', hash, 'e', ARGV[2], 's', 0)
      redis.call('DEL', log)
      return {ARGV[2], n, t, 0}
    end
  end
  if offset > n or n - offset > most then return {its, n, t, 0} end
  local given = {its, n, t, 1}
  if offset == n or left <= 0 then return given end
  local from = string.format('%.0f-0', offset + 1)
  -- The stream lives as long after its last message as one of it may be old.
  local oldest = stamp == '' and tonumber(t) - redis.call('PTTL', log) * 1000 or 0
  for _, kept in ipairs(redis.call('XRANGE', log, from, '+', 'COUNT', ARGV[4])) do
    if tonumber(kept[2][2]) < oldest then return {its, n, t, 0} end
    offset = offset + 1
    if left <= 0 then break end
    if kept[1] ~= string.format('%.0f-0', offset) then return {its, n, t, 0} end
    given[#given + 1] = offset
    given[#given + 1] = kept[2][2]
    given[#given + 1] = kept[2][4]
    left = left - #kept[2][4] - 100
  end
  if #given == 4 then return {its, n, t, 0} end
  return given
end

local answers = {}
for i = 1, #KEYS / 2 do
  local at = 4 + 4 * (i - 1)
  local good, said = pcall(ask, KEYS[2 * i - 1], KEYS[2 * i], ARGV[at + 1], ARGV[at + 2],
    ARGV[at + 3], ARGV[at + 4])
  if not good then said = tostring(type(said) == 'table' and said.err or said) end
  answers[i] = said
end
return answers
""")
