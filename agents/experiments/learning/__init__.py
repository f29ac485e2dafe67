"""Learning benchmarks and sweeps: many trials, carried out side by side and compared."""
