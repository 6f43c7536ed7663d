"""The HTTP/1.1 client of the buyers: at most one send per request, one deadline per exchange.

Here: connections, what a browser adds to them (cookies, redirects, compressed bodies), and the `Line` protocol that every client
of a buyer fulfils. Not here: what an answer means for an order; that is `loadtest.load.buyers.buyer`.
Read `line.Line` first, then `client.Connection`.
"""
