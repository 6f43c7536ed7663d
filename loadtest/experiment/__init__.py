"""The experiment: everything that one run is told, validated before anything starts.

Here live the schema of the TOML file, its loading and overrides, and plain arithmetic on it: arrival plan, buyers' traits, redelivery.
Nothing here starts, measures or reads a run, or knows a shop. It imports `errors` only.
Read first: `files.load_experiment`; the keys are the fields of `schema.Experiment`.
"""
