"""What a sensor table is: reading it, its clock and gaps, its quality, its windows. Nothing here knows of torch."""
