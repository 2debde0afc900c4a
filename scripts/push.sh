#!/usr/bin/env bash
# Pushes the images of `make dist` to a registry, all platforms in one tag: `push.sh HOST[:PORT]/PATH [SKOPEO_OPTION...]`.
# skopeo logs in with what `docker login` or `skopeo login` has stored.
set -euo pipefail
cd "$(dirname "$0")/.."
die() { printf 'push: %s\n' "$*" >&2; exit 1; }

registry=${1%/}
[ -n "$registry" ] || { echo "usage: make push REGISTRY=HOST[:PORT]/PATH" >&2; exit 64; }
shift
# Not repeated in the message: it may contain a password.
[[ $registry =~ ^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ && $registry != -* ]] ||
  die "REGISTRY is not HOST[:PORT]/PATH, such as registry.example.com/team: no scheme, no user, no tag, lower case"
version=$(cat VERSION)
command -v skopeo >/dev/null || die "skopeo is missing; on Debian run: apt-get install skopeo"
options=("$@")
case $registry in localhost[:/]* | 127.0.0.1[:/]*) options+=(--dest-tls-verify=false) ;; esac # as Docker does
for image in imds-mock imds-shim; do
  archive=dist/$image-$version.tar
  [ -e "$archive" ] || die "$archive is missing; run make dist first"
  for tag in "$version" latest; do
    # The archives are our own, so no signature policy is needed.
    skopeo --insecure-policy copy --quiet --all "${options[@]}" "oci-archive:$archive" "docker://$registry/$image:$tag" ||
      die "skopeo could not push $image to $registry; run skopeo login ${registry%%/*} if it needs a password"
    echo "$registry/$image:$tag"
  done
done
