"""A first manifest, drafted from what its user has at hand: a curl line, a recording of the browser, an API document, or a template.

Each source becomes a `draft.Draft`; `draft.written` makes a commented TOML file of it, in which at most five marks stand for what nobody can know from
there. Secrets are never written: what carried one becomes a step that fetches it. Nothing here starts or asks a shop; the only request is that
for an API document on this machine.
Read first: `draft.Draft`, then `curl.draft_of`.
"""
