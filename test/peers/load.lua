-- wrk's requests: every fourth with the header that a session steals by.
local count = 0

function request()
  count = count + 1
  wrk.headers["X-User"] = count % 4 == 0 and "me" or "somebody"
  return wrk.format("GET", wrk.path)
end
