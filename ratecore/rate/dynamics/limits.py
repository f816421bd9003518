"""Numbers of trials and of connections from which on another way to run trials is faster."""

LANES_PAY = 6  # from this number of trials on, running them side by side is faster than one by one
FEW = 8  # from this number of trials on, one matrix product per step for all of them is faster without gradients
DENSE = 0.5  # above this fraction of live connections, dense matrix products are faster in large networks
