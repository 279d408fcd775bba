-- SPDX-License-Identifier: MIT
-- distance(a, b, limit): how many letters have to be changed, left out, added, or
-- exchanged with the next one, for a to be b; limit + 1 when it is more than that.
return function(a, b, limit)
  if math.abs(#a - #b) > limit then return limit + 1 end
  local before, last, row = nil, nil, {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    before, last, row = last, row, { [0] = i }
    local least = i
    for j = 1, #b do
      local is_same = a:byte(i) == b:byte(j)
      local cost = math.min(last[j] + 1, row[j - 1] + 1,
        last[j - 1] + (is_same and 0 or 1))
      if before and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        cost = math.min(cost, before[j - 2] + 1)
      end
      row[j], least = cost, math.min(least, cost)
    end
    if least > limit then return limit + 1 end
  end
  return row[#b]
end
