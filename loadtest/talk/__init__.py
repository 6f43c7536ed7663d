"""Talking to the shop, without a wire: what a buyer's requests are like, and what the answers to them mean.

Here: placeholders filled (`filling`), answers read by the manifest's rules (`reading`), values found in them (`places`), and what must not be
shown of them (`masking`). Nothing here sends anything, waits, or knows Locust: the buyers in `loadtest.load` and the command
line use the same functions. Read `reading.BuyReader` first.
"""
