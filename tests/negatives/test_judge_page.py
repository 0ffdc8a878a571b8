from html.parser import HTMLParser

from hf_hardneg.negatives.judge_page import build_sample_page, sample_negatives


ROWS = {
    "caption": ["A red car.", 'A <b> dog & a "cat".', "nothing"],
    "negative_concepts": [["color", "object"], ["object"], []],
    "negative_news": [["blue", "bus"], ["horse"], []],
    "negative_spans": [[[2, 5], [6, 9]], [[6, 9]], []],
}


class Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.marked, self.open = [], None

    def handle_starttag(self, tag, attrs):
        self.open = tag

    def handle_data(self, data):
        if self.open in ("del", "ins"):
            self.marked.append((self.open, data))
        self.open = None


def test_changed_words_are_marked_and_captions_are_escaped():
    page = build_sample_page(ROWS, "Sample")
    parser = Text()
    parser.feed(page)
    assert sorted(parser.marked) == sorted(
        [("del", "red"), ("ins", "blue"), ("del", "car"), ("ins", "bus"), ("del", "dog"), ("ins", "horse")]
    )
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert "object (2)" in page and "color (1)" in page


def test_the_sample_is_fixed_by_its_seed_and_never_larger_than_what_there_is():
    assert sample_negatives(ROWS) == sample_negatives(ROWS) and len(sample_negatives(ROWS)) == 3
    first = [sample_negatives(ROWS, 1, seed)[0]["new"] for seed in range(20)]
    assert set(first) == {"blue", "bus", "horse"}
