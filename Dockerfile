# Builds the daemon's image: docker build -t lamplighter .
# Everything it installs is held to the hashes of the locks.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1
WORKDIR /src
COPY requirements-build.lock requirements.lock ./
RUN python -m venv /build \
    && /build/bin/python -m pip install --only-binary :all: --require-hashes -r requirements-build.lock \
    && python -m venv --without-pip /app/venv \
    && /build/bin/uv pip install --python /app/venv/bin/python --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY scheduler scheduler
COPY jobs jobs
COPY agents agents
RUN /build/bin/python -m hatchling build -t wheel -d /wheels \
    && /build/bin/uv pip install --python /app/venv/bin/python --no-deps /wheels/*.whl


FROM ${PYTHON_IMAGE}
# The user has a name because PostgreSQL refuses a uid without one, and a number because Kubernetes
# checks `runAsNonRoot` by number. tini reaps what the embedded PostgreSQL leaves behind.
# tini has no version: Debian keeps only the newest one of a release, so a pinned one is soon gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 lamplighter \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin \
        lamplighter \
    && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /app/venv /app/venv
COPY config.yaml /app/config.yaml
# No bytecode is written: the root file system may be read-only, and everything is compiled already.
ENV HOST=0.0.0.0 \
    LAMPLIGHTER_CONFIG=/app/config.yaml \
    LAMPLIGHTER_DATA_DIR=/data \
    PATH=/app/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
VOLUME ["/data"]
EXPOSE 3003
STOPSIGNAL SIGTERM
# Not urllib, which would ask a proxy that the environment names.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 3003), timeout=2); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["lamplighter", "serve"]
