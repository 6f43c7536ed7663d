"""Locust files, one traffic pattern each. They run under the harness, and bare: ``locust -f scenarios/rush.py --host …``."""
