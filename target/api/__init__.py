"""The shop over HTTP: routes, validation of requests, status codes, and how answers are written to the socket.

No decision about stock is made here (`target.schemes`), and nothing here talks to Redis, the broker or the database. Imports
`assembly` and what is below it, but nothing of `worker`. Read first: `app.Routes`, the four endpoints; then `app.create_app`.
"""
