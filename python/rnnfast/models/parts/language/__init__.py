"""What language models are made of: their corpora, networks, training and answers."""
