# The inbox: one program, `inbox`, and what it needs. docs/operating.md says how to run it.

ARG PYTHON=3.13

FROM python:${PYTHON} AS build
WORKDIR /build
COPY pyproject.toml README.md ./
COPY schemas schemas
COPY domain domain
COPY db db
COPY workers workers
# Compiled here: at run time nothing can be written beside the code.
RUN python -m venv --without-pip /opt/inbox \
    && pip --python /opt/inbox/bin/python install --no-cache-dir --compile .

FROM python:${PYTHON}-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="messaging-inbox" \
      org.opencontainers.image.description="A shared messaging inbox for sales teams" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing is installed any more.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip \
        /usr/local/lib/python3*/site-packages/pip* \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/inbox
COPY --from=build /opt/inbox /opt/inbox
ENV PATH=/opt/inbox/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    TMPDIR=/tmp \
    INBOX_DATA_DIR=/var/lib/inbox \
    INBOX_WEB_HOST=0.0.0.0
# All that the inbox keeps on a disk: webhooks, while Kafka or Postgres is away.
VOLUME /var/lib/inbox
WORKDIR /
# A number, so that `runAsNonRoot` can see that it is not root.
USER 10001:10001
EXPOSE 6066
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
    CMD ["python", "-c", "import urllib.request as r; from workers.settings import Settings; r.build_opener(r.ProxyHandler({})).open(Settings.from_environment().local_url + '/healthz', timeout=4)"]
ENTRYPOINT ["inbox"]
CMD ["worker"]
