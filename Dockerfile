# The mock: serves the instance metadata service on port 80.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
# By this `make images` finds what the builder before BuildKit leaves of this stage.
LABEL imds-sidecar.stage=build
# What builds our package comes from Debian, so that all of what pip brings is named by a hash.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-hatchling python3-pip python3-venv \
 && python3 -m venv /opt/imds-mock
# The dependencies change seldom: a layer of their own.
COPY mock/requirements.lock /src/mock/
# Of botocore's 25 MB of service models six are used: four that give out credentials, and EC2 and IAM for `config import`.
RUN /opt/imds-mock/bin/pip install --no-cache-dir --no-compile --require-hashes -r /src/mock/requirements.lock \
 && find /opt/imds-mock/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name ec2 ! -name iam ! -name signin ! -name sso ! -name sso-oidc ! -name sts -exec rm -r {} + \
 && find /opt/imds-mock/lib/python3*/site-packages/botocore/data/ec2 -mindepth 1 -maxdepth 1 ! -name 2016-11-15 -exec rm -r {} +
COPY VERSION LICENSE /src/
COPY mock /src/mock
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /src/wheels /src/mock \
 && /opt/imds-mock/bin/pip install --no-cache-dir --no-compile --no-index --no-deps /src/wheels/*.whl \
 && /opt/imds-mock/bin/pip uninstall --yes pip \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/imds-mock/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="imds-mock" \
      org.opencontainers.image.description="EC2 instance metadata service (IMDS) for development and tests" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/imds-mock /opt/imds-mock
# Where amazon-ec2-metadata-mock's image has its program.
RUN ln -s /opt/imds-mock/bin/ec2-metadata-mock /ec2-metadata-mock
ENV PATH=/opt/imds-mock/bin:$PATH PYTHONDONTWRITEBYTECODE=1
# Port 80 needs no privilege: Docker lets any user bind it inside a container.
USER 65532:65532
EXPOSE 80
HEALTHCHECK --interval=5s --timeout=3s --retries=3 CMD ["imds-mock", "health", "--pid", "1"]
ENTRYPOINT ["imds-mock"]
# With a variable of amazon-ec2-metadata-mock it is that, at its port 1338: its Helm chart gives no arguments.
CMD ["serve", "--default-port", "80"]
