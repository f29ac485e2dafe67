"""What a penalty is worth to an agent that learns from logged data and never acts."""
