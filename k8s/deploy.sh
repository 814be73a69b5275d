#!/usr/bin/env bash
# Deploys an overlay to the current kubectl context and waits until it serves.
# Usage: deploy.sh OVERLAY VERSION [IMAGE]
#   IMAGE   what the cluster is to pull, with tag or digest; without it, the image that `make image`
#           built is loaded into kind, minikube or k3d where one of them is the current context.
# ENGINE=docker or podman is where that image is.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$2
image=${3:-}
local_image=eeg-letters:$version

# shellcheck source=k8s/rendered.sh
. k8s/rendered.sh

# The image by the name under which a cluster looks for one without a registry.
archive() {
  if [ "$ENGINE" = podman ]; then
    podman tag "$local_image" "docker.io/library/$local_image"
    podman save --quiet --format docker-archive "docker.io/library/$local_image"
  else
    docker save "$local_image"
  fi
}

load() {
  local file=$directory/image.tar
  case $context in
    kind-* | k3d-* | minikube) archive >"$file" ;;
  esac
  case $context in
    kind-*) kind load image-archive "$file" --name "${context#kind-}" ;;
    k3d-*) k3d image import "$file" --cluster "${context#k3d-}" ;;
    minikube) minikube image load "$file" ;;
    *) echo "deploy: $context is none of kind, k3d, minikube: it must find $local_image by itself; else name a pullable one: make deploy IMAGE=…" >&2 ;;
  esac
  rm -f "$file"
}

# An image's name without tag and digest.
repository() {
  local name=${1%%@*}
  case ${name##*/} in
    *:*) name=${name%:*} ;;
  esac
  echo "$name"
}

# An overlay on what was rendered, with the image in it.
kustomization() {
  echo "resources: [rendered.yaml]"
  [ -n "$image" ] || return 0
  local name tag digest old
  name=$(repository "$image")
  tag=${image#"$name"}
  case $tag in
    *@*) digest=${tag#*@} tag= ;; # A digest says it all.
    *) digest= tag=${tag#:} ;;
  esac
  echo "images:"
  ours Deployment '{{range .spec.template.spec.containers}}{{if eq .name "eeg-letters"}}{{.image}}{{end}}{{end}}' |
    while read -r _ _ old; do repository "$old"; done | sort -u |
    while read -r old; do
      echo "  - name: '$old'"
      echo "    newName: '$name'"
      [ -z "$tag" ] || echo "    newTag: '$tag'"
      [ -z "$digest" ] || echo "    digest: '$digest'"
    done
}

is_image() {
  local part='[a-z0-9]+([._-]+[a-z0-9]+)*'
  local host='(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:[0-9]+)?'
  local reference="^($host/)?$part(/$part)*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@[A-Za-z0-9+._-]+:[0-9a-fA-F]+)?$"
  [[ $1 =~ $reference ]]
}

# Where an Ingress can be reached: its host or the address its controller wrote down.
url() {
  local host address
  host=$(ingress "$1" "$2" '{.spec.rules[0].host}')
  address=$(ingress "$1" "$2" '{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}')
  if [ -n "$host" ]; then
    echo "https://$host"
  elif [ -n "$address" ]; then
    echo "http://$address"
  fi
}

ingress() {
  kubectl --context "$context" --namespace "$1" get ingress "$2" -o "jsonpath=$3" 2>/dev/null || true
}

[ -z "$image" ] || is_image "$image" || fail "IMAGE=$image is not the name of an image, such as registry.example.com/eeg-letters:1.2.3"
deployments=$(ours Deployment)
[ -n "$deployments" ] || fail "$overlay has no Deployment with the label app.kubernetes.io/name: eeg-letters"

echo "Deploying $overlay to $context"
[ -n "$image" ] || load
kustomization >"$directory/kustomization.yaml"
# A Job cannot be changed, so that of `database` is made again. What it did is not done twice.
while read -r namespace name component; do
  [ "$component" = database ] || continue
  kubectl --context "$context" --namespace "$namespace" delete --ignore-not-found job "$name" </dev/null
done <<<"$(ours Job '{{index .metadata.labels "app.kubernetes.io/component"}}')"
kubectl --context "$context" apply -k "$directory"
while read -r namespace name; do
  kubectl --context "$context" --namespace "$namespace" rollout status "deployment/$name" --timeout 300s </dev/null
done <<<"$deployments"

address=
while read -r namespace name; do
  [ -n "$name" ] || continue # There is none with the component gateway-api.
  address=$(url "$namespace" "$name" </dev/null)
  [ -z "$address" ] || break
done <<<"$(ours Ingress)"
if [ -z "$address" ]; then
  address=http://localhost:3000
  read -r namespace name <<<"$(ours Service)"
  echo "No Ingress has an address (yet). Until an ingress controller gives it one:"
  echo "  kubectl --context $context --namespace $namespace port-forward service/$name 3000:80"
fi
echo "$address/"
echo "  curl $address/prediction/232"
