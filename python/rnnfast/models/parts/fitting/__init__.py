"""What `fit` goes through: what it is asked, examples, initial weights, what stays or goes on."""
