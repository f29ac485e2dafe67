"""Statistics, tables, figures and animations. Knows no agent."""
