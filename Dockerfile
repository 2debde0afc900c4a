# The mock: serves the instance metadata service on port 80.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
# By this label `make images` finds what the legacy builder leaves of this stage.
LABEL imds-sidecar.stage=build
# What Dockerfile.shim installs, so that a build of both images runs this step once.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      gcc libc6-dev musl-tools python3 python3-dev python3-pip python3-setuptools python3-wheel python3-hatchling \
      libxtables-dev libiptc-dev libnftables1 iptables
# The dependencies change seldom: a layer of their own.
COPY mock/requirements.lock /src/mock/
# Debian's pip refuses to install without BREAK_SYSTEM_PACKAGES, although --target is not a system directory.
ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
RUN pip install --target /opt/imds-mock/lib/site-packages --require-hashes -r /src/mock/requirements.lock
COPY VERSION LICENSE /src/
COPY image /src/image
COPY mock /src/mock
RUN cp /src/LICENSE /opt/imds-mock/LICENSE \
 && /src/mock/build-tree.sh /opt/imds-mock \
 && /src/mock/build-root.sh /root-files

FROM scratch
LABEL org.opencontainers.image.title="imds-mock" \
      org.opencontainers.image.description="EC2 instance metadata service (IMDS) for development and tests" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /root-files /
COPY --from=build /opt/imds-mock /opt/imds-mock
ENV PATH=/opt/imds-mock/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Port 80 needs no privilege: Docker lets any user bind it inside a container.
USER 65532:65532
EXPOSE 80
HEALTHCHECK --interval=5s --timeout=3s --retries=3 CMD ["imds-mock", "health", "--pid", "1"]
ENTRYPOINT ["imds-mock"]
# With a variable of amazon-ec2-metadata-mock it is that, at its port 1338: its Helm chart gives no arguments.
CMD ["serve", "--default-port", "80"]
