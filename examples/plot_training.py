def plot(checkpoints, path):
    pass
