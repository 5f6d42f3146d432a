"""Compares rights, runbook, rules and README with each other; needs no Terraform."""
import os, re, sys

import rights

ROOT = rights.ROOT


def read(path):
    with open(os.path.join(ROOT, path)) as file:
        return file.read()


def anchor(title):
    """The link to a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def runbook_sections():
    """Sections of the runbook, by their links."""
    parts = re.split(r"^## (.*)$", read("docs/runbook.md"), flags=re.M)
    return dict(zip(map(anchor, parts[1::2]), parts[2::2]))


def named_by_alarms():
    sources = ["terraform/modules/alarms/product.tf", "terraform/modules/alarms/services.tf"]
    return {section for source in sources for section in re.findall(r'section\s*= "([^"]+)"', read(source))}


def named_by_rules():
    """Sections that the Prometheus rules name; each rule has to name one."""
    rules = re.split(r"^      - alert: ", read("dashboards/prometheus/rules.yml"), flags=re.M)[1:]
    named = set()
    for rule in rules:
        runbook = re.search(r'^          runbook: "docs/runbook.md#([^"]+)"$', rule, re.M)
        assert runbook, f"the rule {rule.split()[0]} names no section of docs/runbook.md"
        named.add(runbook[1])
    return named


def the_runbook_has_a_section_for_each_alarm():
    sections, named = runbook_sections(), named_by_alarms() | named_by_rules()
    assert named, "no alarm names a section"
    assert named <= set(sections), f"docs/runbook.md has no section for {sorted(named - set(sections))}"
    assert set(sections) <= named, f"no alarm leads to {sorted(set(sections) - named)} of docs/runbook.md"
    for name, text in sections.items():
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert text.count(part) == 1, f"docs/runbook.md#{name} has no {part}"
    for text in [read("docs/runbook.md")]:
        for link in re.findall(r"\]\(#([^)]+)\)", text):
            assert link in sections, f"docs/runbook.md links to #{link}, which it does not have"


def rights_are_those_that_the_code_needs():
    allowed, called = rights.allowed(), rights.called()
    readme = read("README.md")
    assert called["adapters"] and called["provision"]
    services = set()
    for role in ("ingest", "processor"):
        services |= set().union(*allowed[role].values())
    made = re.search(r"`sluice provision` makes them, and also needs ((?:`[^`]+`[, and]*)+)", readme)
    assert made, "README does not say which other rights `sluice provision` needs"
    making = {
        f"{service}:{action}"
        for words in re.findall(r"`([^`]+)`", made[1])
        for service, actions in [words.split(":")]
        for action in actions.split()
    }
    everything = called["adapters"] | called["provision"]
    assert services | making == everything, f"called and not allowed, or the other way round: {(services | making) ^ everything}"
    assert making <= called["provision"] and not making & called["adapters"]
    assert not services & making, f"a service may {services & making}"
    # The one-off mends the size of messages, and makes nothing.
    assert set().union(*allowed["provision"].values()) & making == {"sqs:SetQueueAttributes"}


def readme_has_the_table():
    assert rights.table() in read("README.md"), f"README's table of rights is not:\n{rights.table()}"


def main():
    for check in (the_runbook_has_a_section_for_each_alarm, rights_are_those_that_the_code_needs, readme_has_the_table):
        try:
            check()
        except AssertionError as error:
            raise SystemExit(f"tests/terraform: {check.__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
