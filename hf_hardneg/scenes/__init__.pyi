from .scenes_folder import write_scenes as write_scenes
from .world import scene_pairs as scene_pairs
from .world import scene_rows as scene_rows
