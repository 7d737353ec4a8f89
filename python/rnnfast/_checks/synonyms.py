"""What libraries call one and the same thing, to say in messages what is meant."""

# Arguments; the first of a group that a function takes is what is meant.
ARGUMENTS = (
    {"lr", "learning_rate", "eta", "step_size"},
    {"num_layers", "layers", "depth", "n_layers", "nlayers"},
    {"hidden_size", "units", "hidden", "hidden_dim", "num_hidden", "n_hidden", "num_units"},
    {"input_size", "input_dim", "in_features", "num_features", "n_features", "features"},
    {"output_size", "output_dim", "out_features", "units"},
    {"num_embeddings", "vocab_size", "num_tokens", "vocabulary_size", "input_dim"},
    {"max_vocabulary_size", "vocab_size", "max_features", "vocabulary_size", "max_tokens"},
    {"embedding_size", "embedding_dim", "output_dim", "embed_dim", "emb_size"},
    {"epochs", "max_iter", "iterations", "n_iter"},
    {"seed", "random_state", "rng", "generator"},
    {"validation_fraction", "validation_split", "test_size", "valid_fraction"},
    {"valid", "validation_data", "eval_set", "validation"},
    {"clip_norm", "max_norm", "clipnorm", "grad_clip", "max_grad_norm", "gradient_clip"},
    {"clip_value", "max_value", "clipvalue"},
    {"cell", "rnn_type", "cell_type", "kind"},
    {"dropout", "p", "rate", "drop_rate"},
    {"loss", "criterion", "loss_fn", "objective"},
    {"net", "model", "network", "module"},
    {"patience", "early_stopping"},
    {"max_length", "maxlen", "max_new_tokens", "length", "max_tokens"},
    {"weight_decay", "l2", "decay"},
)

# Losses, by what they are here.
LOSSES = {
    "rf.mse": ("mse", "mean_squared_error", "l2", "MSELoss"),
    "rf.l1": ("l1", "mae", "mean_absolute_error", "L1Loss"),
    "rf.cross_entropy": (
        *("cross_entropy", "crossentropy", "nll", "log_loss", "CrossEntropyLoss"),
        *("categorical_crossentropy", "sparse_categorical_crossentropy"),
    ),
    "rf.binary_cross_entropy_with_logits": (
        *("bce", "binary_cross_entropy", "binary_crossentropy", "BCEWithLogitsLoss"),
        "binary_cross_entropy_with_logits",
    ),
    "rf.ctc_loss": ("ctc", "ctc_loss", "CTCLoss"),
}
