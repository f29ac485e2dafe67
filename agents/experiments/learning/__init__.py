"""Learning benchmarks and sweeps: many trials, carried out on Ray and compared."""
