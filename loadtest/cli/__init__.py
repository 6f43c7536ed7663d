"""The command line: turns each command's flags into options and calls one plain function.

Here live the commands, one file for each group of them, the flags that they share, and what the terminal shows at the end
(`box`). How a sale is held, judged or compared belongs in the rooms below; only this room may call the `reports`.
Read first: `main.main`, then `one_sale.run_command`.
"""
