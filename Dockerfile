# syntax=docker/dockerfile:1
# One image for every process; compose.yaml says which command each one runs.
FROM python:3.11-slim-bookworm AS packages
COPY requirements.txt .
# Wheels only: nothing is compiled, so no compiler is needed.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --only-binary :all: -r requirements.txt

FROM python:3.11-slim-bookworm
# libgomp1: scikit-learn's and implicit's threads.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /srv/strata strata
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STRATA_HOME=/srv/strata/var
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
RUN install -d -o strata -g strata /srv/strata/var
USER strata
VOLUME /srv/strata/var
EXPOSE 8000
# The web process answers only to the host name of PUBLIC_URL.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", "\
import os, urllib.parse as p, urllib.request as u; \
host = p.urlsplit(os.environ['PUBLIC_URL']).netloc; \
u.urlopen(u.Request('http://127.0.0.1:8000/healthz', headers={'Host': host}), timeout=4)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", \
    "recsys_project.wsgi:application"]
