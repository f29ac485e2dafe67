"""Statistics, tables, plot style and animation. Knows no agent."""
