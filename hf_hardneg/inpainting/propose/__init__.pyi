from .proposals import Proposal as Proposal
from .proposals import ProposeSwaps as ProposeSwaps
