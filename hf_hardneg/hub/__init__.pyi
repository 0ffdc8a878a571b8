from .errors import PushError as PushError
from .push import Published as Published
from .push import publish_folder as publish_folder
