"""The manifest: what a shop says of itself, in a TOML file: how to prepare, start, drive and read it.

Here live its schema and its loading. Starting the shop belongs in `stack`, reading it in `ledger`, and what one run is told in `experiment`,
the only room beside `errors` that this one imports.
Read first: `loading.load_shop`; the keys are the fields of `shop.Shop`.
"""
