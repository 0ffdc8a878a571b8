from .model_card import build_model_card as build_model_card
from .page import write_report as write_report
from .table import draw_figure as draw_figure
from .table import format_table as format_table
