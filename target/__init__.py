"""The built-in shop: a minimal order service that sells one sale by the stock scheme under test. It knows nothing of the harness."""
