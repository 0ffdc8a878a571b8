from .html_report import write_html_report as write_html_report
from .model_card import build_model_card as build_model_card
from .table import draw_figure as draw_figure
from .table import format_table as format_table
