# The operator's image: dependencies by hash, bytecode ready, no compiler and no build tool in the end result.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/run.txt requirements/build.txt requirements/
RUN pip install --require-hashes --only-binary :all: --no-compile --prefix /install -r requirements/run.txt \
 && pip install --require-hashes --only-binary :all: --no-compile -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY manifests/samples manifests/samples
COPY operator operator
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheels . \
 && pip install --no-deps --no-index --no-compile --prefix /install /wheels/*.whl
# Compiled here because the root file system is read-only later; never checked against the source, whose times an image may change.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /install/lib

FROM python:3.13-slim
ARG VERSION=0.0.0
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="Audit Event Operator" \
      org.opencontainers.image.description="Keeps realistic audit-event streams flowing into RabbitMQ, one per AuditEventGenerator resource" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 AEG_COMMIT=${COMMIT}
COPY --from=build /install /usr/local
USER 65532:65532
EXPOSE 5000 8000
ENTRYPOINT ["audit-event-operator"]
CMD ["run"]
