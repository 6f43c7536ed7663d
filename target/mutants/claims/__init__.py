"""Mutants that take, give back or tell of order numbers wrongly. The contract is `target.mutants.Mutant`; read first: `off_by_one`."""
