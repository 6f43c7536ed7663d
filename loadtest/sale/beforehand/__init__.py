"""Before a sale: what one run is to do, checked as far as it can be without starting anything.

Here: the plan, and the checks that are about several sections of the experiment and the manifest at once. Not here: the sale itself
(`loadtest.sale.run`), and what only a running service can tell (`loadtest.sale.leftovers`).
Read first: `plan.plan`, which calls every check.
"""
