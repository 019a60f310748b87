"""Many runs: grid, launcher, tables, statistics and the reproduction of the paper."""
