"""Many runs: the grid, the launcher, tables and statistics, the reproduction of the paper."""
