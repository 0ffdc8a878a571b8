"""Import OpenCV, an optional dependency, or say which extra installs it."""

try:
    import cv2
except ImportError as error:
    raise ImportError("Editing photos needs OpenCV: pip install 'hf-hardneg[inpaint]'") from error

__all__ = ["cv2"]
