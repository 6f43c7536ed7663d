"""A rehearsal: one buyer does everything, then the stock is bought out, and every step is told: `loadtest check`.

Here: a small sale without load, by a plain client, in which each answer, the rule that it met and each final read are shown, and what is
suspicious is named with its remedy. It judges no shop: that is for a sale, and for `loadtest.judge`, whose list of what cannot be judged it tells
beforehand. Nothing here is recorded.
Read first: `story.rehearse`.
"""
