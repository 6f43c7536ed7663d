"""The load: buyers on Locust. Importing `buyer` or `plugin` brings Locust, which monkey-patches the process."""
