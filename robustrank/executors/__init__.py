"""Ways to spread tasks over processes or machines."""
