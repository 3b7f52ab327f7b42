import json


def test_report_is_one_self_contained_page(run):
    page = (run / "report.html").read_text()
    assert "http://" not in page and "https://" not in page
    assert page.count("data:image/png;base64,") >= 9
    for words in ("Do against see", "twins", "causal graph", "Training"):
        assert words in page


def test_the_worst_pairs_have_their_tables_behind_a_fold(run):
    labels = json.loads((run / "metrics.json").read_text())["labels"]
    worst, distance = next(iter(labels["largest_pair_tvds"].items()))
    details = (run / "report.html").read_text().split("<details>")[1]
    details = details.split("</details>")[0]
    worst = worst.replace(", ", " and ")
    assert f"<h3>{worst}: TVD {distance:.4f}</h3>" in details
    assert details.count("<table>") == 36 and ">truth</th>" in details
