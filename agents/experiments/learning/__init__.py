"""Learning benchmarks and sweeps: many trainings, carried out and compared."""
