"""The demo recipe without its twins, for tests of other data and of plain runs."""

NO_TWINS = ["--twins", "--twin_share", "0", "--twin_weight", "0"]
DEMO_WITHOUT_TWINS = ["demo.yaml", *NO_TWINS]
