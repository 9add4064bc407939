"""Mutated inputs for every reader: each ends in a result or in an InputError of one line, in bounded time and memory.

Number ``n`` of a seed always gives the same mutation. ``seeds`` writes files of every kind, ``changes`` damages them,
``readers`` reads them as the commands do, ``judging`` says what happened, ``run`` does thousands in another process.

    python -m benchmarks.mutations.run --cases 10000      # results/mutations.json; resumes within a commit
    python -m benchmarks.mutations.run --only 4711        # one case again, with its traceback
"""
