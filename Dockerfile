# The mock: serves the instance metadata service on port 80.
ARG BASE=debian:trixie-slim

# Dockerfile.shim has the stages `index`, `python` and `compiler`, too, so a build of both images runs their steps once.
FROM ${BASE} AS index
# By this label `make images` finds what the legacy builder leaves of this stage.
LABEL imds-sidecar.stage=build
COPY image/unpack-packages.sh /usr/local/bin/unpack-packages
# hadolint ignore=DL3009
RUN apt-get update

FROM index AS python
RUN unpack-packages binutils python3 python3-pip python3-setuptools

FROM python AS compiler
RUN unpack-packages gcc libc6-dev musl-tools libpython3-dev libip4tc2 libip6tc2 libnftables1

FROM compiler AS launcher
COPY image /src/image
COPY mock/launcher /src/mock/launcher
RUN /src/image/compile-launcher.sh /src/mock/launcher/launcher.c /launcher

# Beside the installation of the compiler.
FROM python AS build
# Debian's pip refuses to install without BREAK_SYSTEM_PACKAGES, although --target is not a system directory.
ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
# The dependencies change seldom: a layer of their own.
COPY mock/requirements.lock /src/mock/
RUN pip install --no-deps --target /opt/imds-mock/lib/site-packages --require-hashes -r /src/mock/requirements.lock
COPY VERSION LICENSE /src/
COPY image /src/image
COPY mock /src/mock
COPY --from=launcher /launcher /src/launcher
RUN /src/mock/build-tree.sh /opt/imds-mock /src/launcher \
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
