"""The operators that stand around recurrent ones, in NumPy; `table.OPERATORS` has them all."""
