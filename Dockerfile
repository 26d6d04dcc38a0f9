FROM python:3.11-slim
WORKDIR /srv/inbox
COPY pyproject.toml README.md ./
COPY schemas schemas
COPY domain domain
COPY db db
COPY workers workers
RUN pip install --no-cache-dir . && useradd --system --home /srv/inbox inbox
USER inbox
ENTRYPOINT ["inbox"]
CMD ["worker"]
