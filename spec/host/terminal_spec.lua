-- SPDX-License-Identifier: MIT
local host = require "spec.support.host"

local END = { "<> ", ">\\x04" }

-- Types lines at the prompt, one by one, and leaves.
local function session(steps, opts)
  local all = { "<> " }
  for _, step in ipairs(steps) do all[#all + 1] = step end
  all[#all + 1] = END[1]
  all[#all + 1] = END[2]
  local screen, status = host.type({}, all, opts)
  assert.equal(0, status)
  return screen
end

-- Without readline there is nothing to edit with.
local has_editor = not host.run({ "--version" }):find "no readline"

local function it_edits(name, f)
  it(name, has_editor and f or function()
    pending("this build is without readline")
  end)
end

describe("the line editor", function()
  it_edits("edits", function()
    session { ">1 + 2\\x02\\x02\\x02\\x02 + 40\\x05 - 1\\n", "<42" }
  end)

  it_edits("takes a tab that is behind no word as it is", function()
    session { ">#'\\t\\t\\t'\\n", "<3" }
  end)

  it_edits("takes a paste of several lines as one chunk", function()
    session { ">\\e[200~local x = 6\\nlocal y = 7\\nprint(x * y)\\e[201~\\n",
      "<42" }
  end)

  it("takes several lines one by one", function()
    session { ">for i = 1, 2 do\\nio.write(i, ';')\\nend\\nprint 'over'\\n",
      "<1;2;", "<over" }
  end)
end)

describe("the Tab key", function()
  it_edits("completes a word", function()
    session { ">x1_first = 6\\n", "<> ", ">x1_\\t_ = 7\\n", "<> ",
      ">x1_first * x1_first_\\n", "<42", "<> ",
      ">print(kvm.CAP.USER_M\\t)\\n", "<\\n3\\n", "<> ",
      ">string.reve\\t 'yx'\\n", "<\\nxy\\n" }
  end)

  it_edits("shows all when it comes twice", function()
    local screen = session { ">x1 = { r8 = 1, r9 = 2, r10 = 3 }\\n", "<> ",
      ">x1.r\\t\\t", "<r8 ", "<r9 ", "<r10", "<> x1.r", ">8\\n", "<1" }
    assert.falsy(screen:find("x1.r8 ", 1, true))
  end)

  it_edits("shows many without a question", function()
    session { ">#kvm.CAP.\\t\\t", "<USER_MEMORY", "<> #kvm.CAP.", ">\\x03" }
  end)

  it_edits("does nothing where kvm.complete is another's", function()
    session { ">package.loaded['kvm.complete'] = { list = print }\\n", "<> ",
      ">x1.y\\t\\x01\\x0b 6 * 7\\n", "<42" }
  end)

  it_edits("has nothing to say about what is not there", function()
    session { ">nosuch.field\\t\\t = 1\\x01x1 = 6 * 7 --\\n", "<> ", ">x1\\n",
      "<42" }
  end)
end)

describe("the first lines", function()
  it("say what to type", function()
    local screen = session { ">1\\n" }
    assert.truthy(screen:find '\nkvm is require "kvm"; help%(%) shows what '
      .. 'there is[^\n]*\n> ')
  end)
end)

describe("the history", function()
  local home

  before_each(function()
    home = host.file ""
    os.remove(home)
    assert(os.execute("mkdir " .. home))
  end)

  after_each(function() os.execute("rm -r " .. host.quote(home)) end)

  it_edits("gives back the last chunk, all its lines at once", function()
    session({ ">x = (function()\\n", "<>> ", ">return 21 end)()\\n", "<> ",
      ">x = 0\\n", "<> ", ">\\x10\\x10\\n", "<> ", ">x * 2\\n", "<42" },
      { env = { HOME = home } })
  end)

  it_edits("outlives the session, chunks of several lines too", function()
    local opts = { env = { HOME = home } }
    session({ ">x = (function()\\n", "<>> ", ">return 21 end)()\\n" }, opts)
    session({ ">\\x10\\n", "<> ", ">x * 2\\n", "<42" }, opts)
  end)

  it_edits("keeps its file to the user", function()
    session({ ">1\\n" }, { env = { HOME = home } })
    assert.truthy(os.execute(("test $(stat -c %%a %s/.kvmlua_history) = 600")
      :format(home)))
  end)

  it_edits("does without a file where none can be", function()
    session({ ">21 * 2\\n", "<42", "<> ", ">\\x10 + 1\\n", "<43" },
      { env = { HOME = "/nonexistent" } })
  end)
end)

describe("Ctrl-C at the prompt", function()
  it("gives up the line", function()
    local screen = session { ">print('no')", "<no')", ">\\x03", "<> ",
      ">print('yes')\\n", "<\\nyes" }
    assert.falsy(screen:find("\nno"))
  end)

  it("gives up a chunk that is not complete", function()
    session { ">print(\\n", "<>> ", ">\\x03", "<> ", ">6 * 7\\n", "<42" }
  end)

  it("may come again and again", function()
    session { ">\\x03", "<> ", ">\\x03", "<> ", ">\\x03", "<> ", ">6 * 7\\n",
      "<42" }
  end)
end)

describe("Ctrl-Z at the prompt", function()
  it_edits("stops it, and fg brings back the line", function()
    local screen, status = host.type({ "--norc", "-i" }, {
      "<$ ", ">" .. host.kvmlua .. "\\n", "<> ", ">20 +", "<20 +", ">\\x1a",
      "<$ ", ">echo stop''ped; fg\\n", "<stopped", "<20 +", ">22\\n", "<42",
      "<> ", ">\\x04", "<$ ", ">exit\\n",
    }, { program = "bash", env = { PS1 = "$ " } })
    assert.equal(0, status, screen)
  end)
end)

describe("without a terminal", function()
  it("there is no prompt", function()
    local out, err, status = host.run({ "-i" }, { input = "2 * 4\nx = 1\nx\n" })
    assert.truthy(out:find("^kvmlua [^\n]*\n8\n1\n$"))
    assert.equal("", err)
    assert.equal(0, status)
  end)
end)
