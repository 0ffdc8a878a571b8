from .choose_twins import Side as Side
from .choose_twins import Twin as Twin
from .twin_search import FoundTwins as FoundTwins
from .twin_search import find_twins as find_twins
from .twins_folder import TwinOptions as TwinOptions
from .twins_folder import make_twins as make_twins
