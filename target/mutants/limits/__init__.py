"""Mutants that write rows faster, or far slower, than the limit. The contract is `target.mutants.Mutant`; read first: `no_limiter`."""
