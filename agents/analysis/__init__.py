"""Statistics, tables, figures, pages and animations. Knows no agent."""
