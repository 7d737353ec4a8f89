"""How what users give is read: sequences, series, tables, labels and weights of examples."""
