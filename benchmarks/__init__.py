"""Speed measured against peers; each module prints a table and can write JSON."""
