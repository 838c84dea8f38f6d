"""What every peer is given: the sizes of the chapter, in the symbols of the book."""
N = 32              # n, sequences in a mini-batch
T = 35              # time steps
H = 256             # h, hidden units; the vocabulary comes with the corpus
LR = 1e2            # learning rate
THETA = 1e-2        # θ, the largest norm of the gradient
NAMES = ['W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q']
