from rnnfast.nn import recurrent as recurrent  # the first layers of LAYERS
