"""The two stores: claims in Redis, changed by Lua scripts (`claims`, `turn`), and tables and rows in Postgres (`models`, `database`, `orders`).

Which store is asked, and in which order, is up to the schemes (`target.schemes`); nothing here knows HTTP or Celery.
Imports `config` and `errors` only. Read first: the script `claims.CLAIM`, then `models.Order`, whose constraints are the last guard.
"""
