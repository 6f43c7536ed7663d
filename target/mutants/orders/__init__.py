"""Mutants that lose or double an order between its claim and its row. The contract is `target.mutants.Mutant`; read first: `early_ack`."""
