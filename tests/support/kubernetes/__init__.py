"""The chart and the kustomizations in `deploy`: rendered by Helm and kubectl, checked, and run by Podman."""
