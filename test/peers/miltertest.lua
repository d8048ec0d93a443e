-- What every script of miltertest.test.ts begins with: steps of the dialogue with the answer that each wants.

local letters = {
  continue = SMFIR_CONTINUE,
  accept = SMFIR_ACCEPT,
  tempfail = SMFIR_TEMPFAIL,
  reject = SMFIR_REJECT,
  reply = SMFIR_REPLYCODE,
  skip = SMFIR_SKIP,
}

-- miltertest ends with 1 at an error, and keeps the words to itself.
local function fail(what)
  mt.echo(what)
  error(what)
end

function check(what, holds)
  if not holds then fail("not so: " .. what) end
end

local function step(what, failed, wanted)
  if failed ~= nil then fail(what .. ": " .. failed) end
  local got = mt.getreply(conn)
  if got ~= letters[wanted] then
    fail(string.format("%s: %s instead of %s", what, string.char(got), wanted))
  end
end

conn = mt.connect(SOCKET)
check("a connection", conn ~= nil)

function connect(ip, wanted)
  step("connect", mt.conninfo(conn, "client.example.net", ip), wanted)
end

function helo(name, wanted)
  step("helo", mt.helo(conn, name), wanted)
end

function mail(path, wanted)
  step("mail", mt.mailfrom(conn, path), wanted)
end

function rcpt(path, wanted)
  step("rcpt", mt.rcptto(conn, path), wanted)
end

function data(wanted)
  step("data", mt.data(conn), wanted)
end

function header(name, value)
  step("header", mt.header(conn, name, value), "continue")
end

function eoh()
  step("eoh", mt.eoh(conn), "continue")
end

function body(text, wanted)
  step("body", mt.bodystring(conn, text), wanted)
end

function eom(wanted)
  step("eom", mt.eom(conn), wanted)
end

-- Up to DATA, as a client in order says it.
function envelope()
  mail("<a@example.net>", "continue")
  rcpt("<user@example.org>", "continue")
  data("continue")
end

-- A client in order up to DATA.
function begin()
  connect("127.31.8.1", "continue")
  helo("client.example.net", "continue")
  envelope()
end
