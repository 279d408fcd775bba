-- SPDX-License-Identifier: MIT
-- raises(text, f, ...): f(...) raises an error that contains the text; returns
-- the error.
return function(text, f, ...)
  local ok, err = pcall(f, ...)
  if ok then error("no error was raised, expected: " .. text, 2) end
  if not tostring(err):find(text, 1, true) then
    error(("%q\nis not in\n%s"):format(text, tostring(err)), 2)
  end
  return err
end
