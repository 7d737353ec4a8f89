"""Models by the conventions of scikit-learn: hyperparameters, `fit`, and files."""
