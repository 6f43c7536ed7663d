"""The load: the buyers of a sale, run by Locust, and everything that happens in their processes.

Here: the wiring to Locust (`plugin`, `options`, `sale`), and in rooms of their own the HTTP client, the buyers, the crew of
several generator processes, and the web page. Not here: judging, or arithmetic that other rooms need too (see `loadtest.experiment`).
This is the only room that imports locust and gevent (importing locust monkey-patches the process); only scenarios and
benchmarks import it. Read `plugin.install` first, then `plugin.Plugin`.
"""
