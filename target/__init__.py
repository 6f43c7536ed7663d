"""The built-in shop: a minimal order service that sells one sale by the stock scheme under test. It imports nothing of the harness.

Two kinds of process run it: the HTTP API (`api`) and the queue's workers (`worker`); ``python -m target prepare`` (`__main__`) resets the sale.
From the top, each importing only what is below it: api, worker, __main__ → assembly → mutants → parts → schemes → queue → limiter →
stores → config → errors. Read first: `api.app.Routes.order`, one purchase; then `schemes.tokens.Tokens.buy` and `stores.turn.ClaimPipeline`.
"""
