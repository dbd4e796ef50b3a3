"""Three hosts that are cut and killed, in the short form. The long one: `make hosts`."""

from __future__ import annotations

import pytest

from tests.hosts.faults import few_faults
from tests.hosts.installation import Installation
from tests.hosts.network import why_not
from tests.hosts.run import Run, kept, summary, table

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "hosts can be made"),
]


@pytest.mark.timeout(900)
def test_whatever_is_killed_or_cut_nothing_is_lost_doubled_changed_or_charged_twice() -> None:
    with Installation(lease=8, haste=0.2, has_people=False) as installation:
        run = Run(installation, seed=1, has_browser=False)
        report = run.go(few_faults())
        assert not kept(run, report), f"{table(run, installation)}\n{summary(run, report)}\nlogs: {installation.logs}"
    assert len(run.spans) == len(few_faults())
    installation.tidy_up()
