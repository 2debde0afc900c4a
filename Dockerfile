# The mock: serves the instance metadata service on port 80.
ARG BASE=debian:trixie-slim

# Build stages run on the processor of the machine that builds. The legacy builder, which has no such variables, has no
# other. Dockerfile.shim has the stage `tools`, too, so a build of both images runs its steps once.
FROM --platform=${BUILDPLATFORM:-linux} ${BASE} AS tools
# By this label `make images` finds what the legacy builder leaves of this stage.
LABEL imds-sidecar.stage=build
ARG TARGETARCH
COPY image/unpack-packages.sh /usr/local/bin/unpack-packages
RUN unpack-packages "$TARGETARCH"

FROM tools AS build
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# The dependencies change seldom: a layer of their own.
COPY image/download-wheels.sh mock/requirements.lock /
RUN /download-wheels.sh requirements.lock /downloads
COPY VERSION LICENSE /src/
COPY image /src/image
COPY mock /src/mock
RUN /src/mock/build-tree.sh /opt/imds-mock /downloads \
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
