"""The page ``/flash-sale`` in Locust's web UI: its views, its login, and the figures it draws. Runs in Locust's process.

It asks the harness for each sale over a folder (`loadtest.sale.desk.Desk`). Not here: preparing and judging those sales; the
harness does that in its own process, in loadtest/campaign/web.py. Nothing here starts a service or reads the database.
Read `views.add_page` first, then `show.Show`.
"""
