"""Analysis of results: from timelines to tables, and agreement with people who coded the same videos."""
