# One image for the shop, its workers and Locust; docker-compose.yml gives each its command.
FROM python:3.11.13-slim-bookworm
WORKDIR /app
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY loadtest loadtest
COPY target target
COPY scenarios scenarios
COPY reports reports
RUN pip install --no-cache-dir --constraint constraints.txt .
RUN useradd --system --no-create-home app
USER app
